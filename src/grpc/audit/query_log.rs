//! `QueryLog`: who changed what, page by page.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadAudit},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::QueryLogRequest {
    type Answer = v1::QueryLogResponse;
    type Permit = AdminPermit<ReadAudit>;

    const CALL: &'static str = "QueryLog";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
        let workspace = changes.log_workspace(&permit, named)?;
        let filter = convert::audit::filter(workspace, &asked)?;
        let size = convert::page_size(asked.page_size)?;
        let moment = changes.moment(permit.sight());
        let page = changes.query_log(permit, filter, &asked.page_token, size).await?;
        let records = page.records.iter().map(|record| convert::audit::record(record, &moment));
        let records = records.collect::<Result<_, _>>()?;
        Ok(v1::QueryLogResponse { records, next_page_token: page.next_page_token })
    }
}
