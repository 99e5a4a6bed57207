//! The one error of everything that is parsed at the edge.

use std::borrow::Cow;

/// A text or number that is not what its field takes; says what would be.
///
/// The offending value is left out on purpose: it may hold a secret that was put in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be {allowed}")]
pub struct ParseError {
    allowed: Cow<'static, str>,
}

impl ParseError {
    /// An error that says what is allowed; the text continues "must be …".
    #[must_use]
    pub const fn new(allowed: &'static str) -> Self {
        Self { allowed: Cow::Borrowed(allowed) }
    }

    /// The same with a text made at run time, for bounds that configuration sets.
    #[must_use]
    pub const fn owned(allowed: String) -> Self {
        Self { allowed: Cow::Owned(allowed) }
    }
}
