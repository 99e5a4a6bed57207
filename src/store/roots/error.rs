//! Why roots cannot be read or kept.

use std::path::PathBuf;

use crate::store::data_dir::DataDirError;

/// Why roots cannot be read or kept. Never shows what their source holds.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// Others than its owner may read or write it.
    #[error("{} may be used by others than its owner (mode {mode:03o}); make it `chmod 600`", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A line is not what it must be.
    #[error("line {line} of {of} is malformed: {wanted}")]
    Malformed {
        /// What holds the roots.
        of: String,
        /// The line, from 1.
        line: usize,
        /// What belongs there.
        wanted: &'static str,
    },
    /// Both files are there, which no start leaves behind.
    #[error("{} holds both `roots` and `roots.new`; move the one away that is not this store's", .0.display())]
    Ambiguous(PathBuf),
    /// The data directory has roots, and they are said to be kept elsewhere.
    #[error(
        "{} is there, and the roots are said to be kept elsewhere: if they are, move it away, or whoever copies the data \
         directory has them all the same",
        .0.display()
    )]
    InBothPlaces(PathBuf),
    /// They are kept elsewhere, and nobody has said where.
    #[error(
        "the roots of {} are kept elsewhere: say where with --roots-file, --roots-credential or --roots-command",
        .0.display()
    )]
    Elsewhere(PathBuf),
    /// The named file is not there.
    #[error(
        "there is no roots file {}: put it back; `keyward roots new FILE` makes one for a new store",
        .0.display()
    )]
    NoFile(PathBuf),
    /// The credential is not there.
    #[error("no roots from the credential {name}: {why}")]
    NoCredential {
        /// Its name.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// The command gave none.
    #[error("no roots from the command for them: {0}")]
    NoCommand(String),
    /// Only the operator can change them.
    #[error("Keyward cannot change {0}")]
    KeptByOthers(String),
    /// The operating system refuses something.
    #[error(transparent)]
    File(#[from] DataDirError),
}
