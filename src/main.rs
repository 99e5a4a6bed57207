//! The thin binary: reads the arguments, hands the work on, returns the exit code.

use std::{
    io::{self, IsTerminal as _},
    path::Path,
    process::ExitCode,
};

use clap::Parser as _;
use keyward::{
    cli::{self, Cli, Command, Console, LogReport},
    domain::secret::HeldSecret,
};

const NOT_BUILT_IN: &str = "not built into this binary yet";

fn main() -> ExitCode {
    // Standard output and error are not locked: the server's threads write there too.
    let mut console = Console {
        out: &mut io::stdout(),
        err: &mut io::stderr(),
        input: &mut io::stdin().lock(),
        input_is_terminal: io::stdin().is_terminal(),
        admin_key: admin_key(),
        now: jiff::Timestamp::now(),
    };
    match Cli::parse().command {
        Command::Client(command) => cli::run(*command, &mut console, &verify_offline),
        Command::Serve(_) | Command::Init(_) | Command::Recover(_) => cli::fail(&mut console, NOT_BUILT_IN),
    }
}

/// The administration key that the environment holds. Bytes that are not text become a key that is refused, not none.
#[expect(
    clippy::disallowed_methods,
    reason = "clap reads the environment for arguments only, and no secret is one"
)]
fn admin_key() -> Option<HeldSecret> {
    let key = std::env::var_os("KEYWARD_ADMIN_KEY").filter(|key| !key.is_empty())?;
    Some(HeldSecret::new(key.to_string_lossy().into_owned()))
}

fn verify_offline(_data_dir: &Path) -> Result<LogReport, String> {
    Err(NOT_BUILT_IN.to_owned())
}
