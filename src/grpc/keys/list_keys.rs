//! `ListKeys`: the keys of a workspace, or of all, page by page.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadKeys},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::ListKeysRequest {
    type Answer = v1::ListKeysResponse;
    type Permit = AdminPermit<ReadKeys>;

    const CALL: &'static str = "ListKeys";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
        let within = changes.within(&permit, named, asked.all_workspaces)?;
        let (selection, traits) = convert::select::listed(within, &asked)?;
        let size = convert::page_size(asked.page_size)?;
        let sight = permit.sight();
        let page = changes.list(permit, (&selection, &traits), &asked.page_token, size).await?;
        let moment = changes.moment(sight);
        let keys = page.keys.iter().map(|shown| convert::key::shown_to_wire(shown, &moment)).collect();
        let workspace_id = convert::workspace::looked_at(within);
        Ok(v1::ListKeysResponse { keys, next_page_token: page.next_page_token, workspace_id })
    }
}
