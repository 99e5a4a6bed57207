//! Workspaces: the tenants.

use std::sync::Arc;

use super::{
    id::WorkspaceId,
    policy::{LimitOverrides, OwnKeyRules},
    revision::Revision,
    text::{Name, Owner, Plan},
    time::Timestamp,
};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// What people call it.
    pub name: Name,
    /// The user or service that it belongs to.
    pub owner: Option<Owner>,
    /// Its plan.
    pub plan: Plan,
    /// Limits of its own, in place of those of its plan.
    pub limits: Option<Arc<LimitOverrides>>,
    /// Rules for its keys, beside those of the policy.
    pub key_rules: Option<Arc<OwnKeyRules>>,
    /// Whether it is in use.
    pub state: WorkspaceState,
    /// Whether it is the one made at initialization, which a global caller means when it names none.
    pub is_default: bool,
    /// When it was registered.
    pub created: Timestamp,
    /// The log revision that last changed it; zero before it is stored.
    pub revision: Revision,
}

/// The workspaces that a question or a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// One of them.
    One(WorkspaceId),
    /// All that there are: for global callers.
    All,
}

impl Within {
    /// Whether this workspace is one of them.
    #[must_use]
    pub fn has(self, workspace: WorkspaceId) -> bool {
        match self {
            Self::One(one) => one == workspace,
            Self::All => true,
        }
    }

    /// The one workspace; `None` where it is all.
    #[must_use]
    pub const fn one(self) -> Option<WorkspaceId> {
        match self {
            Self::One(one) => Some(one),
            Self::All => None,
        }
    }
}

/// Whether a workspace is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WorkspaceState {
    /// It is.
    #[default]
    Active,
    /// Its keys are denied until it is resumed.
    Suspended,
    /// Its keys are denied for good.
    Closed,
}

impl WorkspaceState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Active, Self::Suspended, Self::Closed];

    /// The state as it is stored and logged.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::key::tests::at;

    /// The default workspace, on the first plan.
    pub(crate) fn workspace(id: WorkspaceId) -> Workspace {
        Workspace {
            id,
            name: Name::parse("Acme").unwrap(),
            owner: None,
            plan: Plan::parse("starter").unwrap(),
            limits: None,
            key_rules: None,
            state: WorkspaceState::Active,
            is_default: true,
            created: at(500),
            revision: Revision::ZERO,
        }
    }
}
