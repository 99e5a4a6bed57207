//! The command line: its words, and the commands that are clients of a running server.
//!
//! One verb per file. [`run`] carries a client command out; `serve`, `init`, `recover` and `doctor` are only described here, and
//! `main` hands their arguments to `app`. Invariants: no secret is an argument, or is printed anywhere but as the
//! answer of the command that made it; what a server sent is made printable before a terminal sees it; standard
//! output holds the answer and nothing else.

mod commands;
mod connection;
mod console;
mod credential;
mod dispatch;
mod exit;
mod failure;
mod input;
mod output;
mod preflight;
mod remote;
mod report;
mod session;
mod words;

pub use self::{
    commands::audit::{LogFault, LogReport, VerifyOffline},
    console::{Console, Terminal},
    dispatch::{ClientCommand, run},
    exit::{
        EXIT_DENIED, EXIT_EXPOSED, EXIT_FAILURE, EXIT_LOG_BROKEN, EXIT_NOT_DURABLE, EXIT_ROWS_BAD, EXIT_USAGE,
    },
    report::{fail, tell},
    words::{Cli, Command},
};
