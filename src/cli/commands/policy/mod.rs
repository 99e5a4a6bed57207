//! `keyward policy`: shows, compares and applies the document that says what may exist.
//!
//! A document travels as the TOML text that was given. It is read on the server alone, so that errors name its lines
//! and no client can understand it in another way.

mod apply;
mod check;
mod diff;
mod document;
mod effect;
mod show;
mod versions;

use clap::Subcommand;

use apply::ApplyArgs;
pub(in crate::cli) use apply::run as apply;
use check::CheckArgs;
pub(in crate::cli) use check::run as check;
use diff::DiffArgs;
pub(in crate::cli) use diff::run as diff;
use show::ShowArgs;
pub(in crate::cli) use show::run as show;
use versions::VersionsArgs;
pub(in crate::cli) use versions::run as versions;

use crate::cli::remote::Remote;

/// Say what may exist: environments, scopes, limits, plans, roles
#[derive(Subcommand, Debug)]
pub enum PolicyCommand {
    /// Print a version as TOML, the one in force unless told
    #[command(after_help = show::EXAMPLE)]
    Show(Remote<ShowArgs>),
    /// Say what a document would change, and which keys would lose what
    Check(Remote<CheckArgs>),
    /// Print the changes between the version in force and a document, one a line
    Diff(Remote<DiffArgs>),
    /// Put a document in force, whole or not at all
    #[command(after_help = apply::EXAMPLES)]
    Apply(Remote<ApplyArgs>),
    /// List the versions, newest first
    Versions(Remote<VersionsArgs>),
}
