//! Columns as they are read, with any value that was put there: codes tell what was meant.

use rusqlite::{Connection, Params, Row as SqliteRow, types::ValueRef};

use crate::store::{key_row::KeyRow, rows::Row};

/// What reads the rows of a table that have an id and a body, before any condition: its columns are those of [`coded_row`].
pub(super) fn select_from(table: &str) -> String {
    format!("SELECT id, body, revision, root, code FROM {table}")
}

/// A row of which the columns are an id, a body, a revision, a root and a code.
pub(super) fn coded_row(row: &SqliteRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: bytes(row, 0)?,
        body: bytes(row, 1)?,
        revision: integer_of(row, 2)?,
        root: integer_of(row, 3)?,
        code: bytes(row, 4)?,
    })
}

/// Shows each row that a query finds to `put`: its columns are those of [`coded_row`].
pub(super) fn each_row(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    mut put: impl FnMut(&Row),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        put(&coded_row(row)?);
    }
    Ok(())
}

/// What is read of a key's row, before any condition.
pub(super) const KEYS: &str =
    "SELECT id, workspace_id, created_ms, owner, body, revision, root, code FROM keys";

/// The row of a key, of which the columns are those of [`KEYS`]: as it lies there, until the next one is asked for.
pub(super) fn key_row<'r>(row: &'r SqliteRow<'_>) -> rusqlite::Result<KeyRow<'r>> {
    Ok(KeyRow {
        id: lying(row, 0)?.unwrap_or_default(),
        workspace: lying(row, 1)?.unwrap_or_default(),
        created_ms: integer_of(row, 2)?,
        owner: lying(row, 3)?,
        body: lying(row, 4)?.unwrap_or_default(),
        revision: integer_of(row, 5)?,
        root: integer_of(row, 6)?,
        code: lying(row, 7)?.unwrap_or_default(),
    })
}

/// Shows the row of each key that a query finds to `put`; its columns are those of [`KEYS`].
pub(super) fn each_key(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    mut put: impl FnMut(&KeyRow<'_>),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        put(&key_row(row)?);
    }
    Ok(())
}

/// The bytes of a text or blob where they lie; `None` where there is no value.
pub(super) fn lying<'r>(row: &'r SqliteRow<'_>, column: usize) -> rusqlite::Result<Option<&'r [u8]>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    })
}

/// The bytes of a text or blob, without a look at them; none where there is no value.
pub(super) fn bytes(row: &SqliteRow<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Vec::new(),
    })
}

/// A whole number; where there is none, one that is no revision.
pub(super) fn integer_of(row: &SqliteRow<'_>, column: usize) -> rusqlite::Result<i64> {
    row.get::<_, Option<i64>>(column).map(|value| value.unwrap_or(-1))
}
