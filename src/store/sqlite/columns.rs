//! Columns as they are read, with any value that was put there: codes tell what was meant.

use rusqlite::{Connection, Params, Row as SqliteRow, types::ValueRef};

use crate::store::rows::{Row, SecretRow};

/// A row of which the columns are an id, a body, a revision and a code.
pub(super) fn key_row(row: &SqliteRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row { id: bytes(row, 0)?, body: bytes(row, 1)?, revision: integer_of(row, 2)?, code: bytes(row, 3)? })
}

/// Shows each row that a query finds to `put`: its columns are an id, a body, a revision and a code.
pub(super) fn each_row(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    mut put: impl FnMut(&Row),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        put(&key_row(row)?);
    }
    Ok(())
}

/// A row of a secret, of which the columns begin at `first`.
pub(super) fn secret_row_at(row: &SqliteRow<'_>, first: usize) -> rusqlite::Result<SecretRow> {
    let column = |offset: usize| first.saturating_add(offset);
    Ok(SecretRow {
        generation: row.get(column(0))?,
        scheme: bytes(row, column(1))?,
        root: integer_of(row, column(2))?,
        hash: bytes(row, column(3))?,
        hint: bytes(row, column(4))?,
        created_ms: integer_of(row, column(5))?,
        end_ms: row.get(column(6))?,
        revision: integer_of(row, column(7))?,
        code: bytes(row, column(8))?,
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
