//! The rows of keys: with the layer of the newest root over the hashes of their secrets.

use rusqlite::{params, types::Value};

use crate::store::{
    key_row::{NewKeyRow, TABLE},
    records::key::{StoredSecret, secrets_of},
    sqlite::{
        columns::{KEYS, key_row},
        counted::CountedRows,
        distrusted, hashes,
        refusal::WriteRefusal,
    },
    sum::Summand,
};

/// A row as it is to be, and what it was.
struct Rewritten {
    row: NewKeyRow,
    secrets: Vec<StoredSecret>,
    root: i64,
    code: Vec<u8>,
}

/// Writes the next rows anew, of at most `limit`; the last one that was looked at, or `None` behind all.
pub(super) fn step(
    counted: &mut CountedRows<'_>,
    after: &[Value],
    limit: usize,
) -> rusqlite::Result<Option<Vec<Value>>> {
    let (rewritten, seen, last) = next(counted, after, limit)?;
    for Rewritten { row, secrets, root, code } in rewritten {
        let update = "UPDATE keys SET body = ?1, root = ?2, code = ?3 WHERE id = ?4";
        counted.connection.prepare_cached(update)?.execute(params![row.body, row.root, row.code, row.id])?;
        match hashes::replace(counted.connection, &row.id, &secrets, &secrets_of(&row.body)) {
            // No right hangs on that table.
            Ok(()) | Err(WriteRefusal::Store(_)) => {}
            Err(WriteRefusal::Driver(error)) => return Err(error),
        }
        counted.sum.subtract(Summand { root, code: &code }, counted.keys);
        counted.sum.add(row.as_row().summand(), counted.keys);
    }
    Ok((seen == limit).then_some(last))
}

/// The next rows under older roots, how many rows were looked at, and the id of the last.
fn next(
    counted: &CountedRows<'_>,
    after: &[Value],
    limit: usize,
) -> rusqlite::Result<(Vec<Rewritten>, usize, Vec<Value>)> {
    let select = format!("{KEYS} WHERE id > ?1 ORDER BY id LIMIT ?2");
    let mut select = counted.connection.prepare_cached(&select)?;
    let after = after.first().cloned().unwrap_or_else(|| Value::Blob(Vec::new()));
    let mut rows = select.query(params![after, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let (mut rewritten, mut seen, mut last) = (Vec::new(), 0_usize, Vec::new());
    while let Some(row) = rows.next()? {
        seen = seen.saturating_add(1);
        last = vec![row.get(0)?];
        let row = key_row(row)?;
        if row.root == counted.keys.newest_rows().root()
            || distrusted::is_named(counted.connection, TABLE, &row.shown_id())?
        {
            continue;
        }
        rewritten.extend(row.rewritten(counted.keys).map(|new| Rewritten {
            row: new,
            secrets: secrets_of(row.body),
            root: row.root,
            code: row.code.to_vec(),
        }));
    }
    Ok((rewritten, seen, last))
}
