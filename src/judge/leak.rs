//! A secret where none may be: in a URL, which logs, histories and other sites' referrers keep.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{Judge, locate::known_to};
use crate::domain::{
    id::{KeyId, WorkspaceId},
    key::Standing,
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

impl Judge {
    /// Whether one of our secrets stands in this URL, in clear or percent-encoded; or one that was imported, as a segment
    /// of the path or the value of a parameter, among the first that are long enough for one.
    ///
    /// An imported one counts while it is good and its key known to a caller who is bound so: that of a revoked key is
    /// told from no other text (X7).
    #[must_use]
    pub fn secret_in_url(&self, url: &str, bound_to: Option<WorkspaceId>) -> Option<Leaked> {
        let decoded = decoded(url);
        let Some(native) = secret::secret_in(&decoded) else {
            return self.imported_in_url(url, bound_to);
        };
        Some(Leaked { key: self.whose_native(&native).map(|(found, _)| found.key().id) })
    }

    fn imported_in_url(&self, url: &str, bound_to: Option<WorkspaceId>) -> Option<Leaked> {
        if self.index.ways_now().is_empty() {
            return None;
        }
        let now = self.clock.now();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let values = query.split(['&', '#', ';']);
        let values = values.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        let parts = path.split('/').chain(values).filter(|part| part.len() >= SHORTEST).take(MOST);
        parts.map(decoded).find_map(|part| {
            let (found, hash) = self.whose(&PresentedKey::either(&part)?)?;
            let key = found.key();
            let (_, end) = key.secrets.find(&hash)?;
            let is_good = key.standing(now) == Standing::Active
                && end.is_none_or(|end| now < end)
                && !found.surroundings().owner_removed
                && known_to(bound_to, &found);
            is_good.then_some(Leaked { key: Some(key.id) })
        })
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    if text.contains('%') { percent_decode_str(text).decode_utf8_lossy() } else { Cow::from(text) }
}
