//! Who used which secret last: a few rows for each secret, of no secret that is gone.

use rusqlite::{Connection, Row, params};

use crate::{
    domain::{id::KeyId, time::Timestamp},
    ports::{LastUse, MAX_USERS},
};

/// Notes a use, unless a newer one of the same user is known. One of a new user takes the place of those that are too
/// many, or of a secret that is gone; but the newest of the key always stays.
pub(super) fn put(connection: &Connection, last: &LastUse) -> rusqlite::Result<()> {
    let (key, caller) = (last.key.text(), last.caller.map(KeyId::to_text).unwrap_or_default());
    let address = last.address.map(|address| address.to_string()).unwrap_or_default();
    let user = params![key.as_str(), last.generation, caller, address, last.time.as_ms()];
    let newer = "UPDATE secret_uses SET time_ms = max(time_ms, ?5)
         WHERE key_id = ?1 AND generation = ?2 AND caller = ?3 AND address = ?4";
    if connection.prepare_cached(newer)?.execute(user)? > 0 {
        return Ok(());
    }
    let new =
        "INSERT INTO secret_uses (key_id, generation, caller, address, time_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(new)?.execute(user)?;
    let gone = "DELETE FROM secret_uses WHERE key_id = ?1
         AND generation NOT IN (SELECT generation FROM secrets WHERE key_id = ?1)
         AND time_ms < (SELECT max(time_ms) FROM secret_uses WHERE key_id = ?1)";
    connection.prepare_cached(gone)?.execute([key.as_str()])?;
    let many = "DELETE FROM secret_uses WHERE (key_id, generation, caller, address) IN
         (SELECT key_id, generation, caller, address FROM secret_uses WHERE key_id = ?1 AND generation = ?2
          ORDER BY time_ms DESC, caller, address LIMIT -1 OFFSET ?3)";
    let most = i64::try_from(MAX_USERS).unwrap_or(i64::MAX);
    connection.prepare_cached(many)?.execute(params![key.as_str(), last.generation, most])?;
    Ok(())
}

/// The last uses that are known of these keys. A use is a hint to people: one that cannot be read is left out.
pub(super) fn read(connection: &Connection, keys: &[KeyId]) -> rusqlite::Result<Vec<LastUse>> {
    let select = "SELECT generation, caller, address, time_ms FROM secret_uses WHERE key_id = ?1";
    let mut statement = connection.prepare_cached(select)?;
    let mut uses = Vec::new();
    for key in keys {
        let mut rows = statement.query([key.text().as_str()])?;
        while let Some(row) = rows.next()? {
            uses.extend(last_use(*key, row)?);
        }
    }
    Ok(uses)
}

fn last_use(key: KeyId, row: &Row<'_>) -> rusqlite::Result<Option<LastUse>> {
    let (generation, caller, address, time): (i64, String, String, i64) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let read = || {
        let generation = u32::try_from(generation).ok()?;
        let time = Timestamp::from_ms(time).ok()?;
        Some(LastUse {
            key,
            generation,
            caller: KeyId::parse(&caller).ok(),
            address: address.parse().ok(),
            time,
        })
    };
    Ok(read())
}
