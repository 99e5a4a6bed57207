//! Templates of paths: which paths a route is for.

use std::fmt;

use super::path::{has_shape, is_segment};
use crate::domain::parse::ParseError;

const PATH: &str = "a canonical path whose segments are texts without `*` `;` `!`, with needed escapes such as `%20`, or `{name}`, the last one perhaps `{name=**}`, each name once and 1 to 64 characters of a-z 0-9 _ beginning with a letter";

/// The paths that a route is for, such as `/v1/spaces/{space}/files/{file=**}` (after `google.api.http`).
///
/// `{space}` is exactly one segment that is not empty. `{file=**}` is everything that is left, if anything: the place
/// itself, a slash at its end, all that is below. A slash at the end of a template is one at the end of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    text: Box<str>,
    segments: Box<[TemplateSegment]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplateSegment {
    /// Stands for itself; empty after a slash at the end.
    Literal(Box<str>),
    Variable(Box<str>),
    Rest(Box<str>),
}

/// What a template has at one depth, without the names of variables: of two that take the same path, the lower one
/// says more about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathSegment<'a> {
    End,
    Literal(&'a str),
    Variable,
    Rest,
}

impl PathTemplate {
    /// Takes a well-formed template.
    ///
    /// # Errors
    /// A text that is not a canonical path once its variables are filled in, and so matches nothing; a `*` outside
    /// `{name=**}`, which would stand for itself; a malformed or repeated name; a rest that is not last.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let below = text.strip_prefix('/').filter(|_| has_shape(text)).ok_or(ParseError::new(PATH))?;
        let segments = below.split('/').map(TemplateSegment::parse).collect::<Option<Box<[_]>>>();
        let segments = segments.filter(|segments| are_sound(segments)).ok_or(ParseError::new(PATH))?;
        Ok(Self { text: text.into(), segments })
    }

    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What this has at that depth, the first segment being at 0.
    pub(super) fn slot(&self, depth: usize) -> PathSegment<'_> {
        self.segments.get(depth).map_or(PathSegment::End, TemplateSegment::slot)
    }

    /// All that decides which paths this takes.
    pub(super) fn shape(&self) -> impl Iterator<Item = PathSegment<'_>> {
        self.segments.iter().map(TemplateSegment::slot)
    }

    /// The place of the one segment that has this name.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.segments
            .iter()
            .position(|segment| matches!(segment, TemplateSegment::Variable(variable) if **variable == *name))
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl TemplateSegment {
    fn parse(text: &str) -> Option<Self> {
        let Some(inner) = variable(text) else {
            return (is_segment(text) && !text.contains('*')).then(|| Self::Literal(text.into()));
        };
        let (name, rest) = inner.strip_suffix("=**").map_or((inner, false), |name| (name, true));
        is_name(name).then(|| if rest { Self::Rest(name.into()) } else { Self::Variable(name.into()) })
    }

    fn slot(&self) -> PathSegment<'_> {
        match self {
            Self::Literal(text) => PathSegment::Literal(text),
            Self::Variable(_) => PathSegment::Variable,
            Self::Rest(_) => PathSegment::Rest,
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Variable(name) | Self::Rest(name) => Some(name),
        }
    }
}

/// What stands in the braces, if this is in braces.
pub(super) fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// Whether no name is used twice and a rest is last.
fn are_sound(segments: &[TemplateSegment]) -> bool {
    let above = segments.split_last().map_or(segments, |(_, above)| above);
    let names: Vec<&str> = segments.iter().filter_map(TemplateSegment::name).collect();
    let twice =
        names.iter().enumerate().any(|(place, name)| names.iter().skip(place + 1).any(|other| other == name));
    !twice && !above.iter().any(|segment| matches!(segment, TemplateSegment::Rest(_)))
}

fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> PathTemplate {
        PathTemplate::parse(text).unwrap()
    }

    #[test]
    fn a_template_is_a_path_with_variables() {
        for good in [
            "/",
            "/a",
            "/a/",
            "/{a}",
            "/{a}/",
            "/{a}/{b}",
            "/a/{rest=**}",
            "/{rest=**}",
            "/v1/p:cancel",
            "/{a_1}",
            "/caf%C3%A9/{a}/%7Bb%7D",
        ] {
            assert_eq!(template(good).as_str(), good);
        }
        let deep = "/a".repeat(65);
        for bad in [
            "",
            "a",
            "{a}",
            "//",
            "/a//b",
            "/./a",
            "/a/..",
            "/a;b",
            "/a!",
            "/%41",
            "/a%2Fb",
            "/caf%c3%a9",
            "/a b",
            "/ä",
            "/a?b",
            "/a#b",
            "/a\\b",
            "/*",
            "/**",
            "/a/*.png",
            "/{a=*}",
            "/{a}x",
            "/x{a}",
            "/{}",
            "/{A}",
            "/{1a}",
            "/{a-b}",
            "/{a}/{a}",
            "/{a}/{a=**}",
            "/{a=**}/b",
            "/{a=**}/",
            "/{=**}",
            "/{a=**}/{b=**}",
            "/{a",
            "/a}",
            "/{{a}}",
            "/{a/b}",
            "/\0",
            &deep,
        ] {
            assert!(PathTemplate::parse(bad).is_err(), "{bad:?}");
        }
    }
}
