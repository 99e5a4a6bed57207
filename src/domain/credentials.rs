//! The strings that prove a key, as their hashes: the current one and those in their grace.

use super::{
    scheme::Scheme,
    secret::{Hint, KeyHash},
    time::Timestamp,
};

/// One current secret, and the replaced ones with their ends: one that stays valid for ever cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The newest secret.
    pub current: Secret,
    /// Replaced ones, newest first: at most two, and one that was imported for good.
    pub retiring: Vec<RetiringSecret>,
}

/// One string that proves a key, as its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// 1 for the first, one more for each rotation.
    pub generation: u32,
    /// How it was hashed before that was keyed.
    pub scheme: Scheme,
    /// Its keyed hash.
    pub hash: KeyHash,
    /// The root that its hash starts at: the newest one when the secret was made. Later ones lie over it.
    pub root: u32,
    /// What people recognize it by.
    pub hint: Hint,
    /// When it was made.
    pub created: Timestamp,
}

/// A replaced secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiringSecret {
    /// The secret.
    pub secret: Secret,
    /// The millisecond from which on it is denied (R2).
    pub end: Timestamp,
}

impl RetiringSecret {
    /// The same without what people recognize it by.
    #[must_use]
    pub fn without_hint(&self) -> Self {
        let secret = Secret { hint: Hint::stored(""), ..self.secret.clone() };
        Self { secret, end: self.end }
    }
}

impl Secret {
    /// Whether another system made it.
    #[must_use]
    pub const fn is_imported(&self) -> bool {
        self.scheme.hashing().is_some()
    }
}

impl Credentials {
    /// The first secret of a key.
    #[must_use]
    pub const fn new(first: Secret) -> Self {
        Self { current: first, retiring: Vec::new() }
    }

    /// The secret with this hash, and its end if it was replaced. A later import's hash is no other's.
    #[must_use]
    pub fn find(&self, hash: &KeyHash) -> Option<(&Secret, Option<Timestamp>)> {
        self.iter().find(|(secret, _)| secret.hash.equals(hash))
    }

    /// Every secret, newest first, each with its end if it was replaced.
    pub fn iter(&self) -> impl Iterator<Item = (&Secret, Option<Timestamp>)> {
        let earlier = self.retiring.iter().map(|retiring| (&retiring.secret, Some(retiring.end)));
        std::iter::once((&self.current, None)).chain(earlier)
    }
}
