//! The workspace or the member that a request names, once it is known that the caller reaches it.

use crate::{
    changes::Changes,
    domain::{
        admin::{AdminPermit, ManageWorkspaces},
        id::WorkspaceId,
        member::MemberId,
        parse::ParseError,
    },
    error::OperationError,
    grpc::{convert, lanes::Work},
};

/// The workspace that a request means.
pub(super) fn named<P>(
    changes: &Changes,
    permit: &AdminPermit<P>,
    workspace_id: &str,
) -> Result<WorkspaceId, OperationError> {
    changes.workspace(permit, convert::workspace_id("workspace_id", workspace_id)?)
}

/// The workspace that a global caller names.
pub(super) fn required(
    changes: &Changes,
    permit: &AdminPermit<ManageWorkspaces>,
    workspace_id: &str,
) -> Result<WorkspaceId, OperationError> {
    permit.require_global()?;
    let missing = || OperationError::invalid("workspace_id", ParseError::new("given"));
    let id = convert::workspace_id("workspace_id", workspace_id)?.ok_or_else(missing)?;
    changes.workspace(permit, Some(id))
}

/// The member that a request means.
pub(super) fn member_id<P>(
    changes: &Changes,
    permit: &AdminPermit<P>,
    workspace_id: &str,
    subject: &str,
) -> Result<MemberId, OperationError> {
    convert::member::id(named(changes, permit, workspace_id)?, subject)
}

/// What it is to give this member a role: a change of many keys where many follow the member.
pub(super) fn work_of(changes: &Changes, member: &MemberId) -> Work {
    if changes.has_many_followers(member) { Work::Many } else { Work::Few }
}
