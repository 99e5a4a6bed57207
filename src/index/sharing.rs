//! Makes keys share what is equal in them: most keys of a platform have the same few grants, networks and makers.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};

use super::{
    class::{ClassCell, ClassParts},
    laying::LayingRoot,
    members::Followers,
    schemes::Schemes,
    tally::Tallies,
};
use crate::{
    domain::{
        admin::AdminRights,
        grant::Grants,
        id::WorkspaceId,
        key::Creator,
        limit::{KeyLimits, LimitIds},
        network::AllowedNetworks,
        policy::{LimitOverrides, LimitsOf},
        rights::Rights,
        text::{EnvironmentName, Label, Metadata, Plan},
        workspace::Workspace,
    },
    ports::PolicyVersion,
};

/// Whose limits: those of a plan, a workspace's own, a key's own.
type SharedLimits = (Plan, Option<Arc<LimitOverrides>>, Option<Arc<LimitOverrides>>);

/// Every part that keys share now.
#[derive(Default)]
pub(super) struct Sharing {
    /// Every class of keys, by workspace.
    pub(super) classes: HashMap<WorkspaceId, HashMap<Arc<ClassParts>, Arc<ClassCell>>>,
    class_count: usize,
    /// Where imported secrets came from.
    pub(super) schemes: Schemes,
    /// Which keys follow whose role.
    pub(super) followers: Followers,
    /// What each workspace keeps.
    pub(super) tallies: Tallies,
    limit_ids: Arc<LimitIds>,
    /// What limits mean under `policy`.
    limits: HashMap<SharedLimits, Arc<KeyLimits>>,
    creators: HashSet<Arc<Creator>>,
    grants: HashSet<Arc<Grants>>,
    /// What grants permit under `policy`.
    worked_out: HashMap<Arc<Grants>, Arc<Rights>>,
    /// The same for keys that follow a role; `None` where the owner is no member.
    followed: HashMap<(Arc<Grants>, Option<Label>), Arc<Rights>>,
    policy: Option<Arc<PolicyVersion>>,
    networks: HashSet<Arc<AllowedNetworks>>,
    metadata: HashSet<Arc<Metadata>>,
    /// Keys that were stamped on one plan have the same.
    overrides: HashSet<Arc<LimitOverrides>>,
    rights: HashSet<Arc<AdminRights>>,
    /// As many as are configured or ever were.
    environments: HashSet<EnvironmentName>,
    /// The root that is being laid over what memory has.
    pub(super) laying: Option<LayingRoot>,
    prune_at: usize,
}

impl Sharing {
    pub(super) fn new(limit_ids: Arc<LimitIds>) -> Self {
        Self { limit_ids, ..Self::default() }
    }

    /// The class of keys that are so, if there is one.
    pub(super) fn class(&self, parts: &ClassParts) -> Option<Arc<ClassCell>> {
        self.classes.get(&parts.workspace)?.get(parts).map(Arc::clone)
    }

    /// The classes of a workspace, or all classes.
    pub(super) fn classes_of(&self, of: Option<WorkspaceId>) -> Vec<(Arc<ClassParts>, Arc<ClassCell>)> {
        let all: Vec<_> = match of {
            Some(workspace) => self.classes.get(&workspace).into_iter().flatten().collect(),
            None => self.classes.values().flatten().collect(),
        };
        all.into_iter().map(|(parts, class)| (Arc::clone(parts), Arc::clone(class))).collect()
    }

    /// Notes a class that is new.
    pub(super) fn add_class(&mut self, parts: Arc<ClassParts>, class: &Arc<ClassCell>) {
        self.class_count = self.class_count.saturating_add(1);
        self.classes.entry(parts.workspace).or_default().insert(parts, Arc::clone(class));
    }

    /// The limits of a key; administration keys have none, and neither has a key whose workspace cannot be trusted: under
    /// no limit nothing is admitted, and its plan, which may be tighter than the tiers, is unknown.
    pub(super) fn limits_of(&mut self, key: &ClassParts, workspace: Option<&Workspace>) -> Arc<KeyLimits> {
        let Some(policy) = self.policy.as_ref().filter(|_| key.admin.is_none()) else {
            return Arc::default();
        };
        let Some(workspace) = workspace else { return Arc::default() };
        let shared = (workspace.plan.clone(), workspace.limits.clone(), key.limits.clone());
        if let Some(known) = self.limits.get(&shared) {
            return Arc::clone(known);
        }
        let (plan, of_workspace, of_key) = &shared;
        let of = LimitsOf { plan: Some(plan), workspace: of_workspace.as_deref(), key: of_key.as_deref() };
        let limits = Arc::new(KeyLimits::resolve(&policy.policy, of, &self.limit_ids));
        self.limits.insert(shared, Arc::clone(&limits));
        limits
    }

    /// Whether the keys of workspaces on a plan are denied.
    pub(super) fn denies_keys_on(&self, plan: &Plan) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.policy.denies_keys_on(plan))
    }

    /// Replaces the parts of a class by equal ones that are in memory already.
    pub(super) fn share(&mut self, key: &mut ClassParts) {
        one(&mut self.creators, &mut key.creator);
        one(&mut self.grants, &mut key.grants);
        one(&mut self.networks, &mut key.networks);
        if let Some(limits) = &mut key.limits {
            one(&mut self.overrides, limits);
        }
        if let Some(rights) = &mut key.admin {
            one(&mut self.rights, rights);
        }
        if let Some(known) = self.environments.get(&key.environment) {
            key.environment = known.clone();
        } else {
            self.environments.insert(key.environment.clone());
        }
    }

    /// Every environment that some key is of, and perhaps some that none is of any more.
    pub(super) fn environments(&self) -> Vec<EnvironmentName> {
        self.environments.iter().cloned().collect()
    }

    /// Replaces labels by equal ones that are in memory already.
    pub(super) fn share_metadata(&mut self, metadata: &mut Arc<Metadata>) {
        one(&mut self.metadata, metadata);
    }

    /// From now on rights are worked out under this policy; under none they are empty.
    pub(super) fn govern(&mut self, policy: Option<Arc<PolicyVersion>>) {
        self.policy = policy;
        self.worked_out.clear();
        self.followed.clear();
        self.limits.clear();
    }

    /// What a key may do, whose owner has this role where it follows one: nothing where its environment is not declared.
    pub(super) fn rights_of(&mut self, key: &ClassParts) -> Arc<Rights> {
        let environments = self.policy.as_ref().map(|policy| policy.policy.environments());
        let declared = environments.is_some_and(|declared| declared.holder(key.environment.as_str()).is_ok());
        match (declared, key.follows_owner_role) {
            (false, _) => Arc::default(),
            (true, false) => self.rights(&key.grants),
            (true, true) => self.followed(&key.grants, key.role.as_ref()),
        }
    }

    fn followed(&mut self, grants: &Arc<Grants>, role: Option<&Label>) -> Arc<Rights> {
        let of = (Arc::clone(grants), role.cloned());
        if let Some(known) = self.followed.get(&of) {
            return Arc::clone(known);
        }
        let worked_out = self.policy.as_ref().map(|policy| {
            let role = role.and_then(|role| policy.policy.role(role));
            Rights::following(grants, role, &policy.policy)
        });
        let rights = Arc::new(worked_out.unwrap_or_default());
        self.followed.insert(of, Arc::clone(&rights));
        rights
    }

    fn rights(&mut self, grants: &Arc<Grants>) -> Arc<Rights> {
        if let Some(known) = self.worked_out.get(grants) {
            return Arc::clone(known);
        }
        let worked_out = self.policy.as_ref().map(|policy| Rights::new(grants, &policy.policy));
        let rights = Arc::new(worked_out.unwrap_or_default());
        self.worked_out.insert(Arc::clone(grants), Arc::clone(&rights));
        rights
    }

    /// Drops the parts that no key has any more, once there are twice as many parts as after the last time.
    pub(super) fn prune(&mut self) {
        if self.len() < self.prune_at {
            return;
        }
        let mut classes = 0_usize;
        self.classes.retain(|_, of_workspace| {
            of_workspace.retain(|_, class| Arc::strong_count(class) > 1);
            classes = classes.saturating_add(of_workspace.len());
            !of_workspace.is_empty()
        });
        self.class_count = classes;
        self.worked_out.retain(|_, rights| Arc::strong_count(rights) > 1);
        self.followed.retain(|_, rights| Arc::strong_count(rights) > 1);
        self.limits.retain(|_, limits| Arc::strong_count(limits) > 1);
        self.creators.retain(|part| Arc::strong_count(part) > 1);
        self.grants.retain(|part| Arc::strong_count(part) > 1);
        self.networks.retain(|part| Arc::strong_count(part) > 1);
        self.metadata.retain(|part| Arc::strong_count(part) > 1);
        self.overrides.retain(|part| Arc::strong_count(part) > 1);
        self.rights.retain(|part| Arc::strong_count(part) > 1);
        self.prune_at = self.len().saturating_mul(2).max(1024);
    }

    /// How many parts there are.
    pub(super) fn len(&self) -> usize {
        self.class_count
            + self.creators.len()
            + self.limits.len()
            + self.grants.len()
            + self.networks.len()
            + self.metadata.len()
            + self.overrides.len()
            + self.rights.len()
    }
}

fn one<T: Eq + Hash>(known: &mut HashSet<Arc<T>>, part: &mut Arc<T>) {
    if let Some(known) = known.get(part) {
        *part = Arc::clone(known);
    } else {
        known.insert(Arc::clone(part));
    }
}
