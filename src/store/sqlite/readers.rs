//! The connections that read, in a pool.

use std::{path::PathBuf, time::Duration};

use rusqlite::Connection;

use super::connection::{WalIndex, open_reader};

/// How many reads run at once.
pub(super) const READERS: u32 = 4;

/// How long a read waits for its turn.
const WAIT: Duration = Duration::from_secs(5);

/// Connections that are handed out to one read after the other.
pub(super) type Readers = r2d2::Pool<ReadConnection>;

/// One of them, while it reads.
pub(super) type ReadingConnection = r2d2::PooledConnection<ReadConnection>;

/// How a connection of the pool is opened.
pub(super) struct ReadConnection {
    path: PathBuf,
    index: WalIndex,
}

/// Opens all of them.
pub(super) fn open(path: PathBuf, index: WalIndex) -> Result<Readers, r2d2::Error> {
    r2d2::Pool::builder()
        .max_size(READERS)
        .connection_timeout(WAIT)
        .test_on_check_out(false)
        .build(ReadConnection { path, index })
}

impl r2d2::ManageConnection for ReadConnection {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> rusqlite::Result<Connection> {
        open_reader(&self.path, self.index)
    }

    fn is_valid(&self, _: &mut Connection) -> rusqlite::Result<()> {
        Ok(())
    }

    /// A connection to a file does not break: after any failure of a read, the next one may go better.
    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }
}
