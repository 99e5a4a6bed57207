//! Logs: one line an event, on standard error, with fields of stable dotted names. Never a secret.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::{EnvFilter, filter::ParseError};

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
