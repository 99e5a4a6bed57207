//! The streams and the clock that a command works with. They come in as arguments, so that tests own them.

use std::io::{BufRead, Write};

use jiff::Timestamp;
use serde_json::Value;

use super::{failure::Failure, output::text};
use crate::domain::secret::HeldSecret;

/// The terminal that standard output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// How many columns it has.
    pub columns: usize,
    /// Whether it takes colours, and nobody asked for none.
    pub takes_colours: bool,
}

/// What surrounds a command.
pub struct Console<'a> {
    /// Standard output: the answer, and nothing but the answer.
    pub out: &'a mut dyn Write,
    /// The terminal that standard output is; none where something else reads it.
    pub out_terminal: Option<Terminal>,
    /// Standard error: everything said beside the answer.
    pub err: &'a mut dyn Write,
    /// Standard input: where a presented API key comes from.
    pub input: &'a mut dyn BufRead,
    /// Whether a person types the input.
    pub input_is_terminal: bool,
    /// Whether unread input waits there: for a command that reads nothing.
    pub input_waits: &'a dyn Fn() -> bool,
    /// Whether a person looks on at standard error.
    pub err_is_terminal: bool,
    /// The administration key that the environment holds, in `KEYWARD_ADMIN_KEY`.
    pub admin_key: Option<HeldSecret>,
    /// The time when the command began, by this machine's clock. Durations are counted from the server's.
    pub now: Timestamp,
}

impl Console<'_> {
    /// Writes text that is printable already to standard output.
    pub(super) fn print(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).map_err(Failure::Output)
    }

    /// Writes an indented document to standard output.
    pub(super) fn print_json(&mut self, value: &Value) -> Result<(), Failure> {
        self.print(&text::printable_json(&format!("{value:#}\n")))
    }

    /// Writes a document as one line to standard output.
    pub(super) fn print_json_line(&mut self, value: &Value) -> Result<(), Failure> {
        self.print(&text::printable_json(&format!("{value}\n")))
    }

    /// Says something beside the answer. When standard error is gone nobody is left to hear that it failed.
    pub(super) fn note(&mut self, text: &str) {
        let _nobody_to_tell = self.err.write_all(text.as_bytes()).and_then(|()| self.err.flush());
    }
}
