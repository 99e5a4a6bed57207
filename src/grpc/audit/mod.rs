//! `keyward.v1.AuditService`.

use tonic::{Request, Response, Status};

use crate::grpc::{api::Api, convert};
use crate::{
    domain::admin::Party,
    wire::v1::{self, audit_service_server::AuditService},
};

#[tonic::async_trait]
impl AuditService for Api {
    async fn query_log(
        &self,
        request: Request<v1::QueryLogRequest>,
    ) -> Result<Response<v1::QueryLogResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let asked = request.into_inner();
            let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
            let workspace = changes.log_workspace(&permit, named)?;
            let filter = convert::audit::filter(workspace, &asked)?;
            let size = convert::page_size(asked.page_size)?;
            let moment = changes.moment(permit.sight());
            let page = changes.query_log(permit, filter, &asked.page_token, size).await?;
            let records = page.records.iter().map(|record| convert::audit::record(record, &moment));
            let records = records.collect::<Result<_, _>>()?;
            Ok(v1::QueryLogResponse { records, next_page_token: page.next_page_token })
        })
        .await
    }

    async fn verify_log(
        &self,
        request: Request<v1::VerifyLogRequest>,
    ) -> Result<Response<v1::VerifyLogResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            Ok(convert::audit::verification(changes.verify_log(permit).await?))
        })
        .await
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let moment = changes.moment(permit.sight());
            Ok(convert::store_status::response(&changes.store_status(&permit), &moment))
        })
        .await
    }
}
