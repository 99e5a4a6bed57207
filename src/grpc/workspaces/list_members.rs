//! `ListMembers`: the members of a workspace, page by page.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadWorkspaces},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc, workspaces::named::named},
    wire::v1,
};

impl Rpc for v1::ListMembersRequest {
    type Answer = v1::ListMembersResponse;
    type Permit = AdminPermit<ReadWorkspaces>;

    const CALL: &'static str = "ListMembers";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let workspace = named(changes, &permit, &asked.workspace_id)?;
        let role = convert::member::optional_role(&asked.role)?;
        let size = convert::page_size(asked.page_size)?;
        let page = changes.list_members(&permit, workspace, role.as_ref(), &asked.page_token, size)?;
        let members = page.members.iter().map(|member| convert::member::to_wire(member)).collect();
        let (next_page_token, workspace_id) = (page.next_page_token, workspace.to_string());
        Ok(v1::ListMembersResponse { members, next_page_token, workspace_id })
    }
}
