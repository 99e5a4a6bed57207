//! What a secret begins with, which names its environment (K4).

use crate::domain::parse::ParseError;

const PREFIX: &str = "2 to 24 characters of a-z 0-9 _, beginning with a letter and ending with `_`";

/// What the keys of an environment begin with, for example `kw_live_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(Box<str>);

impl Prefix {
    /// Takes a prefix that a double click selects together with what follows.
    ///
    /// # Errors
    /// Anything but 2 to 24 characters of `a-z 0-9 _`, beginning with a letter and ending with `_`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if Self::fits(text) { Ok(Self(text.into())) } else { Err(ParseError::new(PREFIX)) }
    }

    /// Whether `text` could be a prefix, configured or not.
    #[must_use]
    pub fn fits(text: &str) -> bool {
        (2..=24).contains(&text.len())
            && text.ends_with('_')
            && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    }

    /// A prefix that stands in this source.
    pub(in crate::domain) fn literal(text: &str) -> Self {
        Self(text.into())
    }

    /// The prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
