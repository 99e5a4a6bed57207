//! What a command tells the shell: its exit status.

use std::process::ExitCode;

/// The command could not be carried out: no answer, or an error.
pub const EXIT_FAILURE: u8 = 1;
/// The command line was wrong. Given by clap.
pub const EXIT_USAGE: u8 = 2;
/// The answer of `check` is no.
pub const EXIT_DENIED: u8 = 3;
/// The log does not verify.
pub const EXIT_LOG_BROKEN: u8 = 4;
/// Some rows of an import are bad; the others are in.
pub const EXIT_ROWS_BAD: u8 = 5;
/// A gateway passes requests on without what protects them.
pub const EXIT_EXPOSED: u8 = 6;
/// What was to end is denied in the server's memory, and a restart forgets that.
pub const EXIT_NOT_DURABLE: u8 = 7;

/// What a command found, when it could be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Done,
    Denied,
    LogBroken,
    RowsBad,
    Exposed,
    /// A server that was asked how it stands does not serve.
    NotServing,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Denied => Self::from(EXIT_DENIED),
            Exit::LogBroken => Self::from(EXIT_LOG_BROKEN),
            Exit::RowsBad => Self::from(EXIT_ROWS_BAD),
            Exit::Exposed => Self::from(EXIT_EXPOSED),
            Exit::NotServing => Self::from(EXIT_FAILURE),
        }
    }
}
