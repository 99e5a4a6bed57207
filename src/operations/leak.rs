//! A secret where none may be: in a URL, which logs, histories and other sites' referrers keep.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::Operations;
use crate::domain::{id::KeyId, secret};

/// A secret of ours that stands where it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaked {
    /// Whose it is, if the key exists.
    pub key: Option<KeyId>,
}

impl Operations {
    /// Whether one of our secrets stands in this URL, in clear or percent-encoded.
    #[must_use]
    pub fn secret_in_url(&self, url: &str) -> Option<Leaked> {
        let url =
            if url.contains('%') { percent_decode_str(url).decode_utf8_lossy() } else { Cow::from(url) };
        let hash = secret::secret_in(&url)?.hash(&self.keys.lookup);
        Some(Leaked { key: self.index.by_hash(&hash).map(|found| found.key().id) })
    }
}
