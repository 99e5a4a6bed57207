//! What `SuspendWorkspace` and `ResumeWorkspace` share.

use super::named::required;
use crate::{
    changes::Changes,
    domain::{
        admin::{AdminPermit, ManageWorkspaces},
        workspace::WorkspaceState,
    },
    error::OperationError,
    grpc::convert,
    wire::v1,
};

/// Suspends or resumes a workspace: the requests differ in nothing else.
pub(super) async fn bring(
    changes: &Changes,
    permit: AdminPermit<ManageWorkspaces>,
    state: WorkspaceState,
    workspace_id: &str,
    comment: &str,
) -> Result<(v1::Workspace, u64), OperationError> {
    let id = required(changes, &permit, workspace_id)?;
    let (workspace, revision) =
        changes.bring_workspace(permit, id, state, convert::comment(comment)?).await?;
    Ok((convert::workspace::to_wire(&workspace), revision.0))
}
