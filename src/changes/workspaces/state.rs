//! Suspend, resume and close workspaces. Every key of one that is out of use is denied when the change is answered.

use crate::{
    changes::{
        Changes,
        support::{attempt::Attempt, entry::change},
        workspaces::roles::require_open,
    },
    domain::{
        admin::{AdminPermit, ManageWorkspaces},
        audit::{Action, LogEntry},
        id::WorkspaceId,
        parse::ParseError,
        revision::Revision,
        text::Comment,
        workspace::{Workspace, WorkspaceState},
    },
    error::{Blocked, NotFound, OperationError},
    ports::{Mutation, Rows},
};

impl Changes {
    /// What closing a workspace would change: the workspace as it is, and how many keys it has that live.
    ///
    /// # Errors
    /// As for closing it.
    pub async fn preview_close(
        &self,
        permit: &AdminPermit<ManageWorkspaces>,
        id: WorkspaceId,
    ) -> Result<(Workspace, u64), OperationError> {
        permit.require_global()?;
        let workspace = self.index.workspace(id).ok_or(NotFound::Workspace)?;
        require_not_default(&workspace)?;
        Ok(((*workspace).clone(), self.keys_concerned(id).await.all))
    }

    /// Closes a workspace that has as many keys that live as are expected, where that is said. Answers it, the revision, and how
    /// many it has.
    ///
    /// # Errors
    /// It has another number of them; else as [`Changes::bring_workspace`].
    pub async fn close_workspace(
        &self,
        permit: AdminPermit<ManageWorkspaces>,
        id: WorkspaceId,
        expected: Option<u64>,
        comment: Comment,
    ) -> Result<(Workspace, Revision, u64), OperationError> {
        permit.require_global()?;
        // While the keys are counted none comes and none goes. A call that expects another number holds these locks only
        // briefly.
        let counted = expected.is_some();
        let _alone = if counted { Some(self.locks.over_policy().await) } else { None };
        let _turns = if counted { self.locks.of_all(id).await } else { None };
        let keys = self.keys_concerned(id).await.all;
        let closed =
            self.index.workspace(id).is_some_and(|workspace| workspace.state == WorkspaceState::Closed);
        if let Some(expected) = expected.filter(|expected| *expected != keys && !closed) {
            let changed = usize::try_from(keys).unwrap_or(usize::MAX);
            return Err(Blocked::CountChanged { changed, expected }.into());
        }
        let (workspace, revision) = self.bring_workspace(permit, id, WorkspaceState::Closed, comment).await?;
        Ok((workspace, revision, keys))
    }

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
            require_not_default(before)?;
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

fn require_not_default(workspace: &Workspace) -> Result<(), OperationError> {
    let why = ParseError::new("another workspace than the default one, which stays in use");
    if workspace.is_default { Err(OperationError::invalid("workspace_id", why)) } else { Ok(()) }
}

const fn action(state: WorkspaceState) -> Action {
    match state {
        WorkspaceState::Active => Action::WorkspaceResume,
        WorkspaceState::Suspended => Action::WorkspaceSuspend,
        WorkspaceState::Closed => Action::WorkspaceClose,
    }
}
