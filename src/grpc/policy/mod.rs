//! `keyward.v1.PolicyService`: each RPC in a file of its own.

mod apply_policy;
mod explain_route;
mod get_policy;
mod list_policy_versions;
mod validate_policy;

use tonic::{Request, Response, Status};

use crate::{
    grpc::api::Api,
    wire::v1::{self, policy_service_server::PolicyService},
};

#[tonic::async_trait]
impl PolicyService for Api {
    async fn get_policy(
        &self,
        request: Request<v1::GetPolicyRequest>,
    ) -> Result<Response<v1::GetPolicyResponse>, Status> {
        self.serve(request).await
    }

    async fn validate_policy(
        &self,
        request: Request<v1::ValidatePolicyRequest>,
    ) -> Result<Response<v1::ValidatePolicyResponse>, Status> {
        self.serve(request).await
    }

    async fn apply_policy(
        &self,
        request: Request<v1::ApplyPolicyRequest>,
    ) -> Result<Response<v1::ApplyPolicyResponse>, Status> {
        self.serve(request).await
    }

    async fn explain_route(
        &self,
        request: Request<v1::ExplainRouteRequest>,
    ) -> Result<Response<v1::ExplainRouteResponse>, Status> {
        self.serve(request).await
    }

    async fn list_policy_versions(
        &self,
        request: Request<v1::ListPolicyVersionsRequest>,
    ) -> Result<Response<v1::ListPolicyVersionsResponse>, Status> {
        self.serve(request).await
    }
}
