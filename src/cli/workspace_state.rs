//! `keyward workspace suspend`, `resume` and `close`.

use clap::Args;
use serde_json::json;

use super::{Outcome, failure::Failure, json, session::Session, workspace::facts};
use crate::wire::v1::{CloseWorkspaceRequest, ResumeWorkspaceRequest, SuspendWorkspaceRequest, Workspace};

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

pub(super) async fn suspend(args: StateArgs, session: &mut Session<'_, '_>) -> Result<Outcome, Failure> {
    let (workspace_id, comment) = (args.id, args.comment.unwrap_or_default());
    let mut workspaces = session.workspaces().await?;
    let request = SuspendWorkspaceRequest { workspace_id, comment };
    let answer = workspaces.suspend_workspace(request).await.map_err(session.rpc())?.into_inner();
    show(answer.workspace, answer.revision, session)
}

pub(super) async fn resume(args: StateArgs, session: &mut Session<'_, '_>) -> Result<Outcome, Failure> {
    let (workspace_id, comment) = (args.id, args.comment.unwrap_or_default());
    let mut workspaces = session.workspaces().await?;
    let request = ResumeWorkspaceRequest { workspace_id, comment };
    let answer = workspaces.resume_workspace(request).await.map_err(session.rpc())?.into_inner();
    show(answer.workspace, answer.revision, session)
}

pub(super) async fn close(args: StateArgs, session: &mut Session<'_, '_>) -> Result<Outcome, Failure> {
    let (workspace_id, comment) = (args.id, args.comment.unwrap_or_default());
    let mut workspaces = session.workspaces().await?;
    let request = CloseWorkspaceRequest { workspace_id, comment };
    let answer = workspaces.close_workspace(request).await.map_err(session.rpc())?.into_inner();
    show(answer.workspace, answer.revision, session)
}

fn show(
    workspace: Option<Workspace>,
    revision: u64,
    session: &mut Session<'_, '_>,
) -> Result<Outcome, Failure> {
    let workspace = workspace.ok_or(Failure::Answer("the workspace"))?;
    let json = || json!({ "workspace": json::workspace(&workspace), "revision": revision });
    session.answer(json, || facts(&workspace))?;
    Ok(Outcome::Done)
}
