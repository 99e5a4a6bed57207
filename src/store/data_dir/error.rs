//! Why a data directory cannot be used: each message says what to do next.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error("{} is in use by another keyward process", .0.display())]
    Locked(PathBuf),
    /// Others than its owner could change it.
    #[error("{} can be written by others (mode {mode:04o}): run `chmod go-w {}`", .path.display(), .path.display())]
    Writable {
        /// The directory or file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Others than its owner could read a secret.
    #[error(
        "{} can be read by others (mode {mode:04o}): run `chmod 600 {}`, then ask who could read it",
        .path.display(), .path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Root would make files there that their owner cannot use.
    #[error(
        "{} belongs to user {}, and this process runs as root, whose files that user could not use: run it as that user, \
         `sudo -u {} keyward …`",
        .path.display(), user_name(*.owner), user_name(*.owner)
    )]
    AsRoot {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Several of these, each on a line of its own.
    #[error("the data directory cannot be used:\n  {}", lines(.0))]
    Several(Vec<DataDirError>),
    /// Another user could change it.
    #[error(
        "{} belongs to user {owner}, and this process runs as user {user}: run `chown {user} {}`, or run as its owner",
        .path.display(), .path.display()
    )]
    NotOwned {
        /// The directory or file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who looks.
        user: u32,
    },
    /// The operating system refuses something.
    #[error("cannot {doing} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl DataDirError {
    /// All of these as one; `None` if there are none.
    pub(super) fn all_of(mut faults: Vec<Self>) -> Option<Self> {
        if faults.len() > 1 { Some(Self::Several(faults)) } else { faults.pop() }
    }
}

/// What turns a failure of the operating system into one of ours.
pub(in crate::store) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    move |source| DataDirError::Io { doing, path: path.to_owned(), source }
}

fn lines(faults: &[DataDirError]) -> String {
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    faults.join("\n  ")
}

/// What `sudo -u` takes: the name of a user, or its number.
fn user_name(user: u32) -> String {
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("'#{user}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_as_sudo_takes_it() {
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(4_000_000_001), "'#4000000001'");
    }
}
