//! What is wrong with a document, each with the field that it is about.

use std::fmt;

use crate::domain::{parse::ParseError, text::Description};

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, for example `tiers[2].limits[0].limit`; empty for the whole.
    pub field: String,
    /// On which line of the TOML.
    pub line: Option<usize>,
    /// What is wrong.
    pub why: String,
}

impl Fault {
    pub(super) fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), line: None, why: why.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        if !self.field.is_empty() {
            write!(formatter, "{}: ", self.field)?;
        }
        formatter.write_str(&self.why)
    }
}

/// The faults found so far.
#[derive(Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn into_found(self) -> Vec<Fault> {
        self.0
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn add(&mut self, field: impl Into<String>, why: &ParseError) {
        self.0.push(Fault::new(field, why.to_string()));
    }

    pub(super) fn must(&mut self, field: impl Into<String>, allowed: &'static str) {
        self.add(field, &ParseError::new(allowed));
    }

    pub(super) fn take<T>(&mut self, field: impl Into<String>, parsed: Result<T, ParseError>) -> Option<T> {
        parsed.map_err(|why| self.add(field, &why)).ok()
    }

    /// A list has so many items; one that has too many is not looked at further.
    pub(super) fn count(&mut self, field: &str, items: usize, least: usize, most: usize) -> bool {
        let fits = (least..=most).contains(&items);
        if !fits {
            self.add(field, &ParseError::owned(format!("{least} to {most} items")));
        }
        items <= most
    }

    pub(super) fn description(&mut self, at: &str, text: &str) {
        self.take(format!("{at}.description"), Description::parse(text));
    }
}
