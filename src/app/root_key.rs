//! Where a new administration key goes: once to a terminal, else to a file that only its owner can read (K2).

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use super::error::AppError;
use crate::{
    config::args::DataArgs,
    domain::secret::{HeldSecret, SecretKey},
    store::data_dir::{DataDirError, write_secret_file},
};

/// The file's name where none is asked for.
const FILE: &str = "root-key";

/// Where a new administration key goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The terminal that standard error is.
    Terminal,
    /// A new file of mode 0600.
    File(PathBuf),
}

/// A key on its way. A file that was written for a key that did not become good is removed again.
pub(super) enum Parcel {
    Terminal(HeldSecret),
    File(Undelivered),
}

/// A file that is removed when this is dropped.
pub(super) struct Undelivered(Option<PathBuf>);

impl Drop for Undelivered {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(why) = fs::remove_file(path)
        {
            tracing::warn!(path = %path.display(), %why, "this file holds a key that is no good; remove it");
        }
    }
}

impl Destination {
    /// The file that is asked for, the terminal if there is one, or else a file in the data directory.
    #[must_use]
    pub fn choose(args: &DataArgs) -> Self {
        match &args.root_key_file {
            Some(path) => Self::File(path.clone()),
            None if io::stderr().is_terminal() => Self::Terminal,
            None => Self::File(args.data_dir.join(FILE)),
        }
    }

    /// Writes what can be written before the key is good: a full disk must not leave a key that nobody has seen.
    pub(super) fn prepare(&self, secret: SecretKey) -> Result<Parcel, AppError> {
        let secret = HeldSecret::new(secret.reveal());
        match self {
            Self::Terminal => Ok(Parcel::Terminal(secret)),
            Self::File(path) => {
                write_secret_file(path, secret.expose()).map_err(|error| of_writing(path, error))?;
                Ok(Parcel::File(Undelivered(Some(path.clone()))))
            }
        }
    }
}

impl Parcel {
    /// Hands the key over, now that it is good.
    pub(super) fn deliver(self) -> Result<(), AppError> {
        match self {
            Self::File(mut file) => {
                if let Some(path) = file.0.take() {
                    tracing::info!(path = %path.display(), "the new administration key is in this file");
                }
                Ok(())
            }
            Self::Terminal(secret) => show(&secret).map_err(AppError::Shown),
        }
    }
}

fn of_writing(path: &Path, error: DataDirError) -> AppError {
    match error {
        DataDirError::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
            AppError::KeyFileExists(path.to_owned())
        }
        error @ (DataDirError::Io { .. }
        | DataDirError::Locked(_)
        | DataDirError::Writable { .. }
        | DataDirError::NotOwned { .. }) => error.into(),
    }
}

fn show(secret: &HeldSecret) -> io::Result<()> {
    let mut terminal = io::stderr().lock();
    writeln!(terminal, "\nThe administration key, shown this once. It can do everything; keep it safe:\n")?;
    writeln!(terminal, "    {}\n", secret.expose())?;
    terminal.flush()
}
