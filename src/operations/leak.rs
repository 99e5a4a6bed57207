//! A secret where none may be: in a URL, which logs, histories and other sites' referrers keep.

use super::Operations;
use crate::domain::{id::KeyId, secret};

/// A secret of ours that stands where it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaked {
    /// Whose it is, if the key exists.
    pub key: Option<KeyId>,
}

impl Operations {
    /// Whether one of our secrets stands in this text.
    #[must_use]
    pub fn secret_in(&self, text: &str) -> Option<Leaked> {
        let hash = secret::secret_in(text)?.hash(&self.keys.lookup);
        Some(Leaked { key: self.index.by_hash(&hash).map(|found| found.key().id) })
    }
}
