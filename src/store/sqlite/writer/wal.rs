//! Keeping the WAL within its bounds, between groups.

use std::time::Duration;

use rusqlite::Row;

use super::Writer;
use crate::{
    ports::{StoreError, Until},
    store::sqlite::{connection, failure},
};

/// How many pages may stand in the WAL alone before they are copied into the database: 16 MiB.
const COPY_AT: i64 = 4096;

/// How many pages the WAL may have before its readers are waited for, so that it starts from its beginning: 128 MiB.
const RESTART_AT: i64 = 32_768;

impl Writer {
    /// Keeps the WAL within its bounds.
    pub(in crate::store::sqlite) fn tend_wal(&mut self) {
        let mode = match self.checkpoint("NOOP") {
            Ok(Wal { pages, .. }) if pages >= RESTART_AT => "RESTART",
            Ok(Wal { pages, copied, .. }) if pages.saturating_sub(copied) >= COPY_AT => "PASSIVE",
            // What fails is said where it is handled, in `checkpoint`.
            Ok(_) | Err(_) => return,
        };
        let _sealed = self.checkpoint(mode);
    }

    /// How many pages the WAL has by now.
    pub(in crate::store::sqlite) fn count_wal(&mut self) {
        let _sealed = self.checkpoint("NOOP");
    }

    /// Copies all of the WAL into the database, and lets the next change begin it anew; whether it will. Waits for no reader.
    pub(in crate::store::sqlite) fn begin_wal_anew(&mut self) -> bool {
        let patient = connection::busy_time(&self.connection, Duration::ZERO);
        let done = patient.is_ok() && self.checkpoint("RESTART").is_ok_and(|wal| wal.is_done);
        if let Err(error) = patient.and_then(|()| connection::busy_time(&self.connection, connection::BUSY)) {
            tracing::debug!(%error, "how long the database is waited for cannot be set");
        }
        if done {
            self.wal_pages = 0;
        }
        done
    }

    /// Copies all of the WAL into the database, and leaves of it nothing but its room.
    pub(in crate::store::sqlite) fn empty_wal(&mut self) -> Result<(), StoreError> {
        let wal = self.checkpoint("RESTART")?;
        if wal.is_done
            && let Err(error) = self.blank_wal()
        {
            tracing::warn!(%error, "the WAL could not be emptied; the next start reads it");
        }
        Ok(())
    }

    /// Copies the WAL into the database as far as readers let it; `NOOP` only counts its pages. An I/O error here
    /// loses nothing, as long as the WAL is kept: so it seals, until it can be copied.
    pub(in crate::store::sqlite) fn checkpoint(&mut self, mode: &str) -> Result<Wal, StoreError> {
        if let Some(why) = self.sealed() {
            return Err(StoreError::Unavailable(why));
        }
        self.copy_wal(mode).map_err(|error| {
            // Where a quota leaves no room, SQLite says of a write what it says of a disk that breaks.
            let is_for_room = self.room.has_no_more() && failure::is_unwritten(&error);
            if !is_for_room && !failure::is_passing(&error) {
                let until = if failure::is_corruption(&error) { Until::Restart } else { Until::Written };
                self.seal(&format!("the WAL cannot be written back: {error}"), until);
            }
            StoreError::Unavailable(error.to_string())
        })
    }

    /// The same, whether it is sealed or not.
    pub(in crate::store::sqlite) fn copy_wal(&mut self, mode: &str) -> rusqlite::Result<Wal> {
        let pragma = format!("PRAGMA wal_checkpoint({mode})");
        // The first column says whether a reader was in the way.
        let read = |row: &Row<'_>| {
            let (busy, pages, copied): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Wal { pages, copied, is_done: busy == 0 && pages == copied })
        };
        let wal = self.connection.query_row(&pragma, [], read)?;
        self.wal_pages = wal.pages;
        Ok(wal)
    }
}

/// How far the WAL has grown.
pub(in crate::store::sqlite) struct Wal {
    pages: i64,
    /// So many of them are in the database too.
    copied: i64,
    /// Whether that is all of them, and no reader was in the way.
    is_done: bool,
}
