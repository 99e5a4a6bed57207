//! What a request needs.

use std::sync::Arc;

use crate::domain::{parse::ParseError, scope::ScopeText};

/// The scopes that a request needs, all of them. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs(pub(super) Arc<[ScopeText]>);

impl Needs {
    /// Takes well-formed scopes.
    ///
    /// # Errors
    /// One of them is no scope.
    pub fn parse(scopes: &[&str]) -> Result<Self, ParseError> {
        scopes.iter().map(|scope| ScopeText::parse(scope)).collect::<Result<_, _>>().map(Self)
    }
}
