//! Records whose codes are of an older root, coded anew under the newest.

use rusqlite::{Connection, params, types::Value};

use super::record::{record, select};
use crate::{domain::root::DerivedKeys, store::chain::StoredRecord};

/// Codes the next records anew, the oldest first, of at most `limit`; the last one that was looked at, or `None` behind all. One that
/// is not as it was written stays as it is.
pub(in crate::store::sqlite) fn recode(
    connection: &Connection,
    keys: &DerivedKeys,
    after: &[Value],
    limit: usize,
) -> rusqlite::Result<Option<Vec<Value>>> {
    let after = after.first().cloned().unwrap_or(Value::Integer(0));
    let records: Vec<StoredRecord> = {
        let mut select = select(connection, "NOT INDEXED WHERE revision > ?1 ORDER BY revision LIMIT ?2")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        select.query_map(params![after, limit], record)?.collect::<rusqlite::Result<_>>()?
    };
    let (seen, last) = (records.len(), records.last().map(|last| vec![Value::Integer(last.revision)]));
    let mut update = connection.prepare_cached("UPDATE log SET root = ?1, code = ?2 WHERE revision = ?3")?;
    let newest = Some(keys.newest_rows().root());
    for mut record in records.into_iter().filter(|record| record.root != newest) {
        if record.is_genuine(keys) {
            record.code_anew(keys);
            update.execute(params![record.root, record.code, record.revision])?;
        }
    }
    Ok(last.filter(|_| seen == limit))
}
