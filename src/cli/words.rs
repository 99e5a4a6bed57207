//! The words of the command line: every command of the program, with its flags.

use clap::{Parser, Subcommand};

use super::dispatch::ClientCommand;
use crate::{
    config::args::{DoctorArgs, InitArgs, RecoverArgs, RootsCommand, ServeArgs},
    domain::zones,
};

const AFTER_HELP: &str = "\
Exit status:
  0  done; for check: allowed
  1  failed: no answer, or an error
  2  the command line is wrong
  3  check: denied; route explain: no route
  4  audit verify: the log does not verify
  5  import: some rows are bad, the others are in
  6  gateway check: something is found
  7  revoke, disable, bulk: denied now, but a restart of the server forgets it

A duration that goes back from now, such as --since 7d, is counted from the server's time, not from this machine's.

With --json, field names are those of the wire in snake_case and every field is there: an absent message is null,
times are RFC 3339, durations decimal seconds (\"86400s\"), enum values bare upper-case names (\"ACTIVE\"). Errors are
JSON too, on standard error.";

/// Decides whether an API key may do what it asks to do
#[derive(Parser, Debug)]
#[command(name = "keyward", version = version(), after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// This program's version, and the release of the time zones that are built in.
fn version() -> String {
    format!("{} (time zones {})", env!("CARGO_PKG_VERSION"), zones::built_in_release())
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the server; the first start makes the data directory
    Serve(ServeArgs),
    /// Make the data directory and the first administration key
    Init(InitArgs),
    /// Make a new administration key on this machine, while no server runs
    Recover(RecoverArgs),
    /// Look at a data directory and this machine's clock; repair a false mark of the clock
    Doctor(DoctorArgs),
    /// Work with the roots of stores, the secrets that all else depends on
    #[command(subcommand)]
    Roots(RootsCommand),
    /// A command that asks a server.
    #[command(flatten)]
    Client(Box<ClientCommand>),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_flag_takes_a_secret() {
        fn flags(command: &clap::Command) -> Vec<String> {
            let own = command.get_arguments().map(|arg| arg.get_id().to_string());
            own.chain(command.get_subcommands().flat_map(flags)).collect()
        }
        for flag in flags(&Cli::command()) {
            let names_a_secret = ["api_key", "admin_key", "secret", "token"].contains(&flag.as_str());
            assert!(!names_a_secret, "{flag}");
        }
    }
}
