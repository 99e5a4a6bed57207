//! Logs: one line an event, on standard error, with fields of stable dotted names. Never a secret.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::{EnvFilter, filter::ParseError};

/// Starts logging; `json` is one object a line.
///
/// # Errors
/// The filter is malformed.
pub fn start(filter: &str, json: bool) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let started = if json {
        lines.json().flatten_event(true).try_init()
    } else {
        lines.with_ansi(stderr().is_terminal()).try_init()
    };
    if started.is_err() {
        tracing::debug!("logging had been started already");
    }
    Ok(())
}
