//! What is kept of a secret: its keyed hash, by which it is found, and the hint, by which people recognize it.

use std::fmt;

use ring::digest;

use super::format::{BODY_LENGTH, is_token_byte};
use crate::domain::root::LookupKey;

/// The keyed hash of a secret: `HMAC(root, SHA-256(api key))`, with later roots laid over it; of one that was imported by another hash see
/// [`ForeignHash`](crate::domain::scheme::ForeignHash).
#[derive(Clone, Copy)]
pub struct KeyHash {
    bytes: [u8; 32],
    is_later: bool,
}

impl KeyHash {
    pub(super) fn of(text: &str, key: &LookupKey) -> Self {
        Self::stored(key.hash(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()))
    }

    /// Those that a text can have, one for each root that secrets start at.
    pub(super) fn all_of<'k>(text: &str, key: &'k LookupKey) -> impl Iterator<Item = Self> + use<'k> {
        let hashes = key.hashes(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        hashes.map(|(_, hash)| Self::stored(hash))
    }

    /// The same with the roots after `under` laid over it; `None` where there is no such root.
    #[must_use]
    pub fn laid_over(self, key: &LookupKey, under: u32) -> Option<Self> {
        Some(Self { bytes: key.laid_over(self.bytes, under)?, ..self })
    }

    /// A hash as it was stored.
    #[must_use]
    pub const fn stored(bytes: [u8; 32]) -> Self {
        Self { bytes, is_later: false }
    }

    /// The same as that of a later import: some key had it already. No presented token has such a hash, so that it
    /// proves nothing, no matter what happens to that key.
    #[must_use]
    pub const fn later(self) -> Self {
        Self { is_later: true, ..self }
    }

    /// Whether it is that of a later import.
    #[must_use]
    pub const fn is_later(&self) -> bool {
        self.is_later
    }

    /// The same as what is presented has it.
    #[must_use]
    pub const fn presented(self) -> Self {
        Self { is_later: false, ..self }
    }

    /// Its bytes, for the store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Its first half, by which it is found.
    #[must_use]
    pub fn slot(&self) -> u128 {
        let (first, _) = self.bytes.split_at(16);
        u128::from_be_bytes(first.try_into().unwrap_or_default())
    }

    /// Whether both are the same; takes the same time wherever they differ.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        let same = subtle::ConstantTimeEq::ct_eq(self.bytes.as_slice(), other.bytes.as_slice());
        bool::from(same) && self.is_later == other.is_later
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyHash(…)")
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.equals(other)
    }
}

impl Eq for KeyHash {}

/// What people recognize a secret by: its prefix and its last four characters, which belong to the checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint(Box<str>);

impl Hint {
    /// A hint as it was stored.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The hint of a secret of ours.
    pub(super) fn of(text: &str) -> Self {
        let prefix = text.len().saturating_sub(BODY_LENGTH);
        let last = text.len().saturating_sub(4);
        let (prefix, last) = (text.get(..prefix), text.get(last..));
        Self(format!("{}…{}", prefix.unwrap_or_default(), last.unwrap_or_default()).into())
    }

    /// The hint of an imported secret, from what its row states.
    ///
    /// # Errors
    /// A prefix of more than 16 characters, other than none or four last ones, or characters that no token has.
    pub fn imported(prefix: &str, last_four: &str) -> Result<Self, HintError> {
        let fits = |text: &str| text.bytes().all(is_token_byte);
        if prefix.len() > 16 || !fits(prefix) {
            return Err(HintError::Prefix);
        }
        if !matches!(last_four.len(), 0 | 4) || !fits(last_four) {
            return Err(HintError::LastFour);
        }
        Ok(Self(format!("{prefix}…{last_four}").into()))
    }

    /// The hint, for example `kw_live_…3xYz`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which part of an imported secret's hint does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintError {
    /// The first characters.
    Prefix,
    /// The last ones.
    LastFour,
}
