//! `ResumeWorkspace`: the keys of a workspace are good again.

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

impl Rpc for v1::ResumeWorkspaceRequest {
    type Answer = v1::ResumeWorkspaceResponse;
    type Permit = AdminPermit<ManageWorkspaces>;

    const CALL: &'static str = "ResumeWorkspace";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let Self { workspace_id, comment } = asked;
        let state = WorkspaceState::Active;
        let (workspace, revision) = bring(changes, permit, state, &workspace_id, &comment).await?;
        Ok(v1::ResumeWorkspaceResponse { workspace: Some(workspace), revision })
    }
}
