//! Every flag, command and environment variable that a document names is one, and the tables that claim to be whole are.
//!
//! What stands in code is read as a shell would cut it: what begins with `keyward`, or with one of its commands, is held
//! against that command; a flag that stands alone against all of them. Flags of other programs are theirs.

use std::collections::BTreeSet;

use clap::{Arg, Command, CommandFactory as _};

use super::{OPERATING, documents, root};

/// Read from the environment without a flag of the same meaning.
const VARIABLES: [&str; 2] = ["KEYWARD_LOG", "KEYWARD_ADMIN_KEY"];

/// Read by tests, scripts and examples alone, each in one of these files.
const OF_OTHERS: [(&str, &str); 7] = [
    ("KEYWARD_KILL_SEED", "tests/restart/kill.rs"),
    ("KEYWARD_REQUIRE_PEERS", "scripts/test"),
    ("KEYWARD_REQUIRE_BROWSER", ".ci/run"),
    ("KEYWARD_WRITE_DOCS", "tests/gateways/document.rs"),
    ("KEYWARD_ADDRESS", "examples/clients/go/main.go"),
    ("KEYWARD_CLIENT_CERT", "examples/clients/node/server.js"),
    ("KEYWARD_CLIENT_KEY", "examples/clients/node/server.js"),
];

/// Flags that stand alone in a document and are another program's.
const ALONE_BUT_NOT_OURS: [&str; 2] = ["preload", "all-features"];

/// What begins as a command does, and is none: the words that are signed with the head of the log.
const NO_COMMAND: &str = "keyward log head 1";

fn program() -> Command {
    let mut program = keyward::cli::Cli::command();
    program.build();
    program
}

/// A command and all below it.
fn all_below(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().flat_map(all_below);
    std::iter::once(command).chain(below).collect()
}

fn has(command: &Command, flag: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(flag))
}

/// The commands that a shell would run for this line, each as its words, quotes and redirections aside.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.split(" # ").next().unwrap_or(line);
    let cut = line.replace("$(", "\n").replace("&&", "\n").replace(['|', ';', ')', '('], "\n");
    let words = |command: &str| {
        let words = command.trim().trim_start_matches("$ ").split_whitespace();
        let words = words.map(|word| word.trim_matches(['"', '\'', ',', '[', ']', '.']).to_owned());
        // Variables that are set for one command.
        words.skip_while(|word| word.contains('=') && !word.starts_with('-')).collect::<Vec<_>>()
    };
    cut.lines().map(words).filter(|words| !words.is_empty()).collect()
}

/// The command of Keyward that these words name, and the words behind it; `None` where they are another program's.
fn resolve<'a, 'b>(program: &'a Command, words: &'b [String]) -> Option<(&'a Command, &'b [String])> {
    let (first, after) = words.split_first()?;
    let mut rest = if first == "keyward" || first.ends_with("/keyward") { after } else { words };
    let mut command = program;
    while let Some((word, after)) = rest.split_first()
        && let Some(below) = command.find_subcommand(word)
    {
        (command, rest) = (below, after);
    }
    (rest.len() < words.len()).then_some((command, rest))
}

/// What is wrong with a piece of code, as sentences.
fn faults_of(program: &Command, code: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for words in commands(code) {
        let (command, rest) = match resolve(program, &words) {
            Some(found) => found,
            None if starts_with(&words, "--") => (program, &*words),
            None => continue,
        };
        if starts_with(&words, "keyward")
            && command.has_subcommands()
            && !code.starts_with(NO_COMMAND)
            && let Some(word) = rest.first().filter(|word| is_command_word(word))
        {
            faults.push(format!("{:?} has no command {word:?}", command.get_name()));
        }
        for flag in rest.iter().filter_map(|word| flag(word)) {
            let is_alone = command.get_name() == "keyward";
            let known = all_below(command).iter().any(|command| has(command, flag));
            let is_theirs = is_alone && ALONE_BUT_NOT_OURS.contains(&flag);
            if !known && !is_theirs {
                faults.push(format!("{:?} has no --{flag}", command.get_name()));
            }
        }
    }
    faults
}

fn starts_with(words: &[String], start: &str) -> bool {
    words.first().is_some_and(|word| word.starts_with(start))
}

/// A word in small letters, as commands are: not a value, a placeholder or a flag.
fn is_command_word(word: &str) -> bool {
    word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
        && word.starts_with(char::is_alphabetic)
}

/// The name of the flag that this word is.
fn flag(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--")?.split(['=', '/']).next()?;
    name.starts_with(|letter: char| letter.is_ascii_lowercase()).then_some(name)
}

#[test]
fn every_flag_and_command_that_a_document_names_is_one() {
    // M4, M5
    let program = program();
    let mut faults = Vec::new();
    let mut count = 0;
    for document in documents::all() {
        for (line, code) in document.code() {
            count += code.matches("--").count();
            let found = faults_of(&program, &code);
            faults
                .extend(found.into_iter().map(|fault| format!("{}:{line}: {fault}: {code}", document.path)));
        }
        for (line, prose) in document.prose() {
            if prose.split([' ', '(', '"']).any(|word| flag(word).is_some()) {
                faults.push(format!("{}:{line}: a flag that is not marked as code: {prose}", document.path));
            }
        }
    }
    assert!(count > 200, "{count}");
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn what_is_no_flag_or_command_is_noticed() {
    let program = program();
    for (code, expected) in [
        ("keyward serve --no-such", 1),
        ("keyward serve --grace 0", 1),
        ("keyward rotate KEY_ID --grace 0", 0),
        ("A=b keyward issue x --scope a:b >f; keyward list --no-such", 1),
        ("K=$(keyward list --owner ann | awk '{ print }')", 0),
        ("keyward audit verify --data-dir DIR", 0),
        ("audit verify --no-such", 1),
        ("keyward audit delete", 1),
        ("keyward destroy", 1),
        ("--grace", 0),
        ("--no-such N", 1),
        ("envoy --no-such", 0),
        ("cargo install --locked --path .", 0),
    ] {
        assert_eq!(faults_of(&program, code).len(), expected, "{code}: {:?}", faults_of(&program, code));
    }
}

/// What clap reads from the environment anywhere.
fn variables(program: &Command) -> BTreeSet<String> {
    let arguments = all_below(program).into_iter().flat_map(Command::get_arguments);
    arguments.filter_map(Arg::get_env).map(|name| name.to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_environment_variable_that_a_document_names_is_read_somewhere() {
    // M5
    let clap = variables(&program());
    let named = regex::Regex::new("KEYWARD_[A-Z_]*[A-Z]").unwrap();
    let mut faults = Vec::new();
    for document in documents::all() {
        for name in named.find_iter(&document.text).map(|found| found.as_str()) {
            let is_elsewhere = OF_OTHERS.iter().any(|(known, _)| *known == name);
            if !clap.contains(name) && !VARIABLES.contains(&name) && !is_elsewhere {
                faults.push(format!("{}: nobody reads {name}", document.path));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    for (name, file) in OF_OTHERS {
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(text.contains(name), "{file} does not have {name}");
    }
}

/// The commands that a row of the table says a flag is of, in words, or as they are typed where they have two.
fn commands_of<'a>(program: &'a Command, cell: &str) -> Vec<&'a Command> {
    let mut found = Vec::new();
    for (at, part) in cell.split('`').enumerate() {
        let words: Vec<String> = part.split([' ', ',', ';']).map(str::to_owned).collect();
        if at % 2 == 1 {
            found.extend(resolve(program, &words).map(|(command, _)| command));
        } else {
            // Any client has what all have.
            let name = |word: &String| if word == "clients" { "list".to_owned() } else { word.clone() };
            found.extend(words.iter().filter_map(|word| program.find_subcommand(name(word))));
        }
    }
    found
}

#[test]
fn the_table_of_flags_has_every_variable_and_no_flag_that_is_none() {
    // M5
    let (_, table) = OPERATING.split_once("| flag | environment variable |").unwrap();
    let table = table.split("\n\n").next().unwrap();
    let program = program();
    let mut shown = BTreeSet::new();
    for line in table.lines().skip(2) {
        let cells: Vec<&str> = line.split('|').skip(1).map(str::trim).collect();
        let variable = cells[1].trim_matches('`').to_owned();
        let of = commands_of(&program, cells[3].split(':').next().unwrap());
        assert!(!of.is_empty(), "{cells:?}: of no command");
        if let Some(name) = flag(cells[0].trim_matches('`').split(' ').next().unwrap()) {
            for command in of {
                let argument = command.get_arguments().find(|argument| argument.get_long() == Some(name));
                let argument = argument.unwrap_or_else(|| panic!("{} has no --{name}", command.get_name()));
                let read = argument.get_env().and_then(|name| name.to_str()).unwrap_or_default();
                assert_eq!(variable, read, "--{name} of {}", command.get_name());
            }
        } else {
            assert!(VARIABLES.contains(&&*variable), "{variable} has no flag");
        }
        shown.insert(variable);
    }
    let mut known = variables(&program);
    known.extend(VARIABLES.map(str::to_owned));
    shown.remove("");
    assert_eq!(shown, known);
}
