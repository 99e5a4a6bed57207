//! Lists as a person sees them at a terminal: they fit, say how long ago, and have colours; what reads a pipe gets all of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/process.rs"]
mod process;

use std::{
    fs::{File, OpenOptions},
    io::Read as _,
    process::Command,
};

use desk::{Desk, text};
use process::keyward;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// What a command writes to a terminal of so many columns, line by line.
fn at_a_terminal(mut command: Command, columns: u16) -> Vec<String> {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let end = OpenOptions::new().read(true).write(true).open(name).unwrap();
    tcsetwinsize(&end, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let mut child = command.stdout(end).spawn().unwrap();
    drop(command);
    let (mut shown, mut piece) = (Vec::new(), [0; 4_096]);
    let mut terminal = File::from(terminal);
    // Linux ends it with an error once nobody has the other end open.
    while let Ok(count @ 1..) = terminal.read(&mut piece) {
        shown.extend_from_slice(&piece[..count]);
    }
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap().lines().map(str::to_owned).collect()
}

impl Desk {
    fn seen(&self, arguments: &[&str], columns: u16) -> Vec<String> {
        let mut command = keyward();
        command.args(arguments).env("KEYWARD_SERVER", self.server.url()).env("TERM", "dumb");
        command.env("KEYWARD_ADMIN_KEY_FILE", self.root_key());
        at_a_terminal(command, columns)
    }

    /// A key with long names, used once by a Check that is allowed and one that is denied, then narrowed in its name.
    fn used(&self) -> String {
        let name = "the key of the nightly export of everything";
        let owner = "somebody-with-a-long-name@example.org";
        let made = self.json(&[
            "issue",
            name,
            "--owner",
            owner,
            "--scope",
            "messaging:send",
            "--scope",
            "storage:*",
        ]);
        let (id, secret) = (text(&made["key"]["id"]), text(&made["api_key"]));
        assert_eq!(self.run(&["check", "--scope", "messaging:send"], &secret).code, Some(0));
        assert_eq!(self.run(&["check", "--scope", "webhooks:manage"], &secret).code, Some(3));
        self.done(&["update", &id, "--name", "another name that is long enough to be cut off"]);
        id
    }
}

#[test]
fn lists_fit_the_terminal_and_a_pipe_gets_them_whole() {
    // M4
    let desk = Desk::new();
    let id = desk.used();
    let lists: [&[&str]; 7] = [
        &["list"],
        &["review"],
        &["usage", "--by", "hour"],
        &["audit", "query"],
        &["policy", "versions"],
        &["workspace", "list"],
        &["member", "list"],
    ];
    for list in lists {
        for columns in [60, 80, 120] {
            let lines = desk.seen(list, columns);
            assert!(!lines.is_empty(), "{list:?}");
            for line in &lines {
                let is_command = line.trim_start().starts_with("keyward ");
                assert!(line.chars().count() <= columns.into() || is_command, "{list:?}, {columns}: {line}");
                assert!(!line.contains('\u{1b}'), "TERM=dumb takes no colours: {line:?}");
            }
        }
        let piped: Vec<String> = desk.done(list).lines().map(str::to_owned).collect();
        if list != ["review"] {
            assert_eq!(desk.seen(&[list, &["--wide"]].concat(), 60), piped, "--wide is what a pipe gets");
        }
    }
    let keys = desk.done(&["list"]);
    for word in [id.as_str(), "ENVIRONMENT", "another name that is long enough to be cut off", "Z  "] {
        assert!(keys.contains(word), "{word} in {keys}");
    }
}

#[test]
fn a_person_can_copy_an_id_and_a_command_and_sees_how_long_ago_it_was() {
    // M4
    let desk = Desk::new();
    let id = desk.used();
    let keys = desk.seen(&["list", "--owner", "somebody-with-a-long-name@example.org"], 80);
    assert!(keys[1].starts_with(&id) && keys[1].contains("…") && keys[1].contains(" ago"), "{keys:?}");
    let review = desk.seen(&["review"], 80);
    assert!(
        review.iter().any(|line| *line == format!("      keyward update {id} --expires 365d")),
        "{review:?}"
    );
    let log = desk.seen(&["audit", "query"], 80);
    let end = &id[id.len() - 6..];
    assert!(log.iter().any(|line| line.contains(&format!("key_…{end}"))), "{log:?}");
}

#[test]
fn colours_are_there_where_a_terminal_takes_them_and_nobody_declines() {
    // M4
    let desk = Desk::new();
    desk.used();
    let coloured = |set: &[(&str, &str)]| {
        let mut command = keyward();
        command.args(["list"]).env("KEYWARD_SERVER", desk.server.url()).env("TERM", "xterm");
        command.env("KEYWARD_ADMIN_KEY_FILE", desk.root_key()).envs(set.iter().copied());
        at_a_terminal(command, 80).iter().any(|line| line.contains("\u{1b}[32mactive\u{1b}[0m"))
    };
    assert!(coloured(&[]));
    assert!(coloured(&[("NO_COLOR", "")]), "empty is as good as not set");
    assert!(!coloured(&[("NO_COLOR", "1")]));
    assert!(!coloured(&[("TERM", "dumb")]));
    assert!(!desk.done(&["list"]).contains('\u{1b}'), "a pipe takes none");
}
