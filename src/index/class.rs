//! Keys that are alike: what they are, once, and what the policy in force makes of that.
//!
//! A new policy, role, plan or state of a workspace is worked out for each class, and not for each key: so it is in force for
//! all keys as soon as for one.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::accounts::SharedPayer;
use crate::domain::{
    admin::AdminRights,
    grant::Grants,
    id::WorkspaceId,
    key::{Creator, SharedParts},
    limit::KeyLimits,
    member::Surroundings,
    network::AllowedNetworks,
    policy::LimitOverrides,
    rights::Rights,
    text::{EnvironmentName, Label},
    workspace::Workspace,
};

/// What keys of one class have alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ClassParts {
    pub(super) workspace: WorkspaceId,
    pub(super) environment: EnvironmentName,
    pub(super) follows_owner_role: bool,
    /// The role that the owner has, where they follow it and it is a member.
    pub(super) role: Option<Label>,
    pub(super) creator: Arc<Creator>,
    pub(super) grants: Arc<Grants>,
    pub(super) networks: Arc<AllowedNetworks>,
    pub(super) limits: Option<Arc<LimitOverrides>>,
    pub(super) admin: Option<Arc<AdminRights>>,
}

impl ClassParts {
    /// Those of a key whose owner's role is not known yet.
    pub(super) fn of(workspace: WorkspaceId, shared: &SharedParts) -> Self {
        Self {
            workspace,
            environment: shared.environment.clone(),
            follows_owner_role: shared.follows_owner_role,
            role: None,
            creator: Arc::clone(&shared.creator),
            grants: Arc::clone(&shared.grants),
            networks: Arc::clone(&shared.networks),
            limits: shared.limits.clone(),
            admin: shared.admin.clone(),
        }
    }
}

/// A class as it stands: what its keys are and what they may, together, so that no reader sees one without the other.
pub(super) struct Class {
    pub(super) parts: Arc<ClassParts>,
    pub(super) rights: Arc<Rights>,
    pub(super) surroundings: Surroundings,
    pub(super) limits: Arc<KeyLimits>,
    /// The workspace; `None` where it cannot be trusted.
    pub(super) workspace: Option<Arc<Workspace>>,
    /// What all keys of the workspace share, where a limit is shared so.
    pub(super) account: Option<Arc<SharedPayer>>,
}

/// The place of a class, in which it is swapped whole. Each of its keys has a reference to it, and nobody else but the list of
/// classes.
pub(super) struct ClassCell(ArcSwap<Class>);

impl ClassCell {
    pub(super) fn new(class: Class) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(class)))
    }

    pub(super) fn load(&self) -> arc_swap::Guard<Arc<Class>> {
        self.0.load()
    }

    pub(super) fn put(&self, class: Class) {
        self.0.store(Arc::new(class));
    }
}
