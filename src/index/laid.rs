//! Ends of keys that are not stored yet, laid over what is stored: a key denied here stays denied when its row is read anew.
//!
//! What is stored is kept beside it ([`Found::stored`](super::Found::stored)), because changes are made of that, and never of what was laid over it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::domain::{
    id::KeyId,
    key::{Key, KeyState, Revocation},
    time::Timestamp,
};

/// What ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The key, for good.
    Revoked(Revocation),
    /// The key, until it is enabled; since then.
    Disabled(Timestamp),
    /// A replaced secret of this generation; then.
    Secret(u32, Timestamp),
}

/// What is laid over keys, each end under a number of its own.
#[derive(Default)]
pub(super) struct Laid {
    pub(super) ends: papaya::HashMap<KeyId, Vec<(u64, End)>>,
    /// How many keys: while this is 0, no key is looked up here.
    pub(super) keys: AtomicUsize,
}

impl End {
    fn upon(&self, key: Key) -> Key {
        match (self, &key.state) {
            (Self::Revoked(revocation), _) => key.revoke(revocation.clone()),
            (Self::Disabled(since), KeyState::Active) => {
                Key { state: KeyState::Disabled, updated: *since, ..key }
            }
            (Self::Disabled(_), KeyState::Disabled | KeyState::Revoked(_)) => key,
            (Self::Secret(generation, end), _) => key.end_secret(*generation, *end),
        }
    }
}

impl Laid {
    /// A key as it is to be seen, and as it is stored where that differs.
    pub(super) fn upon(&self, key: Key) -> (Key, Option<Box<Key>>) {
        if self.keys.load(Ordering::Acquire) == 0 {
            return (key, None);
        }
        let ends = self.ends.pin();
        let Some(ends) = ends.get(&key.id) else { return (key, None) };
        let stored = Box::new(key.clone());
        (ends.iter().fold(key, |key, (_, end)| end.upon(key)), Some(stored))
    }

    pub(super) fn add(&self, key: KeyId, number: u64, end: &End) {
        let ends = self.ends.pin();
        let mut of_key = ends.get(&key).cloned().unwrap_or_default();
        of_key.push((number, end.clone()));
        ends.insert(key, of_key);
        self.keys.store(ends.len(), Ordering::Release);
    }

    pub(super) fn drop(&self, key: KeyId, number: u64) {
        let ends = self.ends.pin();
        let mut of_key = ends.get(&key).cloned().unwrap_or_default();
        of_key.retain(|(known, _)| *known != number);
        if of_key.is_empty() {
            ends.remove(&key);
        } else {
            ends.insert(key, of_key);
        }
        self.keys.store(ends.len(), Ordering::Release);
    }
}
