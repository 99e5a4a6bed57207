//! What every client command has in common: the flags of its connection, and how a run of it ends.

use std::process::ExitCode;

use clap::Args;

use super::{
    connection::{self, ConnectionArgs},
    console::Console,
    exit::{EXIT_FAILURE, EXIT_NOT_DURABLE, Exit},
    failure::Failure,
    session::Session,
};

/// A verb's own flags, and those that every client command has.
#[derive(Args, Debug)]
pub struct Remote<A: Args> {
    #[command(flatten)]
    verb: A,
    /// Prints the answer, or the error, as JSON
    #[arg(long, help_heading = connection::HEADING)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl<A: Args> Remote<A> {
    pub(super) async fn run(
        self,
        console: &mut Console<'_>,
        verb: impl AsyncFnOnce(A, &mut Session<'_, '_>) -> Result<Exit, Failure>,
    ) -> ExitCode {
        let mut session = Session::new(console, self.connection, self.json);
        match verb(self.verb, &mut session).await {
            Ok(exit) => exit.into(),
            Err(failure) => {
                session.report(&failure);
                ExitCode::from(if failure.is_denied_not_durable() { EXIT_NOT_DURABLE } else { EXIT_FAILURE })
            }
        }
    }
}
