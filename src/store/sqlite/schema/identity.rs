//! Whether a database is of this program, and has exactly its tables.

use rusqlite::Connection;

use super::steps::{STEPS, VERSION};
use crate::store::sqlite::meta;

/// `KEYW`, in the database's header.
const APPLICATION_ID: i64 = 0x4B45_5957;

/// Under which name it stands which the oldest keyward is that may use the database.
pub(super) const OLDEST_KEYWARD: &str = "oldest_keyward";

/// What a database is, as far as its header and its tables say.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) enum DatabaseIdentity {
    /// It holds nothing yet.
    Empty,
    /// It is of a program newer than this one, and says which the oldest is that may use it.
    Newer(i64, Option<String>),
    /// It is not of this program, or not as this program made it.
    Foreign(&'static str),
    /// It has a schema of ours.
    Ours(Ours),
}

/// What a database of ours says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) struct Ours {
    /// The roots' check value.
    pub(in crate::store::sqlite) check: Vec<u8>,
    /// Whether its log holds an entry.
    pub(in crate::store::sqlite) initialized: bool,
}

/// Looks at a database without changing it.
pub(in crate::store::sqlite) fn identify(connection: &Connection) -> rusqlite::Result<DatabaseIdentity> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = version(connection)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if (application, version, tables) == (0, 0, 0) {
        return Ok(DatabaseIdentity::Empty);
    }
    if application != APPLICATION_ID || version < 1 {
        return Ok(DatabaseIdentity::Foreign("it is another program's database"));
    }
    if version > VERSION {
        // Whatever else is in there by then.
        let oldest = meta::value(connection, OLDEST_KEYWARD).ok().flatten();
        return Ok(DatabaseIdentity::Newer(version, oldest));
    }
    if schema(connection)? != expected(version)? {
        return Ok(DatabaseIdentity::Foreign("its tables, indexes or triggers were changed"));
    }
    let check = meta::value(connection, "root_check")?;
    let initialized = connection.query_row("SELECT EXISTS (SELECT 1 FROM log)", [], |row| row.get(0))?;
    Ok(match check {
        Some(check) => DatabaseIdentity::Ours(Ours { check, initialized }),
        None => DatabaseIdentity::Foreign("its root check value is missing"),
    })
}

/// Everything that is declared, word for word: a trigger or a changed generated column could lie for an edited row.
fn schema(connection: &Connection) -> rusqlite::Result<Vec<(String, String, Option<String>)>> {
    // Less what SQLite itself keeps: the statistics of `ANALYZE`.
    let all = "SELECT type, name, sql FROM sqlite_schema
               WHERE NOT (type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4')) ORDER BY type, name";
    let mut statement = connection.prepare(all)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

fn expected(version: i64) -> rusqlite::Result<Vec<(String, String, Option<String>)>> {
    let memory = Connection::open_in_memory()?;
    let steps = usize::try_from(version).unwrap_or(0);
    STEPS.iter().take(steps).try_for_each(|step| memory.execute_batch(step))?;
    schema(&memory)
}

/// The schema that a database says it has; zero for a new one.
pub(in crate::store::sqlite) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Conversions, migrate, steps::OLDEST},
        *,
    };
    use crate::domain::time::Timestamp;

    #[test]
    fn the_library_is_new_enough() {
        // Older ones can corrupt a database in WAL mode.
        assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
    }

    #[test]
    fn a_database_is_told_from_others() {
        // D8
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(identify(&connection).unwrap(), DatabaseIdentity::Empty);
        migrate(&mut connection, [7; 32], Timestamp::EPOCH, Conversions::NOTHING).unwrap();
        let ours = DatabaseIdentity::Ours(Ours { check: vec![7; 32], initialized: false });
        assert_eq!(identify(&connection).unwrap(), ours);

        connection
            .execute_batch("CREATE TRIGGER quiet AFTER INSERT ON log BEGIN DELETE FROM log; END")
            .unwrap();
        assert!(
            matches!(identify(&connection).unwrap(), DatabaseIdentity::Foreign(_)),
            "a trigger of somebody else's"
        );
        connection.execute_batch("DROP TRIGGER quiet").unwrap();
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert_eq!(
            identify(&connection).unwrap(),
            DatabaseIdentity::Newer(VERSION + 1, Some(OLDEST.to_owned()))
        );

        let other = Connection::open_in_memory().unwrap();
        other.execute_batch("CREATE TABLE t (a)").unwrap();
        assert!(matches!(identify(&other).unwrap(), DatabaseIdentity::Foreign(_)));
    }
}
