//! The command line: its words, and the commands that are clients of a running server.
//!
//! One verb per file. [`run`] carries a client command out; `serve`, `init`, `recover` and `doctor` are only described here, and
//! `main` hands their arguments to `app`. Invariants: no secret is an argument, or is printed anywhere but as the
//! answer of the command that made it; what a server sent is made printable before a terminal sees it; standard
//! output holds the answer and nothing else.

mod audit;
mod bulk;
mod check;
mod connection;
mod console;
mod credential;
mod csv;
mod dispatch;
mod exit;
mod explain;
mod explanation;
mod failure;
mod gateway;
mod import;
mod import_scheme;
mod issue;
mod json;
mod key_args;
mod least_privilege;
mod limits;
mod list;
mod member;
mod names;
mod page;
mod parse;
mod policy;
mod preflight;
mod remote;
mod report;
mod review;
mod revoke;
mod rights;
mod rotate;
mod rotation;
mod route;
mod session;
mod show;
mod status;
mod switch;
mod table;
mod text;
mod time;
mod update;
mod usage;
mod view;
mod within;
mod words;
mod workspace;
mod workspace_effect;
mod workspace_facts;
mod workspace_list;
mod workspace_state;

pub use self::{
    audit::{LogFault, LogReport, VerifyOffline},
    console::Console,
    dispatch::{ClientCommand, run},
    exit::{
        EXIT_DENIED, EXIT_EXPOSED, EXIT_FAILURE, EXIT_LOG_BROKEN, EXIT_NOT_DURABLE, EXIT_ROWS_BAD, EXIT_USAGE,
    },
    report::{fail, tell},
    words::{Cli, Command},
};
