//! Methods of HTTP, as a route names them and a request brings them.

use super::path::NotCanonical;
use crate::domain::parse::ParseError;

/// The method by which a browser asks whether a page may send what it wants to send: a preflight.
pub(super) const OPTIONS: &str = "OPTIONS";

/// Without a route of its own, this is decided as [`GET`] is.
pub(super) const HEAD: &str = "HEAD";
pub(super) const GET: &str = "GET";

/// The method that a route is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(Box<str>);

impl Method {
    /// Takes a method in upper case, known or not.
    ///
    /// # Errors
    /// Anything but 1 to 32 characters of `A-Z 0-9 _ -` that begin with a letter: narrower than a token of RFC 9110
    /// §5.6.2, and as wide as the registered methods.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if is_method(text) {
            Ok(Self(text.into()))
        } else {
            Err(ParseError::new(
                "a method in upper case: 1 to 32 characters of A-Z 0-9 _ - beginning with a letter",
            ))
        }
    }

    /// The method as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Refuses the method of a request that no route can name. Methods are case-sensitive (RFC 9110 §9.1), but a server
/// that takes `get` for `GET` would do what the route of `GET` guards.
pub(super) fn check(method: &str) -> Result<(), NotCanonical> {
    if is_method(method) { Ok(()) } else { Err(NotCanonical) }
}

fn is_method(text: &str) -> bool {
    text.len() <= 32
        && text.as_bytes().first().is_some_and(u8::is_ascii_uppercase)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_of_a_route_is_upper_case() {
        for good in ["GET", "HEAD", "M-SEARCH", "VERSION-CONTROL", "X"] {
            assert_eq!(Method::parse(good).unwrap().as_str(), good);
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = "X".repeat(33);
        for bad in
            ["", "get", "Get", "GET ", " GET", "G T", "*", "GET\0", "-GET", "1", "GÉT", "GET,PUT", &long]
        {
            assert!(Method::parse(bad).is_err(), "{bad:?}");
            assert_eq!(check(bad), Err(NotCanonical), "{bad:?}");
        }
    }
}
