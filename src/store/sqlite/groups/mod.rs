//! Changes of many keys at once: their entry is the truth, with a digest of its keys, which stand in a table of their own.
//! By that they are found too, when it is asked which entries name a key.
//!
//! What was done to them stands in a row as well, so that a start needs no entry for it.
//!
//! A mark under a code says which the newest is; it is there from the first, so that its removal is noticed too.

mod anew;
mod list;
mod older;
mod rewritten;

use rusqlite::{Connection, types::Value};

use self::list::put_list;
pub(super) use self::{
    anew::put_lists,
    list::{ListRow, TABLE, gained_at, gained_by, list, naming, newest},
    older::take_over,
    rewritten::rewrite_lists,
};
use super::{
    counted::CountedRows,
    meta,
    refusal::WriteRefusal,
    schema::{WITH_MARK, present},
};
use crate::{
    domain::{
        audit::{Actor, LogEntry},
        caller_id::CallerId,
        gains::Gains,
        group::{Group, GroupChange},
        revision::Revision,
        root::DerivedKeys,
        text::Comment,
    },
    ports::StoreError,
    store::{
        records::group::change_body,
        rows::{Row, to_stored},
    },
};

/// The table of what was done to the keys of a list.
pub(super) const CHANGES: &str = "group_changes";

const MARK: &str = "newest_group";

/// What is wrong with the mark, if anything is: it must be `newest`.
pub(super) fn mark_fault(
    connection: &Connection,
    keys: &DerivedKeys,
    newest: Revision,
) -> rusqlite::Result<Option<String>> {
    // A database of an older schema has none.
    if present(connection, &[WITH_MARK])?.is_empty() {
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
    meta::put(connection, MARK, &value)
}

/// Writes the mark anew under the newest root; one that was edited stays as it is.
pub(super) fn recode_mark(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<()> {
    mark(connection, keys)?.map_or(Ok(()), |newest| put_mark(connection, keys, newest))
}

/// The mark; `None` if it is missing or was edited.
fn mark(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<Option<Revision>> {
    let Some(Value::Blob(stored)) = meta::value(connection, MARK)? else { return Ok(None) };
    let genuine =
        stored.split_first_chunk().filter(|(revision, code)| keys.rows.agrees(&mark_parts(revision), code));
    Ok(genuine.map(|(revision, _)| Revision(u64::from_be_bytes(*revision))))
}

fn mark_parts(revision: &[u8; 8]) -> [&[u8]; 3] {
    [b"meta", MARK.as_bytes(), revision]
}

/// Writes the change that the entry at `revision` is, with its keys, and marks that there is such an entry.
pub(super) fn put(
    counted: &mut CountedRows<'_>,
    group: &Group,
    entry: &LogEntry,
    revision: Revision,
) -> Result<(), WriteRefusal> {
    put_mark(counted.connection, counted.keys, revision)?;
    // An empty comment is always one.
    let comment = entry.comment.clone().map_or_else(|| Comment::parse(""), Ok);
    let comment = comment.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let change = GroupChange {
        revision,
        time: entry.time,
        by: match &entry.actor {
            Actor::Admin { by, .. } => Some(*by),
            Actor::Holder { key, .. } => Some(CallerId::Key(*key)),
            Actor::System => None,
        },
        act: group.act(),
        comment,
        keys: Vec::new(),
    };
    put_change(counted, &change)?;
    let keys = group.keys().iter().map(|(key, before)| (*key, before.to_bytes()));
    Ok(put_list(counted, to_stored(revision), keys)?)
}

/// Writes the row of a change of many keys.
pub(super) fn put_change(counted: &mut CountedRows<'_>, change: &GroupChange) -> Result<(), WriteRefusal> {
    let body = change_body(change).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let id = change.revision.0.to_string();
    counted.replace(CHANGES, &Row::new(CHANGES, id, body, change.revision, counted.keys))
}

/// Writes the keys that gain by the entry at `revision`.
pub(super) fn put_gains(
    counted: &mut CountedRows<'_>,
    gains: &Gains,
    revision: Revision,
) -> rusqlite::Result<()> {
    put_list(counted, gained_at(to_stored(revision)), gains.rows())
}
