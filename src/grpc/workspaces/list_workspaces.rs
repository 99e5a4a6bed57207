//! `ListWorkspaces`: the workspaces in reach, page by page.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadWorkspaces},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::ListWorkspacesRequest {
    type Answer = v1::ListWorkspacesResponse;
    type Permit = AdminPermit<ReadWorkspaces>;

    const CALL: &'static str = "ListWorkspaces";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let filter = convert::workspace::filter(&asked)?;
        let size = convert::page_size(asked.page_size)?;
        let page = changes.list_workspaces(&permit, &filter, &asked.page_token, size)?;
        let workspaces = page.workspaces.iter().map(convert::workspace::to_wire).collect();
        Ok(v1::ListWorkspacesResponse { workspaces, next_page_token: page.next_page_token })
    }
}
