//! What the store notes of itself: values under names.

use rusqlite::{Connection, OptionalExtension as _, ToSql, params, types::FromSql};

/// Writes the value under a name, in place of any that was there.
pub(super) fn put(connection: &Connection, name: &str, value: &dyn ToSql) -> rusqlite::Result<()> {
    let put = "INSERT INTO meta (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    connection.prepare_cached(put)?.execute(params![name, value])?;
    Ok(())
}

/// The value under a name.
pub(super) fn value<T: FromSql>(connection: &Connection, name: &str) -> rusqlite::Result<Option<T>> {
    let select = "SELECT value FROM meta WHERE name = ?1";
    connection.prepare_cached(select)?.query_row([name], |row| row.get(0)).optional()
}
