//! Opening a store: which roots and which database belong together, and what is refused.
//!
//! The roots are written first, as `roots.new`; then the database is made; then, with the first entry in its log, the
//! roots get their lasting name. A first start can be cut short at any moment: the next one goes on from there, and
//! a database that was lost is never taken for one that was not made yet.

mod anchored;
mod belonging;
mod doubt;
mod error;
mod offline;
mod packing;
mod roots_report;
mod rotation;
mod upgrade;

use std::{path::Path, sync::Arc};

use rusqlite::Connection;

use self::belonging::{ours, roots_for};
pub(super) use self::error::database;
pub(super) use self::rotation::{NewRoots, RootStep, TakenKeys};
pub use self::{
    anchored::AnchorReport,
    doubt::Doubt,
    error::OpenError,
    offline::{Examination, examine_offline, roots_offline, verify_offline},
    roots_report::{RootState, RootStatus, RootsReport},
};
use super::{
    connection::{WalIndex, open_writer, prepare_writer},
    failure, groups, log, notes, permit_rows,
    reserve::{self, HeldIndex},
    schema::{Conversions, VERSION, migrate, version},
};
use crate::{
    domain::{
        revision::Revision,
        root::DerivedKeys,
        time::{Entropy, Timestamp},
    },
    ports::{ReplicaId, StoredMark},
    store::{
        anchor::{AnchorSettings, Keeper},
        data_dir::{DataDir, make_empty},
        draws::Draws,
        settings::StoreSettings,
    },
};

/// A database that was found or made, with the keys that belong to it.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) index: WalIndex,
    pub(super) held: Option<HeldIndex>,
    pub(super) keys: Arc<DerivedKeys>,
    pub(super) draws: Draws,
    pub(super) time: Timestamp,
    pub(super) mark: StoredMark,
    pub(super) ended_in_order: bool,
    pub(super) anchor: Keeper,
}

/// Opens the database of a data directory, or makes it.
pub(super) fn open(
    dir: &DataDir,
    settings: &StoreSettings,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<Opened, OpenError> {
    let path = dir.database();
    let connection =
        if path.exists() { Some(open_where_it_goes(&path).map_err(database(&path))?) } else { None };
    let found = connection.as_ref().map(|(connection, _)| ours(connection, &path)).transpose()?.flatten();
    let opened = connection.as_ref().map(|(connection, _)| connection);
    let belonging = roots_for(dir.path(), &settings.roots, opened.zip(found.as_ref()), entropy)?;
    let keys = Arc::clone(&belonging.keys);
    if let Some(connection) = opened.filter(|_| found.is_some()) {
        rotation::require_roots(connection, &belonging)?;
    }
    let draws = Draws::begin(entropy)?;
    // Before anything is changed.
    let judged = match connection.as_ref().filter(|_| found.is_some()) {
        Some((connection, _)) => anchored::look(dir.path(), &settings.anchor, connection, &keys)?,
        None => anchored::look_at_nothing(dir.path(), &settings.anchor, &keys),
    };
    judged.require(settings.anchor.accepted, &path)?;
    let conversions = Conversions {
        mark: &|connection| groups::put_mark(connection, &keys, Revision::ZERO),
        regroup: &groups::take_over,
        recount: &permit_rows::take_over,
        repack: &|connection| packing::take_over(connection, &keys),
    };
    let to_newest = |connection: &mut Connection| migrate(connection, keys.check, now, conversions);
    let connection = match connection {
        Some((old, _)) if found.is_some() && version(&old).map_err(database(&path))? < VERSION => {
            drop(old);
            upgrade::upgrade(&path, !settings.without_upgrade_copy, to_newest)?;
            Some(open_where_it_goes(&path).map_err(database(&path))?)
        }
        connection => connection,
    };
    upgrade::forget(&path)?;
    let (connection, index) = if let Some(opened) = connection {
        opened
    } else {
        make_empty(&path)?;
        (open_writer(&path, WalIndex::File).map_err(database(&path))?, WalIndex::File)
    };
    prepare_writer(&connection).map_err(database(&path))?;
    let (mut connection, index, held) = hold_index(connection, index, &path).map_err(database(&path))?;
    to_newest(&mut connection).map_err(database(&path))?;
    let mark = notes::clock_mark(&connection, &keys).map_err(database(&path))?;
    let ended_in_order = notes::ended_in_order(&connection, ReplicaId::ONLY).map_err(database(&path))?;
    let default = AnchorSettings::default().path(dir.path());
    let mut anchor = judged.keep(&mut connection, (&keys, &draws), (now, mark), &default)?;
    let time = if let StoredMark::At(mark) = mark { now.max(mark) } else { now };
    let before = keys;
    let keys = rotation::settle(&mut connection, (belonging, &draws), time)?;
    if !Arc::ptr_eq(&keys, &before) {
        anchor.take_keys(Arc::clone(&keys));
        anchor.follow(log::head(&connection, &keys)?);
    }
    Ok(Opened { connection, index, held, keys, draws, time, mark, ended_in_order, anchor })
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

/// SQLite opens the index for any read.
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
