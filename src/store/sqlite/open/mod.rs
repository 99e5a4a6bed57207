//! Opening a store: which roots and which database belong together, and what is refused.
//!
//! The roots are written first, as `roots.new`; then the database is made; then, with the first entry in its log, the
//! roots get their lasting name. Whatever moment a first start is cut short at, the next one goes on from there, and
//! a database that was lost is never taken for one that was not made yet.

pub(super) mod anchored;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;

use self::anchored::{AnchorReport, Doubt, Judged};
use super::{
    connection::{WalIndex, open_offline, open_writer, prepare_writer},
    damage, failure, groups, log, notes,
    reserve::{self, HeldIndex, KeptRoom},
    schema::{self, Identity, Ours, identify, migrate},
};
use crate::{
    domain::{
        audit::Revision,
        root::{DerivedKeys, Root},
        time::{Entropy, EntropyUnavailable, Timestamp},
    },
    ports::{StoreError, StoredMark, Verification},
    store::{
        anchor::{AnchorSettings, Keeper, find},
        data_dir::{DataDir, DataDirError, database_in, make_empty},
        roots::{FoundRoots, Roots, RootsError},
    },
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
        "{} is missing or empty, and `roots` beside it says that there was a store: restore the database from a backup; \
         no new store is made over a lost one",
        .0.display()
    )]
    LostDatabase(PathBuf),
    /// There is a database, and no roots.
    #[error(
        "the file `roots` that belongs to {} is missing: put it back; without it no key can be checked",
        .0.display()
    )]
    LostRoots(PathBuf),
    /// The roots are another store's.
    #[error("the file `roots` does not belong to {}: put back the one that does", .0.display())]
    WrongRoots(PathBuf),
    /// A newer program wrote the database.
    #[error("{} has schema {found}, and this keyward knows schemas up to {known}: use a newer keyward", .path.display())]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest one known.
        known: i64,
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
    /// Nobody can tell that the database is the newest there was.
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
    /// The log's end contradicts itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A database that was found or made, with the keys that belong to it.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) index: WalIndex,
    pub(super) held: Option<HeldIndex>,
    pub(super) keys: Arc<DerivedKeys>,
    pub(super) mark: StoredMark,
    pub(super) ended_in_order: bool,
    pub(super) anchor: Keeper,
}

/// Opens the database of a data directory, or makes it.
pub(super) fn open(
    dir: &DataDir,
    settings: &AnchorSettings,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<Opened, OpenError> {
    let path = dir.database();
    let connection =
        if path.exists() { Some(open_where_it_goes(&path).map_err(database(&path))?) } else { None };
    let found = connection.as_ref().map(|(connection, _)| ours(connection, &path)).transpose()?.flatten();
    let keys = Arc::new(keys_for(dir.path(), found.as_ref(), entropy)?);
    // Before anything is changed.
    let judged = match connection.as_ref().filter(|_| found.is_some()) {
        Some((connection, _)) => anchored::look(dir.path(), settings, connection, &keys)?,
        None => anchored::look_at_nothing(dir.path(), settings, &keys),
    };
    judged.require(settings.accepted, &path)?;
    let (connection, index) = if let Some(opened) = connection {
        opened
    } else {
        make_empty(&path)?;
        (open_writer(&path, WalIndex::File).map_err(database(&path))?, WalIndex::File)
    };
    prepare_writer(&connection).map_err(database(&path))?;
    let (mut connection, index, held) = hold_index(connection, index, &path).map_err(database(&path))?;
    let marked = Arc::clone(&keys);
    let mark = move |connection: &Connection| groups::put_mark(connection, &marked, Revision::ZERO);
    migrate(&mut connection, keys.check, now, mark, groups::take_over).map_err(database(&path))?;
    let mark = notes::clock_mark(&connection, &keys).map_err(database(&path))?;
    let ended_in_order = notes::ended_in_order(&connection).map_err(database(&path))?;
    let default = AnchorSettings::default().path(dir.path());
    let anchor = judged.keep(&mut connection, &keys, (now, mark), &default)?;
    Ok(Opened { connection, index, held, keys, mark, ended_in_order, anchor })
}

/// Opens a database for writing; where there is no room for the file of its WAL's index, without one.
fn open_where_it_goes(path: &Path) -> rusqlite::Result<(Connection, WalIndex)> {
    let connection = open_writer(path, WalIndex::File)?;
    match connection.query_row(READ, [], |_| Ok(())) {
        Err(error) if failure::is_without_index(&error) => {
            drop(connection);
            tracing::warn!(%error, "{WITHOUT_INDEX}");
            Ok((open_writer(path, WalIndex::Here)?, WalIndex::Here))
        }
        // What else is wrong shows when it is read in earnest.
        Ok(()) | Err(_) => Ok((connection, WalIndex::File)),
    }
}

/// Whatever is read, the index is opened for.
const READ: &str = "SELECT count(*) FROM sqlite_schema";

const WITHOUT_INDEX: &str = "the disk is full: what belongs beside the database is kept in memory until the next start, and no other \
                             process can read the database";

/// Sees that the index of the WAL never needs room again.
fn hold_index(
    connection: Connection,
    index: WalIndex,
    path: &Path,
) -> rusqlite::Result<(Connection, WalIndex, Option<HeldIndex>)> {
    if index == WalIndex::Here {
        return Ok((connection, index, None));
    }
    // A database just made has none before it is read.
    connection.query_row(READ, [], |_| Ok(()))?;
    match reserve::extend_index(path) {
        Ok(held) => Ok((connection, index, held)),
        Err(error) => {
            drop(connection);
            tracing::warn!(%error, "{WITHOUT_INDEX}");
            let connection = open_writer(path, WalIndex::Here)?;
            prepare_writer(&connection)?;
            Ok((connection, WalIndex::Here, None))
        }
    }
}

/// Reads the whole log of a data directory, whether a server runs in it or not. Locks nothing and changes nothing.
///
/// # Errors
/// There is no store, its roots are missing or another store's, or it cannot be read. A log that does not hold is no
/// error: [`Verification::fault`] tells.
pub fn verify_offline(directory: &Path, settings: &AnchorSettings) -> Result<Verification, OpenError> {
    let (mut found, anchor) = read_offline(directory, settings, log::verify)?;
    if found.fault.is_none() {
        let doubt = anchor?.into_report().doubt;
        found.fault = doubt.map(|doubt| (found.head.next(), doubt.to_string()));
    }
    Ok(found)
}

/// What can be said of a store without a look at every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// The end of its log.
    pub head: Revision,
    /// The clock's mark.
    pub mark: StoredMark,
    /// Its anchor.
    pub anchor: AnchorReport,
    /// Its room for what takes rights away.
    pub room: KeptRoom,
}

/// Looks at the store of a data directory, whether a server runs in it or not. Locks nothing and changes nothing.
///
/// # Errors
/// There is no store, its roots are missing or another store's, or it cannot be read.
pub fn examine_offline(directory: &Path, settings: &AnchorSettings) -> Result<Examination, OpenError> {
    let ((head, mark, page_size), anchor) = read_offline(directory, settings, |connection, keys| {
        let head = log::head(connection, keys)?.revision;
        let mark = notes::clock_mark(connection, keys).map_err(|error| failure::of_reading(&error))?;
        let page_size = page_size(connection).map_err(|error| failure::of_reading(&error))?;
        Ok((head, mark, page_size))
    })?;
    let room = reserve::look(&database_in(directory), page_size);
    Ok(Examination { head, mark, anchor: anchor?.into_report(), room })
}

/// How many bytes a page of a database has.
pub(super) fn page_size(connection: &Connection) -> rusqlite::Result<u64> {
    let bytes: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    Ok(u64::try_from(bytes).unwrap_or_default())
}

type Read<T> = fn(&mut Connection, &DerivedKeys) -> Result<T, StoreError>;

fn read_offline<T>(
    directory: &Path,
    settings: &AnchorSettings,
    read: Read<T>,
) -> Result<(T, Result<Judged, OpenError>), OpenError> {
    let path = database_in(directory);
    let before = quiet_state(directory);
    let found = read_with(directory, &path, before.is_some(), settings, read);
    // Somebody may have begun to write under the assumption that nobody does.
    if before.is_some() && before != quiet_state(directory) {
        return read_with(directory, &path, false, settings, read);
    }
    found
}

fn read_with<T>(
    directory: &Path,
    path: &Path,
    immutable: bool,
    settings: &AnchorSettings,
    read: Read<T>,
) -> Result<(T, Result<Judged, OpenError>), OpenError> {
    if !path.exists() {
        return Err(OpenError::NoStore(directory.to_owned()));
    }
    let mut connection = open_offline(directory, immutable).map_err(database(path))?;
    let found = ours(&connection, path)?.ok_or_else(|| OpenError::NoStore(directory.to_owned()))?;
    let keys = match Roots::find(directory)? {
        FoundRoots::Kept(roots) | FoundRoots::New(roots) => fitting(&roots, &found, path)?,
        FoundRoots::Missing => return Err(OpenError::LostRoots(path.to_owned())),
    };
    let place = anchored::place(directory, settings, &connection, &keys).map_err(database(path))?;
    // First, because a server that runs writes it last.
    let anchor = find(&place, &keys);
    let read = read(&mut connection, &keys)?;
    Ok((read, anchored::look_with(place, anchor, &connection, &keys)))
}

/// The database's size and time of change while its WAL holds nothing; `None` while it does.
fn quiet_state(directory: &Path) -> Option<(u64, std::time::SystemTime)> {
    let path = database_in(directory);
    if !reserve::is_blank(&path) {
        return None;
    }
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// What the database says of itself, `None` if it is empty; one that is not ours is refused.
fn ours(connection: &Connection, path: &Path) -> Result<Option<Ours>, OpenError> {
    match identify(connection).map_err(database(path))? {
        Identity::Empty => Ok(None),
        Identity::Ours(ours) => Ok(Some(ours)),
        Identity::Newer(found) => {
            Err(OpenError::NewerSchema { path: path.to_owned(), found, known: schema::VERSION })
        }
        Identity::Foreign(why) => Err(OpenError::NotOurs { path: path.to_owned(), why }),
    }
}

/// The keys of the roots that belong to this database; new ones only where there is neither.
fn keys_for(directory: &Path, found: Option<&Ours>, entropy: &dyn Entropy) -> Result<DerivedKeys, OpenError> {
    let path = database_in(directory);
    match (Roots::find(directory)?, found) {
        (FoundRoots::Missing, None) => {
            let roots = Roots::new(Root::generate(entropy)?);
            roots.write_new(directory)?;
            Ok(roots.derive())
        }
        (FoundRoots::Missing, Some(_)) => Err(OpenError::LostRoots(path)),
        (FoundRoots::New(roots), None) => Ok(roots.derive()),
        (FoundRoots::New(roots), Some(found)) => {
            let keys = fitting(&roots, found, &path)?;
            if found.initialized {
                Roots::keep(directory)?;
            }
            Ok(keys)
        }
        (FoundRoots::Kept(roots), Some(found)) if found.initialized => fitting(&roots, found, &path),
        (FoundRoots::Kept(_), _) => Err(OpenError::LostDatabase(path)),
    }
}

fn fitting(roots: &Roots, found: &Ours, path: &Path) -> Result<DerivedKeys, OpenError> {
    let keys = roots.derive();
    if found.check == keys.check { Ok(keys) } else { Err(OpenError::WrongRoots(path.to_owned())) }
}

pub(super) fn database<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> OpenError {
    move |error| OpenError::Database { path: path.to_owned(), why: damage::of_opening(error.to_string()) }
}
