//! Scopes: `resource:action`, asked for by a request, and the patterns of them that a key holds.

use std::fmt;

use super::parse::ParseError;

const SCOPE: &str = "`resource:action`, each 1 to 64 characters of a-z 0-9 _ - . and beginning with a letter";
const PATTERN: &str = "`resource:action` or `resource:*`, each segment 1 to 64 characters of a-z 0-9 _ - . and beginning with a letter";

/// One scope that a request needs; borrowed, because a Check allocates nothing that it can avoid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    text: &'a str,
}

impl<'a> Scope<'a> {
    /// Takes a well-formed scope.
    ///
    /// # Errors
    /// Anything but `resource:action`; a wildcard is a right, not a requirement.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        match text.split_once(':') {
            Some((resource, action)) if is_segment(resource) && is_segment(action) => Ok(Self { text }),
            _ => Err(ParseError::new(SCOPE)),
        }
    }

    /// The scope as it was written.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }
}

/// One scope that a request needs, owned: what a route or another rule that is kept asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeText {
    text: Box<str>,
}

impl ScopeText {
    /// Takes a well-formed scope.
    ///
    /// # Errors
    /// As for [`Scope::parse`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let scope = Scope::parse(text)?;
        Ok(Self { text: scope.text.into() })
    }

    /// The scope, to be asked of a key.
    #[must_use]
    pub fn as_scope(&self) -> Scope<'_> {
        Scope { text: &self.text }
    }

    /// The scope as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// One scope that a key holds: a scope, or every action on one kind of resource. Which scopes that are, and whether another
/// pattern is among them, is for a policy to say ([`Policy::reaches`](super::policy::Policy::reaches)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopePattern {
    text: Box<str>,
    /// For `resource:*` the length of `resource`.
    wildcard: Option<usize>,
}

impl ScopePattern {
    /// Takes a well-formed scope or wildcard.
    ///
    /// # Errors
    /// Anything but `resource:action` or `resource:*` (S4).
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let wildcard = match text.split_once(':') {
            Some((resource, "*")) if is_segment(resource) => Some(resource.len()),
            Some((resource, action)) if is_segment(resource) && is_segment(action) => None,
            _ => return Err(ParseError::new(PATTERN)),
        };
        Ok(Self { text: text.into(), wildcard })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// For `resource:*` the `resource`.
    #[must_use]
    pub fn wildcard(&self) -> Option<&str> {
        self.wildcard.and_then(|length| self.text.get(..length))
    }
}

impl fmt::Display for ScopePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn is_segment(text: &str) -> bool {
    text.len() <= 64
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_a_whole_segment() {
        // S4
        let pattern = |text| ScopePattern::parse(text).unwrap();
        let wildcard = pattern("storage:*");
        assert_eq!(wildcard.wildcard(), Some("storage"));
        assert_eq!(pattern("storage:read").wildcard(), None);
        let kept = ScopeText::parse("storage:upload").unwrap();
        assert_eq!(kept.as_scope(), Scope::parse("storage:upload").unwrap());
    }

    #[test]
    fn what_is_not_a_scope_is_refused() {
        let long = format!("{}:read", "x".repeat(65));
        for bad in [
            "", ":", "a", "a:", ":a", "a:b:c", "A:b", "a:B", "a b:c", "*:*", "*:a", "*", "a:b*", "a:**",
            "1a:b", "a:ü", &long,
        ] {
            assert!(ScopePattern::parse(bad).is_err(), "{bad}");
            assert!(Scope::parse(bad).is_err(), "{bad}");
        }
        assert!(Scope::parse("a:*").is_err(), "a requirement names what it needs");
        assert!(ScopeText::parse("a:*").is_err(), "a requirement that is kept no less");
    }
}
