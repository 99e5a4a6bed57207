//! `SuspendWorkspace`: no key of a workspace is good, until it is resumed.

use crate::{
    changes::Changes,
    domain::{
        admin::{AdminPermit, ManageWorkspaces},
        workspace::WorkspaceState,
    },
    error::OperationError,
    grpc::{lanes::Work, rpc::Rpc, workspaces::bring::bring},
    wire::v1,
};

impl Rpc for v1::SuspendWorkspaceRequest {
    type Answer = v1::SuspendWorkspaceResponse;
    type Permit = AdminPermit<ManageWorkspaces>;

    const CALL: &'static str = "SuspendWorkspace";
    const WORK: Work = Work::End;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let Self { workspace_id, comment } = asked;
        let state = WorkspaceState::Suspended;
        let (workspace, revision) = bring(changes, permit, state, &workspace_id, &comment).await?;
        Ok(v1::SuspendWorkspaceResponse { workspace: Some(workspace), revision })
    }
}
