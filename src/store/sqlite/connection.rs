//! How a connection is opened, for writing and for reading.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::store::data_dir::database_in;

/// How long a statement waits while another process holds the database.
pub(super) const BUSY: Duration = Duration::from_secs(2);

/// Pages kept in memory, as SQLite counts: negative is KiB. Ids are random, so the writer touches pages everywhere;
/// readers mostly go through tables in their order.
const WRITER_CACHE: i64 = -64 * 1024;
const READER_CACHE: i64 = -8 * 1024;

/// Statements kept ready.
const STATEMENTS: usize = 64;

/// Where SQLite keeps the index of the WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WalIndex {
    /// In a file, which other processes read too.
    File,
    /// In this process, for which no other can read the database then: where there is no room for the file.
    Here,
}

impl WalIndex {
    /// What names a database so that its index is kept here.
    pub(super) fn name(self, path: &Path) -> PathBuf {
        match self {
            Self::File => path.to_owned(),
            Self::Here => PathBuf::from(format!("file:{}?vfs=unix-excl", escape(path))),
        }
    }

    /// What readers open such a name with.
    pub(super) fn reader_flags(self) -> OpenFlags {
        reader_flags() | self.flags()
    }

    fn flags(self) -> OpenFlags {
        match self {
            Self::File => OpenFlags::empty(),
            Self::Here => OpenFlags::SQLITE_OPEN_URI,
        }
    }
}

/// The connection that writes. The file must be there.
pub(super) fn open_writer(path: &Path, index: WalIndex) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | index.flags();
    let connection = Connection::open_with_flags(index.name(path), flags)?;
    connection.busy_timeout(BUSY)?;
    keep_wal(&connection)?;
    Ok(connection)
}

/// How long a statement waits while another process holds the database, or a reader is in the way.
pub(super) fn busy_time(connection: &Connection, time: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(time)
}

/// The connection that closes last leaves the WAL where it is, with its room; the writing thread empties it.
fn keep_wal(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
}

/// Sets the writing connection up, once it is known that the database is ours.
///
/// The WAL is emptied by the writer itself, between groups: the automatic way would hide an I/O error, after which
/// the WAL must be kept.
pub(super) fn prepare_writer(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::InvalidParameterName(format!(
            "journal mode {mode} where WAL is needed"
        )));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
    harden(connection)
}

/// What readers open with.
fn reader_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// A reading connection that stands outside the pool.
pub(super) fn open_reader(path: &Path, index: WalIndex) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(index.name(path), index.reader_flags())?;
    prepare_reader(&connection)?;
    Ok(connection)
}

/// Sets a reading connection up.
pub(super) fn prepare_reader(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    keep_wal(connection)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", READER_CACHE)?;
    harden(connection)
}

/// A connection that reads the database of a data directory without leaving anything there: where no process has
/// it open and its WAL is empty, no file beside it is made either.
pub(super) fn open_offline(directory: &Path, immutable: bool) -> rusqlite::Result<Connection> {
    let path = database_in(directory);
    let connection = if immutable {
        let uri = format!("file:{}?immutable=1", escape(&path));
        Connection::open_with_flags(uri, reader_flags() | OpenFlags::SQLITE_OPEN_URI)?
    } else {
        Connection::open_with_flags(path, reader_flags())?
    };
    prepare_reader(&connection)?;
    Ok(connection)
}

/// How many bytes a page of a database has.
pub(super) fn page_size(connection: &Connection) -> rusqlite::Result<u64> {
    let bytes: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    Ok(u64::try_from(bytes).unwrap_or_default())
}

fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    // Where no temporary directory can be written, a transaction that needs a temporary file fails, and seals the store.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

fn escape(path: &Path) -> String {
    let escape = |byte: u8| match byte {
        b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).iter().copied().map(escape).collect()
}
