//! `GetUsage`: how often keys were used, hour by hour or day by day.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadKeys},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::GetUsageRequest {
    type Answer = v1::GetUsageResponse;
    type Permit = AdminPermit<ReadKeys>;

    const CALL: &'static str = "GetUsage";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
        let key = convert::optional_key_id("key_id", &asked.key_id)?;
        let within = changes.usage_within(&permit, named, asked.all_workspaces, key)?;
        let query = convert::usage::query(within, key, &asked)?;
        let size = convert::page_size(asked.page_size)?;
        let page = changes.usage(permit, query, &asked.page_token, size).await?;
        Ok(convert::usage::response(page, within))
    }
}
