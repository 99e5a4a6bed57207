//! How far an import is, what became of its rows, and how that is told.

use serde_json::{Value, json};

use crate::{
    cli::{exit::Exit, failure::Failure, output::text::printable, session::Session},
    wire::v1::{ImportError, ImportResult},
};

/// How far it is.
#[derive(Default)]
pub(super) struct ImportTally {
    pub(super) good: u64,
    bad: u64,
    /// Lines that are read, and those there are.
    pub(super) done: u64,
    pub(super) total: Option<u64>,
}

impl ImportTally {
    pub(super) fn count(
        &mut self,
        result: &ImportResult,
        session: &mut Session<'_, '_>,
    ) -> Result<(), Failure> {
        if session.json {
            session.console.print_json_line(&json_result(result))?;
        }
        let Some(error) = &result.error else {
            self.good += 1;
            return Ok(());
        };
        self.bad += 1;
        if session.json { Ok(()) } else { session.console.print(&told(result.line, error)) }
    }

    /// The bar: a line of its own, where a person looks on.
    pub(super) fn draw(&self, session: &mut Session<'_, '_>) {
        if session.console.err_is_terminal {
            let of = self.total.map(|total| format!("/{total}")).unwrap_or_default();
            session.console.note(&format!("\r{}{of} lines, {} bad", self.done, self.bad));
        }
    }

    pub(super) fn clear(&self, session: &mut Session<'_, '_>) {
        if session.console.err_is_terminal && self.done > 0 {
            session.console.note("\r\u{1b}[K");
        }
    }

    pub(super) fn sum_up(&self, dry_run: bool, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
        let done = if dry_run { "would be imported" } else { "imported" };
        let text = format!("{} {done}, {} bad\n", self.good, self.bad);
        if session.json {
            session.console.note(&text);
        } else {
            session.console.print(&text)?;
        }
        Ok(if self.bad == 0 { Exit::Done } else { Exit::RowsBad })
    }
}

/// A bad row for eyes.
fn told(line: u64, error: &ImportError) -> String {
    let field = if error.field.is_empty() { String::new() } else { format!("{}: ", error.field) };
    let text = format!("line {line}: {field}{} ({})", error.message, error.reason);
    format!("{}\n", printable(&text))
}

fn json_result(result: &ImportResult) -> Value {
    json!({
        "line": result.line,
        "key_id": result.key_id,
        "error": result.error.as_ref().map(json_error),
    })
}

fn json_error(error: &ImportError) -> Value {
    json!({
        "field": error.field,
        "message": error.message,
        "reason": error.reason,
        "existing_key_id": error.existing_key_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::json::assert_shows_every_field;

    #[test]
    fn every_field_of_a_result_is_shown() {
        assert_shows_every_field("ImportResult", &json_result(&ImportResult::default()));
        assert_shows_every_field("ImportError", &json_error(&ImportError::default()));
    }
}
