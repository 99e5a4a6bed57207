//! How the commands that are no client's say what they found, or why they failed.

use std::process::ExitCode;

use super::{console::Console, exit::EXIT_FAILURE, failure::Failure};

/// Says on standard error why a command failed that is no client's, and returns the exit code.
pub fn fail(console: &mut Console<'_>, message: &str) -> ExitCode {
    console.note(&Failure::Local(message.to_owned()).explain().text());
    ExitCode::from(EXIT_FAILURE)
}

/// Prints what a command that is no client's has found, and returns the exit code.
pub fn tell(console: &mut Console<'_>, found: &str) -> ExitCode {
    match console.print(found) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console.note(&failure.explain().text());
            ExitCode::from(EXIT_FAILURE)
        }
    }
}
