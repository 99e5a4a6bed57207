//! Public, random identifiers: `key_…`, `ws_…` and `grp_…`, 128 bits each, safe to log.
//!
//! The 26 characters are Crockford's base 32 in lower case, as in `TypeID` 0.3: no case to lose, nothing to escape, one double click.

use std::fmt;

use super::{
    parse::ParseError,
    time::{Entropy, EntropyUnavailable},
};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// A new, random id.
            ///
            /// # Errors
            /// There is no randomness.
            pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyUnavailable> {
                let mut bytes = [0; 16];
                entropy.fill(&mut bytes)?;
                Ok(Self(u128::from_be_bytes(bytes)))
            }

            /// The id as it is written: for the path of a Check, where formatting would cost more than the decision.
            #[must_use]
            pub fn text(self) -> IdText<{ $prefix.len() + LENGTH }> {
                let mut text = [b'0'; $prefix.len() + LENGTH];
                let (prefix, digits) = text.split_at_mut($prefix.len());
                prefix.copy_from_slice($prefix.as_bytes());
                encode(self.0, digits);
                IdText(text)
            }

            /// How many bytes its number takes.
            pub const BYTES: usize = 16;

            /// Its number, big end first: in the order of the ids, and shorter than they.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; Self::BYTES] {
                self.0.to_be_bytes()
            }

            /// The id with this number.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }

            /// The same, to be kept.
            #[must_use]
            pub fn to_text(self) -> String {
                self.text().as_str().to_owned()
            }

            /// Reads an id in its one spelling.
            ///
            /// # Errors
            #[doc = concat!("Anything but ", $allowed, ".")]
            pub fn parse(text: &str) -> Result<Self, ParseError> {
                text.strip_prefix($prefix).and_then(decode).map(Self).ok_or(ParseError::new($allowed))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.text().as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }
    };
}

id!(
    /// Names a key; public, random, safe to log.
    KeyId, "key_", "`key_` and 26 characters of 0-9 a-z, as Issue returned it"
);
impl KeyId {
    /// One of `count` numbers from 0, always the same for this id, evenly spread.
    #[must_use]
    pub fn stripe(self, count: usize) -> usize {
        let count = u128::try_from(count.max(1)).unwrap_or(1);
        usize::try_from(self.0 % count).unwrap_or(0)
    }

    /// How long an id is without its prefix.
    pub const DIGITS: usize = LENGTH;

    /// Reads an id that was written without its prefix.
    #[must_use]
    pub fn from_digits(digits: &str) -> Option<Self> {
        decode(digits).map(Self)
    }
}

id!(
    /// Names a workspace; public, random, safe to log.
    WorkspaceId, "ws_", "`ws_` and 26 characters of 0-9 a-z, as RegisterWorkspace returned it"
);
impl WorkspaceId {
    /// One of `count` numbers from 0, always the same for this id, evenly spread.
    #[must_use]
    pub fn stripe(self, count: usize) -> usize {
        let count = u128::try_from(count.max(1)).unwrap_or(1);
        usize::try_from(self.0 % count).unwrap_or(0)
    }
}

id!(
    /// Names a change of many keys; public, random, safe to log.
    GroupId, "grp_", "`grp_` and 26 characters of 0-9 a-z, as ChangeKeys returned it"
);

/// An id as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdText<const N: usize>([u8; N]);

impl<const N: usize> IdText<N> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Writes 26 digits.
fn encode(value: u128, digits: &mut [u8]) {
    let mut rest = value;
    for slot in digits.iter_mut().rev() {
        let digit = usize::try_from(rest & 31).unwrap_or(0);
        *slot = ALPHABET.get(digit).copied().unwrap_or(b'0');
        rest >>= 5;
    }
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != LENGTH || text.as_bytes().first().is_none_or(|first| *first > b'7') {
        return None;
    }
    text.bytes().try_fold(0_u128, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'h' => byte - b'a' + 10,
            b'j' | b'k' => byte - b'j' + 18,
            b'm' | b'n' => byte - b'm' + 20,
            b'p'..=b't' => byte - b'p' + 22,
            b'v'..=b'z' => byte - b'v' + 27,
            _ => return None,
        };
        Some(value << 5 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_in_one_spelling_only() {
        for value in [0, 1, 31, 32, u128::MAX, u128::MAX / 3] {
            let text = KeyId(value).to_string();
            assert_eq!(text.len(), 30);
            assert_eq!(KeyId::parse(&text), Ok(KeyId(value)));
            assert_eq!(text.strip_prefix("key_").and_then(KeyId::from_digits), Some(KeyId(value)));
            assert_eq!(KeyId::from_bytes(KeyId(value).to_bytes()), KeyId(value));
        }
        let good = KeyId(u128::MAX).to_string();
        for bad in [
            "",
            "key_",
            "default",
            &good.to_uppercase(),
            &good.replace("key_", "ws_"),
            &format!("{good} "),
            "key_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        ] {
            assert!(KeyId::parse(bad).is_err(), "{bad}");
        }
    }
}
