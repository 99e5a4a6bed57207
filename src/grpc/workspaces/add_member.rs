//! `AddMember`: a member of a workspace, with a role.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ManageWorkspaces},
    error::OperationError,
    grpc::{
        convert,
        lanes::Work,
        rpc::Rpc,
        workspaces::named::{member_id, work_of},
    },
    wire::v1,
};

impl Rpc for v1::AddMemberRequest {
    type Answer = v1::AddMemberResponse;
    type Permit = AdminPermit<ManageWorkspaces>;

    const CALL: &'static str = "AddMember";
    const WORK: Work = Work::Few;

    fn work(&self, changes: &Changes, permit: &Self::Permit) -> Result<Work, OperationError> {
        Ok(work_of(changes, &member_id(changes, permit, &self.workspace_id, &self.subject)?))
    }

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let Self { workspace_id, subject, role, expected_gains } = asked;
        let id = member_id(changes, &permit, &workspace_id, &subject)?;
        let role = convert::member::role(&role)?;
        let member = changes.add_member(permit, id, role, expected_gains).await?;
        let revision = member.revision.0;
        Ok(v1::AddMemberResponse { member: Some(convert::member::to_wire(&member)), revision })
    }
}
