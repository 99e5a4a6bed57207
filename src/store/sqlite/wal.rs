//! Keeping the WAL within its bounds, between groups.

use rusqlite::Row;

use super::{failure, writer::Writer};
use crate::ports::StoreError;

/// How many pages may stand in the WAL alone before they are copied into the database: 16 MiB.
const COPY_AT: i64 = 4096;

/// How many pages the WAL may have before its readers are waited for, so that it starts from its beginning: 128 MiB.
const RESTART_AT: i64 = 32_768;

/// How many pages the WAL may have at all: 512 MiB (D7). Only somebody who reads for very long makes it grow so far.
pub(super) const MAX: i64 = 131_072;

impl Writer {
    /// Keeps the WAL within its bounds.
    pub(super) fn tend_wal(&mut self) {
        let mode = match self.checkpoint("NOOP") {
            Ok(Wal { pages, .. }) if pages >= RESTART_AT => "RESTART",
            Ok(Wal { pages, copied }) if pages.saturating_sub(copied) >= COPY_AT => "PASSIVE",
            // What fails is said where it is handled, in `checkpoint`.
            Ok(_) | Err(_) => return,
        };
        let _sealed = self.checkpoint(mode);
    }

    /// Copies the WAL into the database as far as readers let it; `NOOP` only counts its pages. An I/O error here
    /// loses nothing, as long as the WAL is kept: so it seals.
    pub(super) fn checkpoint(&mut self, mode: &str) -> Result<Wal, StoreError> {
        if let Some(why) = self.sealed() {
            return Err(StoreError::Unavailable(why));
        }
        let pragma = format!("PRAGMA wal_checkpoint({mode})");
        // The first column says whether a reader was in the way, which the counts show too.
        let read = |row: &Row<'_>| Ok(Wal { pages: row.get(1)?, copied: row.get(2)? });
        match self.connection.query_row(&pragma, [], read) {
            Ok(wal) => {
                self.wal_pages = wal.pages;
                Ok(wal)
            }
            Err(error) => {
                if !failure::is_passing(&error) {
                    self.seal(&format!("the WAL cannot be written back: {error}"));
                }
                Err(StoreError::Unavailable(error.to_string()))
            }
        }
    }
}

/// How far the WAL has grown.
pub(super) struct Wal {
    pages: i64,
    /// So many of them are in the database too.
    copied: i64,
}
