//! What becomes of the keys of a workspace when its plan or its limits change: told with the change, and beforehand.

use std::sync::Arc;

use crate::{
    changes::support::limits,
    changes::{Changes, policy::is_alive},
    domain::{
        id::WorkspaceId,
        policy::{Effective, effective},
        workspace::Workspace,
    },
    ports::PolicyVersion,
    yielding::Yielding,
};

/// A workspace before and after a change, and the keys that the change concerns.
#[derive(Debug)]
pub struct PlanEffect {
    /// The policy that both stand under.
    pub policy: Arc<PolicyVersion>,
    /// As it is, or was.
    pub before: Workspace,
    /// As it would be, or is.
    pub after: Workspace,
    /// The keys that it concerns; `None` where neither plan nor limits are to change.
    pub keys: Option<KeysConcerned>,
}

/// The keys of a workspace.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeysConcerned {
    /// Holders' keys that are neither revoked nor expired.
    pub all: u64,
    /// Those of them that have limits of their own.
    pub with_own_limits: u64,
}

impl PlanEffect {
    /// The limits of a key without limits of its own in a workspace.
    #[must_use]
    pub fn limits_in<'a>(&'a self, workspace: &'a Workspace) -> Vec<Effective<'a>> {
        effective(&self.policy.policy, limits::limits_of(Some(workspace), None))
    }
}

impl Changes {
    /// The keys of a workspace whose plan or limits change.
    pub(in crate::changes) async fn keys_concerned(&self, workspace: WorkspaceId) -> KeysConcerned {
        let _turn = self.locks.to_look(workspace).await;
        let (now, mut yielding, mut keys) =
            (self.clock.now(), Yielding::with_pauses(), KeysConcerned::default());
        self.index.each_of(workspace, |key, _rights| {
            yielding.step();
            if key.admin.is_none() && is_alive(key, now) {
                keys.all = keys.all.saturating_add(1);
                keys.with_own_limits = keys.with_own_limits.saturating_add(u64::from(key.limits.is_some()));
            }
        });
        keys
    }
}
