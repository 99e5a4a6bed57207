//! A secret where none may be: in a URL, which logs, histories and other sites' referrers keep.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::Operations;
use crate::domain::{
    id::KeyId,
    secret::{self, PresentedKey},
};

/// The shortest part of a URL that is looked up as another system's token, and how many are: each costs a hash.
const SHORTEST: usize = 16;
const MOST: usize = 8;

/// A secret of ours that stands where it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaked {
    /// Whose it is, if the key exists.
    pub key: Option<KeyId>,
}

impl Operations {
    /// Whether one of our secrets stands in this URL, in clear or percent-encoded; or one that was imported, as a segment
    /// of the path or the value of a parameter, among the first that are long enough for one.
    #[must_use]
    pub fn secret_in_url(&self, url: &str) -> Option<Leaked> {
        let Some(native) =
            secret::secret_in(&decoded(url)).map(|plaintext| plaintext.hash(&self.keys.lookup))
        else {
            return self.imported_in_url(url);
        };
        Some(Leaked { key: self.index.by_hash(&native).map(|found| found.key().id) })
    }

    fn imported_in_url(&self, url: &str) -> Option<Leaked> {
        if self.index.ways_now().is_empty() {
            return None;
        }
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let values = query.split(['&', '#', ';']);
        let values = values.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        let parts = path.split('/').chain(values).filter(|part| part.len() >= SHORTEST).take(MOST);
        parts.map(decoded).find_map(|part| {
            let (found, _) = self.whose(&PresentedKey::either(&part)?)?;
            Some(Leaked { key: Some(found.key().id) })
        })
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    if text.contains('%') { percent_decode_str(text).decode_utf8_lossy() } else { Cow::from(text) }
}
