//! `GetWorkspace`: one workspace, and how much of its quotas is used.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadWorkspaces},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::GetWorkspaceRequest {
    type Answer = v1::GetWorkspaceResponse;
    type Permit = AdminPermit<ReadWorkspaces>;

    const CALL: &'static str = "GetWorkspace";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
        let shown = changes.show_workspace(&permit, named)?;
        let quotas = changes.quota_uses(shown.id).iter().map(convert::workspace::quota_use).collect();
        Ok(v1::GetWorkspaceResponse { workspace: Some(convert::workspace::to_wire(&shown)), quotas })
    }
}
