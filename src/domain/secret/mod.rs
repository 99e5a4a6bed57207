//! The strings that prove a key: made, shown once, presented, hashed. Their plaintext lives in this file alone.

mod format;
mod prefix;

use std::fmt;

use ring::digest;
use zeroize::Zeroizing;

pub use self::{format::holds_secret, prefix::Prefix};

use self::format::{
    BODY_LENGTH, DIGITS, RANDOM_LENGTH, checksum, is_b64token, is_native, is_token_byte, native_in,
};

use super::{
    environment::Environments,
    root::LookupKey,
    scheme::Way,
    time::{Entropy, EntropyUnavailable},
};

/// A secret just made: shown once by [`SecretKey::reveal`], wiped on drop; neither `Clone` nor `Debug`.
pub struct SecretKey(Zeroizing<String>);

impl SecretKey {
    /// Draws a new secret, without bias.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn generate(prefix: &Prefix, entropy: &dyn Entropy) -> Result<Self, EntropyUnavailable> {
        let mut text = Zeroizing::new(String::with_capacity(prefix.as_str().len() + BODY_LENGTH));
        text.push_str(prefix.as_str());
        let full = prefix.as_str().len() + RANDOM_LENGTH;
        let mut pool = Zeroizing::new([0; 64]);
        while text.len() < full {
            entropy.fill(pool.as_mut())?;
            let missing = full - text.len();
            // 248 is the largest multiple of 62 in a byte: what lies above would favour the first digits.
            let drawn =
                pool.iter().filter(|byte| **byte < 248).filter_map(|byte| DIGITS.get(usize::from(byte % 62)));
            text.extend(drawn.take(missing).map(|digit| char::from(*digit)));
        }
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.map(char::from));
        Ok(Self(text))
    }

    /// The hash that is stored in its place.
    #[must_use]
    pub fn hash(&self, key: &LookupKey) -> KeyHash {
        KeyHash::of(&self.0, key)
    }

    /// What people may recognize it by.
    #[must_use]
    pub fn hint(&self) -> Hint {
        let prefix = self.0.len().saturating_sub(BODY_LENGTH);
        let last = self.0.len().saturating_sub(4);
        Hint(
            format!(
                "{}…{}",
                self.0.get(..prefix).unwrap_or_default(),
                self.0.get(last..).unwrap_or_default()
            )
            .into(),
        )
    }

    /// The secret itself, for the one answer that shows it.
    #[must_use]
    pub fn reveal(mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

/// What a holder or caller presented. Borrowed from the request, which wipes it; neither `Clone` nor `Debug`.
pub enum PresentedKey<'a> {
    /// Prefix, length, alphabet and checksum agree. Only a secret that Keyward made can be it: one that was imported is none,
    /// or an old secret of Keyward's own would be good again by its hash.
    Native(Plaintext<'a>),
    /// Another system's token (b64token, RFC 6750 section 2.1, at most 256 bytes). None can be known before some
    /// were imported: it is hashed in each [`Way`] that imported secrets have, and in none while there are none.
    Foreign(Plaintext<'a>),
}

/// A presented plaintext; only this file looks inside.
pub struct Plaintext<'a>(&'a str);

/// Why a text cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAKey {
    /// Nothing was presented.
    Missing,
    /// Wrong length, alphabet or checksum.
    Malformed,
}

impl<'a> PresentedKey<'a> {
    /// A key of ours, whatever its prefix; `None` for everything else.
    #[must_use]
    pub fn native(text: &'a str) -> Option<Plaintext<'a>> {
        is_native(text).then_some(Plaintext(text))
    }

    /// A key of ours or another system's token, whatever it begins with; `None` for what cannot be either.
    #[must_use]
    pub fn either(text: &'a str) -> Option<Self> {
        if is_native(text) {
            Some(Self::Native(Plaintext(text)))
        } else {
            is_b64token(text).then_some(Self::Foreign(Plaintext(text)))
        }
    }

    /// Sorts what was presented, byte for byte: nothing is trimmed, no case is folded.
    ///
    /// # Errors
    /// It is empty; or it begins like a key of ours and is not one, which is another system's token where such were imported;
    /// or it cannot be a token at all.
    pub fn parse(text: &'a str, environments: &Environments) -> Result<Self, NotAKey> {
        if text.is_empty() {
            Err(NotAKey::Missing)
        } else if is_native(text) {
            Ok(Self::Native(Plaintext(text)))
        } else if environments.begins_like_ours(text) || !is_b64token(text) {
            Err(NotAKey::Malformed)
        } else {
            Ok(Self::Foreign(Plaintext(text)))
        }
    }
}

impl Plaintext<'_> {
    /// The hash to look up.
    #[must_use]
    pub fn hash(&self, key: &LookupKey) -> KeyHash {
        KeyHash::of(self.0, key)
    }

    /// The hash to look up, if it was imported from a system that hashes in this way.
    #[must_use]
    pub fn hash_in(&self, way: &Way, key: &LookupKey) -> KeyHash {
        way.keyed(self.0.as_bytes(), key)
    }
}

/// A secret read from a file, the environment or a pipe, to be sent once; wiped on drop, neither `Clone` nor `Debug`.
pub struct HeldSecret(Zeroizing<String>);

impl HeldSecret {
    /// Takes a text, less the line end that files and pipes put behind it.
    #[must_use]
    pub fn new(text: String) -> Self {
        let mut text = Zeroizing::new(text);
        let kept = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(kept);
        Self(text)
    }

    /// The secret itself, for the request that carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The keyed hash of a secret: `HMAC(root, SHA-256(api key))`; of one that was imported by another hash see
/// [`ForeignHash`](super::scheme::ForeignHash).
#[derive(Clone, Copy)]
pub struct KeyHash {
    bytes: [u8; 32],
    is_later: bool,
}

impl KeyHash {
    fn of(text: &str, key: &LookupKey) -> Self {
        Self::stored(key.hash(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()))
    }

    /// A hash as it was stored.
    #[must_use]
    pub const fn stored(bytes: [u8; 32]) -> Self {
        Self { bytes, is_later: false }
    }

    /// The same as that of a later import: some key had it already. Nothing that is presented has such a hash, so that it
    /// proves nothing, whatever becomes of that key.
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

    /// The hint of an imported secret, as far as its row tells.
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

/// The first of our secrets that stands in a text.
#[must_use]
pub fn secret_in(text: &str) -> Option<Plaintext<'_>> {
    native_in(text).map(Plaintext)
}

#[cfg(test)]
mod tests;
