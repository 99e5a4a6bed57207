//! Laying ends over keys that no store has yet, and taking them away.

use std::sync::atomic::Ordering;

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
        self.laid.upon(key)
    }

    /// Whether anything is laid over a key.
    #[must_use]
    pub fn is_laid(&self, key: KeyId) -> bool {
        self.laid.keys.load(Ordering::Acquire) > 0 && self.laid.ends.pin().contains_key(&key)
    }

    fn refresh_laid(&self, key: KeyId, sharing: &mut Sharing) {
        let Some((place, before, class)) = self.slab.by_id(key, Index::copied) else { return };
        let after = self.laid.over(before.stored().clone());
        sharing.tallies.moved(class.load().parts.workspace, &before, &after);
        self.slab.change(place, |record| record.put(after));
    }
}
