//! Laying ends over keys that no store has yet, and taking them away.

use std::sync::{Arc, atomic::Ordering};

use super::{End, Index, sharing::Sharing};
use crate::domain::{id::KeyId, key::Key};

impl Index {
    /// Lays an end over a key, under this number: from now on it is seen so.
    pub fn lay(&self, key: KeyId, number: u64, end: &End) {
        let mut sharing = self.lock();
        self.laid.add(key, number, end);
        self.refresh_laid(key, &mut sharing);
    }

    /// Takes an end away that is stored now, or never will be.
    pub fn lift(&self, key: KeyId, number: u64) {
        let mut sharing = self.lock();
        self.laid.drop(key, number);
        self.refresh_laid(key, &mut sharing);
    }

    /// A key, as it is stored, with what is laid over it.
    #[must_use]
    pub fn as_seen(&self, key: Key) -> Key {
        let (seen, _stored) = self.laid.upon(key);
        seen
    }

    /// Whether anything is laid over a key.
    #[must_use]
    pub fn is_laid(&self, key: KeyId) -> bool {
        self.laid.keys.load(Ordering::Acquire) > 0 && self.laid.ends.pin().contains_key(&key)
    }

    fn refresh_laid(&self, key: KeyId, sharing: &mut Sharing) {
        let by_id = self.by_id.pin();
        let Some(cell) = by_id.get(&key) else { return };
        let before = cell.record.load_full();
        let after = before.laid_over(before.stored().clone(), &self.laid);
        sharing.tallies.moved(&before.key, &after.key);
        cell.record.store(Arc::new(after));
    }
}
