//! Bringing a database to the newest schema.

use rusqlite::{Connection, ToSql, params};

use super::{
    identity::{OLDEST_KEYWARD, version},
    steps::{OLDEST, STEPS, VERSION},
};
use crate::{domain::time::Timestamp, store::sqlite::meta};

/// Since when uses of scopes are noted, in the table `meta`.
pub(in crate::store::sqlite) const SCOPES_WATCHED: &str = "scopes_watched_ms";

/// Brings a database to the newest schema, all steps in one transaction (D8). The first one also notes the roots'
/// check value, so that there is no schema without it; the fourth makes the mark of changes of many keys, with `mark`, and notes
/// since when uses of scopes are noted; the fifth takes their keys over, with `regroup`; the ninth takes counts over into
/// blocks, with `recount`.
pub(in crate::store::sqlite) fn migrate(
    connection: &mut Connection,
    check: [u8; 32],
    now: Timestamp,
    mark: impl Fn(&Connection) -> rusqlite::Result<()>,
    regroup: impl Fn(&Connection) -> rusqlite::Result<()>,
    recount: impl Fn(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let found = version(&transaction)?;
    if found > VERSION {
        return Err(rusqlite::Error::InvalidParameterName(format!(
            "schema {found} where {VERSION} is the newest known"
        )));
    }
    for (step, tables) in (1..=VERSION).zip(STEPS).filter(|(step, _)| *step > found) {
        transaction.execute_batch(tables)?;
        match step {
            1 => {
                note(&transaction, "root_check", &check)?;
                note(&transaction, "created_ms", &now.as_ms())?;
            }
            4 => {
                mark(&transaction)?;
                note(&transaction, SCOPES_WATCHED, &now.as_ms())?;
            }
            5 => regroup(&transaction)?,
            9 => recount(&transaction)?,
            _ => {}
        }
    }
    if found < VERSION {
        meta::put(&transaction, OLDEST_KEYWARD, &OLDEST)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

/// Notes what must not be there yet.
fn note(connection: &Connection, name: &str, value: &dyn ToSql) -> rusqlite::Result<()> {
    connection.execute("INSERT INTO meta (name, value) VALUES (?1, ?2)", params![name, value]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{DatabaseIdentity, identify},
        *,
    };

    #[test]
    fn a_step_that_fails_leaves_the_database_as_it_was_and_a_newer_one_is_not_touched() {
        // D8
        let mut connection = Connection::open_in_memory().unwrap();
        let fails = |_: &Connection| Err(rusqlite::Error::InvalidQuery);
        migrate(&mut connection, [7; 32], Timestamp::EPOCH, |_| Ok(()), fails, |_| Ok(())).unwrap_err();
        assert_eq!(identify(&connection).unwrap(), DatabaseIdentity::Empty);
        migrate(&mut connection, [7; 32], Timestamp::EPOCH, |_| Ok(()), |_| Ok(()), |_| Ok(())).unwrap();
        migrate(&mut connection, [7; 32], Timestamp::EPOCH, fails, fails, fails).unwrap();
        assert_eq!(version(&connection).unwrap(), VERSION);
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        migrate(&mut connection, [7; 32], Timestamp::EPOCH, fails, fails, fails).unwrap_err();
        assert_eq!(version(&connection).unwrap(), VERSION + 1);
    }
}
