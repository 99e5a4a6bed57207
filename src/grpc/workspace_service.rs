//! `keyward.v1.WorkspaceService`.

use tonic::{Request, Response, Status};

use super::{api::Api, convert, key_service::request_mark};
use crate::{
    domain::{
        admin::{AdminPermit, IssueKeys, ManageWorkspaces, ReadWorkspaces},
        parse::ParseError,
    },
    operations::{WithSecret, error::OperationError},
    wire::v1::{self, workspace_service_server::WorkspaceService},
};

#[tonic::async_trait]
impl WorkspaceService for Api {
    async fn register_workspace(
        &self,
        request: Request<v1::RegisterWorkspaceRequest>,
    ) -> Result<Response<v1::RegisterWorkspaceResponse>, Status> {
        let permit: AdminPermit<ManageWorkspaces> = self.permit(&request)?;
        let issuer: AdminPermit<IssueKeys> = self.permit(&request)?;
        permit.require_global().map_err(OperationError::from)?;
        self.administer(async move |operations| {
            let mut asked = request.into_inner();
            let text = asked.key.as_ref().map(|key| key.request_id.clone()).unwrap_or_default();
            let mark = request_mark(permit.key_id(), "key.request_id", &text, "RegisterWorkspace", &asked)?;
            let workspace = convert::workspace::new_workspace(&asked)?;
            let first = first_key(asked.key.take(), &asked.owner)?;
            let first =
                convert::new_key::new_key("key", first, operations.policy()?.policy.environments(), mark)?;
            let (workspace, WithSecret { key, secret, revision }) =
                operations.register(permit, issuer, workspace, first).await?;
            Ok(v1::RegisterWorkspaceResponse {
                workspace: Some(convert::workspace::to_wire(&workspace)),
                key: Some(convert::key::to_wire(&key, &operations.moment())),
                api_key: secret.reveal(),
                revision: revision.0,
            })
        })
        .await
    }

    async fn get_workspace(
        &self,
        request: Request<v1::GetWorkspaceRequest>,
    ) -> Result<Response<v1::GetWorkspaceResponse>, Status> {
        let permit: AdminPermit<ReadWorkspaces> = self.permit(&request)?;
        self.administer(async move |operations| {
            let named = convert::workspace_id("workspace_id", &request.get_ref().workspace_id)?;
            let shown = operations.show_workspace(&permit, named)?;
            Ok(v1::GetWorkspaceResponse { workspace: Some(convert::workspace::to_wire(&shown)) })
        })
        .await
    }

    async fn update_workspace(
        &self,
        request: Request<v1::UpdateWorkspaceRequest>,
    ) -> Result<Response<v1::UpdateWorkspaceResponse>, Status> {
        let permit: AdminPermit<ManageWorkspaces> = self.permit(&request)?;
        self.administer(async move |operations| {
            let asked = request.into_inner();
            let named = asked.workspace.as_ref().map(|workspace| workspace.id.as_str()).unwrap_or_default();
            let named = convert::workspace_id("workspace.id", named)?;
            let id = operations.workspace(&permit, named)?;
            if convert::workspace::sets_limits(&asked) {
                permit.require_global()?;
            }
            let changes = convert::workspace::changes(asked)?;
            let (workspace, revision) = operations.update_workspace(permit, id, changes).await?;
            let workspace = Some(convert::workspace::to_wire(&workspace));
            Ok(v1::UpdateWorkspaceResponse { workspace, revision: revision.0 })
        })
        .await
    }
}

/// The first key is a holder's key of the new workspace, and belongs to the workspace's owner unless another is named.
fn first_key(asked: Option<v1::IssueRequest>, owner: &str) -> Result<v1::IssueRequest, OperationError> {
    let invalid = |field: &str, allowed| Err(OperationError::invalid(field, ParseError::new(allowed)));
    let Some(mut first) = asked else {
        return invalid("key", "set: a workspace is registered with its first key");
    };
    if !first.workspace_id.is_empty() {
        return invalid("key.workspace_id", "empty: the key belongs to the workspace that is registered");
    }
    if first.admin.is_some() {
        return invalid("key.admin", "absent: the first key of a workspace is a holder's key");
    }
    if first.owner.is_empty() {
        owner.clone_into(&mut first.owner);
    }
    Ok(first)
}
