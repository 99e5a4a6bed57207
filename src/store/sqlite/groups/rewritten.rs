//! Lists of keys under an older root, written anew under the newest.

use rusqlite::{params, types::Value};

use super::list::ListRow;
use crate::store::sqlite::counted::CountedRows;

/// Writes the next rows anew, of at most `limit`; the place and first id of the last one that was looked at, or `None` behind all. One
/// that is not as it was written stays as it is.
pub(in crate::store::sqlite) fn rewrite_lists(
    counted: &mut CountedRows<'_>,
    after: &[Value],
    limit: usize,
) -> rusqlite::Result<Option<Vec<Value>>> {
    let (place, first) = match after {
        [place, first] => (place.clone(), first.clone()),
        _ => (Value::Integer(i64::MIN), Value::Blob(Vec::new())),
    };
    let rows: Vec<ListRow> = {
        let select = "SELECT revision, first_id, ids, states_before, code, root FROM grouped_keys
             WHERE (revision, first_id) > (?1, ?2) ORDER BY revision, first_id LIMIT ?3";
        let mut select = counted.connection.prepare_cached(select)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        select.query_map(params![place, first, limit], ListRow::read)?.collect::<rusqlite::Result<_>>()?
    };
    let seen = rows.len();
    let last = rows.last().map(|row| vec![Value::Integer(row.place), Value::Blob(row.found_by.clone())]);
    let update = "UPDATE grouped_keys SET code = ?1, root = ?2 WHERE revision = ?3 AND first_id = ?4";
    let mut update = counted.connection.prepare_cached(update)?;
    let newest = counted.keys.newest_rows().root();
    for mut row in rows.into_iter().filter(|row| row.root != newest) {
        if row.is_genuine(counted.keys) {
            counted.sum.subtract(row.summand(), counted.keys);
            row.code_anew(counted.keys);
            counted.sum.add(row.summand(), counted.keys);
            update.execute(params![row.code, row.root, row.place, row.found_by])?;
        }
    }
    Ok(last.filter(|_| seen == limit))
}
