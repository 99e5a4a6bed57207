//! Errors of requests that are to be sent otherwise.

use crate::domain::{parse::ParseError, policy::Fault};

/// What of a request is not what it takes: the caller sends another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A field is not what it takes.
    #[error("{field}: {why}")]
    Field {
        /// The field, by its path on the wire.
        field: String,
        /// What it takes.
        why: ParseError,
    },
    /// Fields are not what they take, each by its path on the wire.
    #[error("{}", faults_message(.0))]
    Fields(Vec<Fault>),
    /// A policy document is wrong.
    #[error("{}", faults_message(.0))]
    Policy(Vec<Fault>),
}

/// The first fault, and how many more there are.
fn faults_message(faults: &[Fault]) -> String {
    let Some(first) = faults.first() else { return "the document is wrong".to_owned() };
    let more = match faults.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!("{first}{more}")
}
