//! Workspaces: the tenants.

use std::sync::Arc;

use super::{
    audit::Revision,
    id::WorkspaceId,
    policy::LimitOverrides,
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
    /// Whether it is the one made at initialization, which a global caller means when it names none.
    pub is_default: bool,
    /// When it was registered.
    pub created: Timestamp,
    /// The log revision that last changed it; zero before it is stored.
    pub revision: Revision,
}
