//! What others build on, line by line in `surface.txt`: nothing of it goes or changes unseen.
//!
//! A line that is new is added to that file by hand. One that is to go is deprecated first, for two minor versions, as
//! docs/compatibility.md says; its line then stays until it is gone. The wire is held by its own descriptor.

use std::{collections::BTreeSet, fs};

use clap::{Command, CommandFactory as _};
use keyward::{
    config::Config,
    wire::v1::{DenialReason, ErrorReason},
};

use super::root;

const KNOWN: &str = include_str!("surface.txt");

/// Read from the environment without a flag.
const WITHOUT_FLAG: [&str; 2] = ["variable KEYWARD_ADMIN_KEY", "variable KEYWARD_LOG"];

#[test]
fn nothing_that_others_build_on_goes_or_changes_unseen() {
    // M4, M5
    let known: BTreeSet<String> = KNOWN.lines().map(str::to_owned).collect();
    let is_there = surface();
    let gone: Vec<_> = known.difference(&is_there).collect();
    assert!(gone.is_empty(), "deprecate these first, as docs/compatibility.md says: {gone:#?}");
    let new: Vec<_> = is_there.difference(&known).cloned().collect();
    assert!(new.is_empty(), "add to tests/docs/surface.txt:\n{}\n", new.join("\n"));
    assert!(KNOWN.lines().is_sorted() && known.len() > 300, "sorted, and all of it: {}", known.len());
}

fn surface() -> BTreeSet<String> {
    let mut program = keyward::cli::Cli::command();
    program.build();
    let mut found: BTreeSet<String> = WITHOUT_FLAG.map(str::to_owned).into();
    add_command(&mut found, &program, "");
    let error = |number| ErrorReason::try_from(number).ok().map(|reason| reason.as_str_name());
    let denial = |number| DenialReason::try_from(number).ok().map(|reason| reason.as_str_name());
    found.extend((1..1_000).filter_map(|number| Some(format!("error {} {number}", error(number)?))));
    found.extend((1..1_000).filter_map(|number| Some(format!("denial {} {number}", denial(number)?))));
    let help = program.get_after_help().unwrap().to_string();
    let codes = help.lines().filter_map(|line| line.trim().split_once("  ")?.0.parse::<u8>().ok());
    found.extend(codes.map(|code| format!("exit {code}")));
    for table in ["", "gateway"] {
        found.extend(settings(table).into_iter().map(|name| format!("setting {table}.{name}")));
    }
    found
}

/// The command, its flags with their variables, and all below it.
fn add_command(found: &mut BTreeSet<String>, command: &Command, above: &str) {
    let name = format!("{above} {}", command.get_name()).trim().to_owned();
    for argument in command.get_arguments() {
        found.extend(argument.get_long().map(|flag| format!("flag {name} --{flag}")));
        found.extend(argument.get_env().map(|name| format!("variable {}", name.to_str().unwrap())));
    }
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    below.for_each(|below| add_command(found, below, &name));
    found.insert(format!("command {name}"));
}

/// What a table of the configuration file can have, as it says where something else stands there.
fn settings(table: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("unknown.toml");
    let head = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
    fs::write(&file, format!("{head}no_such_setting = 1")).unwrap();
    let refused = Config::load(Some(&file)).unwrap_err().to_string();
    let (_, known) = refused.split_once("expected ").unwrap();
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn what_is_promised_to_stay_is_said_of_each_kind() {
    let told = fs::read_to_string(root().join("docs/compatibility.md")).unwrap();
    for (kind, word) in [
        ("command ", "commands and flags"),
        ("flag ", "commands and flags"),
        ("variable ", "environment variables"),
        ("setting ", "configuration file"),
        ("error ", "error and denial reasons"),
        ("denial ", "error and denial reasons"),
        ("exit ", "exit codes"),
    ] {
        assert!(told.contains(word) && KNOWN.lines().any(|line| line.starts_with(kind)), "{kind}");
    }
    let kinds = ["command ", "flag ", "variable ", "setting ", "error ", "denial ", "exit "];
    assert!(KNOWN.lines().all(|line| kinds.iter().any(|kind| line.starts_with(kind))));
}
