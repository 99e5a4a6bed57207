//! A process that sees other file systems: with mounts of its own, which needs no root where the system lets users have
//! namespaces.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::{path::Path, process::Command};

pub const NOT_HERE: &str = "SKIPPED: unshare, or mounts of one's own, are not to be had here";

const NAMESPACE: [&str; 5] = ["--user", "--map-root-user", "--mount", "sh", "-c"];

/// `program`, to which more arguments may be given, after `script` has run with `place` as `$0`; the script's last words are to be
/// `exec "$@"`. None where there are no namespaces to be had: [`NOT_HERE`].
pub fn behind(script: &str, place: &Path, program: &Command) -> Option<Command> {
    let probe = Command::new("unshare").args(NAMESPACE).arg("mount -t tmpfs none \"$0\"").arg(place).status();
    if !probe.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(NAMESPACE).arg(script).arg(place).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(command)
}
