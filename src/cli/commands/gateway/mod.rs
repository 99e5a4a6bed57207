//! `keyward gateway`: looks at the configuration of a gateway, on this machine; no server is asked.

mod check;
mod nginx;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::check::CheckArgs;
use crate::cli::{
    connection,
    console::Console,
    exit::{EXIT_FAILURE, Exit},
    failure::Failure,
    output::text,
};

/// Look at the configuration of a gateway
#[derive(Subcommand, Debug)]
pub enum GatewayCommand {
    /// Find where an nginx would pass requests on without what protects them
    #[command(after_help = check::EXAMPLES)]
    Check(Local<CheckArgs>),
}

/// A verb's own flags, and the one that every command has.
#[derive(Args, Debug)]
pub struct Local<A: Args> {
    #[command(flatten)]
    verb: A,
    /// Prints the answer, or the error, as JSON
    #[arg(long, help_heading = connection::HEADING)]
    json: bool,
}

impl GatewayCommand {
    pub(in crate::cli) fn run(&self, console: &mut Console<'_>) -> ExitCode {
        let Self::Check(Local { verb, json }) = self;
        let done = check::run(verb, *json, console);
        done.map_or_else(|failure| report(&failure, *json, console), Exit::into)
    }
}

fn report(failure: &Failure, json: bool, console: &mut Console<'_>) -> ExitCode {
    if !failure.is_broken_pipe() {
        let explanation = failure.explain();
        let text = if json {
            text::printable_json(&format!("{:#}\n", explanation.json()))
        } else {
            explanation.text()
        };
        console.note(&text);
    }
    ExitCode::from(EXIT_FAILURE)
}
