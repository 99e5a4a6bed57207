//! What people look at: lists of keys, and the log.

use std::sync::Arc;

use crate::domain::{
    audit::{Chain, PersonName, PersonRef, read_entry},
    caller_id::CallerId,
    id::{KeyId, WorkspaceId},
    revision::Revision,
    text::Owner,
    time::Timestamp,
    workspace::Within,
};

/// Which keys to look at.
#[derive(Debug, Clone)]
pub struct KeyFilter {
    /// Of these workspaces.
    pub within: Within,
    /// Of this owner.
    pub owner: Option<Owner>,
    /// Issued at or after this time.
    pub from: Option<Timestamp>,
    /// Issued before this time.
    pub before: Option<Timestamp>,
}

/// A place in a list of keys: workspace by workspace in the order of their ids, in each newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPosition {
    /// The key's workspace.
    pub workspace: WorkspaceId,
    /// When the key was issued.
    pub created: Timestamp,
    /// Its id.
    pub id: KeyId,
}

/// Which entries of the log to show.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Of this workspace.
    pub workspace: Option<WorkspaceId>,
    /// About this key.
    pub key: Option<KeyId>,
    /// By this administration key.
    pub actor_key: Option<CallerId>,
    /// Of this kind, as the log spells it.
    pub action: Option<&'static str>,
    /// At or after this time.
    pub start: Option<Timestamp>,
    /// Before this time.
    pub end: Option<Timestamp>,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its place.
    pub revision: Revision,
    /// Its canonical bytes (see [`LogEntry::canonical_bytes`](crate::domain::audit::LogEntry::canonical_bytes)); of a long
    /// one that has in it the keys that were changed together, as older schemas wrote it, without them.
    pub bytes: Vec<u8>,
    /// Its chain value.
    pub chain: Chain,
    /// Whom its references mean.
    pub people: Vec<(PersonRef, PersonName)>,
    /// Where it was asked for by a key that gained by it: the place of what that key gained among what the entry says.
    pub gained: Option<u64>,
}

impl LogRecord {
    /// What the entry says, with names in place of references; `None` if its bytes are no entry.
    #[must_use]
    pub fn entry(&self) -> Option<serde_json::Value> {
        read_entry(&self.bytes, |person| {
            let known = self.people.iter().find(|(known, _)| *known == person);
            known.map_or(&PersonName::Unknown, |(_, name)| name).shown(person)
        })
    }

    /// The key that the entry is about, if to one.
    #[must_use]
    pub fn key(&self) -> Option<KeyId> {
        let entry: serde_json::Value = serde_json::from_slice(&self.bytes).ok()?;
        KeyId::parse(entry.get("key_id")?.as_str()?).ok()
    }
}

/// A page of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRows {
    /// The entries, newest first. There can be fewer than asked for, and more behind them: a page looks at so much, and no more.
    pub records: Vec<LogRecord>,
    /// Before which the next page goes on; `None` where nothing is left that matches.
    pub more: Option<Revision>,
    /// How many entries were looked at.
    pub looked_at: usize,
}

/// A page of the log, read forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The entries, oldest first, without a gap. The last one ends a transaction: what was committed together is on one page.
    pub records: Vec<LogRecord>,
    /// Where the log ended when they were read; it is read to its end where this is the last of them, or there is none.
    pub head: Revision,
}

/// Hears how many rows a long look has read, and says whether anybody still waits for it.
pub type Listening = Arc<dyn Fn(u64) -> bool + Send + Sync>;

/// What a reading of the whole log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Entries read.
    pub records: u64,
    /// The newest entry.
    pub head: Revision,
    /// Its chain value.
    pub chain: Chain,
    /// The first entry that does not fit, and why.
    pub fault: Option<(Revision, String)>,
}
