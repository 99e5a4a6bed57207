//! `keyward workspace register`, `show` and `update`, and the others: tenants.

mod effect;
mod facts;
mod list;
mod state;

use std::process::ExitCode;

use clap::{ArgGroup, Args, Subcommand};
use jiff::SignedDuration;
use serde_json::json;

use self::{
    facts::facts,
    list::ListArgs,
    state::{CloseArgs, StateArgs},
};
use super::issue::require_end;
use crate::{
    cli::{
        Console,
        credential::Credential,
        exit::Exit,
        failure::Failure,
        input::{
            key_args::KeyArgs,
            limits::{self, OwnLimit},
            parse,
        },
        output::{json, table::Table, time, view},
        preflight::Younger,
        remote::Remote,
        session::{Fresh, Session},
    },
    wire::v1::{
        GetWorkspaceRequest, QuotaUse, RegisterWorkspaceRequest, UpdateWorkspaceRequest, Workspace,
        WorkspaceKeyRules,
    },
};

/// Work with workspaces
#[derive(Subcommand, Debug)]
pub enum WorkspaceCommand {
    /// Make a workspace, with its first key unless told, in one step
    #[command(after_help = EXAMPLE)]
    Register(Box<Remote<RegisterArgs>>),
    /// Show a workspace
    Show(Remote<ShowArgs>),
    /// List workspaces, newest first
    List(Remote<ListArgs>),
    /// Change a workspace; its new plan and limits are in force at once
    #[command(after_help = limits::SYNTAX)]
    Update(Box<Remote<UpdateArgs>>),
    /// Deny every key of a workspace until it is resumed
    Suspend(Remote<StateArgs>),
    /// Put a suspended workspace back in use
    Resume(Remote<StateArgs>),
    /// Close a workspace for good
    Close(Remote<CloseArgs>),
}

impl WorkspaceCommand {
    pub(in crate::cli) async fn run(self, console: &mut Console<'_>) -> ExitCode {
        match self {
            Self::Register(call) => call.run(console, register).await,
            Self::Show(call) => call.run(console, show).await,
            Self::List(call) => call.run(console, list::run).await,
            Self::Update(call) => call.run(console, update).await,
            Self::Suspend(call) => call.run(console, state::suspend).await,
            Self::Resume(call) => call.run(console, state::resume).await,
            Self::Close(call) => call.run(console, state::close).await,
        }
    }
}

const EXAMPLE: &str = "\
The first key's secret alone goes to standard output:
  keyward workspace register 'Example Ltd' --owner ann --scope project:read > first.key
Without a key, for example on a plan that may have none:
  keyward workspace register 'Example Ltd' --plan free --no-key";

/// Make a workspace, with its first key unless told, in one step
#[derive(Args, Debug)]
pub struct RegisterArgs {
    /// What people call the workspace
    name: String,
    /// The user or service that the workspace belongs to
    #[arg(long)]
    owner: Option<String>,
    /// The role of the owner, who becomes the first member. Left out: the policy's first
    #[arg(long, value_name = "ROLE", requires = "owner")]
    owner_role: Option<String>,
    /// A plan of the policy. Left out: its first
    #[arg(long)]
    plan: Option<String>,
    /// Make no key. Such a call cannot be retried safely: it makes another workspace
    #[arg(long, conflicts_with_all = ["KeyArgs", "key_name", "key_owner", "follow_owner_role"])]
    no_key: bool,
    /// What people call the first key
    #[arg(long, value_name = "NAME", default_value = "first key")]
    key_name: String,
    /// The user or service that the first key belongs to. Left out: the owner of the workspace
    #[arg(long, value_name = "OWNER")]
    key_owner: Option<String>,
    /// The first key follows the role of its owner
    #[arg(long)]
    follow_owner_role: bool,
    /// A limit of the workspace's own, as `keyward workspace update --help` says
    #[arg(long = "workspace-limit", value_name = "LIMIT", value_parser = limits::limit)]
    workspace_limits: Vec<OwnLimit>,
    #[command(flatten)]
    key: KeyArgs,
}

/// Show a workspace
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// The workspace. Left out: that of the administration key, or the default one
    #[arg(value_name = "ID")]
    id: Option<String>,
}

/// Change a workspace
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub struct UpdateArgs {
    /// The workspace. Left out: that of the administration key, or the default one
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// What people call the workspace
    #[arg(long, group = "change")]
    name: Option<String>,
    /// A plan of the policy
    #[arg(long, group = "change")]
    plan: Option<String>,
    /// A limit of the workspace's own; replaces all of them
    #[arg(long = "limit", value_name = "LIMIT", value_parser = limits::limit, group = "change", conflicts_with = "clear_limits")]
    limits: Vec<OwnLimit>,
    /// The workspace follows its plan again
    #[arg(long, group = "change")]
    clear_limits: bool,
    /// Each key of the workspace needs an expiry. The rules for keys that are given replace all of them
    #[arg(long, group = "change", conflicts_with = "clear_key_rules")]
    require_expiry: bool,
    /// The longest time from issue to expiry, for example 90d
    #[arg(long, value_name = "DURATION", value_parser = parse::duration, group = "change", conflicts_with = "clear_key_rules")]
    max_lifetime: Option<SignedDuration>,
    /// What the whole of each key's name matches: a regular expression
    #[arg(long, value_name = "REGEX", group = "change", conflicts_with = "clear_key_rules")]
    name_pattern: Option<String>,
    /// The workspace has no rules of its own for its keys
    #[arg(long, group = "change")]
    clear_key_rules: bool,
    /// Change nothing, and say what would become of the keys
    #[arg(long)]
    dry_run: bool,
}

impl UpdateArgs {
    fn into_request(self) -> UpdateWorkspaceRequest {
        let rules = self.key_rules();
        let fields = [
            ("name", self.name.is_some()),
            ("plan", self.plan.is_some()),
            ("limits", !self.limits.is_empty() || self.clear_limits),
            ("key_rules", rules.is_some() || self.clear_key_rules),
        ];
        let paths = fields.into_iter().filter(|(_, changes)| *changes).map(|(field, _)| field.to_owned());
        let update_mask = Some(prost_types::FieldMask { paths: paths.collect() });
        let workspace = Workspace {
            id: self.id.unwrap_or_default(),
            name: self.name.unwrap_or_default(),
            plan: self.plan.unwrap_or_default(),
            limits: limits::together(self.limits),
            key_rules: rules,
            ..Workspace::default()
        };
        UpdateWorkspaceRequest { workspace: Some(workspace), update_mask, validate_only: self.dry_run }
    }

    /// Rules for keys, where a flag names one.
    fn key_rules(&self) -> Option<WorkspaceKeyRules> {
        let rules = WorkspaceKeyRules {
            require_expiry: self.require_expiry,
            max_lifetime: self.max_lifetime.map(time::duration_to_wire),
            name_pattern: self.name_pattern.clone().unwrap_or_default(),
        };
        (rules != WorkspaceKeyRules::default()).then_some(rules)
    }
}

impl RegisterArgs {
    fn into_request(self) -> Result<RegisterWorkspaceRequest, Failure> {
        let mut key = self.key.into_request(self.key_name)?;
        key.owner = self.key_owner.unwrap_or_default();
        key.follows_owner_role = self.follow_owner_role;
        let key = Some(key).filter(|_| !self.no_key);
        Ok(RegisterWorkspaceRequest {
            name: self.name,
            owner: self.owner.unwrap_or_default(),
            plan: self.plan.unwrap_or_default(),
            key,
            limits: limits::together(self.workspace_limits),
            owner_role: self.owner_role.unwrap_or_default(),
        })
    }
}

pub(in crate::cli) async fn register(
    args: RegisterArgs,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let request = args.into_request()?;
    let lifetime = request.key.as_ref().and_then(|key| key.lifetime);
    session.require(lifetime.is_some(), Younger::lifetime("IssueRequest")).await?;
    let mut workspaces = session.workspaces().await?;
    let mut answer = workspaces.register_workspace(request).await.map_err(session.rpc())?.into_inner();
    let secret = Credential::taken_from(&mut answer.api_key);
    let workspace = answer.workspace.take().unwrap_or_default();
    let Some(key) = answer.key.take() else {
        let json = || json::registered(Some(&workspace), answer.member.as_ref(), None, answer.revision);
        session.answer(json, || facts(&workspace))?;
        return Ok(Exit::Done);
    };
    let ends = require_end(lifetime, &key);
    let fresh = Fresh {
        json: json::registered(Some(&workspace), answer.member.as_ref(), Some(&key), answer.revision),
        text: format!("{}\n{}", facts(&workspace), view::key(&key)),
        key_id: key.id,
    };
    session.hand_over(&secret, fresh)?;
    ends?;
    Ok(Exit::Done)
}

pub(in crate::cli) async fn show(args: ShowArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let request = GetWorkspaceRequest { workspace_id: args.id.unwrap_or_default() };
    let mut workspaces = session.workspaces().await?;
    let answer = workspaces.get_workspace(request).await.map_err(session.rpc())?.into_inner();
    let shown = answer.workspace.ok_or(Failure::Answer("the workspace"))?;
    let json = || json!({ "workspace": json::workspace(&shown), "quotas": json::quotas(&answer.quotas) });
    session.answer(json, || format!("{}\n{}", facts(&shown), taken(&answer.quotas)))?;
    Ok(Exit::Done)
}

pub(in crate::cli) async fn update(args: UpdateArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let dry_run = args.dry_run;
    session.require(dry_run, Younger::preview("UpdateWorkspaceRequest")).await?;
    let mut workspaces = session.workspaces().await?;
    let answer = workspaces.update_workspace(args.into_request()).await.map_err(session.rpc())?.into_inner();
    let changed = answer.workspace.ok_or(Failure::Answer("the workspace"))?;
    let found = answer.effect;
    let json = || {
        let effect = found.as_ref().map(effect::json);
        json!({ "workspace": json::workspace(&changed), "revision": answer.revision, "effect": effect })
    };
    let text = || match found.as_ref().filter(|_| dry_run) {
        Some(effect) => effect::text(effect),
        None => facts(&changed),
    };
    session.answer(json, text)?;
    Ok(Exit::Done)
}

/// How much of each quota is taken.
fn taken(quotas: &[QuotaUse]) -> String {
    let mut table = Table::of_facts();
    for QuotaUse { quota, limit, used, reset_time } in quotas {
        let reset = reset_time.as_ref().map(|reset| format!(", until {}", time::shown(Some(reset))));
        table.fact(quota, format!("{used} of {limit}{}", reset.unwrap_or_default()));
    }
    table.render()
}
