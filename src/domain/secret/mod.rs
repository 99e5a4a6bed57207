//! The strings that prove a key: made, shown once, presented, hashed. Their plaintext lives in this file alone.

mod format;
mod hash;
mod prefix;

use zeroize::Zeroizing;

pub use self::{
    format::holds_secret,
    hash::{Hint, HintError, KeyHash},
    prefix::Prefix,
};

use self::format::{BODY_LENGTH, DIGITS, RANDOM_LENGTH, checksum, is_b64token, is_native, native_in};

use super::{
    environment::Environments,
    root::LookupKey,
    scheme::{StartHashes, Way},
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
        Hint::of(&self.0)
    }

    /// The secret itself, for the one answer that shows it.
    #[must_use]
    pub fn reveal(mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

/// What a holder or caller presented. Borrowed from the request, which wipes it; neither `Clone` nor `Debug`.
pub enum PresentedKey<'a> {
    /// Prefix, length, alphabet and checksum agree. Only a secret that Keyward made is native: an imported one never is,
    /// or an old secret of Keyward's own would be good again by its hash.
    Native(Plaintext<'a>),
    /// Another system's token (b64token, RFC 6750 section 2.1, at most 256 bytes). It can be known only after some
    /// were imported: it is hashed in each [`Way`] that imported secrets have, and in no way before the first import.
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
    /// A key of ours, with any prefix; `None` for everything else.
    #[must_use]
    pub fn native(text: &'a str) -> Option<Plaintext<'a>> {
        is_native(text).then_some(Plaintext(text))
    }

    /// A key of ours or another system's token, with any beginning; `None` for a text that cannot be either.
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
    /// The hashes to look up: one for each root that secrets start at.
    pub fn hashes<'k>(&self, key: &'k LookupKey) -> impl Iterator<Item = KeyHash> + use<'k> {
        KeyHash::all_of(self.0, key)
    }

    /// The hashes to look up, if it was imported from a system that hashes in this way.
    #[must_use]
    pub fn hashes_in(&self, way: &Way, key: &LookupKey) -> StartHashes {
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

/// What people recognize a text by that is like a key of ours; `None` for every other: what it gives away, nobody knows.
#[must_use]
pub fn hint_of(text: &str) -> Option<Hint> {
    is_native(text).then(|| Hint::of(text))
}

/// The first of our secrets that stands in a text.
#[must_use]
pub fn secret_in(text: &str) -> Option<Plaintext<'_>> {
    native_in(text).map(Plaintext)
}

#[cfg(test)]
mod tests;
