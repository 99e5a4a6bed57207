//! The thin binary: reads the arguments, hands the work on, returns the exit code.

use std::{
    io::{self, IsTerminal as _},
    path::Path,
    process::ExitCode,
};

use clap::Parser as _;
use keyward::{
    app::{self, AppError},
    cli::{self, Cli, Command, Console, LogFault, LogReport, Terminal},
    config::{self, args::RootsArgs},
    domain::time::Clock as _,
    system::{SystemClock, input_waits, terminal_columns},
};

/// glibc's allocator costs a quarter more CPU per Check.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Standard output and error are not locked: the server's threads write there too.
    let mut console = Console {
        out: &mut io::stdout(),
        out_terminal: terminal_columns()
            .map(|columns| Terminal { columns, takes_colours: config::allows_colours() }),
        err: &mut io::stderr(),
        input: &mut io::stdin().lock(),
        input_is_terminal: io::stdin().is_terminal(),
        input_waits: &input_waits,
        err_is_terminal: io::stderr().is_terminal(),
        admin_key: config::admin_key(),
        now: jiff::Timestamp::from_millisecond(SystemClock.wall().as_ms()).unwrap_or_default(),
    };
    let done = match Cli::parse().command {
        Command::Client(command) => return cli::run(*command, &mut console, &verify_offline),
        Command::Serve(args) => app::serve(&args),
        Command::Init(args) => app::initialize(&args),
        Command::Recover(args) => app::recover(&args),
        Command::Roots(command) => match app::roots(&command) {
            Ok(done) => return cli::tell(&mut console, &done),
            Err(error) => Err(error),
        },
        Command::Doctor(args) => match app::doctor(&args) {
            Ok(found) => return cli::tell(&mut console, &found),
            Err(error) => Err(error),
        },
    };
    ended(done, &mut console)
}

fn ended(done: Result<(), AppError>, console: &mut Console<'_>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(console, &error.to_string()),
    }
}

fn verify_offline(data_dir: &Path, anchor: Option<&Path>, roots: &RootsArgs) -> Result<LogReport, String> {
    let found = app::verify_offline(data_dir, anchor, roots).map_err(|error| error.to_string())?;
    Ok(LogReport {
        records: found.records,
        head_revision: found.head.0,
        head_chain: found.chain.0.to_vec(),
        fault: found.fault.map(|(revision, message)| LogFault { revision: revision.0, message }),
    })
}
