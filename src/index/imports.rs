//! Which imports are of one token, beside what a Check needs of them.
//!
//! Of two keys that were imported by one hash the second has it as a later one ([`KeyHash::later`]): it is stored so, found
//! here, and proves nothing. Two that were imported by different kinds of hash are known for one only when the token is
//! presented; that is noted in memory alone, where no tenant sees a trace of it.

use crate::domain::{id::KeyId, key::SecretViews, secret::KeyHash};

/// Keys with a secret that some other key's was before.
#[derive(Default)]
pub(super) struct Imports {
    /// By the first half of the hash; written by the follower alone.
    pub(super) later: papaya::HashMap<u128, Vec<KeyId>>,
    /// The keys that came before, by those that came after; written where a token is found in both.
    pub(super) found: papaya::HashMap<KeyId, KeyId>,
}

impl Imports {
    /// Takes in the later imports of a key.
    pub(super) fn put(&self, key: KeyId, secrets: SecretViews<'_>) {
        for hash in later(secrets) {
            self.later.pin().update_or_insert_with(
                hash.slot(),
                |known| known.iter().copied().filter(|known| *known != key).chain([key]).collect(),
                || vec![key],
            );
        }
    }

    /// Forgets those of a key that cannot be trusted.
    pub(super) fn remove(&self, key: KeyId, secrets: SecretViews<'_>) {
        for hash in later(secrets) {
            self.later
                .pin()
                .update(hash.slot(), |known| known.iter().copied().filter(|known| *known != key).collect());
        }
    }
}

/// The hashes of a key that other keys had before.
pub(super) fn later(secrets: SecretViews<'_>) -> impl Iterator<Item = KeyHash> + '_ {
    secrets.iter().map(|(secret, _)| *secret.hash).filter(KeyHash::is_later)
}
