//! Paths of requests, in the one spelling that decides something (X3).

use crate::domain::escape;

/// Bytes of the longest path.
const MAX_BYTES: usize = 8_192;
/// Slashes of the deepest path: each begins a segment.
const MAX_SEGMENTS: usize = 64;

/// A request whose path, host or method is spelled in a way that could be read as another one; it is denied, never
/// matched (X3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path, host or method of the request is not in its canonical form")]
pub struct NotCanonical;

/// A path that has no other spelling, so that every server reads it alike.
///
/// A slash at the end makes another path: `/a/` is not `/a`. Its last segment is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanonicalPath<'a>(&'a str);

impl<'a> CanonicalPath<'a> {
    /// Takes the path of a request as a gateway hands it over; a query is cut off.
    ///
    /// # Errors
    /// No `/` at the beginning, an empty segment but for the last, a segment `.` or `..`, more than 8,192 bytes or 64
    /// slashes, a `#` even in the query, and any character that is not a `pchar` of RFC 3986 §3.3. Of those `;` and `!` are
    /// refused too: some servers cut a segment at the first, and the second is what Envoy shows in the place of a byte that
    /// is not UTF-8, which the server behind would get. Escapes are those that a path needs, in their one spelling (H12);
    /// any other is refused.
    pub fn parse(target: &'a str) -> Result<Self, NotCanonical> {
        if target.contains('#') {
            return Err(NotCanonical);
        }
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        if has_shape(path) && path.split('/').all(is_segment) { Ok(Self(path)) } else { Err(NotCanonical) }
    }

    /// The path, without a query.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// What follows the slash at the beginning: the segments, divided by `/`.
    pub(super) fn below_root(&self) -> &'a str {
        self.0.strip_prefix('/').unwrap_or_default()
    }
}

/// Whether this begins with a slash, holds no empty segment but for the last, and is no longer or deeper than a path
/// may be. Says nothing about what is in the segments.
pub(super) fn has_shape(path: &str) -> bool {
    path.len() <= MAX_BYTES
        && path.starts_with('/')
        && !path.contains("//")
        && path.bytes().filter(|byte| *byte == b'/').count() <= MAX_SEGMENTS
}

/// Whether this can stand between two slashes of a canonical path; nothing can, too.
pub(super) fn is_segment(text: &str) -> bool {
    !matches!(text, "." | "..")
        && text.bytes().all(|byte| is_plain(byte) || byte == b'%')
        && escape::are_canonical(text)
}

/// The `pchar` of RFC 3986 §3.3 without `;`, `!` and percent-escapes.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~$&'()*+,=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_path_is_taken_as_it_is() {
        let (deep, long) = ("/a".repeat(64), "/".to_owned() + &"a".repeat(8191));
        for good in [
            "/",
            "/a",
            "/a/",
            "/a/b",
            "/v1/p:cancel",
            "/...",
            "/a/..b",
            "/a../b",
            "/.well-known/x",
            "/~u/$&'()*+,=@-_.",
            "/*",
            "/A",
            "/caf%C3%A9/a%20b/%7Bc%7D",
            "/%F0%9F%94%91",
            "/...%20",
            &deep,
            &long,
        ] {
            assert_eq!(CanonicalPath::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn a_query_is_cut_off() {
        for (target, path) in
            [("/a?b", "/a"), ("/?", "/"), ("/a/?x=/../b%2f;//\\", "/a/"), ("/a?b?c", "/a"), ("/a??", "/a")]
        {
            assert_eq!(CanonicalPath::parse(target).unwrap().as_str(), path);
        }
    }

    #[test]
    fn any_other_spelling_is_refused() {
        // X3
        let (deep, long) = ("/a".repeat(65), "/".to_owned() + &"a".repeat(8192));
        let closed = "/a".repeat(64) + "/";
        for bad in [
            "",
            "a",
            "a/b",
            "?",
            "?a",
            "*",
            "//",
            "//a",
            "/a//",
            "/a//b",
            "/.",
            "/..",
            "/./",
            "/../",
            "/a/.",
            "/a/..",
            "/a/./b",
            "/a/../b",
            "/..?a",
            "/%2e",
            "/%2E%2e/a",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a%5Cb",
            "/%252e",
            "/%41",
            "/%",
            "/a%20b%2F",
            "/caf%c3%a9",
            "/caf%C3/%A9",
            "/caf\u{e9}%20",
            "/a%3Bb",
            "/a%21",
            "/%EF%BC%8E%2E",
            "/a%00",
            "/%c0%ae",
            "/a\\b",
            "/a\\..\\b",
            "\\a",
            "/a;b",
            "/a;/b",
            "/..;/a",
            "/;",
            "/a!",
            "/!!/a",
            "/a\0",
            "/\0",
            "/a\tb",
            "/a b",
            " /a",
            "/a ",
            "/a\n",
            "/a\r\n",
            "/a\u{7f}",
            "/ä",
            "/\u{2024}\u{2024}/a",
            "/\u{ff0f}a",
            "/a\u{202e}",
            "/#",
            "/a#b",
            "/a?b#c",
            "#",
            "http://h/a",
            "https://h",
            "h:443",
            "/{a}",
            "/a|b",
            "/a\"b",
            "/<a>",
            "/a^b",
            "/a`b",
            "/[a]",
            &deep,
            &closed,
            &long,
        ] {
            assert_eq!(CanonicalPath::parse(bad), Err(NotCanonical), "{bad:?}");
        }
    }

    #[test]
    fn no_byte_is_taken_that_is_not_listed() {
        let listed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-$&'()*+,=:@/?";
        for character in (0..=255).map(char::from) {
            let taken = CanonicalPath::parse(&format!("/x{character}x")).is_ok();
            assert_eq!(taken, listed.contains(character), "{character:?}");
        }
    }
}
