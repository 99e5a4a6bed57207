//! `ReviewKeys`: the keys that need attention.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadKeys},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::ReviewKeysRequest {
    type Answer = v1::ReviewKeysResponse;
    type Permit = AdminPermit<ReadKeys>;

    const CALL: &'static str = "ReviewKeys";
    const WORK: Work = Work::Look;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
        let within = changes.within(&permit, named, asked.all_workspaces)?;
        let query = convert::review::query(within, &asked)?;
        let size = convert::page_size(asked.page_size)?;
        let page = changes.review(permit, query, &asked.page_token, size).await?;
        Ok(convert::review::response(page, within))
    }
}
