//! Texts with a stated bound and alphabet: names, owners, labels, comments.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::{parse::ParseError, secret::holds_secret};

/// A text is stored, logged and shown; a secret must never be.
const SECRET: ParseError = ParseError::new("free of API keys: it is stored and shown in clear");

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $fits:expr, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text that fits.
            ///
            /// # Errors
            #[doc = concat!("Anything but ", $allowed, ".")]
            pub fn parse(text: &str) -> Result<Self, ParseError> {
                let fits: fn(&str) -> bool = $fits;
                if !fits(text) {
                    return Err(ParseError::new($allowed));
                }
                if holds_secret(text) { Err(SECRET) } else { Ok(Self(text.into())) }
            }

            /// A text that was parsed before it was stored; whoever reads it has verified that nobody has edited it since.
            #[must_use]
            pub fn stored(text: &str) -> Self {
                Self(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

text!(
    /// What people call a key or a workspace.
    Name,
    |text| (1..=128).contains(&text.chars().count()) && is_plain(text) && text.trim() == text,
    "1 to 128 characters without control or bidirectional formatting characters, and no space at either end"
);
text!(
    /// What people say about a key. May be empty.
    Description,
    |text| text.chars().count() <= 1024 && is_plain(text),
    "at most 1,024 characters without control or bidirectional formatting characters"
);
text!(
    /// What an operator says about a change. May be empty.
    Comment,
    |text| text.chars().count() <= 1024 && is_plain(text),
    "at most 1,024 characters without control or bidirectional formatting characters"
);
/// The user or service that something belongs to: an id of the user's own, fit for a header.
///
/// A short one is kept in place: millions of keys have one each, and most are short.
#[derive(Clone)]
pub struct Owner(OwnerText);

/// How many bytes of an owner are kept in place.
const IN_PLACE: usize = 22;

#[derive(Clone)]
enum OwnerText {
    Short(u8, [u8; IN_PLACE]),
    Long(Arc<str>),
}

impl Owner {
    /// Takes a text that fits.
    ///
    /// # Errors
    /// Anything but 1 to 128 visible ASCII characters without spaces.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if !(1..=128).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ParseError::new("1 to 128 visible ASCII characters without spaces"));
        }
        if holds_secret(text) { Err(SECRET) } else { Ok(Self::kept(text)) }
    }

    /// A text that was parsed before it was stored; whoever reads it has verified that nobody has edited it since.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self::kept(text)
    }

    fn kept(text: &str) -> Self {
        let mut bytes = [0; IN_PLACE];
        let place = bytes.get_mut(..text.len());
        Self(match (place, u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                OwnerText::Short(length, bytes)
            }
            (None, _) | (_, Err(_)) => OwnerText::Long(text.into()),
        })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            OwnerText::Short(length, bytes) => {
                let text = bytes.get(..usize::from(*length)).unwrap_or_default();
                std::str::from_utf8(text).unwrap_or_default()
            }
            OwnerText::Long(text) => text,
        }
    }
}

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Owner {}

impl PartialOrd for Owner {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Owner {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Owner {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Owner").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

text!(
    /// Makes a call safe to retry.
    RequestId,
    |text| (1..=64).contains(&text.len()) && text.bytes().all(is_label_byte),
    "1 to 64 characters of a-z A-Z 0-9 _ - ."
);
text!(
    /// The name of an environment.
    EnvironmentName,
    is_label,
    "1 to 32 characters of a-z 0-9 -, beginning with a letter"
);
text!(
    /// The name of a tier, a role, a limit, or another system's way to hash.
    Label,
    is_label,
    "1 to 32 characters of a-z 0-9 -, beginning with a letter"
);
text!(
    /// The name of a header of HTTP, as it stands in HTTP/2.
    HeaderName,
    |text| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !["host", "cookie", "content-length", "transfer-encoding"].contains(&text)
            && !text.starts_with("x-keyward-")
    },
    "the lower-case name of a header, 1 to 64 characters of a-z 0-9 -, which is not `host`, `cookie`, one that frames \
     the body, or `x-keyward-…`"
);
text!(
    /// What a credential is for, as a challenge tells it (RFC 9110 section 11.5).
    Realm,
    |text| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|byte| (byte.is_ascii_graphic() || byte == b' ') && !matches!(byte, b'"' | b'\\'))
    },
    "1 to 64 visible ASCII characters or spaces, without `\"` and `\\`"
);
impl HeaderName {
    /// Where RFC 6750 has it.
    #[must_use]
    pub fn authorization() -> Self {
        Self("authorization".into())
    }

    /// Where many services have it.
    #[must_use]
    pub fn x_api_key() -> Self {
        Self("x-api-key".into())
    }
}

impl Default for Realm {
    fn default() -> Self {
        Self("keyward".into())
    }
}

text!(
    /// The name of a plan.
    Plan,
    is_label,
    "1 to 32 characters of a-z 0-9 -, beginning with a letter"
);

fn is_label(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

impl Plan {
    /// A name that stands in this source.
    pub(super) fn literal(name: &str) -> Self {
        Self(name.into())
    }
}

impl Label {
    /// A name that stands in this source.
    pub(super) fn literal(name: &str) -> Self {
        Self(name.into())
    }
}

impl EnvironmentName {
    /// A name that stands in this source.
    pub(super) fn literal(name: &str) -> Self {
        Self(name.into())
    }
}

/// Labels of the user's own: at most 32 pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Takes labels that fit.
    ///
    /// # Errors
    /// More than 32 pairs, a name outside 1 to 64 characters of `a-z A-Z 0-9 _ - .`, or a value over 256 characters
    /// or with control or bidirectional formatting characters.
    pub fn parse(pairs: BTreeMap<String, String>) -> Result<Self, ParseError> {
        if pairs.len() > 32 {
            return Err(ParseError::new("at most 32 pairs"));
        }
        for (name, value) in &pairs {
            if !(1..=64).contains(&name.len()) || !name.bytes().all(is_label_byte) {
                return Err(ParseError::new("pairs whose names are 1 to 64 characters of a-z A-Z 0-9 _ - ."));
            }
            if holds_secret(value) || holds_secret(name) {
                return Err(SECRET);
            }
            if value.chars().count() > 256 || !is_plain(value) {
                return Err(ParseError::new(
                    "pairs whose values are at most 256 characters without control or bidirectional formatting characters",
                ));
            }
        }
        Ok(Self(pairs))
    }

    /// The pairs, sorted by name.
    #[must_use]
    pub const fn pairs(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Whether a text can be shown to people without deceiving them: no control characters, and none that reorder,
/// join or hide others (Unicode Technical Report 36, section 2.5).
fn is_plain(text: &str) -> bool {
    !text.chars().any(|character| {
        character.is_control()
            || matches!(character,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_fits_or_is_refused() {
        let long = "x".repeat(129);
        for good in ["CI", "Zoë’s laptop", "東京", "a b"] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", " a", "a ", "a\nb", "a\u{202e}b", "a\u{200b}b", "\u{0}", &long] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "zoë", "a\r\nb", &long] {
            assert!(Owner::parse(bad).is_err(), "{bad:?}");
        }
    }
}
