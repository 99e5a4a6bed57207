//! `keyward.v1.AuditService`: each RPC in a file of its own.

mod get_status;
mod query_denials;
mod query_log;
mod stream_verify_log;
mod verify_log;

use tonic::{Request, Response, Status};

use crate::{
    grpc::{api::Api, streaming::Messages},
    wire::v1::{self, audit_service_server::AuditService},
};

#[tonic::async_trait]
impl AuditService for Api {
    async fn query_log(
        &self,
        request: Request<v1::QueryLogRequest>,
    ) -> Result<Response<v1::QueryLogResponse>, Status> {
        self.serve(request).await
    }

    async fn query_denials(
        &self,
        request: Request<v1::QueryDenialsRequest>,
    ) -> Result<Response<v1::QueryDenialsResponse>, Status> {
        self.serve(request).await
    }

    async fn verify_log(
        &self,
        request: Request<v1::VerifyLogRequest>,
    ) -> Result<Response<v1::VerifyLogResponse>, Status> {
        self.serve(request).await
    }

    type StreamVerifyLogStream = Messages<v1::StreamVerifyLogResponse>;

    async fn stream_verify_log(
        &self,
        request: Request<v1::StreamVerifyLogRequest>,
    ) -> Result<Response<Self::StreamVerifyLogStream>, Status> {
        self.stream(request).await
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        self.serve(request).await
    }
}
