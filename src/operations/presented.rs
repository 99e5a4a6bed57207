//! Whose a presented secret is: one of ours, or one of another system whose keys were imported.

use super::Operations;
use crate::{
    domain::secret::{KeyHash, Plaintext, PresentedKey},
    index::Found,
};

impl Operations {
    /// The key that a presented secret proves, and the secret's hash.
    ///
    /// What is not ours is hashed in every way that imported secrets were, found or not: the unknown costs what the known
    /// does (X6, X7). While none was imported it is not hashed at all. One token that was imported by two kinds of hash
    /// is the key of the first, in the order of their names, whatever becomes of that.
    pub(super) fn whose(&self, presented: &PresentedKey<'_>) -> Option<(Found, KeyHash)> {
        match presented {
            PresentedKey::Native(plaintext) => {
                let hash = plaintext.hash(&self.keys.lookup);
                self.index.by_hash(&hash).map(|found| (found, hash))
            }
            PresentedKey::Foreign(plaintext) => self.whose_foreign(plaintext),
        }
    }

    fn whose_foreign(&self, plaintext: &Plaintext<'_>) -> Option<(Found, KeyHash)> {
        let mut known = None;
        for way in self.index.ways_now().iter() {
            let hash = plaintext.hash_in(way, &self.keys.lookup);
            let found = self.index.by_hash(&hash);
            known = known.or(found.map(|found| (found, hash)));
        }
        known
    }
}
