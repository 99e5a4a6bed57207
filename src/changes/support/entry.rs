//! Entries of the log about a change of a key, and mutations of one.

use crate::{
    domain::{
        audit::{Action, Actor, FieldChange, LogEntry},
        key::Key,
        time::Timestamp,
    },
    ports::{Mutation, Rows},
};

/// An entry about a change of a key, to be completed by the verb.
pub(in crate::changes) fn entry(actor: Actor, action: Action, key: &Key, now: Timestamp) -> LogEntry {
    LogEntry { workspace: Some(key.workspace), key: Some(key.id), ..LogEntry::new(now, actor, action) }
}

/// A mutation that writes one key and stands on nothing else.
pub(in crate::changes) fn write_key(entry: LogEntry, key: Key) -> Mutation {
    Mutation::new(entry, Rows { key: Some(key), ..Rows::default() })
}

/// One changed field.
pub(in crate::changes) fn change(
    field: &'static str,
    from: impl Into<serde_json::Value>,
    to: impl Into<serde_json::Value>,
) -> FieldChange {
    FieldChange { field: field.into(), from: from.into(), to: to.into() }
}

/// Whether a change of a key needs an open workspace: keys of a closed workspace cannot be changed so. The change happens in the
/// workspace as it was judged, or not at all.
pub(in crate::changes) const fn stands_on_workspace(action: Action) -> bool {
    matches!(action, Action::KeyRotate | Action::KeyUpdate | Action::KeyEnable | Action::SecretGrace)
}
