//! Columns as they are read, with any value that was put there: codes tell what was meant.

use rusqlite::{Row as SqliteRow, types::ValueRef};

use crate::store::rows::Row;

/// A row of which the columns are an id, a body, a revision and a code.
pub(super) fn key_row(row: &SqliteRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row { id: bytes(row, 0)?, body: bytes(row, 1)?, revision: integer_of(row, 2)?, code: bytes(row, 3)? })
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
