//! Looking at a store from outside, whether a server runs in it or not: nothing is locked, and nothing changed.

use std::{fs, path::Path, sync::Arc};

use rusqlite::Connection;

use super::{
    anchored::{self, AnchorJudgement, AnchorReport},
    belonging::{Belonging, fitting, ours},
    error::{OpenError, database},
    roots_report::RootsReport,
};
use crate::{
    domain::revision::Revision,
    ports::{StoreError, StoredMark, Verification},
    store::{
        anchor::find,
        data_dir::database_in,
        roots::{FoundRoots, Roots},
        settings::StoreSettings,
        sqlite::{
            connection::{open_offline, page_size},
            failure, log, notes,
            reserve::{self, KeptRoom},
        },
    },
};

/// Reads the whole log of a data directory, whether a server runs in it or not. Locks nothing and changes nothing.
///
/// # Errors
/// There is no store, its roots are missing or another store's, or it cannot be read. A log that does not hold is no
/// error: [`Verification::fault`] tells.
pub fn verify_offline(directory: &Path, settings: &StoreSettings) -> Result<Verification, OpenError> {
    let (mut found, anchor) = read_offline(directory, settings, |connection, belonging| {
        log::verify(connection, &|| Arc::clone(&belonging.keys), &|_records| true)
    })?;
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
pub fn examine_offline(directory: &Path, settings: &StoreSettings) -> Result<Examination, OpenError> {
    let ((head, mark, page_size), anchor) = read_offline(directory, settings, |connection, belonging| {
        let keys = &*belonging.keys;
        let head = log::head(connection, keys)?.revision;
        let mark = notes::clock_mark(connection, keys).map_err(|error| failure::of_reading(&error))?;
        let page_size = page_size(connection).map_err(|error| failure::of_reading(&error))?;
        Ok((head, mark, page_size))
    })?;
    let room = reserve::look(&database_in(directory), page_size);
    Ok(Examination { head, mark, anchor: anchor?.into_report(), room })
}

/// How the store of a data directory stands to its roots, whether a server runs in it or not. Locks nothing and changes nothing.
///
/// # Errors
/// There is no store, its roots are missing or another store's, or it cannot be read.
pub fn roots_offline(directory: &Path, settings: &StoreSettings) -> Result<RootsReport, OpenError> {
    let read = |connection: &mut Connection, belonging: &Belonging| RootsReport::read(connection, belonging);
    Ok(read_offline(directory, settings, read)?.0)
}

type ReadWith<T> = fn(&mut Connection, &Belonging) -> Result<T, StoreError>;

fn read_offline<T>(
    directory: &Path,
    settings: &StoreSettings,
    read: ReadWith<T>,
) -> Result<(T, Result<AnchorJudgement, OpenError>), OpenError> {
    let path = database_in(directory);
    let before = quiet_state(directory);
    let found = read_with(directory, &path, before.is_some(), settings, read);
    // A process may have begun to write while this read assumed that none does.
    if before.is_some() && before != quiet_state(directory) {
        return read_with(directory, &path, false, settings, read);
    }
    found
}

fn read_with<T>(
    directory: &Path,
    path: &Path,
    immutable: bool,
    settings: &StoreSettings,
    read: ReadWith<T>,
) -> Result<(T, Result<AnchorJudgement, OpenError>), OpenError> {
    if !path.exists() {
        return Err(OpenError::NoStore(directory.to_owned()));
    }
    let mut connection = open_offline(directory, immutable).map_err(database(path))?;
    let found = ours(&connection, path)?.ok_or_else(|| OpenError::NoStore(directory.to_owned()))?;
    let belonging = match Roots::find(directory, &settings.roots)? {
        FoundRoots::Kept(roots) | FoundRoots::New(roots) => {
            fitting(roots, &settings.roots, &connection, &found, path)?
        }
        FoundRoots::Missing => return Err(OpenError::LostRoots(path.to_owned())),
    };
    let keys = &*belonging.keys;
    let place = anchored::place(directory, &settings.anchor, &connection, keys).map_err(database(path))?;
    // First, because a server that runs writes it last.
    let anchor = find(&place, keys);
    let read = read(&mut connection, &belonging)?;
    Ok((read, anchored::look_with(place, anchor, &connection, keys)))
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
