//! A header of an answer.

/// A header: its name in lower case, and its value.
pub type Header = (&'static str, String);
