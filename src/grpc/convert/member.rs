//! Members of workspaces.

use super::{time, unless_empty, within};
use crate::{
    domain::{
        id::WorkspaceId,
        member::{Member, MemberId},
        text::{Label, Owner},
    },
    operations::error::OperationError,
    wire::v1,
};

/// The member that is meant in a workspace.
pub(in crate::grpc) fn id(workspace: WorkspaceId, subject: &str) -> Result<MemberId, OperationError> {
    Ok(MemberId { workspace, subject: within("subject", Owner::parse(subject))? })
}

/// A required role.
pub(in crate::grpc) fn role(text: &str) -> Result<Label, OperationError> {
    within("role", Label::parse(text))
}

/// A role that may be left out.
pub(in crate::grpc) fn optional_role(text: &str) -> Result<Option<Label>, OperationError> {
    unless_empty(text, role)
}

/// A member for the wire.
pub(in crate::grpc) fn to_wire(member: &Member) -> v1::Member {
    v1::Member {
        workspace_id: member.id.workspace.to_string(),
        subject: member.id.subject.to_string(),
        role: member.role.as_ref().map(ToString::to_string).unwrap_or_default(),
        create_time: Some(time::to_wire(member.created)),
        update_time: Some(time::to_wire(member.updated)),
        revision: member.revision.0,
    }
}
