//! Why a store cannot be opened: each message says what to do next.

use std::path::{Path, PathBuf};

use super::doubt::Doubt;
use crate::{
    domain::{revision::Revision, time::EntropyUnavailable},
    ports::StoreError,
    store::{data_dir::DataDirError, roots::RootsError, sqlite::damage},
};

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// The file of the roots.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// There are roots of an initialized store, and no database that they belong to.
    #[error(
        "{} is missing or empty, and `{told_by}` beside it says that there was a store: restore the database from a backup; \
         no new store is made over a lost one",
        .path.display()
    )]
    LostDatabase {
        /// The database.
        path: PathBuf,
        /// The file that says so.
        told_by: &'static str,
    },
    /// There is a database, and no roots.
    #[error(
        "the file `roots` that belongs to {} is missing: put it back; without it no key can be checked",
        .0.display()
    )]
    LostRoots(PathBuf),
    /// The roots are another store's.
    #[error("{of} does not belong to {}: put back the one that does", .path.display())]
    WrongRoots {
        /// The database.
        path: PathBuf,
        /// Where they are kept.
        of: String,
    },
    /// There are more roots than one can be begun with, or laid over a store at once.
    #[error(
        "{of} has several roots that this store does not know: a store begins with one, and later ones are laid over it one at a time"
    )]
    SeveralRoots {
        /// Where they are kept.
        of: String,
    },
    /// What the database says of its roots was edited.
    #[error("what {} says of its roots was edited: restore the database from a backup", .0.display())]
    EditedRoots(PathBuf),
    /// A root is not at hand that is still needed.
    #[error(
        "root {root} is missing, and {left} rows still stand under it: put its line back; once `keyward roots status` says that \
         nothing is left under it, `keyward roots destroy {root}` takes it away"
    )]
    RootNeeded {
        /// Its number.
        root: u32,
        /// How many rows stand under it.
        left: u64,
    },
    /// Secrets start at as many roots as there may be.
    #[error(
        "secrets start at 3 roots already, and each costs every Check: {secrets} start at root {root}; rotation of its key ends \
         one, and 90 days after its end none is looked up any more, but for imported ones"
    )]
    TooManyStarts {
        /// The oldest of them.
        root: u32,
        /// How many secrets start there that are looked up.
        secrets: u64,
    },
    /// A newer program wrote the database.
    #[error(
        "{} has schema {found}, and this keyward knows schemas up to {known}: use a newer keyward (the oldest that may: {oldest})",
        .path.display()
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest one known.
        known: i64,
        /// The oldest keyward that may use it, as the database says.
        oldest: String,
    },
    /// The database is not this program's, or was tampered with.
    #[error("{} is not a keyward database: {why}", .path.display())]
    NotOurs {
        /// The database.
        path: PathBuf,
        /// What tells.
        why: &'static str,
    },
    /// There is no database.
    #[error("there is no store in {}", .0.display())]
    NoStore(PathBuf),
    /// There is no randomness for new roots.
    #[error(transparent)]
    Entropy(#[from] EntropyUnavailable),
    /// The database cannot be used.
    #[error("cannot open {}: {why}", .path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// The clock's mark was edited: nobody can tell any more which expired keys it kept expired.
    #[error(
        "the clock's mark in {} was edited: see that this machine's clock is right, then run `keyward doctor \
         --reset-clock`",
        .0.display()
    )]
    EditedMark(PathBuf),
    /// The database cannot be shown to be the newest there was.
    #[error(
        "{} ends at revision {head}, and {doubt}. Put back the newest database, with its -wal, and its anchor, {}; or, if \
         this very database is meant (a backup that was restored), say so once with `--accept-rollback {head}`, and revoke \
         again what was revoked since it was made",
        .path.display(), .anchor.display()
    )]
    Anchor {
        /// The database.
        path: PathBuf,
        /// Where its anchor is looked for.
        anchor: PathBuf,
        /// The end of its log.
        head: Revision,
        /// What speaks against it.
        doubt: Doubt,
    },
    /// Two stores cannot keep their anchors in one file.
    #[error("another keyward process keeps its anchor in {}: give each data directory its own with --anchor", .0.display())]
    AnchorInUse(PathBuf),
    /// There is no room for a copy with the newest schema.
    #[error(
        "to bring {} to the newest schema takes {needed} bytes of the disk beside it, and {free} are free: make room there and start \
         again; until then the database stays as it is",
        .path.display()
    )]
    NoRoomToUpgrade {
        /// The database.
        path: PathBuf,
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The log's end contradicts itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What turns a failure of the driver into one of opening this database.
pub(in crate::store::sqlite) fn database<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> OpenError {
    move |error| OpenError::Database { path: path.to_owned(), why: damage::of_opening(error.to_string()) }
}
