//! The command line: its words, and the commands that are clients of a running server.
//!
//! One verb per file. `run` carries a client command out; `serve`, `init`, `recover` and `doctor` are only described here, and
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
mod explain;
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
mod workspace;
mod workspace_effect;
mod workspace_list;
mod workspace_state;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub use audit::{LogFault, LogReport, VerifyOffline};
pub use console::Console;

use crate::{
    config::args::{DoctorArgs, InitArgs, RecoverArgs, ServeArgs},
    domain::zones,
};

use self::{
    audit::AuditCommand,
    bulk::BulkCommand,
    check::CheckArgs,
    connection::ConnectionArgs,
    failure::Failure,
    gateway::GatewayCommand,
    import::ImportArgs,
    import_scheme::ImportSchemeCommand,
    issue::IssueArgs,
    least_privilege::{LeastPrivilegeArgs, NarrowArgs},
    list::ListArgs,
    member::MemberCommand,
    policy::PolicyCommand,
    review::ReviewArgs,
    revoke::RevokeArgs,
    rights::RightsArgs,
    rotate::RotateArgs,
    rotation::RotationCommand,
    route::RouteCommand,
    session::Session,
    show::ShowArgs,
    status::StatusArgs,
    switch::SwitchArgs,
    update::UpdateArgs,
    usage::UsageArgs,
    workspace::WorkspaceCommand,
};

/// The command could not be carried out: no answer, or an error.
pub const EXIT_FAILURE: u8 = 1;
/// The command line was wrong. Given by clap.
pub const EXIT_USAGE: u8 = 2;
/// The answer of `check` is no.
pub const EXIT_DENIED: u8 = 3;
/// The log does not verify.
pub const EXIT_LOG_BROKEN: u8 = 4;
/// Some rows of an import are bad; the others are in.
pub const EXIT_ROWS_BAD: u8 = 5;
/// A gateway passes requests on without what protects them.
pub const EXIT_EXPOSED: u8 = 6;
/// What was to end is denied in the server's memory, and a restart forgets that.
pub const EXIT_NOT_DURABLE: u8 = 7;

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
    /// A command that asks a server.
    #[command(flatten)]
    Client(Box<ClientCommand>),
}

/// What to ask a server.
#[derive(Subcommand, Debug)]
pub enum ClientCommand {
    /// Ask whether the holder of a key may do something now
    #[command(after_help = check::EXAMPLES)]
    Check(Remote<CheckArgs>),
    /// Make a key
    #[command(after_help = issue::EXAMPLES)]
    Issue(Box<Remote<IssueArgs>>),
    /// Give a key a new secret; the old one stays valid for the grace
    #[command(after_help = rotate::EXAMPLES)]
    Rotate(Remote<RotateArgs>),
    /// End a key for good
    #[command(after_help = revoke::EXAMPLES)]
    Revoke(Remote<RevokeArgs>),
    /// Switch a key off until it is enabled
    Disable(Remote<SwitchArgs>),
    /// Switch a disabled key on
    Enable(Remote<SwitchArgs>),
    /// List the keys of a workspace, newest first
    #[command(after_help = list::EXAMPLES)]
    List(Box<Remote<ListArgs>>),
    /// Show a key, without any secret
    #[command(after_help = show::EXAMPLES)]
    Show(Remote<ShowArgs>),
    /// Change a key
    #[command(after_help = update::EXAMPLES)]
    Update(Box<Remote<UpdateArgs>>),
    /// Change many keys at once: disable, enable, revoke, or retire by a date
    #[command(subcommand)]
    Bulk(Box<BulkCommand>),
    /// Show what keys did: Checks allowed, denied, and their cost
    #[command(after_help = usage::EXAMPLES)]
    Usage(Remote<UsageArgs>),
    /// Take over keys of another system from a file of their hashes
    #[command(after_help = import::EXAMPLES)]
    Import(Box<Remote<ImportArgs>>),
    /// Work with other systems' ways to hash
    #[command(subcommand)]
    ImportScheme(ImportSchemeCommand),
    /// Show what a key may do now, and why
    Rights(Remote<RightsArgs>),
    /// Show how far a rotation has come, and end or extend its grace
    #[command(subcommand)]
    Rotation(RotationCommand),
    /// Show whether the server takes changes, and what it denies in memory only
    Status(Remote<StatusArgs>),
    /// Show which keys need attention, the riskiest first
    Review(Remote<ReviewArgs>),
    /// Show what a key uses of what it has
    LeastPrivilege(Remote<LeastPrivilegeArgs>),
    /// Leave a key no more than it used
    #[command(after_help = least_privilege::EXAMPLES)]
    Narrow(Remote<NarrowArgs>),
    /// Work with workspaces
    #[command(subcommand)]
    Workspace(WorkspaceCommand),
    /// Work with the members of workspaces
    #[command(subcommand)]
    Member(MemberCommand),
    /// Say what may exist: environments, scopes, limits, plans, roles
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Explain the routes of the policy
    #[command(subcommand)]
    Route(RouteCommand),
    /// Read and check the log of changes
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look at the configuration of a gateway
    #[command(subcommand)]
    Gateway(GatewayCommand),
}

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

/// What a command found, when it could be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Done,
    Denied,
    LogBroken,
    RowsBad,
    Exposed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Denied => Self::from(EXIT_DENIED),
            Exit::LogBroken => Self::from(EXIT_LOG_BROKEN),
            Exit::RowsBad => Self::from(EXIT_ROWS_BAD),
            Exit::Exposed => Self::from(EXIT_EXPOSED),
        }
    }
}

/// Carries out a client command, with everything it has to say, and returns the exit code.
///
/// `verify_offline` does what `audit verify --data-dir` asks of this machine.
pub fn run(command: ClientCommand, console: &mut Console<'_>, verify_offline: VerifyOffline<'_>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(dispatch(command, console, verify_offline)),
        Err(error) => fail(console, &format!("cannot start: {error}")),
    }
}

/// Says on standard error why a command failed that is no client's, and returns the exit code.
pub fn fail(console: &mut Console<'_>, message: &str) -> ExitCode {
    console.note(&Failure::Local(message.to_owned()).explain().text());
    ExitCode::from(EXIT_FAILURE)
}

/// Prints what a command that is no client's has found, and returns the exit code.
pub fn tell(console: &mut Console<'_>, found: &str) -> ExitCode {
    match console.print(found) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console.note(&failure.explain().text());
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

async fn dispatch(
    command: ClientCommand,
    console: &mut Console<'_>,
    verify_offline: VerifyOffline<'_>,
) -> ExitCode {
    match command {
        ClientCommand::Check(call) => call.run(console, check::run).await,
        ClientCommand::Issue(call) => call.run(console, issue::run).await,
        ClientCommand::Rotate(call) => call.run(console, rotate::run).await,
        ClientCommand::Revoke(call) => call.run(console, revoke::run).await,
        ClientCommand::Disable(call) => call.run(console, switch::disable).await,
        ClientCommand::Enable(call) => call.run(console, switch::enable).await,
        ClientCommand::List(call) => call.run(console, list::run).await,
        ClientCommand::Show(call) => call.run(console, show::run).await,
        ClientCommand::Update(call) => call.run(console, update::run).await,
        ClientCommand::Usage(call) => call.run(console, usage::run).await,
        ClientCommand::Bulk(command) => match *command {
            BulkCommand::Disable(call) => call.run(console, bulk::disable).await,
            BulkCommand::Enable(call) => call.run(console, bulk::enable).await,
            BulkCommand::Revoke(call) => call.run(console, bulk::revoke).await,
            BulkCommand::Retire(call) => call.run(console, bulk::retire).await,
        },
        ClientCommand::Rotation(RotationCommand::Show(call)) => call.run(console, rotation::show).await,
        ClientCommand::Rotation(RotationCommand::End(call)) => call.run(console, rotation::end).await,
        ClientCommand::Rotation(RotationCommand::Extend(call)) => call.run(console, rotation::extend).await,
        ClientCommand::Status(call) => call.run(console, status::run).await,
        ClientCommand::Review(call) => call.run(console, review::run).await,
        ClientCommand::LeastPrivilege(call) => call.run(console, least_privilege::show).await,
        ClientCommand::Narrow(call) => call.run(console, least_privilege::narrow).await,
        ClientCommand::Import(call) => call.run(console, import::run).await,
        ClientCommand::ImportScheme(ImportSchemeCommand::Add(call)) => {
            call.run(console, import_scheme::add).await
        }
        ClientCommand::ImportScheme(ImportSchemeCommand::List(call)) => {
            call.run(console, import_scheme::list).await
        }
        ClientCommand::Rights(call) => call.run(console, rights::run).await,
        ClientCommand::Workspace(command) => command.run(console).await,
        ClientCommand::Member(command) => command.run(console).await,
        ClientCommand::Policy(PolicyCommand::Show(call)) => call.run(console, policy::show).await,
        ClientCommand::Policy(PolicyCommand::Check(call)) => call.run(console, policy::check).await,
        ClientCommand::Policy(PolicyCommand::Diff(call)) => call.run(console, policy::diff).await,
        ClientCommand::Policy(PolicyCommand::Apply(call)) => call.run(console, policy::apply).await,
        ClientCommand::Policy(PolicyCommand::Versions(call)) => call.run(console, policy::versions).await,
        ClientCommand::Route(RouteCommand::Explain(call)) => call.run(console, route::explain).await,
        ClientCommand::Gateway(command) => command.run(console),
        ClientCommand::Audit(AuditCommand::Query(call)) => call.run(console, audit::query).await,
        ClientCommand::Audit(AuditCommand::Verify(call)) => {
            let verify = async |args, session: &mut Session<'_, '_>| {
                audit::verify(args, session, verify_offline).await
            };
            call.run(console, verify).await
        }
    }
}

impl<A: Args> Remote<A> {
    async fn run(
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
