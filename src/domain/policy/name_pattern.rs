//! Regular expressions for names, and what they may cost.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

/// Bytes of one that is compiled, and of what matching with it keeps.
const MAX_COMPILED: usize = 1 << 18;
const MAX_KEPT: usize = 1 << 20;

const MAX_CHARACTERS: usize = 256;

/// Classes of Unicode characters in one that a tenant sends. Reading one can take a millisecond, and 20 of them where case
/// is ignored, no matter whether the expression is accepted.
const MAX_CLASSES: usize = 16;
const MAX_CLASSES_WITHOUT_CASE: usize = 2;

/// What the whole of a name matches.
///
/// A stored expression, which was looked at before, is compiled when a name is first matched, and not when it is read.
#[derive(Debug, Clone)]
pub struct NamePattern {
    text: String,
    /// `None` in it is one that matches nothing, because it cannot be compiled.
    compiled: OnceLock<Option<Regex>>,
}

impl NamePattern {
    /// Looks at an expression; `None` if it is invalid, too long or too large.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        if text.len() > MAX_CHARACTERS {
            return None;
        }
        // By itself first: one that closes our own bracket would not be bound to both ends.
        compiled(text)?;
        let whole = whole(text)?;
        Some(Self { text: text.to_owned(), compiled: OnceLock::from(Some(whole)) })
    }

    /// Takes one that was looked at when it was stored.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self { text: text.to_owned(), compiled: OnceLock::new() }
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of a name matches.
    #[must_use]
    pub fn is_match(&self, name: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| whole(&self.text));
        compiled.as_ref().is_some_and(|compiled| compiled.is_match(name))
    }
}

/// Whether reading an expression is cheap, estimated without reading it.
pub(super) fn is_cheap(text: &str) -> bool {
    let bytes = text.as_bytes();
    let escaped = bytes.windows(2).filter(|pair| pair.starts_with(b"\\")).filter_map(|pair| pair.get(1));
    let classes = escaped.filter(|byte| b"wWdDsSpPxuU".contains(byte)).count();
    let beyond_ascii = text.chars().filter(|character| !character.is_ascii()).count();
    let flags = text.split("(?").skip(1).filter_map(|rest| rest.split([':', ')']).next());
    let ignores_case = flags.into_iter().any(|flags| flags.contains('i'));
    let most = if ignores_case { MAX_CLASSES_WITHOUT_CASE } else { MAX_CLASSES };
    classes.saturating_add(beyond_ascii) <= most
}

fn whole(text: &str) -> Option<Regex> {
    compiled(&format!("^(?:{text})$"))
}

fn compiled(text: &str) -> Option<Regex> {
    RegexBuilder::new(text).size_limit(MAX_COMPILED).dfa_size_limit(MAX_KEPT).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_of_a_name_matches_or_it_does_not_fit() {
        // K7
        for pattern in [NamePattern::new("ci-[a-z]+|é").unwrap(), NamePattern::stored("ci-[a-z]+|é")] {
            assert!(pattern.is_match("ci-main") && pattern.is_match("é"));
            assert!(!pattern.is_match("ci-main2") && !pattern.is_match("xé"));
        }
        assert!(NamePattern::new("a)|(b").is_none(), "it would not be bound to both ends");
        assert!(!NamePattern::stored("a(").is_match("a"), "what cannot be compiled matches nothing");
    }

    #[test]
    fn what_would_be_large_is_refused_before_it_is_made() {
        // X5
        for large in [r"\w{1000}", r"((((\w{9}){9}){9}){9}){9}", r"\w{0,200}\w{0,200}\w{0,200}"] {
            assert!(NamePattern::new(large).is_none(), "{large}");
        }
        assert!(NamePattern::new(&"a".repeat(MAX_CHARACTERS + 1)).is_none());
        assert!(NamePattern::new(&"a".repeat(MAX_CHARACTERS)).is_some());
    }

    #[test]
    fn what_takes_long_to_read_is_not_read() {
        // X5: each of these takes a tenth of a second and more, and none of them is large.
        for slow in [
            r"(?i)[\W\PL\pL\w]".to_owned(),
            format!("(?i){}", r"[a-\u{10FFFF}]".repeat(13)),
            format!("(?i){}", "[a-\u{10FFFF}]".repeat(13)),
            r"(?s-u:a)(?-i:b)(?i:\PL\PL\PL)".to_owned(),
            r"(?i)\PL".repeat(30),
            r"\p{age=15.0}".repeat(17),
        ] {
            assert!(!is_cheap(&slow), "{slow}");
        }
        for fast in [r"ci-[a-z0-9-]{1,40}", r"(?i)[\w-]+ \d+", r"\p{Lu}\w+( \p{Lu}\w+)?", r"[^a]+", r"\\w\.é"]
        {
            assert!(is_cheap(fast), "{fast}");
        }
    }
}
