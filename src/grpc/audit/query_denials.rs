//! `QueryDenials`: what was denied, and who was denied most.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadAudit},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::QueryDenialsRequest {
    type Answer = v1::QueryDenialsResponse;
    type Permit = AdminPermit<ReadAudit>;

    const CALL: &'static str = "QueryDenials";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
        let workspace = changes.log_workspace(&permit, named)?;
        let query = convert::denials::query(workspace, &asked)?;
        let size = convert::page_size(asked.page_size)?;
        let page = changes.query_denials(permit, query, &asked.page_token, size).await?;
        Ok(convert::denials::response(page))
    }
}
