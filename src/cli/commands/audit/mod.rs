//! `keyward audit`: reads the log of changes, checks that nobody has touched it, and tells what was denied.

mod denials;
mod query;
mod verify;

use clap::Subcommand;

use denials::DenialsArgs;
pub(in crate::cli) use denials::run as denials;
use query::QueryArgs;
pub(in crate::cli) use query::run as query;
use verify::VerifyArgs;
pub(in crate::cli) use verify::run as verify;
pub use verify::{LogFault, LogReport, VerifyOffline};

use crate::cli::remote::Remote;

/// Read and check the log of changes, and what was denied
#[derive(Subcommand, Debug)]
pub enum AuditCommand {
    /// Show changes that match, newest first
    Query(Remote<QueryArgs>),
    /// Show what was denied, by time and reason, or who was denied most
    #[command(after_help = denials::EXAMPLES)]
    Denials(Remote<DenialsArgs>),
    /// Check the chain of the whole log
    #[command(after_help = verify::EXAMPLES)]
    Verify(Remote<VerifyArgs>),
}
