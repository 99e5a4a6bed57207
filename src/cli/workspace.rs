//! `keyward workspace register`: makes a tenant and its first key.

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{
    Outcome, Remote,
    credential::Credential,
    failure::Failure,
    json,
    key_args::KeyArgs,
    session::{Fresh, Session},
    table::Table,
    time, view,
};
use crate::wire::v1::{RegisterWorkspaceRequest, Workspace};

/// Work with workspaces
#[derive(Subcommand, Debug)]
pub enum WorkspaceCommand {
    /// Make a workspace and its first key in one step
    #[command(after_help = EXAMPLE)]
    Register(Remote<RegisterArgs>),
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
    #[command(flatten)]
    key: KeyArgs,
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

fn facts(workspace: &Workspace) -> String {
    let mut facts = Table::of_facts();
    facts.fact("workspace", &workspace.id);
    facts.fact("name", &workspace.name);
    facts.fact("owner", &workspace.owner);
    facts.fact("plan", &workspace.plan);
    facts.fact("created", time::shown(workspace.create_time.as_ref()));
    facts.fact("revision", workspace.revision.to_string());
    facts.render()
}
