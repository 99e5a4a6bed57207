//! Which imports are of one token, beside what a Check needs of them.
//!
//! Of two keys that were imported by one hash the second has it as a later one ([`KeyHash::later`]): it is stored so, found
//! here, and proves nothing. Two that were imported by different kinds of hash are known for one only when the token is
//! presented; that is noted in memory alone, where no tenant sees a trace of it.

use super::{Found, Index};
use crate::domain::{credentials::Credentials, id::KeyId, key::Key, secret::KeyHash};

/// Keys with a secret that some other key's was before.
#[derive(Default)]
pub(super) struct Imports {
    /// By the first half of the hash; written by the follower alone.
    later: papaya::HashMap<u128, Vec<KeyId>>,
    /// The keys that came before, by those that came after; written by whoever finds one token in both.
    found: papaya::HashMap<KeyId, KeyId>,
}

impl Imports {
    /// Takes in the later imports of a key.
    pub(super) fn put(&self, key: KeyId, credentials: &Credentials) {
        for hash in later(credentials) {
            self.later.pin().update_or_insert_with(
                hash.slot(),
                |known| known.iter().copied().filter(|known| *known != key).chain([key]).collect(),
                || vec![key],
            );
        }
    }

    /// Forgets those of a key that cannot be trusted.
    pub(super) fn remove(&self, key: KeyId, credentials: &Credentials) {
        for hash in later(credentials) {
            self.later
                .pin()
                .update(hash.slot(), |known| known.iter().copied().filter(|known| *known != key).collect());
        }
    }
}

fn later(credentials: &Credentials) -> impl Iterator<Item = KeyHash> {
    credentials.iter().map(|(secret, _)| secret.hash).filter(KeyHash::is_later)
}

impl Index {
    /// The keys that were imported by this hash after another key had it.
    #[must_use]
    pub fn later_imports(&self, hash: &KeyHash) -> Vec<Found> {
        let ids = self.imports.later.pin().get(&hash.slot()).cloned().unwrap_or_default();
        let found = ids.into_iter().filter_map(|id| self.by_id(id));
        found.filter(|found| found.key().credentials.find(&hash.later()).is_some()).collect()
    }

    /// Notes that a token is the imported secret of both; whether that is news.
    pub fn note_imports(&self, earlier: KeyId, later: KeyId) -> bool {
        let found = self.imports.found.pin();
        found.get(&later).is_none() && found.insert(later, earlier).is_none()
    }

    /// The key whose import of the same token came before that of this one, as far as that is known: then the imported
    /// secret of this one proves nothing.
    #[must_use]
    pub fn earlier_import(&self, key: &Key) -> Option<KeyId> {
        let by_hash = || {
            let hash = later(&key.credentials).next()?.presented();
            let of_another = |id: &KeyId| *id != key.id;
            let first = self.by_hash(&hash).map(|found| found.key().id);
            // The first one's rows cannot be trusted, for one.
            first.or_else(|| self.later_imports(&hash).first().map(|found| found.key().id).filter(of_another))
        };
        by_hash().or_else(|| self.imports.found.pin().get(&key.id).copied())
    }
}
