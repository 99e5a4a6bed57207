//! Which keys have secrets that were imported from one token.

use super::{Found, Index, imports::later};
use crate::domain::{id::KeyId, key::KeyView, secret::KeyHash};

impl Index {
    /// The keys that were imported by this hash after another key had it.
    #[must_use]
    pub fn later_imports(&self, hash: &KeyHash) -> Vec<Found> {
        let ids = self.imports.later.pin().get(&hash.slot()).cloned().unwrap_or_default();
        let found = ids.into_iter().filter_map(|id| self.by_id(id));
        found.filter(|found| found.key().secrets.find(&hash.later()).is_some()).collect()
    }

    /// Notes that a token is the imported secret of both; whether that is news.
    pub fn note_imports(&self, earlier: KeyId, later: KeyId) -> bool {
        let found = self.imports.found.pin();
        found.get(&later).is_none() && found.insert(later, earlier).is_none()
    }

    /// The key whose import of the same token came before that of this one, if such a key is known: then the imported
    /// secret of this one proves nothing.
    #[must_use]
    pub fn earlier_import(&self, key: &KeyView<'_>) -> Option<KeyId> {
        let by_hash = || {
            let hash = later(key.secrets).next()?.presented();
            let of_another = |id: &KeyId| *id != key.id;
            let first = self.by_hash(&hash).map(|found| found.key().id);
            // The first one's rows cannot be trusted, for one.
            first.or_else(|| self.later_imports(&hash).first().map(|found| found.key().id).filter(of_another))
        };
        by_hash().or_else(|| self.imports.found.pin().get(&key.id).copied())
    }
}
