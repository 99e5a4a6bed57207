//! `keyward workspace suspend`, `resume` and `close`.

use clap::Args;
use serde_json::json;

use super::facts::facts;
use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        output::{json, table::Table},
        preflight::Younger,
        session::Session,
    },
    wire::v1::{
        CloseWorkspaceRequest, ResumeWorkspaceRequest, SuspendWorkspaceRequest, Workspace, WorkspaceState,
    },
};

/// Which workspace to bring in or out of use.
#[derive(Args, Debug)]
pub struct StateArgs {
    /// The workspace
    #[arg(value_name = "ID")]
    id: String,
    /// Why, in your own words
    #[arg(long)]
    comment: Option<String>,
}

/// Close a workspace for good, once the number of its keys is confirmed
#[derive(Args, Debug)]
pub struct CloseArgs {
    #[command(flatten)]
    which: StateArgs,
    /// Closes it, if it has as many keys that are neither revoked nor expired. Left out: closes nothing, and says how many
    #[arg(long, value_name = "COUNT")]
    confirm: Option<u64>,
}

pub(in crate::cli) async fn suspend(args: StateArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let (workspace_id, comment) = (args.id, args.comment.unwrap_or_default());
    let mut workspaces = session.workspaces().await?;
    let request = SuspendWorkspaceRequest { workspace_id, comment };
    let answer = workspaces.suspend_workspace(request).await.map_err(session.rpc())?.into_inner();
    show(answer.workspace, answer.revision, session)
}

pub(in crate::cli) async fn resume(args: StateArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let (workspace_id, comment) = (args.id, args.comment.unwrap_or_default());
    let mut workspaces = session.workspaces().await?;
    let request = ResumeWorkspaceRequest { workspace_id, comment };
    let answer = workspaces.resume_workspace(request).await.map_err(session.rpc())?.into_inner();
    show(answer.workspace, answer.revision, session)
}

pub(in crate::cli) async fn close(args: CloseArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let StateArgs { id: workspace_id, comment } = args.which;
    session.require(true, Younger::preview("CloseWorkspaceRequest")).await?;
    let request = CloseWorkspaceRequest {
        workspace_id,
        comment: comment.unwrap_or_default(),
        validate_only: args.confirm.is_none(),
        expected_key_count: args.confirm,
    };
    let mut workspaces = session.workspaces().await?;
    let answer = workspaces.close_workspace(request).await.map_err(session.rpc())?.into_inner();
    let workspace = answer.workspace.ok_or(Failure::Answer("the workspace"))?;
    let preview = args.confirm.is_none() && workspace.state() != WorkspaceState::Closed;
    let (revision, keys) = (answer.revision, answer.key_count);
    let json =
        || json!({ "workspace": json::workspace(&workspace), "revision": revision, "key_count": keys });
    session.answer(json, || closed(&workspace, keys, preview))?;
    Ok(Exit::Done)
}

fn closed(workspace: &Workspace, keys: u64, preview: bool) -> String {
    let mut lines = Table::of_facts();
    lines.fact(if preview { "would be denied" } else { "denied" }, format!("{keys} keys, for good"));
    let hint = if preview {
        format!(
            "Nothing was changed. The same command with --confirm {keys} closes it, and nothing opens it again.\n"
        )
    } else {
        String::new()
    };
    format!("{}{}{hint}", facts(workspace), lines.render())
}

fn show(workspace: Option<Workspace>, revision: u64, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let workspace = workspace.ok_or(Failure::Answer("the workspace"))?;
    let json = || json!({ "workspace": json::workspace(&workspace), "revision": revision });
    session.answer(json, || facts(&workspace))?;
    Ok(Exit::Done)
}
