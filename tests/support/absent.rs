//! Services that must be there and are not asked: for servers of a test or a bench that are about others.

use keyward::wire::v1::{
    self, ApplyPolicyRequest, ApplyPolicyResponse, ExplainRouteRequest, ExplainRouteResponse,
    GetPolicyRequest, GetPolicyResponse, GetWorkspaceRequest, GetWorkspaceResponse,
    ListPolicyVersionsRequest, ListPolicyVersionsResponse, RegisterWorkspaceRequest,
    RegisterWorkspaceResponse, UpdateWorkspaceRequest, UpdateWorkspaceResponse, ValidatePolicyRequest,
    ValidatePolicyResponse, policy_service_server::PolicyService, workspace_service_server::WorkspaceService,
};
use tonic::{Request, Response, Status, async_trait};

/// Does nothing.
#[derive(Debug)]
pub(crate) struct Absent;

/// The answer of what is not there.
pub(crate) fn not_here<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not here"))
}

#[async_trait]
impl WorkspaceService for Absent {
    async fn register_workspace(
        &self,
        _request: Request<RegisterWorkspaceRequest>,
    ) -> Result<Response<RegisterWorkspaceResponse>, Status> {
        not_here()
    }

    async fn get_workspace(
        &self,
        _request: Request<GetWorkspaceRequest>,
    ) -> Result<Response<GetWorkspaceResponse>, Status> {
        not_here()
    }

    async fn update_workspace(
        &self,
        _request: Request<UpdateWorkspaceRequest>,
    ) -> Result<Response<UpdateWorkspaceResponse>, Status> {
        not_here()
    }

    async fn list_workspaces(
        &self,
        _request: Request<v1::ListWorkspacesRequest>,
    ) -> Result<Response<v1::ListWorkspacesResponse>, Status> {
        not_here()
    }

    async fn suspend_workspace(
        &self,
        _request: Request<v1::SuspendWorkspaceRequest>,
    ) -> Result<Response<v1::SuspendWorkspaceResponse>, Status> {
        not_here()
    }

    async fn resume_workspace(
        &self,
        _request: Request<v1::ResumeWorkspaceRequest>,
    ) -> Result<Response<v1::ResumeWorkspaceResponse>, Status> {
        not_here()
    }

    async fn close_workspace(
        &self,
        _request: Request<v1::CloseWorkspaceRequest>,
    ) -> Result<Response<v1::CloseWorkspaceResponse>, Status> {
        not_here()
    }

    async fn add_member(
        &self,
        _request: Request<v1::AddMemberRequest>,
    ) -> Result<Response<v1::AddMemberResponse>, Status> {
        not_here()
    }

    async fn update_member(
        &self,
        _request: Request<v1::UpdateMemberRequest>,
    ) -> Result<Response<v1::UpdateMemberResponse>, Status> {
        not_here()
    }

    async fn remove_member(
        &self,
        _request: Request<v1::RemoveMemberRequest>,
    ) -> Result<Response<v1::RemoveMemberResponse>, Status> {
        not_here()
    }

    async fn get_member(
        &self,
        _request: Request<v1::GetMemberRequest>,
    ) -> Result<Response<v1::GetMemberResponse>, Status> {
        not_here()
    }

    async fn list_members(
        &self,
        _request: Request<v1::ListMembersRequest>,
    ) -> Result<Response<v1::ListMembersResponse>, Status> {
        not_here()
    }
}

#[async_trait]
impl PolicyService for Absent {
    async fn get_policy(
        &self,
        _request: Request<GetPolicyRequest>,
    ) -> Result<Response<GetPolicyResponse>, Status> {
        not_here()
    }

    async fn validate_policy(
        &self,
        _request: Request<ValidatePolicyRequest>,
    ) -> Result<Response<ValidatePolicyResponse>, Status> {
        not_here()
    }

    async fn apply_policy(
        &self,
        _request: Request<ApplyPolicyRequest>,
    ) -> Result<Response<ApplyPolicyResponse>, Status> {
        not_here()
    }

    async fn explain_route(
        &self,
        _request: Request<ExplainRouteRequest>,
    ) -> Result<Response<ExplainRouteResponse>, Status> {
        not_here()
    }

    async fn list_policy_versions(
        &self,
        _request: Request<ListPolicyVersionsRequest>,
    ) -> Result<Response<ListPolicyVersionsResponse>, Status> {
        not_here()
    }
}
