//! Removes a member from every workspace at once: all of the removals are written together, or none.

use crate::{
    changes::{
        Changes,
        keys::bulk::require_few_workspaces,
        support::attempt::Attempt,
        workspaces::members::{Removed, Wish},
    },
    domain::{
        admin::{AdminPermit, ManageWorkspaces},
        id::WorkspaceId,
        member::MemberId,
        revision::Revision,
        text::{Comment, Owner},
        workspace::WorkspaceState,
    },
    error::{NotFound, OperationError},
    yielding::Yielding,
};

/// Where a subject is a member.
#[derive(Default)]
struct Memberships {
    /// In these workspaces it can be changed.
    open: Vec<WorkspaceId>,
    /// In so many more it cannot.
    closed: usize,
    /// The newest removal that is known of the same.
    removed: Option<Revision>,
}

impl Changes {
    /// Removes a member from every workspace that it belongs to. In a closed one it stays, as everything does there.
    ///
    /// # Errors
    /// The caller is bound to one workspace; no workspace has or had a member of that name, or its removal is no longer
    /// known; there are more workspaces than one change takes. The store.
    pub async fn remove_member_everywhere(
        &self,
        permit: AdminPermit<ManageWorkspaces>,
        subject: Owner,
        comment: Comment,
    ) -> Result<Removed, OperationError> {
        permit.require_global()?;
        // No policy comes between, as for each single one.
        let _shared = self.locks.under_policy().await;
        let wish = Wish::Removed(comment);
        let of = |workspace| MemberId { workspace, subject: subject.clone() };
        let judge = || {
            let policy = self.policy()?;
            let memberships = self.memberships(&subject);
            require_few_workspaces(memberships.open.len())?;
            let mut mutations = Vec::new();
            for id in memberships.open.iter().copied().map(of) {
                let before = self.trusted_member(&id)?;
                let judged = self.judged(&permit, &id, before.as_deref(), &wish, &policy)?;
                mutations.extend(judged.map(|(_, mutation)| mutation));
            }
            if mutations.is_empty() {
                return Ok(Attempt::Done(memberships));
            }
            Ok(Attempt::CommitAll(mutations, memberships))
        };
        let (found, revision) = self.until_committed(permit.stands_on(), judge).await?;
        let stays = (found.closed > 0).then(|| self.index.revision());
        let revision = revision.or(found.removed).or(stays);
        let revision = revision.ok_or_else(|| NotFound::Member(subject.clone()))?;
        let (workspaces, closed) = (found.open.len(), found.closed);
        let mut removed = Removed { revision, workspaces, closed, ..Removed::default() };
        for workspace in found.open {
            self.count_keys(&of(workspace), &mut removed).await;
        }
        Ok(removed)
    }

    fn memberships(&self, subject: &Owner) -> Memberships {
        let (mut states, mut yielding) = (Vec::new(), Yielding::with_pauses());
        self.index.each_workspace(|workspace| states.push((workspace.id, workspace.state)));
        let mut found = Memberships::default();
        for (workspace, state) in states {
            yielding.step();
            let id = MemberId { workspace, subject: subject.clone() };
            match (self.index.member(&id), state) {
                (Some(_), WorkspaceState::Closed) => found.closed = found.closed.saturating_add(1),
                (Some(_), WorkspaceState::Active | WorkspaceState::Suspended) => found.open.push(workspace),
                (None, _) => found.removed = found.removed.max(self.index.removed_member(&id)),
            }
        }
        found.open.sort_unstable();
        found
    }
}
