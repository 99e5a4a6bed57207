//! Where a new administration key goes: once to a terminal, else to a file that only its owner can read (K2).

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use super::error::AppError;
use crate::{
    config::args::DataArgs,
    domain::{
        revision::Revision,
        secret::{HeldSecret, SecretKey},
    },
    ports::StoreError,
    store::data_dir::write_secret_file,
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

/// A key on its way: to the terminal, or in a file that gets its lasting name when the key is good.
pub(super) enum Parcel {
    Terminal(HeldSecret),
    File(PathBuf),
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
        let Self::File(path) = self else { return Ok(Parcel::Terminal(secret)) };
        if path.exists() {
            return Err(AppError::KeyFileExists(path.clone()));
        }
        // One may be left from a start that was cut off before its key was good.
        match fs::remove_file(unnamed(path)) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(AppError::Shown(why)),
            Ok(()) | Err(_) => {}
        }
        write_secret_file(&unnamed(path), secret.expose())?;
        Ok(Parcel::File(path.clone()))
    }

    /// Gives the file its name if a start was cut off after its key was good and before that.
    pub(super) fn finish(&self) -> Result<(), AppError> {
        match self {
            Self::File(path) if unnamed(path).exists() && !path.exists() => name(path),
            Self::File(_) | Self::Terminal => Ok(()),
        }
    }
}

impl Parcel {
    /// Hands the key over if it has become good. Where that is not known, the file stays, as the only copy there may be.
    pub(super) fn settle(self, committed: Result<Revision, StoreError>) -> Result<(), AppError> {
        match (self, committed) {
            (Self::Terminal(secret), Ok(_) | Err(StoreError::OutcomeUnknown(_))) => {
                show(&secret).map_err(AppError::Shown)
            }
            (Self::Terminal(_), Err(error)) => Err(error.into()),
            (Self::File(path), Ok(_)) => name(&path),
            (Self::File(path), Err(error)) => {
                if matches!(error, StoreError::OutcomeUnknown(_)) {
                    tracing::error!(path = %unnamed(&path).display(), "this file holds a key that may be good");
                } else if let Err(why) = fs::remove_file(unnamed(&path)) {
                    tracing::warn!(path = %unnamed(&path).display(), %why, "this file holds a key that is no good");
                }
                Err(error.into())
            }
        }
    }
}

/// The file as long as its key is not known to be good.
fn unnamed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn name(path: &Path) -> Result<(), AppError> {
    // Unlike a rename, a link never replaces.
    let named = fs::hard_link(unnamed(path), path).and_then(|()| fs::remove_file(unnamed(path)));
    named.map_err(AppError::Shown)?;
    tracing::info!(path = %path.display(), "the new administration key is in this file");
    Ok(())
}

fn show(secret: &HeldSecret) -> io::Result<()> {
    let mut terminal = io::stderr().lock();
    writeln!(terminal, "\nThe administration key, shown this once. It can do everything; keep it safe:\n")?;
    writeln!(terminal, "    {}\n", secret.expose())?;
    terminal.flush()
}
