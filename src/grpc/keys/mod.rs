//! `keyward.v1.KeyService`: Check on the core that took the connection, everything else in a lane of administration; each
//! RPC in a file of its own.

mod add_import_scheme;
pub(super) mod batch_check;
mod change_keys;
mod changed;
mod check;
mod disable_key;
mod enable_key;
mod get_effective_rights;
mod get_key;
mod get_least_privilege;
mod get_rotation;
mod get_usage;
mod import_keys;
mod issue;
mod list_import_schemes;
mod list_keys;
mod named;
mod narrow_key;
mod review_keys;
mod revoke;
mod rotate;
mod stream_review_keys;
mod switch;
mod update_grace;
mod update_key;

use tonic::{Request, Response, Status};

use crate::{
    grpc::{api::Api, streaming::Messages},
    wire::v1::{self, key_service_server::KeyService},
};

#[tonic::async_trait]
impl KeyService for Api {
    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        self.answer_check(request).await
    }

    async fn batch_check(
        &self,
        request: Request<v1::BatchCheckRequest>,
    ) -> Result<Response<v1::BatchCheckResponse>, Status> {
        self.answer_batch(request).await
    }

    async fn issue(&self, request: Request<v1::IssueRequest>) -> Result<Response<v1::IssueResponse>, Status> {
        self.serve(request).await
    }

    async fn rotate(
        &self,
        request: Request<v1::RotateRequest>,
    ) -> Result<Response<v1::RotateResponse>, Status> {
        self.serve(request).await
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        self.revoke_key(request).await
    }

    async fn get_key(
        &self,
        request: Request<v1::GetKeyRequest>,
    ) -> Result<Response<v1::GetKeyResponse>, Status> {
        self.serve(request).await
    }

    async fn list_keys(
        &self,
        request: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::ListKeysResponse>, Status> {
        self.serve(request).await
    }

    async fn get_usage(
        &self,
        request: Request<v1::GetUsageRequest>,
    ) -> Result<Response<v1::GetUsageResponse>, Status> {
        self.serve(request).await
    }

    async fn get_effective_rights(
        &self,
        request: Request<v1::GetEffectiveRightsRequest>,
    ) -> Result<Response<v1::GetEffectiveRightsResponse>, Status> {
        self.serve(request).await
    }

    async fn update_key(
        &self,
        request: Request<v1::UpdateKeyRequest>,
    ) -> Result<Response<v1::UpdateKeyResponse>, Status> {
        self.serve(request).await
    }

    async fn disable_key(
        &self,
        request: Request<v1::DisableKeyRequest>,
    ) -> Result<Response<v1::DisableKeyResponse>, Status> {
        self.serve(request).await
    }

    async fn enable_key(
        &self,
        request: Request<v1::EnableKeyRequest>,
    ) -> Result<Response<v1::EnableKeyResponse>, Status> {
        self.serve(request).await
    }

    async fn change_keys(
        &self,
        request: Request<v1::ChangeKeysRequest>,
    ) -> Result<Response<v1::ChangeKeysResponse>, Status> {
        self.serve(request).await
    }

    async fn import_keys(
        &self,
        request: Request<v1::ImportKeysRequest>,
    ) -> Result<Response<v1::ImportKeysResponse>, Status> {
        self.serve(request).await
    }

    async fn add_import_scheme(
        &self,
        request: Request<v1::AddImportSchemeRequest>,
    ) -> Result<Response<v1::AddImportSchemeResponse>, Status> {
        self.serve(request).await
    }

    async fn list_import_schemes(
        &self,
        request: Request<v1::ListImportSchemesRequest>,
    ) -> Result<Response<v1::ListImportSchemesResponse>, Status> {
        self.serve(request).await
    }

    async fn get_rotation(
        &self,
        request: Request<v1::GetRotationRequest>,
    ) -> Result<Response<v1::GetRotationResponse>, Status> {
        self.serve(request).await
    }

    async fn update_grace(
        &self,
        request: Request<v1::UpdateGraceRequest>,
    ) -> Result<Response<v1::UpdateGraceResponse>, Status> {
        self.serve(request).await
    }

    async fn get_least_privilege(
        &self,
        request: Request<v1::GetLeastPrivilegeRequest>,
    ) -> Result<Response<v1::GetLeastPrivilegeResponse>, Status> {
        self.serve(request).await
    }

    async fn narrow_key(
        &self,
        request: Request<v1::NarrowKeyRequest>,
    ) -> Result<Response<v1::NarrowKeyResponse>, Status> {
        self.serve(request).await
    }

    type StreamReviewKeysStream = Messages<v1::StreamReviewKeysResponse>;

    async fn stream_review_keys(
        &self,
        request: Request<v1::StreamReviewKeysRequest>,
    ) -> Result<Response<Self::StreamReviewKeysStream>, Status> {
        self.stream(request).await
    }

    async fn review_keys(
        &self,
        request: Request<v1::ReviewKeysRequest>,
    ) -> Result<Response<v1::ReviewKeysResponse>, Status> {
        self.serve(request).await
    }
}
