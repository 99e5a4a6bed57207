//! Which scopes keys used, or asked for and were denied: at most two rows for each key and declared scope.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::schema::SCOPES_WATCHED;
use crate::{
    domain::{id::KeyId, time::Timestamp},
    ports::ScopeUse,
};

const USED: &str = "USED";
const DENIED: &str = "DENIED";

/// Adds to what is known.
pub(super) fn put(connection: &Connection, rows: &[ScopeUse]) -> rusqlite::Result<()> {
    let add =
        "INSERT INTO scope_uses (key_id, scope, outcome, first_hour, last_hour) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (key_id, scope, outcome) DO UPDATE SET
             first_hour = min(first_hour, excluded.first_hour), last_hour = max(last_hour, excluded.last_hour)
         WHERE excluded.last_hour > last_hour OR excluded.first_hour < first_hour";
    let mut add = connection.prepare_cached(add)?;
    for row in rows {
        let outcome = if row.used { USED } else { DENIED };
        add.execute(params![row.key.text().as_str(), row.scope, outcome, row.first_hour, row.last_hour])?;
    }
    Ok(())
}

/// What is known of these keys, and since when it is noted. A row that cannot be read is left out.
pub(super) fn read(
    connection: &Connection,
    keys: &[KeyId],
) -> rusqlite::Result<(Vec<ScopeUse>, Option<Timestamp>)> {
    let since: Option<i64> = connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([SCOPES_WATCHED], |row| row.get(0))
        .optional()?;
    let select = "SELECT scope, outcome, first_hour, last_hour FROM scope_uses WHERE key_id = ?1";
    let mut statement = connection.prepare_cached(select)?;
    let mut uses = Vec::new();
    for key in keys {
        let mut rows = statement.query([key.text().as_str()])?;
        while let Some(row) = rows.next()? {
            uses.extend(scope_use(*key, row)?);
        }
    }
    Ok((uses, since.and_then(|ms| Timestamp::from_ms(ms).ok())))
}

fn scope_use(key: KeyId, row: &Row<'_>) -> rusqlite::Result<Option<ScopeUse>> {
    let (scope, outcome): (String, String) = (row.get(0)?, row.get(1)?);
    let (first, last): (i64, i64) = (row.get(2)?, row.get(3)?);
    let read = || {
        let (first_hour, last_hour) = (u32::try_from(first).ok()?, u32::try_from(last).ok()?);
        Some(ScopeUse { key, scope: scope.into(), used: outcome == USED, first_hour, last_hour })
    };
    Ok(read())
}
