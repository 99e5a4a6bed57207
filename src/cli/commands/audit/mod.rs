//! `keyward audit`: reads the log of changes, and checks that nobody has touched it.

mod query;
mod verify;

use clap::Subcommand;

use query::QueryArgs;
pub(in crate::cli) use query::run as query;
use verify::VerifyArgs;
pub(in crate::cli) use verify::run as verify;
pub use verify::{LogFault, LogReport, VerifyOffline};

use crate::cli::remote::Remote;

/// Read and check the log of changes
#[derive(Subcommand, Debug)]
pub enum AuditCommand {
    /// Show changes that match, newest first
    Query(Remote<QueryArgs>),
    /// Check the chain of the whole log
    #[command(after_help = verify::EXAMPLES)]
    Verify(Remote<VerifyArgs>),
}
