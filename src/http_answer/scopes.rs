//! Scopes in an answer, bounded: a challenge and a message stand in headers, of which there is not room for all.

use crate::domain::{decision::Requirement, scope::Scope};

/// The most bytes of scopes in one place of an answer.
const MAX_SCOPES_BYTES: usize = 1_280;

/// The scopes that are needed, as many whole ones as there is room for.
pub(super) fn required(requirement: &Requirement<'_>) -> String {
    let scopes: Vec<&str> = requirement.scopes.iter().map(Scope::as_str).collect();
    let (named, _left_out) = first(&scopes, " ");
    named
}

/// Scopes in the words of a message, which stands in a header for some gateways and for callers of gRPC.
pub(super) fn named(scopes: &[impl AsRef<str>]) -> String {
    match first(scopes, ", ") {
        (named, 0) => named,
        (named, more) => format!("{named} and {more} more"),
    }
}

/// The first of these that there is room for, whole ones, and how many are left out.
fn first(scopes: &[impl AsRef<str>], gap: &str) -> (String, usize) {
    let mut text = String::new();
    for (place, scope) in scopes.iter().map(AsRef::as_ref).enumerate() {
        let before = if text.is_empty() { "" } else { gap };
        if text.len() + before.len() + scope.len() > MAX_SCOPES_BYTES {
            return (text, scopes.len() - place);
        }
        text.push_str(before);
        text.push_str(scope);
    }
    (text, 0)
}
