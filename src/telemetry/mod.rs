//! Logs: one line an event, on standard error, with fields of stable dotted names. Never a secret, and
//! no thread that logs waits for one.

mod filter;
mod lines;

use std::io::{self, IsTerminal as _, stderr};

use self::lines::LogLines;
pub use self::{
    filter::FilterError,
    lines::{Logging, LostLines},
};

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// What is asked for is not clear.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// No thread to write them.
    #[error(transparent)]
    Thread(#[from] io::Error),
}

/// Logs panics by their place. What a panic says may hold what a client sent, and stays unsaid.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(
            panic.place = place.as_deref().unwrap_or("unknown"),
            thread.name = thread.name().unwrap_or("unnamed"),
            "a panic: this is a defect in Keyward"
        );
    }));
}

/// Starts logging; `json` is one object a line.
///
/// # Errors
/// The filter is malformed, or there is no thread to be had.
pub fn start(filter: &str, json: bool) -> Result<Logging, LoggingError> {
    let filter = filter::parse(filter)?;
    let lines = LogLines::begin(stderr())?;
    // By default the subscriber reports a line that it could not write on standard error, and panics where that fails.
    let events = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines.clone())
        .log_internal_errors(false);
    let started = if json {
        events.json().flatten_event(true).try_init()
    } else {
        events.with_ansi(stderr().is_terminal()).try_init()
    };
    if started.is_err() {
        tracing::debug!("logging had been started already");
        return Ok(Logging::elsewhere());
    }
    Ok(Logging::to(lines))
}
