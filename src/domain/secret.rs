//! The strings that prove a key: made, shown once, presented, hashed. Their plaintext lives in this file alone.
//!
//! The format: a prefix that names the environment, 43 characters of base 62 (256 bits), 6 characters of base 62: the
//! CRC-32 of all before them. The checksum tells a typing error from an unknown key without a look-up, and lets a
//! secret scanner know a key offline (K4); it is no protection.

use std::fmt;

use ring::digest;
use zeroize::Zeroizing;

use super::{
    environment::{Environments, Prefix},
    root::LookupKey,
    time::{Entropy, EntropyUnavailable},
};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;
const BODY_LENGTH: usize = RANDOM_LENGTH + CHECKSUM_LENGTH;
const MAX_LENGTH: usize = 256;

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
    /// Prefix, length, alphabet and checksum agree.
    Native(Plaintext<'a>),
    /// Another system's token (b64token, RFC 6750 section 2.1, at most 256 bytes). None can be known before some
    /// were imported.
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

    /// Sorts what was presented, byte for byte: nothing is trimmed, no case is folded.
    ///
    /// # Errors
    /// It is empty; or it begins like a key of ours and is not one; or it cannot be a token at all.
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

/// The keyed hash of a secret: `HMAC(root, SHA-256(api key))`.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    fn of(text: &str, key: &LookupKey) -> Self {
        Self(key.hash(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()))
    }

    /// A hash as it was stored.
    #[must_use]
    pub const fn stored(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, for the store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its first half, by which it is found.
    #[must_use]
    pub fn slot(&self) -> u128 {
        let (first, _) = self.0.split_at(16);
        u128::from_be_bytes(first.try_into().unwrap_or_default())
    }

    /// Whether both are the same; takes the same time wherever they differ.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_slice(), other.0.as_slice()).into()
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

    /// The hint, for example `kw_live_…3xYz`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text that is to be stored holds what looks like one of our secrets: put in the wrong place, it would be
/// kept in clear (K2).
#[must_use]
pub fn holds_secret(text: &str) -> bool {
    secret_in(text).is_some()
}

/// The first of our secrets that stands in a text.
#[must_use]
pub fn secret_in(text: &str) -> Option<Plaintext<'_>> {
    if text.len() <= BODY_LENGTH {
        return None;
    }
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .find_map(PresentedKey::native)
}

fn is_native(text: &str) -> bool {
    let Some((prefix, body)) =
        text.len().checked_sub(BODY_LENGTH).and_then(|length| text.split_at_checked(length))
    else {
        return false;
    };
    let checked = prefix.len() + RANDOM_LENGTH;
    Prefix::fits(prefix)
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.as_bytes().split_at_checked(checked).is_some_and(|(all, sum)| checksum(all) == sum)
}

fn checksum(text: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(text);
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        let place = usize::try_from(rest % 62).unwrap_or(0);
        *digit = DIGITS.get(place).copied().unwrap_or(b'0');
        rest /= 62;
    }
    digits
}

fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len() <= MAX_LENGTH
        && !body.is_empty()
        && body.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::root::{DerivedKeys, Root};

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
            bytes.fill_with(|| self.0.fetch_add(37, std::sync::atomic::Ordering::Relaxed));
            Ok(())
        }
    }

    fn secret() -> String {
        SecretKey::generate(&Prefix::parse("kw_live_").unwrap(), &Counting(0.into())).unwrap().reveal()
    }

    fn sort(text: &str) -> Result<bool, NotAKey> {
        PresentedKey::parse(text, &Environments::default()).map(|key| matches!(key, PresentedKey::Native(_)))
    }

    #[test]
    fn a_secret_is_one_word_with_a_prefix_and_a_checksum() {
        // K4
        let text = secret();
        assert_eq!(text.len(), "kw_live_".len() + 49);
        assert!(text.starts_with("kw_live_"));
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        assert_eq!(sort(&text), Ok(true));
    }

    #[test]
    fn the_checksum_is_the_one_that_scanners_compute() {
        // K4: CRC-32 of "123456789" is 0xCBF43926, in base 62 with these digits 3jbqLY.
        let mut value = 0_u64;
        for digit in checksum(b"123456789") {
            value =
                value * 62 + u64::try_from(DIGITS.iter().position(|known| *known == digit).unwrap()).unwrap();
        }
        assert_eq!(value, 0xCBF4_3926);
    }

    #[test]
    fn every_typing_error_is_told_without_a_look_up() {
        // K4: one wrong character, two swapped, one missing, one more
        let text = secret();
        for place in "kw_live_".len()..text.len() {
            for wrong in ["x", "Q", "7", "_", "-"] {
                let mut typed = text.clone();
                typed.replace_range(place..=place, wrong);
                if typed != text {
                    assert_eq!(sort(&typed), Err(NotAKey::Malformed), "{typed}");
                }
            }
            let mut shorter = text.clone();
            shorter.remove(place);
            assert_eq!(sort(&shorter), Err(NotAKey::Malformed));
        }
        for typed in
            [format!("{text}0"), format!("{text} "), format!("kw_live_{text}"), "kw_live_".to_owned()]
        {
            assert_eq!(sort(&typed), Err(NotAKey::Malformed), "{typed}");
        }
    }

    #[test]
    fn what_is_not_ours_is_foreign_or_malformed() {
        // K5
        let text = secret();
        assert_eq!(sort(""), Err(NotAKey::Missing));
        for foreign in [
            "sk_live_abc",
            "eyJhbGciOiJub25lIn0.e30.",
            "abc==",
            &text.to_uppercase(),
            &text.replace("kw_live_", "pxk_live_"),
        ] {
            assert_eq!(sort(foreign), Ok(false), "{foreign}");
        }
        for bad in [
            " ",
            "a b",
            "a,b",
            "a\0",
            "ä",
            "=",
            "a=b",
            "\"a\"",
            &format!(" {text}"),
            &format!("{text},{text}"),
            &"a".repeat(257),
        ] {
            assert_eq!(sort(bad), Err(NotAKey::Malformed), "{bad}");
        }
    }

    #[test]
    fn a_secret_in_a_text_is_noticed() {
        // K2
        let text = secret();
        for holding in [text.clone(), format!("my key: {text}."), format!("a\n{text}=")] {
            assert!(holds_secret(&holding));
        }
        let mistyped = text.replace("kw_live_", "kw_test_");
        for free in [
            "",
            "kw_live_",
            "a description of some length, with words and more words, and no secret",
            &mistyped,
        ] {
            assert!(!holds_secret(free), "{free}");
        }
    }

    #[test]
    fn a_hash_depends_on_every_root_and_every_byte() {
        let root = |number, byte| Root::kept(number, Zeroizing::new([byte; 32]));
        let one = DerivedKeys::new(&root(1, 1), &[]);
        let two = DerivedKeys::new(&root(1, 1), &[root(2, 2)]);
        let hash = |keys: &DerivedKeys, text| KeyHash::of(text, &keys.lookup);
        assert!(hash(&one, "a").equals(&hash(&one, "a")));
        assert!(!hash(&one, "a").equals(&hash(&one, "b")));
        assert!(!hash(&one, "a").equals(&hash(&two, "a")));
        let layered = two.lookup.hash(digest::digest(&digest::SHA256, b"a").as_ref());
        assert_eq!(layered, *hash(&two, "a").as_bytes());
    }
}
