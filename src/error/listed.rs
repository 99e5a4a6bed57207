//! Scopes in the words of an error.

/// The most scopes that an error names.
const MAX_LISTED: usize = 16;

/// The first few scopes, and how many more there are: an error travels in a header.
#[must_use]
pub fn listed(scopes: &[String]) -> String {
    let more = scopes.len().saturating_sub(MAX_LISTED);
    let first = scopes.get(..MAX_LISTED).unwrap_or(scopes).join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}
