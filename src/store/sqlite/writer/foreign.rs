//! Whether another process has written into the database while this one runs.
//!
//! SQLite tells each connection when any other has changed the file. The one that writes is the only one here that ever
//! does: readers cannot, and its own checkpoints do not count. Asked within a transaction that holds the lock for writing,
//! it leaves no gap in which another process could write unseen. (Another process that empties the WAL counts too.)

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::Connection;

use crate::ports::StoreError;

/// The answer to a change when another process has written.
pub const WRITTEN_BY_OTHERS: StoreError = StoreError::WrittenByOthers(
    "another process has written into the database while Keyward runs: no change is taken until a restart, and Checks go by what \
     was there before; stop Keyward, see with `keyward audit verify --data-dir DIR` what is there, and start it again",
);

/// Watches for what others write.
pub(in crate::store::sqlite) struct ForeignWrites {
    /// How often others had changed the file when this process last knew what was in it.
    known: i64,
    /// Set by the thread that writes, once, and read where it is told why the store is sealed.
    seen: Arc<AtomicBool>,
}

impl ForeignWrites {
    /// Watches from now on.
    pub(in crate::store::sqlite) fn from_now(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self { known: count(connection)?, seen: Arc::default() })
    }

    /// Whether there was one since; the open transaction holds the lock for writing.
    pub(in crate::store::sqlite) fn happened(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let happened = count(connection)? != self.known;
        if happened {
            self.seen.store(true, Ordering::Release);
        }
        Ok(happened)
    }

    /// Whether a later one would show: not where a failure has made this connection forget what it knew.
    pub(in crate::store::sqlite) fn can_tell(&self, connection: &Connection) -> bool {
        count(connection).is_ok_and(|count| count == self.known)
    }

    /// Whether one was seen, for others to read.
    pub(in crate::store::sqlite) fn seen(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.seen)
    }
}

fn count(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
