//! Resources: `space/cdn-eu`, named by a request, and the patterns of them that a grant is bound to.

use std::fmt;

use super::{escape, parse::ParseError};

const RESOURCE: &str = "segments of A-Z a-z 0-9 . _ ~ : @ + - and needed escapes such as `%20` divided by `/`, none of them empty, `.` or `..`, at most 256 characters in all";
const PATTERN: &str = "segments of A-Z a-z 0-9 . _ ~ : @ + - and needed escapes such as `%20` divided by `/`, none of them empty, `.` or `..`, the last one perhaps `*`, at most 256 characters in all";

/// The resource that a request touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource<'a>(&'a str);

impl<'a> Resource<'a> {
    /// Takes a well-formed resource.
    ///
    /// # Errors
    /// An empty or over-long one, an empty or dotted segment, other characters, a `*`.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        if text.len() <= 256 && text.split('/').all(is_segment) {
            Ok(Self(text))
        } else {
            Err(ParseError::new(RESOURCE))
        }
    }
}

/// The resources that a grant is bound to: one, or every one directly below a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourcePattern(Box<str>);

impl ResourcePattern {
    /// Takes a well-formed resource, or one whose last segment is `*`.
    ///
    /// # Errors
    /// As for a resource; a `*` anywhere else.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let fixed = match text.strip_suffix('*') {
            None => text,
            Some("") => return Ok(Self(text.into())),
            Some(above) => above.strip_suffix('/').ok_or(ParseError::new(PATTERN))?,
        };
        if text.len() <= 256 && fixed.split('/').all(is_segment) {
            Ok(Self(text.into()))
        } else {
            Err(ParseError::new(PATTERN))
        }
    }

    /// Whether this names that resource. `*` stands for exactly one segment: `project/*` is not `project/p1/domain/d1`.
    #[must_use]
    pub fn matches(&self, resource: Resource<'_>) -> bool {
        self.contains(resource.0)
    }

    /// Whether one of these, which are sorted, names everything that `other` names: itself, or the `*` beside it.
    #[must_use]
    pub fn any_covers(sorted: &[Self], other: &Self) -> bool {
        let last = other.0.rfind('/').map_or(0, |slash| slash.saturating_add(1));
        let (above, _) = other.0.split_at(last);
        let beside = |pattern: &Self| pattern.0.bytes().cmp(above.bytes().chain(*b"*"));
        sorted.binary_search(other).is_ok() || sorted.binary_search_by(beside).is_ok()
    }

    fn contains(&self, text: &str) -> bool {
        match self.0.strip_suffix('*') {
            None => *self.0 == *text,
            Some(above) => text.strip_prefix(above).is_some_and(|last| !last.contains('/')),
        }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourcePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..")
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b':' | b'@' | b'+' | b'-' | b'%')
        })
        // As a path has them: a segment of one becomes a segment of a resource.
        && escape::are_canonical(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, resource: &str) -> bool {
        ResourcePattern::parse(pattern).unwrap().matches(Resource::parse(resource).unwrap())
    }

    #[test]
    fn a_pattern_names_one_resource_or_those_directly_below() {
        // S3
        assert!(matches("space/cdn-eu", "space/cdn-eu"));
        assert!(!matches("space/cdn-eu", "space/cdn-eu2"));
        assert!(!matches("space/cdn-eu", "space/cdn"));
        assert!(matches("space/*", "space/cdn-eu"));
        assert!(!matches("space/*", "space"));
        assert!(!matches("space/*", "spaces/a"));
        assert!(!matches("space/*", "space/a/b"));
        assert!(matches("*", "space"));
        assert!(!matches("*", "space/a"));
    }

    #[test]
    fn what_one_of_many_covers_is_what_a_look_at_each_says() {
        // S3, S6
        let texts = ["*", "a", "a/*", "a/b", "a/b/*", "a/b/c", "a0/*", "b/c", "ab/*", "a/b-/c", "a-/b"];
        let patterns = texts.map(|text| ResourcePattern::parse(text).unwrap());
        for picked in 0..1_usize << texts.len() {
            let mine = patterns.iter().enumerate().filter(|(place, _)| picked >> place & 1 == 1);
            let mut mine: Vec<_> = mine.map(|(_, pattern)| pattern.clone()).collect();
            mine.sort();
            for other in &patterns {
                let each = mine.iter().any(|mine| mine.contains(&other.0));
                assert_eq!(ResourcePattern::any_covers(&mine, other), each, "{mine:?} {other}");
            }
        }
    }

    #[test]
    fn a_needed_escape_is_part_of_a_resource_as_it_stands() {
        // H12
        assert!(matches("space/caf%C3%A9", "space/caf%C3%A9"));
        assert!(matches("space/*", "space/caf%C3%A9"));
        assert!(!matches("space/caf%C3%A9", "space/cafe%CC%81"), "another spelling of the same word");
        for bad in ["caf%c3%a9", "%2E%2E", "a%2Fb", "a%2A", "%", "%C3", "space/%C3/%A9"] {
            assert!(Resource::parse(bad).is_err() && ResourcePattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_a_resource_is_refused() {
        let long = "x".repeat(257);
        for bad in [
            "", "/", "a/", "/a", "a//b", "a/../b", ".", "a b", "a%2fb", "a*", "*/a", "a/*/b", "a/**", "a\0",
            "ä", &long,
        ] {
            assert!(ResourcePattern::parse(bad).is_err(), "{bad}");
            assert!(Resource::parse(bad).is_err(), "{bad}");
        }
        assert!(Resource::parse("space/*").is_err());
    }
}
