//! Bringing a database of an older schema to the newest: in a copy, which takes its place when it is whole.
//!
//! Not in the file itself: one transaction over all rows would need as much room in the WAL as the database has, far beyond the
//! bound of the WAL, and a crash in the middle of it would have to be read back. The copy is written without a journal, and made
//! compact at its end. Until it is renamed, the database is the one that was there; behind that, the new one. What an attempt
//! leaves that was cut short, the next one writes over.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, Row};
use rustix::fs::statvfs;

use super::error::{OpenError, database};
use crate::store::{
    data_dir::{make_empty, remove, rename},
    sqlite::{
        connection::{WalIndex, open_writer},
        log,
        schema::{VERSION, version},
    },
};

/// What is copied, and what the copy is made into.
const COPY: &str = ".upgrading";
const WHOLE: &str = ".upgraded";

/// How the database is called that is kept as it was, with its schema behind this.
const KEPT: &str = ".schema-";

/// Brings the database to the newest schema with `migrate`. The one that was there is kept beside it, unless that is refused.
pub(super) fn upgrade(
    path: &Path,
    keep: bool,
    migrate: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
) -> Result<(), OpenError> {
    let before = closed(path)?;
    let size = fs::metadata(path).map_err(database(path))?.len();
    require_room(path, size)?;
    tracing::info!(
        database = %path.display(), from = before.schema, to = VERSION, bytes = size,
        "a copy of the database is brought to a newer schema; serving begins when that is done"
    );
    let (copy, whole) = (beside(path, COPY), beside(path, WHOLE));
    forget(path)?;
    fs::copy(path, &copy).map_err(database(&copy))?;
    make_empty(&whole)?;
    migrate_copy(&copy, &whole, migrate).map_err(database(&copy))?;
    tracing::info!("the copy has the newest schema; it is compared with what was there");
    compare(&whole, &before)?;
    remove_with_journals(&copy)?;
    sync(&whole)?;
    if keep {
        let kept = beside(path, &format!("{KEPT}{}", before.schema));
        keep_as(path, &kept)?;
        tracing::warn!(
            kept = %kept.display(),
            "the database as it was is kept: delete it once the new one has proved good, because it holds what is erased later"
        );
    }
    rename(&whole, path)?;
    tracing::info!(database = %path.display(), schema = VERSION, "the database has the newest schema");
    Ok(())
}

/// Removes what an upgrade has left that was cut short.
pub(super) fn forget(path: &Path) -> Result<(), OpenError> {
    remove_with_journals(&beside(path, COPY))?;
    remove_with_journals(&beside(path, WHOLE))
}

/// What must be the same before and after.
struct DatabaseFacts {
    schema: i64,
    records: i64,
    head: Option<(i64, Vec<u8>)>,
    keys: i64,
    check: String,
}

impl DatabaseFacts {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let count = |table: &str| {
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row: &Row<'_>| row.get(0))
        };
        Ok(Self {
            schema: version(connection)?,
            records: count("log")?,
            head: log::position(connection)?,
            keys: count("keys")?,
            check: connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?,
        })
    }
}

/// Writes all of the WAL into the database, looks whether it is whole, and closes it.
fn closed(path: &Path) -> Result<DatabaseFacts, OpenError> {
    let connection = open_writer(path, WalIndex::File).map_err(database(path))?;
    let busy: i64 = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(database(path))?;
    if busy != 0 {
        return Err(refused(path, "another process is reading it: end that, and start again"));
    }
    let held = DatabaseFacts::of(&connection).map_err(database(path))?;
    if held.check == "ok" {
        Ok(held)
    } else {
        Err(refused(path, &format!("it is damaged ({}), and stays as it is: restore a backup", held.check)))
    }
}

/// Passes where there is room for a copy, and for what it is made into.
fn require_room(path: &Path, size: u64) -> Result<(), OpenError> {
    let directory = path.parent().unwrap_or(path);
    let system = statvfs(directory).map_err(database(path))?;
    let (free, needed) = (system.f_bavail.saturating_mul(system.f_frsize), needed(size));
    if free >= needed {
        return Ok(());
    }
    Err(OpenError::NoRoomToUpgrade { path: path.to_owned(), needed, free })
}

/// How many bytes an upgrade takes beside a database of this size: twice that, and a little for a small one.
const fn needed(size: u64) -> u64 {
    size.saturating_mul(2).saturating_add(1 << 20)
}

fn migrate_copy(
    copy: &Path,
    whole: &Path,
    migrate: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut connection = Connection::open(copy)?;
    // A crash leaves a copy that nobody needs: it is written over.
    for (name, value) in [("locking_mode", "EXCLUSIVE"), ("journal_mode", "OFF")] {
        connection.pragma_update_and_check(None, name, value, |_| Ok(()))?;
    }
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    migrate(&mut connection)?;
    connection.execute("VACUUM INTO ?1", [whole.to_string_lossy()]).map(drop)
}

/// Passes if the new database holds what the old one did.
fn compare(whole: &Path, before: &DatabaseFacts) -> Result<(), OpenError> {
    let connection = Connection::open(whole).map_err(database(whole))?;
    let after = DatabaseFacts::of(&connection).map_err(database(whole))?;
    let is_same = (&after.head, after.records, after.keys) == (&before.head, before.records, before.keys);
    if is_same && after.schema == VERSION && after.check == "ok" {
        return Ok(());
    }
    Err(refused(whole, "the copy does not hold what the database does, which stays as it is"))
}

/// Gives the old file a second name, or copies it where the file system has no such thing.
fn keep_as(path: &Path, kept: &Path) -> Result<(), OpenError> {
    remove(kept)?;
    if fs::hard_link(path, kept).is_err() {
        fs::copy(path, kept).map_err(database(kept))?;
        sync(kept)?;
    }
    fs::set_permissions(kept, fs::Permissions::from_mode(0o600)).map_err(database(kept))
}

fn sync(path: &Path) -> Result<(), OpenError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(database(path))
}

fn remove_with_journals(path: &Path) -> Result<(), OpenError> {
    for end in ["", "-wal", "-shm", "-journal"] {
        remove(&beside(path, end))?;
    }
    Ok(())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(end);
    name.into()
}

fn refused(path: &Path, why: &str) -> OpenError {
    OpenError::Database { path: path.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old(directory: &Path) -> PathBuf {
        let path = directory.join("keyward.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE log (revision INTEGER PRIMARY KEY, chain BLOB); INSERT INTO log VALUES (1, x'07');
                 CREATE TABLE keys (id TEXT); INSERT INTO keys VALUES ('a'); PRAGMA user_version = 3",
            )
            .unwrap();
        path
    }

    fn to_newest(connection: &mut Connection) -> rusqlite::Result<()> {
        connection.pragma_update(None, "user_version", VERSION)
    }

    #[test]
    fn the_old_file_is_kept_byte_by_byte_unless_that_is_refused() {
        // D8
        for keep in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let path = old(directory.path());
            let before = fs::read(&path).unwrap();
            for left in [COPY, WHOLE] {
                fs::write(beside(&path, left), "what was cut short").unwrap();
            }
            upgrade(&path, keep, to_newest).unwrap();
            assert_eq!(version(&Connection::open(&path).unwrap()).unwrap(), VERSION);
            let kept = fs::read(beside(&path, ".schema-3")).ok();
            assert_eq!(kept, keep.then_some(before));
            let files = fs::read_dir(directory.path()).unwrap().count();
            assert_eq!(files, if keep { 2 } else { 1 }, "nothing else is left");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    type Migrate = fn(&mut Connection) -> rusqlite::Result<()>;

    #[test]
    fn an_upgrade_that_fails_or_loses_something_leaves_the_database_as_it_was() {
        // D8
        let fails = |_: &mut Connection| Err(rusqlite::Error::InvalidQuery);
        let loses = |connection: &mut Connection| {
            connection.execute_batch("DELETE FROM keys")?;
            to_newest(connection)
        };
        let cuts_off = |connection: &mut Connection| {
            connection.execute_batch("UPDATE log SET chain = x'08'")?;
            to_newest(connection)
        };
        let does_nothing = |_: &mut Connection| Ok(());
        let migrations: [Migrate; 4] = [fails, loses, cuts_off, does_nothing];
        for migrate in migrations {
            let directory = tempfile::tempdir().unwrap();
            let path = old(directory.path());
            let before = fs::read(&path).unwrap();
            assert!(upgrade(&path, true, migrate).is_err());
            assert_eq!(fs::read(&path).unwrap(), before);
            assert!(!beside(&path, ".schema-3").exists(), "no copy is kept of what did not change");
            // And the next one goes well.
            upgrade(&path, true, to_newest).unwrap();
        }
    }

    #[test]
    fn room_for_two_more_is_asked_for_first() {
        // D8
        assert_eq!(needed(1 << 30), (2 << 30) + (1 << 20));
        let directory = tempfile::tempdir().unwrap();
        let path = old(directory.path());
        let refused = require_room(&path, u64::MAX / 4).unwrap_err().to_string();
        assert!(refused.contains("are free") && refused.contains("stays as it is"), "{refused}");
        require_room(&path, 1).unwrap();
    }
}
