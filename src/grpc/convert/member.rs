//! Members of workspaces.

use super::{time, unless_empty, within, workspace::looked_at};
use crate::{
    changes::workspaces::members::Removed,
    domain::{
        id::WorkspaceId,
        member::{Member, MemberId},
        text::{Label, Owner},
        workspace::Within,
    },
    error::OperationError,
    wire::v1,
};

/// The member that is meant in a workspace.
pub(in crate::grpc) fn id(workspace: WorkspaceId, subject: &str) -> Result<MemberId, OperationError> {
    Ok(MemberId { workspace, subject: self::subject(subject)? })
}

/// Who is meant, in any workspaces.
pub(in crate::grpc) fn subject(text: &str) -> Result<Owner, OperationError> {
    within("subject", Owner::parse(text))
}

/// What the removal of a member came to.
pub(in crate::grpc) fn removed(removed: &Removed, of: Within) -> v1::RemoveMemberResponse {
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    v1::RemoveMemberResponse {
        revision: removed.revision.0,
        following_keys: removed.following,
        other_keys: removed.others,
        workspace_id: looked_at(of),
        workspace_count: number(removed.workspaces),
        closed_workspace_count: number(removed.closed),
    }
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
