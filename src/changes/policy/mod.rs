//! The policy: what a document would change, and putting one in force.

mod effect;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

pub use effect::{AffectedKey, Effect, GainingKey};

pub(in crate::changes) use self::effect::is_alive;
use crate::{
    changes::{
        Changes,
        support::{cursor, entry::change},
    },
    domain::{
        admin::{AdminPermit, ApplyPolicy, ReadPolicy},
        audit::{Action, Actor, FieldChange, LogEntry},
        gains::Gains,
        key::{Creator, KeyView},
        parse::ParseError,
        policy::{Change, Fault, Policy},
        revision::Revision,
        text::{Comment, EnvironmentName},
        workspace::Workspace,
    },
    error::{Blocked, Conflict, Invalid, NotFound, OperationError},
    ports::{Mutation, PolicyVersion, Rows, StoreError},
};

/// The most changes that a log entry tells; the documents themselves are kept.
const MAX_LOGGED: usize = 200;
/// The most keys that an error names.
const MAX_TOLD: usize = 5;
/// The longest value in a log entry, in bytes.
const MAX_LOGGED_VALUE: usize = 1_024;

/// What the caller who applies a document stands on.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The version in force that it was made from.
    pub version: u64,
    /// How many living keys gain by it; `None` where no key does.
    pub gains: Option<u64>,
}

/// A page of versions.
#[derive(Debug)]
pub struct VersionPage {
    /// The versions, newest first.
    pub versions: Vec<PolicyVersion>,
    /// The token that asks for the next page; empty after the last.
    pub next_page_token: String,
}

impl Changes {
    /// What a document would do, and the version in force.
    ///
    /// # Errors
    /// The caller is bound to one workspace; the document drops something that is in use. The store.
    pub async fn validate_policy(
        &self,
        permit: &AdminPermit<ReadPolicy>,
        policy: &Policy,
    ) -> Result<(u64, Effect), OperationError> {
        permit.require_global()?;
        self.require_used_kept(policy)?;
        let current = self.index.policy();
        let effect = self.effect(current.as_deref(), policy).await?;
        Ok((current.as_ref().map_or(0, |current| current.version), effect))
    }

    /// Puts a document in force: it is when this answers.
    ///
    /// # Errors
    /// The caller is bound to one workspace; another version is in force than the one expected, or other keys gain than so
    /// many; the document drops something that is in use. The store.
    pub async fn apply_policy(
        &self,
        permit: AdminPermit<ApplyPolicy>,
        policy: Policy,
        Expected { version: expected, gains }: Expected,
        comment: Comment,
    ) -> Result<(Arc<PolicyVersion>, Effect), OperationError> {
        permit.require_global()?;
        // Nothing is made, and no key is given more, until this is over.
        let _turn = self.locks.over_policy().await;
        // Before the one in force is read: another that comes in between then takes this one's number.
        let newest = self.index.newest_policy_version();
        let current = self.index.policy();
        let version = current.as_ref().map_or(0, |current| current.version);
        if version != expected {
            return Err(Conflict::PolicyVersion(version).into());
        }
        self.require_used_kept(&policy)?;
        let mut effect = self.effect(current.as_deref(), &policy).await?;
        require_expected(&effect.gains, gains)?;
        let replaced = current.as_ref().map_or(newest, |current| current.version);
        if let Some(current) = current
            && effect.change_count == 0
        {
            return Ok((current, effect));
        }
        let (applied_by, applied_by_owner) = match permit.creator() {
            Creator::System => (None, None),
            Creator::Admin { by, owner, .. } => (Some(by), owner),
        };
        self.settle().await;
        // Where keys gain, none ends or loses between being counted and gaining; where none does, none waits.
        let _turns = if effect.gains.count() > 0 { self.locks.of_everything().await } else { Vec::new() };
        if effect.gains.count() > 0 {
            effect = self.effect(self.index.policy().as_deref(), &policy).await?;
            require_expected(&effect.gains, gains)?;
        }
        let moved = self.move_unused_default(&policy, permit.actor());
        let new = PolicyVersion {
            version: replaced.saturating_add(1),
            policy,
            applied: self.clock.now(),
            applied_by,
            applied_by_owner,
            comment,
            revision: Revision::ZERO,
        };
        let told = effect.changes.iter().take(MAX_LOGGED).map(logged).collect();
        let seen = self.index.revision();
        let mut mutation = Mutation { seen, ..write_policy(new, permit.actor(), told) };
        mutation.entry.gains = Some(Arc::clone(&effect.gains)).filter(|gains| gains.count() > 0);
        let moved = moved.map(|moved| Mutation { seen, ..moved });
        let mutations = std::iter::once(mutation).chain(moved).collect();
        let committed = self.commit_all_by(permit.stands_on(), mutations).await;
        self.settle().await;
        match committed {
            // By its number: another may be in force already.
            Ok(_revision) => Ok((self.version(replaced.saturating_add(1)).await?, effect)),
            Err(OperationError::Store(StoreError::Conflict)) => {
                self.catch_up().await?;
                let now_in_force = self.index.policy().map_or(0, |current| current.version);
                let changed = now_in_force != expected;
                Err(if changed {
                    OperationError::Conflict(Conflict::PolicyVersion(now_in_force))
                } else {
                    OperationError::Conflict(Conflict::Contended)
                })
            }
            Err(error) => Err(error),
        }
    }

    /// A version of the policy; 0 is the one in force.
    ///
    /// # Errors
    /// There is no such version, or it cannot be trusted. The store.
    pub async fn policy_version(
        &self,
        _permit: &AdminPermit<ReadPolicy>,
        version: u64,
    ) -> Result<Arc<PolicyVersion>, OperationError> {
        if version == 0 { self.policy() } else { self.version(version).await }
    }

    async fn version(&self, version: u64) -> Result<Arc<PolicyVersion>, OperationError> {
        let current = self.index.policy();
        if let Some(current) = current.filter(|current| current.version == version) {
            return Ok(current);
        }
        let found = self.store.policy_versions(version.checked_add(1), 1).await?;
        let found = found.into_iter().find(|found| found.version == version);
        found.map(Arc::new).ok_or(OperationError::NotFound(NotFound::PolicyVersion(version)))
    }

    /// A page of the versions, newest first.
    ///
    /// # Errors
    /// The page token is not one of this list. The store.
    pub async fn policy_versions(
        &self,
        _permit: &AdminPermit<ReadPolicy>,
        page_token: &str,
        page_size: usize,
    ) -> Result<VersionPage, OperationError> {
        const LIST: &str = "policy versions";
        let foreign = || {
            let allowed = ParseError::new("empty, or the next_page_token of the page before");
            OperationError::invalid("page_token", allowed)
        };
        let before = if page_token.is_empty() {
            None
        } else {
            let place = cursor::open(&self.keys.now().cursors, LIST, page_token);
            Some(place.and_then(|place| place.parse().ok()).ok_or_else(foreign)?)
        };
        let mut versions = self.store.policy_versions(before, page_size.saturating_add(1)).await?;
        let more = versions.len() > page_size;
        versions.truncate(page_size);
        let last = versions.last().filter(|_| more).map(|last| last.version.to_string());
        let next_page_token = last.map(|place| cursor::seal(&self.keys.now().cursors, LIST, &place));
        Ok(VersionPage { versions, next_page_token: next_page_token.unwrap_or_default() })
    }

    /// The default workspace, where a document drops its plan and it has no living key: it was made with the first
    /// policy, and no operator chose its plan. It takes the document's first one, so that a document with other names can
    /// be applied to a fresh server.
    fn unused_default(&self, policy: &Policy) -> Option<Arc<Workspace>> {
        let workspace = self.index.workspace(self.index.default_workspace()?)?;
        let now = self.clock.now();
        let lives =
            |key: &KeyView<'_>| key.workspace == workspace.id && key.admin.is_none() && is_alive(key, now);
        let is_used = policy.has_plan(&workspace.plan) || self.index.any(lives).is_some();
        (!is_used).then_some(workspace)
    }

    /// What puts the default workspace on the first plan of a document, where it is left without one.
    fn move_unused_default(&self, policy: &Policy, actor: Actor) -> Option<Mutation> {
        let before = self.unused_default(policy)?;
        let after = Workspace { plan: policy.first_plan().clone(), ..(*before).clone() };
        let entry = LogEntry {
            workspace: Some(before.id),
            changes: vec![change("workspace.plan", before.plan.as_str(), after.plan.as_str())],
            ..LogEntry::new(self.clock.now(), actor, Action::WorkspaceUpdate)
        };
        let rows = Rows { workspace: Some(after), ..Rows::default() };
        Some(Mutation::new(entry, rows))
    }

    /// Passes a document that keeps every environment with keys, every plan with workspaces, and every role with members.
    fn require_used_kept(&self, policy: &Policy) -> Result<(), OperationError> {
        let now = self.clock.now();
        let (mut environments, mut plans) = (BTreeMap::new(), BTreeMap::new());
        let is_missing = |name: &EnvironmentName| policy.environments().holder(name.as_str()).is_err();
        // Keys are counted only where some can be in the way.
        if self.index.environments().iter().any(is_missing) {
            self.index.each(|key, _| {
                if key.admin.is_none() && is_alive(key, now) && is_missing(key.environment) {
                    *environments.entry(key.environment.to_string()).or_insert(0_usize) += 1;
                }
            });
        }
        let unused = self.unused_default(policy).map(|workspace| workspace.id);
        self.index.each_workspace(|workspace| {
            if !policy.has_plan(&workspace.plan) && Some(workspace.id) != unused {
                *plans.entry(workspace.plan.to_string()).or_insert(0_usize) += 1;
            }
        });
        let mut roles = BTreeMap::new();
        self.index.each_member(|member| {
            if let Some(role) = member.role.as_ref().filter(|role| policy.role(role).is_none()) {
                *roles.entry(role.to_string()).or_insert(0_usize) += 1;
            }
        });
        let missing = |field: &str, things: &str, used: BTreeMap<String, usize>| {
            let each = move |(name, count): (String, usize)| Fault {
                field: field.to_owned(),
                line: None,
                why: format!("must keep `{name}`: it is that of {count} {things}"),
            };
            used.into_iter().map(each).collect::<Vec<_>>()
        };
        let mut faults = missing("environments", "keys that are neither revoked nor expired", environments);
        faults.extend(missing("plans", "workspaces", plans));
        faults.extend(missing("roles", "members", roles));
        if faults.is_empty() { Ok(()) } else { Err(Invalid::Policy(faults).into()) }
    }
}

/// Passes gains that were expected: none, unless their number was said (S10).
pub(in crate::changes) fn require_expected(
    gains: &Gains,
    expected: Option<u64>,
) -> Result<(), OperationError> {
    let expected = expected.unwrap_or_default();
    if u64::try_from(gains.count()) == Ok(expected) {
        return Ok(());
    }
    let scopes: BTreeSet<_> = gains.sets().iter().flat_map(|set| &set.scopes).collect();
    Err(Blocked::GainsUnexpected {
        gaining: gains.count(),
        expected,
        first: gains.ids().take(MAX_TOLD).collect(),
        scopes: scopes.into_iter().map(ToString::to_string).collect(),
    }
    .into())
}

/// A mutation that puts a version in force and stands on nothing else.
pub(in crate::changes) fn write_policy(
    new: PolicyVersion,
    actor: Actor,
    changes: Vec<FieldChange>,
) -> Mutation {
    let entry = LogEntry {
        policy_version: Some(new.version),
        changes,
        comment: Some(new.comment.clone()),
        ..LogEntry::new(new.applied, actor, Action::PolicyApply)
    };
    Mutation::new(entry, Rows { policy: Some(Arc::new(new)), ..Rows::default() })
}

fn logged(change: &Change) -> FieldChange {
    FieldChange {
        field: format!("policy.{}", change.field).into(),
        from: shortened(&change.from),
        to: shortened(&change.to),
    }
}

fn shortened(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= MAX_LOGGED_VALUE {
        return value.clone();
    }
    let start: String = text.chars().take(MAX_LOGGED_VALUE / 4).collect();
    format!("{start}…").into()
}
