//! Ends of keys that are not stored yet, laid over what is stored: a key denied here stays denied when its row is read anew.
//!
//! What is stored is kept beside it ([`Found::stored`](super::Found::stored)), because changes are made of that, and never of what was laid over it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::own::Own;
use crate::domain::{
    id::KeyId,
    key::{Key, KeyState, Revocation, StateKind},
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

    /// The same for what memory keeps of a key.
    fn lay(&self, key: &mut Own) {
        match (self, key.state) {
            (Self::Revoked(revocation), _) => key.turn(StateKind::Revoked, revocation.at),
            (Self::Disabled(since), StateKind::Active) => key.turn(StateKind::Disabled, *since),
            (Self::Disabled(_), StateKind::Disabled | StateKind::Revoked) => {}
            (Self::Secret(generation, end), _) => key.end_secret(*generation, *end),
        }
    }
}

impl Laid {
    /// A key, as it is stored, as it is to be seen.
    pub(super) fn upon(&self, key: Key) -> Key {
        if self.keys.load(Ordering::Acquire) == 0 {
            return key;
        }
        let ends = self.ends.pin();
        let Some(ends) = ends.get(&key.id) else { return key };
        ends.iter().fold(key, |key, (_, end)| end.upon(key))
    }

    /// The same for what memory keeps of a key.
    pub(super) fn over(&self, key: Own) -> Own {
        if self.keys.load(Ordering::Acquire) == 0 {
            return key;
        }
        let ends = self.ends.pin();
        let Some(ends) = ends.get(&key.id()) else { return key };
        Own::laid(key, |key| ends.iter().for_each(|(_, end)| end.lay(key)))
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
