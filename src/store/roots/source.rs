//! Where the roots are kept: in the data directory, in a file elsewhere, as a credential of systemd, or with a program that
//! hands them out.

use std::{
    ffi::OsString,
    fmt, fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{bounded::bounded, command, error::RootsError};
use crate::store::data_dir::{failed, ownership::is_shared_secret};

/// Where the roots are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RootsSource {
    /// In the data directory, which makes them with the store.
    #[default]
    DataDir,
    /// In this file, of mode 0600.
    File(PathBuf),
    /// As a credential that systemd hands over to the service.
    Credential {
        /// Its name: the `ID` of `LoadCredential=` or `LoadCredentialEncrypted=`.
        name: String,
        /// `$CREDENTIALS_DIRECTORY`; `None` where systemd has set none.
        directory: Option<OsString>,
    },
    /// On the standard output of this command, which is run without a shell.
    Command(String),
}

/// For messages: what holds the roots.
impl fmt::Display for RootsSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataDir => formatter.write_str("the file `roots`"),
            Self::File(path) => write!(formatter, "the roots file {}", path.display()),
            Self::Credential { name, .. } => write!(formatter, "the credential {name}"),
            Self::Command(_) => formatter.write_str("the output of the command for roots"),
        }
    }
}

impl RootsSource {
    /// What is kept elsewhere; `None` where nothing is, and the data directory has its own.
    pub(super) fn read(&self) -> Result<Option<Zeroizing<String>>, RootsError> {
        Ok(Some(match self {
            Self::DataDir => return Ok(None),
            Self::File(path) => read_private(path)?.ok_or_else(|| RootsError::NoFile(path.clone()))?,
            Self::Credential { name, directory } => credential(name, directory.as_ref())?,
            Self::Command(line) => command::output(line)?,
        }))
    }
}

/// A file that its owner alone may use; `None` if there is none.
pub(super) fn read_private(path: &Path) -> Result<Option<Zeroizing<String>>, RootsError> {
    let Some(mut file) = open(path)? else { return Ok(None) };
    let found = file.metadata().map_err(failed("examine", path))?;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 && !is_shared_secret(path, &found) {
        return Err(RootsError::Exposed { path: path.to_owned(), mode });
    }
    Ok(Some(bounded(&mut file).map_err(failed("read", path))?))
}

/// The mode of a credential is systemd's matter: where it grants the service's user access by an ACL, the mode shows the
/// ACL's mask in place of the group's rights. Its directory is closed to everybody else.
fn credential(name: &str, directory: Option<&OsString>) -> Result<Zeroizing<String>, RootsError> {
    let is_name = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
    let no = |why| RootsError::NoCredential { name: name.to_owned(), why };
    if !is_name {
        return Err(no("a credential's name is that of a file, without a slash"));
    }
    let directory = directory.ok_or_else(|| {
        no("CREDENTIALS_DIRECTORY is not set: systemd sets it for a service that has credentials")
    })?;
    let path = Path::new(directory).join(name);
    let mut file = open(&path)?.ok_or_else(|| {
        no("the service has no credential of this name: see LoadCredential= in systemd.exec(5)")
    })?;
    Ok(bounded(&mut file).map_err(failed("read", &path))?)
}

fn open(path: &Path) -> Result<Option<fs::File>, RootsError> {
    match fs::File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("open", path)(error).into()),
    }
}
