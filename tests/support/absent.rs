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

/// A `KeyService` that answers Checks and does nothing else.
macro_rules! key_service_of_checks {
    (impl KeyService for $service:ty { $($check:tt)* }) => {
        #[tonic::async_trait]
        impl keyward::wire::v1::key_service_server::KeyService for $service {
            $($check)*

            async fn issue(
                &self,
                _request: tonic::Request<keyward::wire::v1::IssueRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::IssueResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn rotate(
                &self,
                _request: tonic::Request<keyward::wire::v1::RotateRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::RotateResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn revoke(
                &self,
                _request: tonic::Request<keyward::wire::v1::RevokeRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::RevokeResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn get_key(
                &self,
                _request: tonic::Request<keyward::wire::v1::GetKeyRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::GetKeyResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn list_keys(
                &self,
                _request: tonic::Request<keyward::wire::v1::ListKeysRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::ListKeysResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn update_key(
                &self,
                _request: tonic::Request<keyward::wire::v1::UpdateKeyRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::UpdateKeyResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn disable_key(
                &self,
                _request: tonic::Request<keyward::wire::v1::DisableKeyRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::DisableKeyResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn enable_key(
                &self,
                _request: tonic::Request<keyward::wire::v1::EnableKeyRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::EnableKeyResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn change_keys(
                &self,
                _request: tonic::Request<keyward::wire::v1::ChangeKeysRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::ChangeKeysResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn get_usage(
                &self,
                _request: tonic::Request<keyward::wire::v1::GetUsageRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::GetUsageResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn import_keys(
                &self,
                _request: tonic::Request<keyward::wire::v1::ImportKeysRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::ImportKeysResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn add_import_scheme(
                &self,
                _request: tonic::Request<keyward::wire::v1::AddImportSchemeRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::AddImportSchemeResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn list_import_schemes(
                &self,
                _request: tonic::Request<keyward::wire::v1::ListImportSchemesRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::ListImportSchemesResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn get_effective_rights(
                &self,
                _request: tonic::Request<keyward::wire::v1::GetEffectiveRightsRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::GetEffectiveRightsResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn get_rotation(
                &self,
                _request: tonic::Request<keyward::wire::v1::GetRotationRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::GetRotationResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn update_grace(
                &self,
                _request: tonic::Request<keyward::wire::v1::UpdateGraceRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::UpdateGraceResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn get_least_privilege(
                &self,
                _request: tonic::Request<keyward::wire::v1::GetLeastPrivilegeRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::GetLeastPrivilegeResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn narrow_key(
                &self,
                _request: tonic::Request<keyward::wire::v1::NarrowKeyRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::NarrowKeyResponse>, tonic::Status> {
                $crate::absent::not_here()
            }

            type StreamReviewKeysStream =
                tonic::codegen::BoxStream<keyward::wire::v1::StreamReviewKeysResponse>;

            async fn stream_review_keys(
                &self,
                _request: tonic::Request<keyward::wire::v1::StreamReviewKeysRequest>,
            ) -> Result<tonic::Response<Self::StreamReviewKeysStream>, tonic::Status> {
                $crate::absent::not_here()
            }

            async fn review_keys(
                &self,
                _request: tonic::Request<keyward::wire::v1::ReviewKeysRequest>,
            ) -> Result<tonic::Response<keyward::wire::v1::ReviewKeysResponse>, tonic::Status> {
                $crate::absent::not_here()
            }
        }
    };
}
pub(crate) use key_service_of_checks;
