//! Bringing a database to the newest schema.

use rusqlite::{Connection, ToSql, params};

use super::{
    identity::{OLDEST_KEYWARD, version},
    steps::{OLDEST, STEPS, VERSION},
};
use crate::{domain::time::Timestamp, store::sqlite::meta};

/// Since when uses of scopes are noted, in the table `meta`.
pub(in crate::store::sqlite) const SCOPES_WATCHED: &str = "scopes_watched_ms";

/// What one step does beside its tables.
pub(in crate::store::sqlite) type Convert<'c> = &'c dyn Fn(&Connection) -> rusqlite::Result<()>;

/// What steps do beside their tables.
#[derive(Clone, Copy)]
pub(in crate::store::sqlite) struct Conversions<'c> {
    /// Makes the mark of changes of many keys.
    pub(in crate::store::sqlite) mark: Convert<'c>,
    /// Takes over their keys.
    pub(in crate::store::sqlite) regroup: Convert<'c>,
    /// Takes counts over into blocks.
    pub(in crate::store::sqlite) recount: Convert<'c>,
    /// Takes keys over into packed rows, and gives all rows their short codes.
    pub(in crate::store::sqlite) repack: Convert<'c>,
}

/// Brings a database to the newest schema, all steps in one transaction (D8). The first one also notes the roots'
/// check value, so that there is no schema without it; the fourth notes since when uses of scopes are noted.
pub(in crate::store::sqlite) fn migrate(
    connection: &mut Connection,
    check: [u8; 32],
    now: Timestamp,
    conversions: Conversions<'_>,
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
                (conversions.mark)(&transaction)?;
                note(&transaction, SCOPES_WATCHED, &now.as_ms())?;
            }
            5 => (conversions.regroup)(&transaction)?,
            9 => (conversions.recount)(&transaction)?,
            13 => (conversions.repack)(&transaction)?,
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
impl Conversions<'_> {
    /// Of a database that holds nothing to take over.
    pub(in crate::store::sqlite) const NOTHING: Self =
        Self { mark: &|_| Ok(()), regroup: &|_| Ok(()), recount: &|_| Ok(()), repack: &|_| Ok(()) };
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
        let fails: Convert<'_> = &|_| Err(rusqlite::Error::InvalidQuery);
        let all_fail = Conversions { mark: fails, regroup: fails, recount: fails, repack: fails };
        let one_fails = Conversions { repack: fails, ..Conversions::NOTHING };
        migrate(&mut connection, [7; 32], Timestamp::EPOCH, one_fails).unwrap_err();
        assert_eq!(identify(&connection).unwrap(), DatabaseIdentity::Empty);
        migrate(&mut connection, [7; 32], Timestamp::EPOCH, Conversions::NOTHING).unwrap();
        migrate(&mut connection, [7; 32], Timestamp::EPOCH, all_fail).unwrap();
        assert_eq!(version(&connection).unwrap(), VERSION);
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        migrate(&mut connection, [7; 32], Timestamp::EPOCH, all_fail).unwrap_err();
        assert_eq!(version(&connection).unwrap(), VERSION + 1);
    }
}
