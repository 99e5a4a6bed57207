//! What was asked for.

use std::{path::PathBuf, time::Duration};

/// What is measured, how often, and where.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) keys: Vec<usize>,
    /// The name of each binary, and where it lies.
    pub(crate) binaries: Vec<(String, PathBuf)>,
    pub(crate) rounds: usize,
    /// How long Checks are asked in each round.
    pub(crate) time: Duration,
    /// How many changes each key has behind it.
    pub(crate) changes: usize,
    pub(crate) fill_only: bool,
    /// The folder of the documents, where table and plot are to be written.
    pub(crate) write: Option<PathBuf>,
    /// What the machine and the source are, for the document.
    pub(crate) about: String,
    directory: PathBuf,
    /// Removed at the end, if nobody said where the files are to stay.
    _files: Option<tempfile::TempDir>,
}

impl Plan {
    pub(crate) fn from_args(args: &[String]) -> Self {
        let value = |name: &str| args.iter().skip_while(|arg| *arg != name).nth(1).cloned();
        let number =
            |name: &str, default: usize| value(name).map_or(default, |text| text.parse().expect(name));
        let keys = value("--keys").unwrap_or_else(|| "1000,100000,1000000".to_owned());
        let binaries = value("--binaries").expect("scripts/bench names the binaries");
        let kept = value("--keep").map(PathBuf::from);
        let files = kept.is_none().then(|| tempfile::tempdir().unwrap());
        Self {
            keys: keys.split(',').map(|text| text.parse().expect("--keys")).collect(),
            binaries: binaries.split(',').map(named).collect(),
            rounds: number("--rounds", 3).max(1),
            time: Duration::from_secs(u64::try_from(number("--seconds", 3)).unwrap()),
            changes: number("--changes", 0),
            fill_only: args.iter().any(|arg| arg == "--fill-only"),
            write: value("--write").map(PathBuf::from),
            about: value("--about").unwrap_or_default(),
            directory: kept.unwrap_or_else(|| files.as_ref().unwrap().path().to_owned()),
            _files: files,
        }
    }

    /// Where the files of this name are.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// `NAME=FILE`, or a file that is its own name.
fn named(text: &str) -> (String, PathBuf) {
    let (name, file) = text.split_once('=').unwrap_or_else(|| {
        let name = text.rsplit('/').next().unwrap();
        (name, text)
    });
    (name.to_owned(), PathBuf::from(file))
}
