//! Rows that have an id and a body.

use rusqlite::{Row as SqliteRow, params, types::Value};

use crate::{
    domain::root::DerivedKeys,
    store::{
        rows::Row,
        sqlite::{columns::coded_row, counted::CountedRows, distrusted, people, policies},
    },
};

/// A table, by what its columns are called.
pub(super) struct RowsOf {
    table: &'static str,
    id: &'static str,
    body: &'static str,
    read: fn(&SqliteRow<'_>) -> rusqlite::Result<Row>,
}

impl RowsOf {
    pub(super) const POLICIES: Self =
        Self { table: "policies", id: "version", body: "body", read: policies::policy_row };
    pub(super) const PEOPLE: Self =
        Self { table: people::TABLE, id: "reference", body: "name", read: people::person };

    /// One of those in which a row has a text for an id, and a body.
    pub(super) const fn bodies(table: &'static str) -> Self {
        Self { table, id: "id", body: "body", read: coded_row }
    }
}

/// Writes the next rows of a table anew, of at most `limit`; the last one that was looked at, or `None` behind all.
pub(super) fn step(
    counted: &mut CountedRows<'_>,
    of: &RowsOf,
    after: &[Value],
    limit: usize,
) -> rusqlite::Result<Option<Vec<Value>>> {
    let RowsOf { table, id, body, .. } = of;
    let (rows, seen, last) = next(counted, of, after, limit)?;
    let update = format!("UPDATE {table} SET {body} = ?1, root = ?2, code = ?3 WHERE {id} = ?4");
    for (at, body, row) in rows {
        let Some(new) = row.rewritten(table, counted.keys) else { continue };
        // Of the type that the column has: a body is a text or a blob.
        let body = match body {
            Value::Text(_) => Value::Text(String::from_utf8_lossy(&new.body).into_owned()),
            Value::Blob(_) | Value::Null | Value::Integer(_) | Value::Real(_) => {
                Value::Blob(new.body.clone())
            }
        };
        counted.connection.prepare_cached(&update)?.execute(params![body, new.root, new.code, at])?;
        counted.sum.subtract(row.summand(), counted.keys);
        counted.sum.add(new.summand(), counted.keys);
    }
    Ok((seen == limit).then_some(last))
}

type FoundRow = (Value, Value, Row);

/// The next rows under older roots, each with its id and body as they stand there; how many were looked at, and the id of the last.
fn next(
    counted: &CountedRows<'_>,
    of: &RowsOf,
    after: &[Value],
    limit: usize,
) -> rusqlite::Result<(Vec<FoundRow>, usize, Vec<Value>)> {
    let RowsOf { table, id, body, read } = of;
    let after = after.first().cloned();
    let begin = if after.is_some() { format!("WHERE {id} > ?1") } else { "WHERE ?1 IS NULL".to_owned() };
    let select =
        format!("SELECT {id}, {body}, revision, root, code FROM {table} {begin} ORDER BY {id} LIMIT ?2");
    let mut select = counted.connection.prepare_cached(&select)?;
    let mut rows = select.query(params![after, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let (mut found, mut seen, mut last) = (Vec::new(), 0_usize, Vec::new());
    while let Some(row) = rows.next()? {
        seen = seen.saturating_add(1);
        let (at, body): (Value, Value) = (row.get(0)?, row.get(1)?);
        last = vec![at.clone()];
        let row = read(row)?;
        let is_newest = row.root == counted.keys.newest_rows().root();
        if !is_newest && !distrusted::is_named(counted.connection, table, &String::from_utf8_lossy(&row.id))?
        {
            found.push((at, body, row));
        }
    }
    Ok((found, seen, last))
}

impl Row {
    /// The same under the newest root; `None` of one that is not as it was written.
    fn rewritten(&self, table: &str, keys: &DerivedKeys) -> Option<Self> {
        if !self.is_genuine(table, keys) {
            return None;
        }
        let body = if table == "schemes" { self.resealed(keys)? } else { self.body.clone() };
        Some(self.with_body(table, body, keys))
    }
}
