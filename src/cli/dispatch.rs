//! The commands that ask a server: what they are called, and which file carries each out.

use std::process::ExitCode;

use clap::Subcommand;

use super::{
    commands::{
        audit::{self, AuditCommand, VerifyOffline},
        bulk::{self, BulkCommand},
        check::{self, CheckArgs},
        gateway::GatewayCommand,
        health::{self, HealthArgs},
        import::{self, ImportArgs},
        import_scheme::{self, ImportSchemeCommand},
        issue::{self, IssueArgs},
        least_privilege::{self, LeastPrivilegeArgs, NarrowArgs},
        list::{self, ListArgs},
        member::MemberCommand,
        policy::{self, PolicyCommand},
        review::{self, ReviewArgs},
        revoke::{self, RevokeArgs},
        rights::{self, RightsArgs},
        rotate::{self, RotateArgs},
        rotation::{self, RotationCommand},
        route::{self, RouteCommand},
        show::{self, ShowArgs},
        status::{self, StatusArgs},
        switch::{self, SwitchArgs},
        update::{self, UpdateArgs},
        usage::{self, UsageArgs},
        workspace::WorkspaceCommand,
    },
    console::Console,
    remote::Remote,
    report::fail,
    session::Session,
};

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
    /// Say by the exit code whether the server answers Checks
    #[command(after_help = health::EXAMPLES)]
    Health(Remote<HealthArgs>),
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

/// Carries out a client command, with everything it has to say, and returns the exit code.
///
/// `verify_offline` does what `audit verify --data-dir` asks of this machine.
pub fn run(command: ClientCommand, console: &mut Console<'_>, verify_offline: VerifyOffline<'_>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(dispatch(command, console, verify_offline)),
        Err(error) => fail(console, &format!("cannot start: {error}")),
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
        ClientCommand::Health(call) => call.run(console, health::run).await,
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
        ClientCommand::Audit(AuditCommand::Denials(call)) => call.run(console, audit::denials).await,
        ClientCommand::Audit(AuditCommand::Verify(call)) => {
            let verify = async |args, session: &mut Session<'_, '_>| {
                audit::verify(args, session, verify_offline).await
            };
            call.run(console, verify).await
        }
    }
}
