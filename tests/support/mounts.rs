//! A process that sees other file systems: with mounts of its own, which needs no root where the system lets users have
//! namespaces.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::{
    fs::OpenOptions,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::process::follow;

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

/// A file system of its own, which lasts as long as this and is full when the test says so. Processes that are started on it see
/// it at its place; the test itself at [`Disk::path`].
pub struct Disk {
    keeper: Child,
    place: PathBuf,
}

/// What a test has filled a [`Disk`] with.
const BALLAST: &str = "ballast";

impl Disk {
    /// One in memory, of this many MiB. None where there are no namespaces to be had: [`NOT_HERE`].
    pub fn in_memory(place: &Path, mib: u32) -> Option<Self> {
        Self::mounted(place, &format!("mount -t tmpfs -o size={mib}m none \"$0\""))
    }

    /// One that this script mounts at `$0`.
    pub fn mounted(place: &Path, script: &str) -> Option<Self> {
        let mut keeper = Command::new("unshare");
        keeper.args(NAMESPACE).arg(format!("{script} && echo mounted && exec cat")).arg(place);
        let mut keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let mut said = String::new();
        BufReader::new(keeper.stdout.take()?).read_line(&mut said).ok()?;
        if said.trim() != "mounted" {
            let _gone = keeper.kill();
            let _gone = keeper.wait();
            return None;
        }
        Some(Self { keeper, place: place.to_owned() })
    }

    /// Where it is for the test.
    pub fn path(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.keeper.id());
        Path::new(&root).join(self.place.strip_prefix("/").unwrap())
    }

    /// Where it is for what runs on it.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// `program`, which sees it.
    pub fn on(&self, program: &Command) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.keeper.id().to_string(),
            "--user",
            "--mount",
            "--preserve-credentials",
        ]);
        follow(&mut command, program);
        command
    }

    /// Takes every byte that is free.
    pub fn fill(&self) {
        let mut ballast =
            OpenOptions::new().create(true).append(true).open(self.path().join(BALLAST)).unwrap();
        let mut size = 1 << 20;
        while size > 0 {
            match ballast.write(&vec![b'x'; size]) {
                Ok(written) if written > 0 => {}
                Ok(_) | Err(_) => size /= 2,
            }
        }
    }

    /// Gives all of it back.
    pub fn make_room(&self) {
        std::fs::remove_file(self.path().join(BALLAST)).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _gone = self.keeper.kill();
        let _gone = self.keeper.wait();
    }
}
