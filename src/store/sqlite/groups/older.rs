//! Lists of keys as older schemas had them.

use rusqlite::{Connection, params};

use super::list::{IN_ROW, first_id};
use crate::{domain::id::KeyId, store::sqlite::columns::bytes};

/// Takes over the table of older schemas, which had a row for each key and entry.
pub(in crate::store::sqlite) fn take_over(connection: &Connection) -> rusqlite::Result<()> {
    let mut select =
        connection.prepare("SELECT revision, key_id FROM group_keys ORDER BY revision, key_id")?;
    let mut insert =
        connection.prepare("INSERT INTO grouped_keys (revision, first_id, ids) VALUES (?1, ?2, ?3)")?;
    let mut put = |revision: i64, ids: &[u8]| insert.execute(params![revision, first_id(ids), ids]);
    let mut rows = select.query([])?;
    let (mut current, mut ids) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        let revision = row.get(0)?;
        if !ids.is_empty() && (revision != current || ids.len() == IN_ROW * KeyId::BYTES) {
            put(current, &ids)?;
            ids.clear();
        }
        current = revision;
        // One that was edited finds nothing.
        let key = KeyId::parse(&String::from_utf8_lossy(&bytes(row, 1)?));
        ids.extend(key.into_iter().flat_map(KeyId::to_bytes));
    }
    if !ids.is_empty() {
        put(current, &ids)?;
    }
    Ok(())
}
