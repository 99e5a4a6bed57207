//! `RemoveMember`: a member leaves one workspace, or all.

use crate::{
    changes::Changes,
    domain::{
        admin::{AdminPermit, ManageWorkspaces},
        member::MemberId,
        workspace::Within,
    },
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::RemoveMemberRequest {
    type Answer = v1::RemoveMemberResponse;
    type Permit = AdminPermit<ManageWorkspaces>;

    const CALL: &'static str = "RemoveMember";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let Self { workspace_id, subject, comment, all_workspaces } = asked;
        let named = convert::workspace_id("workspace_id", &workspace_id)?;
        let within = changes.within(&permit, named, all_workspaces)?;
        let subject = convert::member::subject(&subject)?;
        let comment = convert::comment(&comment)?;
        let removed = match within {
            Within::One(workspace) => {
                changes.remove_member(permit, MemberId { workspace, subject }, comment).await?
            }
            Within::All => changes.remove_member_everywhere(permit, subject, comment).await?,
        };
        Ok(convert::member::removed(&removed, within))
    }
}
