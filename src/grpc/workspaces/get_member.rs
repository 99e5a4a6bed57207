//! `GetMember`: one member of a workspace.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadWorkspaces},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc, workspaces::named::member_id},
    wire::v1,
};

impl Rpc for v1::GetMemberRequest {
    type Answer = v1::GetMemberResponse;
    type Permit = AdminPermit<ReadWorkspaces>;

    const CALL: &'static str = "GetMember";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let id = member_id(changes, &permit, &asked.workspace_id, &asked.subject)?;
        let member = changes.show_member(&permit, &id)?;
        Ok(v1::GetMemberResponse { member: Some(convert::member::to_wire(&member)) })
    }
}
