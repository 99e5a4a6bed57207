//! `CloseWorkspace`: the end of a workspace and of its keys, or what it would change.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ManageWorkspaces},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc, workspaces::named::required},
    wire::v1,
};

impl Rpc for v1::CloseWorkspaceRequest {
    type Answer = v1::CloseWorkspaceResponse;
    type Permit = AdminPermit<ManageWorkspaces>;

    const CALL: &'static str = "CloseWorkspace";
    const WORK: Work = Work::End;

    fn work(&self, _changes: &Changes, _permit: &Self::Permit) -> Result<Work, OperationError> {
        Ok(if self.validate_only { Work::Look } else { Self::WORK })
    }

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let id = required(changes, &permit, &asked.workspace_id)?;
        let comment = convert::comment(&asked.comment)?;
        let (workspace, revision, key_count) = if asked.validate_only {
            let (workspace, keys) = changes.preview_close(&permit, id).await?;
            let revision = workspace.revision;
            (workspace, revision, keys)
        } else {
            changes.close_workspace(permit, id, asked.expected_key_count, comment).await?
        };
        let workspace = Some(convert::workspace::to_wire(&workspace));
        Ok(v1::CloseWorkspaceResponse { workspace, revision: revision.0, key_count })
    }
}
