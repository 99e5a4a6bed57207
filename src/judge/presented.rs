//! Whose a presented secret is: one of ours, or one of another system whose keys were imported.
//!
//! A token can have been imported more than once: by one kind of hash, which the import itself finds, or by several, which is
//! known only when the token is presented. In any workspace and by any kind of hash: the import that came first counts,
//! no matter what happened to its key, and the others prove nothing. Only a revocation by possession ends them all.

use super::Judge;
use crate::{
    domain::{
        admin::AdminPermit,
        id::KeyId,
        key::KeyView,
        revision::Revision,
        scheme::{Scheme, Way},
        secret::{KeyHash, NotAKey, Plaintext, PresentedKey},
        time::Timestamp,
    },
    index::Found,
};

impl Judge {
    /// The key that a presented secret proves, and the secret's hash.
    ///
    /// What is not ours is hashed in every way that imported secrets were, found or not: the unknown costs what the known
    /// does (X6, X7). While none was imported it is not hashed at all.
    pub(crate) fn whose(&self, presented: &PresentedKey<'_>) -> Option<(Found, KeyHash)> {
        match presented {
            PresentedKey::Native(plaintext) => self.whose_native(plaintext),
            PresentedKey::Foreign(plaintext) => self.whose_foreign(plaintext),
        }
    }

    /// What a text is that begins like a key of ours but is not one: another system's token, where such were imported.
    pub(crate) fn foreign_after_all<'a>(
        &self,
        text: &'a str,
        not_ours: NotAKey,
    ) -> Result<PresentedKey<'a>, NotAKey> {
        let none_imported = self.index.ways_now().is_empty();
        PresentedKey::either(text).filter(|_| !none_imported).ok_or(not_ours)
    }

    /// The key that a secret of ours proves. An import of its hash does not make it another key's secret.
    ///
    /// It is hashed from every root that secrets start at, and looked up each time, found or not (X7).
    pub(crate) fn whose_native(&self, plaintext: &Plaintext<'_>) -> Option<(Found, KeyHash)> {
        let (mut known, keys) = (None, self.keys.now());
        for hash in plaintext.hashes(&keys.lookup) {
            if let Some(found) = self.index.by_hash(&hash)
                && is_native(&found, &hash)
            {
                known = Some((found, hash));
            }
        }
        known
    }

    fn whose_foreign(&self, plaintext: &Plaintext<'_>) -> Option<(Found, KeyHash)> {
        let (mut first, keys): (Option<(Found, KeyHash)>, _) = (None, self.keys.now());
        for way in self.index.ways_now().iter() {
            for &(_, hash) in plaintext.hashes_in(way, &keys.lookup).iter() {
                let Some(found) = self.imported(&hash, way) else { continue };
                let next = (found, hash);
                first = Some(match first {
                    None => next,
                    // Under a new root already, which it was not at the look before.
                    Some(known) if known.0.key().id == next.0.key().id => next,
                    Some(known) => self.first_of(known, next),
                });
            }
        }
        first
    }

    /// The first key that was imported by this hash, which is of this way.
    fn imported(&self, hash: &KeyHash, way: &Way) -> Option<Found> {
        self.index.by_hash(hash).filter(|found| was_hashed(found, hash, way))
    }

    /// Of two imports of one token the one that came first; the other is noted, with an alarm where that is news.
    fn first_of(&self, one: (Found, KeyHash), other: (Found, KeyHash)) -> (Found, KeyHash) {
        let (first, second) =
            if taken_in(&one.0) <= taken_in(&other.0) { (one, other) } else { (other, one) };
        self.alarm_of_imports(first.0.key().id, second.0.key().id);
        first
    }

    /// Notes that two keys were imported for one token, and tells the operator once.
    pub(crate) fn alarm_of_imports(&self, earlier: KeyId, later: KeyId) {
        if self.index.note_imports(earlier, later) {
            self.import_alarms.tell(earlier, later, self.clock.now());
        }
    }

    /// The key whose import of the same token came before that of this one: for a global caller, since a tenant is told nothing
    /// of others (T1).
    pub(crate) fn earlier_import<P>(&self, permit: &AdminPermit<P>, key: &KeyView<'_>) -> Option<KeyId> {
        if permit.bound_to().is_some() {
            return None;
        }
        self.index.earlier_import(key)
    }

    /// The same where the token is the key's current secret: a rotation has dealt with it.
    pub(crate) fn earlier_of_current<P>(&self, permit: &AdminPermit<P>, key: &KeyView<'_>) -> Option<KeyId> {
        self.earlier_import(permit, key).filter(|_| key.secrets.current.is_imported())
    }

    /// Whether the token that is a key's current secret is another key's, whose import came first.
    pub(crate) fn is_others(&self, key: &KeyView<'_>) -> bool {
        key.secrets.current.is_imported() && self.index.earlier_import(key).is_some()
    }

    /// Every key that has this secret, in every way and workspace, each with the secret's generation: its hash can get another root's
    /// layer at any time.
    pub(crate) fn all_with(&self, presented: &PresentedKey<'_>) -> Vec<(KeyId, u32)> {
        let plaintext = match presented {
            PresentedKey::Native(plaintext) => {
                return self
                    .whose_native(plaintext)
                    .iter()
                    .filter_map(|(found, hash)| named(found, hash))
                    .collect();
            }
            PresentedKey::Foreign(plaintext) => plaintext,
        };
        let (mut all, keys) = (Vec::new(), self.keys.now());
        for way in self.index.ways_now().iter() {
            for &(_, hash) in plaintext.hashes_in(way, &keys.lookup).iter() {
                all.extend(self.imported(&hash, way).and_then(|found| named(&found, &hash)));
                let later = self.index.later_imports(&hash).into_iter();
                let later = later.filter(|found| was_hashed(found, &hash.later(), way));
                all.extend(later.filter_map(|found| named(&found, &hash.later())));
            }
        }
        // In the layers of before and after a change of roots it is one secret.
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// A key and the generation of its secret of this hash.
fn named(found: &Found, hash: &KeyHash) -> Option<(KeyId, u32)> {
    let key = found.key();
    key.secrets.find(hash).map(|(secret, _)| (key.id, secret.generation))
}

/// Whether a key's secret of this hash is one that Keyward made.
fn is_native(found: &Found, hash: &KeyHash) -> bool {
    found.key().secrets.find(hash).is_some_and(|(secret, _)| secret.scheme == &Scheme::Native)
}

/// Whether a key's secret of this hash was hashed in this way before.
fn was_hashed(found: &Found, hash: &KeyHash, way: &Way) -> bool {
    let secret = found.key().secrets.find(hash);
    secret.and_then(|(secret, _)| secret.scheme.hashing()).is_some_and(|hashing| way.is_of(hashing))
}

/// The order in which keys were imported; those from before it was noted come first, by their time.
fn taken_in(found: &Found) -> (Revision, Timestamp, KeyId) {
    let key = found.key();
    (key.taken_in, key.created, key.id)
}

#[cfg(test)]
mod tests;
