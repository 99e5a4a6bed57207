//! Changes of many keys at once: their entry is the truth, and a table of who is named by which only finds it.
//!
//! No row bears the revision of such an entry, so that a log that ends before it would not show. A mark under a code says
//! which the newest is; it is there from the first, and whoever takes it away is noticed too.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params, types::Value};

use super::{
    log, notes,
    rows::Refusal,
    schema::{GROUPS, present},
};
use crate::{
    domain::{audit::Revision, group::Group, id::KeyId, root::DerivedKeys},
    ports::StoreError,
    store::rows::to_stored,
};

const MARK: &str = "newest_group";

/// What is wrong with the mark, if anything is: it must be `newest`.
pub(super) fn mark_fault(
    connection: &Connection,
    keys: &DerivedKeys,
    newest: Revision,
) -> rusqlite::Result<Option<String>> {
    // A database of an older schema has none.
    if present(connection, &[GROUPS])?.is_empty() {
        return Ok(None);
    }
    Ok(match mark(connection, keys)? {
        None => Some("the mark of the newest change of many keys was edited, or is missing".to_owned()),
        Some(mark) if mark == newest => None,
        Some(mark) => Some(format!(
            "the log was cut off: its newest change of many keys is {newest}, and there was one at {mark}"
        )),
    })
}

/// Marks the newest change of many keys: 8 bytes of its revision, big end first, and their code.
pub(super) fn put_mark(
    connection: &Connection,
    keys: &DerivedKeys,
    newest: Revision,
) -> rusqlite::Result<()> {
    let revision = newest.0.to_be_bytes();
    let value = [revision.as_slice(), &keys.rows.code(&mark_parts(&revision))].concat();
    notes::put_meta(connection, MARK, &value)
}

/// The mark; `None` if it is missing or was edited.
fn mark(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<Option<Revision>> {
    let select = "SELECT value FROM meta WHERE name = ?1";
    let stored = connection.query_row(select, [MARK], |row| row.get(0)).optional()?;
    let Some(Value::Blob(stored)) = stored else { return Ok(None) };
    let genuine =
        stored.split_first_chunk().filter(|(revision, code)| keys.rows.agrees(&mark_parts(revision), code));
    Ok(genuine.map(|(revision, _)| Revision(u64::from_be_bytes(*revision))))
}

fn mark_parts(revision: &[u8; 8]) -> [&[u8]; 3] {
    [b"meta", MARK.as_bytes(), revision]
}

/// Passes if no entry after `seen` has changed a key of the group.
///
/// Asked of the entries since, which are few, rather than of the keys, which are many.
pub(super) fn check_unchanged(connection: &Connection, group: &Group, seen: Revision) -> Result<(), Refusal> {
    let since = log::keys_named_since(connection, seen)?;
    if since.is_empty() {
        return Ok(());
    }
    let keys: HashSet<KeyId> = group.keys.values().flatten().copied().collect();
    if since.iter().any(|key| keys.contains(key)) { Err(StoreError::Conflict.into()) } else { Ok(()) }
}

/// Notes for each key that the entry at `revision` names it, and that there is such an entry.
pub(super) fn put(
    connection: &Connection,
    keys: &DerivedKeys,
    group: &Group,
    revision: Revision,
) -> rusqlite::Result<()> {
    put_mark(connection, keys, revision)?;
    let mut insert =
        connection.prepare_cached("INSERT INTO group_keys (key_id, revision) VALUES (?1, ?2)")?;
    // In the order of the table, whose pages are then touched once each.
    for key in group.ids() {
        insert.execute(params![key.text().as_str(), to_stored(revision)])?;
    }
    Ok(())
}
