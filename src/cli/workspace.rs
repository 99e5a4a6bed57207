//! `keyward workspace register`, `show` and `update`: tenants.

use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use super::{
    Outcome, Remote,
    credential::Credential,
    failure::Failure,
    json,
    key_args::KeyArgs,
    limits::{self, OwnLimit},
    session::{Fresh, Session},
    table::Table,
    time, view,
};
use crate::wire::v1::{GetWorkspaceRequest, RegisterWorkspaceRequest, UpdateWorkspaceRequest, Workspace};

/// Work with workspaces
#[derive(Subcommand, Debug)]
pub enum WorkspaceCommand {
    /// Make a workspace and its first key in one step
    #[command(after_help = EXAMPLE)]
    Register(Box<Remote<RegisterArgs>>),
    /// Show a workspace
    Show(Remote<ShowArgs>),
    /// Change a workspace; its new plan and limits are in force at once
    #[command(after_help = limits::SYNTAX)]
    Update(Remote<UpdateArgs>),
}

const EXAMPLE: &str = "\
The first key's secret alone goes to standard output:
  keyward workspace register 'Example Ltd' --owner ann --scope project:read > first.key";

/// Make a workspace and its first key in one step
#[derive(Args, Debug)]
pub struct RegisterArgs {
    /// What people call the workspace
    name: String,
    /// The user or service that the workspace belongs to
    #[arg(long)]
    owner: Option<String>,
    /// A plan of the policy. Left out: its first
    #[arg(long)]
    plan: Option<String>,
    /// What people call the first key
    #[arg(long, value_name = "NAME", default_value = "first key")]
    key_name: String,
    /// The user or service that the first key belongs to. Left out: the owner of the workspace
    #[arg(long, value_name = "OWNER")]
    key_owner: Option<String>,
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
}

impl UpdateArgs {
    fn into_request(self) -> UpdateWorkspaceRequest {
        let fields = [
            ("name", self.name.is_some()),
            ("plan", self.plan.is_some()),
            ("limits", !self.limits.is_empty() || self.clear_limits),
        ];
        let paths = fields.into_iter().filter(|(_, changes)| *changes).map(|(field, _)| field.to_owned());
        let update_mask = Some(prost_types::FieldMask { paths: paths.collect() });
        let workspace = Workspace {
            id: self.id.unwrap_or_default(),
            name: self.name.unwrap_or_default(),
            plan: self.plan.unwrap_or_default(),
            limits: limits::together(self.limits),
            ..Workspace::default()
        };
        UpdateWorkspaceRequest { workspace: Some(workspace), update_mask }
    }
}

impl RegisterArgs {
    fn into_request(self, now: Timestamp) -> Result<RegisterWorkspaceRequest, Failure> {
        let mut key = self.key.into_request(self.key_name, now)?;
        key.owner = self.key_owner.unwrap_or_default();
        Ok(RegisterWorkspaceRequest {
            name: self.name,
            owner: self.owner.unwrap_or_default(),
            plan: self.plan.unwrap_or_default(),
            key: Some(key),
            limits: limits::together(self.workspace_limits),
        })
    }
}

pub(super) async fn register(args: RegisterArgs, session: &mut Session<'_, '_>) -> Result<Outcome, Failure> {
    let request = args.into_request(session.console.now)?;
    let mut workspaces = session.workspaces().await?;
    let mut answer = workspaces.register_workspace(request).await.map_err(session.rpc())?.into_inner();
    let secret = Credential::taken_from(&mut answer.api_key);
    let workspace = answer.workspace.take().unwrap_or_default();
    let key = answer.key.take().unwrap_or_default();
    let fresh = Fresh {
        json: json::registered(Some(&workspace), Some(&key), answer.revision),
        text: format!("{}\n{}", facts(&workspace), view::key(&key)),
        key_id: key.id,
    };
    session.hand_over(&secret, fresh)?;
    Ok(Outcome::Done)
}

pub(super) async fn show(args: ShowArgs, session: &mut Session<'_, '_>) -> Result<Outcome, Failure> {
    let request = GetWorkspaceRequest { workspace_id: args.id.unwrap_or_default() };
    let mut workspaces = session.workspaces().await?;
    let answer = workspaces.get_workspace(request).await.map_err(session.rpc())?.into_inner();
    let shown = answer.workspace.ok_or(Failure::Answer("the workspace"))?;
    session.answer(|| json!({ "workspace": json::workspace(&shown) }), || facts(&shown))?;
    Ok(Outcome::Done)
}

pub(super) async fn update(args: UpdateArgs, session: &mut Session<'_, '_>) -> Result<Outcome, Failure> {
    let mut workspaces = session.workspaces().await?;
    let answer = workspaces.update_workspace(args.into_request()).await.map_err(session.rpc())?.into_inner();
    let changed = answer.workspace.ok_or(Failure::Answer("the workspace"))?;
    let json = || json!({ "workspace": json::workspace(&changed), "revision": answer.revision });
    session.answer(json, || facts(&changed))?;
    Ok(Outcome::Done)
}

fn facts(workspace: &Workspace) -> String {
    let mut facts = Table::of_facts();
    facts.fact("workspace", &workspace.id);
    facts.fact("name", &workspace.name);
    facts.fact("owner", &workspace.owner);
    facts.fact("plan", &workspace.plan);
    for limit in workspace.limits.iter().flat_map(limits::shown) {
        facts.fact("own limit", limit);
    }
    facts.fact("created", time::shown(workspace.create_time.as_ref()));
    facts.fact("revision", workspace.revision.to_string());
    facts.render()
}
