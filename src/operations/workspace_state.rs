//! Suspend, resume and close workspaces. Every key of one that is out of use is denied when the change is answered.

use super::{Attempt, Operations, change, error::OperationError, roles::require_open};
use crate::{
    domain::{
        admin::{AdminPermit, ManageWorkspaces},
        audit::{Action, LogEntry, Revision},
        id::WorkspaceId,
        parse::ParseError,
        text::Comment,
        workspace::{Workspace, WorkspaceState},
    },
    ports::{Mutation, Rows},
};

impl Operations {
    /// Brings a workspace into a state. One that is in it already stays as it is.
    ///
    /// # Errors
    /// The caller is bound to one workspace. It does not exist, is closed already, or is the default one, which stays in use.
    /// The store.
    pub async fn bring_workspace(
        &self,
        permit: AdminPermit<ManageWorkspaces>,
        id: WorkspaceId,
        state: WorkspaceState,
        comment: Comment,
    ) -> Result<(Workspace, Revision), OperationError> {
        permit.require_global()?;
        self.change_workspace(&permit, id, |before| {
            if before.state == state {
                return Ok(Attempt::Done(before.clone()));
            }
            if before.is_default {
                let why = ParseError::new("another workspace than the default one, which stays in use");
                return Err(OperationError::invalid("workspace_id", why));
            }
            require_open(before)?;
            let after = Workspace { state, ..before.clone() };
            let entry = LogEntry {
                workspace: Some(id),
                changes: vec![change("workspace.state", before.state.as_str(), state.as_str())],
                comment: Some(comment.clone()),
                ..LogEntry::new(self.clock.now(), permit.actor(), action(state))
            };
            let rows = Rows { workspace: Some(after.clone()), ..Rows::default() };
            Ok(Attempt::Commit(Box::new(Mutation::new(entry, rows)), after))
        })
        .await
    }
}

const fn action(state: WorkspaceState) -> Action {
    match state {
        WorkspaceState::Active => Action::WorkspaceResume,
        WorkspaceState::Suspended => Action::WorkspaceSuspend,
        WorkspaceState::Closed => Action::WorkspaceClose,
    }
}
