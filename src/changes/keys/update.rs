//! Update: changes the fields of a key that can change. What it may do afterwards stays under the caller's ceiling.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    changes::{
        Changed, Changes,
        import::require_end_of_weak,
        support::{
            attempt::Attempt,
            describe,
            entry::{change, entry, write_key},
            key_rules, limits,
        },
    },
    domain::{
        admin::{AdminPermit, UpdateKeys},
        audit::{Action, FieldChange},
        ending::Ending,
        grant::{Grant, Grants},
        id::KeyId,
        key::Key,
        network::AllowedNetworks,
        parse::ParseError,
        policy::{LimitOverrides, LimitOverridesEntry, OverridesOf, Policy},
        text::{Description, Metadata, Name},
        time::Timestamp,
    },
    error::{Blocked, NotFound, OperationError},
    ports::Mutation,
};

/// New values; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub struct KeyChanges {
    /// What people call it.
    pub name: Option<Name>,
    /// What people say about it.
    pub description: Option<Description>,
    /// Scopes for every resource, in place of those it has.
    pub unbound: Option<Vec<Grant>>,
    /// Scopes for certain resources, in place of those it has.
    pub bound: Option<Vec<Grant>>,
    /// When it is to end.
    pub ending: Option<Ending>,
    /// Where it may be used from.
    pub networks: Option<AllowedNetworks>,
    /// Labels of the user's own.
    pub metadata: Option<Metadata>,
    /// Limits of its own; none of them is to follow its plan.
    pub limits: Option<LimitOverridesEntry>,
}

impl Changes {
    /// Changes a key's fields, all of them or none.
    ///
    /// # Errors
    /// It is out of reach, revoked or expired; it would hold nothing, expire in the past, or go beyond the caller's
    /// ceiling; it is an administration key above the caller, or the last root. The store.
    pub async fn update(
        &self,
        permit: AdminPermit<UpdateKeys>,
        id: KeyId,
        changes: KeyChanges,
    ) -> Result<Changed, OperationError> {
        if changes.limits.is_some() {
            self.settle().await;
        }
        let outcome = self.try_update(&permit, id, &changes).await;
        let outcome = outcome.map_err(|refusal| match changes.ending {
            Some(Ending::After(_)) => refusal.renamed("key.expire_time", "lifetime"),
            Some(Ending::Never | Ending::At(_)) | None => refusal,
        });
        if changes.limits.is_some() {
            self.settle().await;
        }
        outcome
    }

    async fn try_update(
        &self,
        permit: &AdminPermit<UpdateKeys>,
        id: KeyId,
        changes: &KeyChanges,
    ) -> Result<Changed, OperationError> {
        let read = || self.key(permit, id);
        // No policy comes between, by which a key would gain that was not counted (S10).
        let _turn = self.locks.under_policy().await;
        self.change_key(permit.stands_on(), read, |key, now| {
            let policy = self.policy()?;
            Self::require_grant_over(permit, Some(&policy), &key)?;
            self.require_open(key.workspace)?;
            let before = key.clone();
            let mut key = apply(key.changeable(now)?, changes, now)?;
            if let Some(entry) = &changes.limits {
                key.limits = self.new_limits(&key, entry.clone(), &policy.policy)?;
            }
            // Labels count too: what stands behind Keyward may trust them.
            let names_only =
                Key { name: before.name.clone(), description: before.description.clone(), ..key.clone() };
            if names_only != (Key { updated: key.updated, ..before.clone() }) {
                self.require_ceiling(permit, Some(&policy), &key.view())?;
            }
            let workspace = self.index.workspace(key.workspace);
            key_rules::require_kept(&policy.policy, workspace.as_deref(), &before, &key)?;
            require_end_of_weak("key.expire_time", &key)?;
            let expects_members = self.require_not_widened(&policy.policy, &before, &key)?;
            let ends_sooner = key.expires.is_some_and(|end| before.expires.is_none_or(|before| end < before));
            let address = permit.actor().address();
            let mut expects = if ends_sooner { self.other_root(&before, address, now)? } else { Vec::new() };
            if before.networks.permit(address) && !key.networks.permit(address) {
                let unreachable = |_| OperationError::Blocked(Blocked::RootUnreachable);
                expects.extend(self.other_root(&before, address, now).map_err(unreachable)?);
            }
            let fields = differences(&before, &key);
            if fields.is_empty() {
                return Ok(Attempt::Done(before));
            }
            let mut entry = entry(permit.actor(), Action::KeyUpdate, &key, now);
            entry.changes = fields;
            let judged_by = Some(policy.version);
            Ok(Attempt::Commit(
                Box::new(Mutation { expects, expects_members, judged_by, ..write_key(entry, key.clone()) }),
                key,
            ))
        })
        .await
    }

    fn new_limits(
        &self,
        key: &Key,
        entry: LimitOverridesEntry,
        policy: &Policy,
    ) -> Result<Option<Arc<LimitOverrides>>, OperationError> {
        if key.admin.is_some() {
            let why = ParseError::new("left alone for an administration key, which is under no limits");
            return Err(OperationError::invalid("update_mask", why));
        }
        let workspace = self.index.workspace(key.workspace).ok_or(NotFound::Workspace)?;
        limits::read("key.limits", entry, OverridesOf::Key, policy, &workspace)
    }
}

fn apply(mut key: Key, changes: &KeyChanges, now: Timestamp) -> Result<Key, OperationError> {
    if let Some(name) = &changes.name {
        key.name = name.clone();
    }
    if let Some(description) = &changes.description {
        key.description = description.clone();
    }
    if let Some(networks) = &changes.networks {
        key.networks = Arc::new(networks.clone());
    }
    if let Some(metadata) = &changes.metadata {
        key.metadata = Arc::new(metadata.clone());
    }
    if let Some(ending) = changes.ending {
        let expires = ending.from(now);
        if expires.is_some_and(|expires| expires <= now) {
            let why = ParseError::new("in the future, or absent; to end the key now, revoke it");
            return Err(OperationError::invalid("key.expire_time", why));
        }
        key.expires = expires;
    }
    if changes.unbound.is_some() || changes.bound.is_some() {
        key.grants = Arc::new(new_grants(&key, changes)?);
    }
    Ok(key)
}

fn new_grants(key: &Key, changes: &KeyChanges) -> Result<Grants, OperationError> {
    if key.admin.is_some() {
        let why = ParseError::new("left alone for an administration key, which holds no grants");
        return Err(OperationError::invalid("update_mask", why));
    }
    let kept = |bound: bool| -> Vec<Grant> {
        key.grants.iter().filter(|grant| grant.resources().is_some() == bound).cloned().collect()
    };
    let mut grants = changes.unbound.clone().unwrap_or_else(|| kept(false));
    grants.extend(changes.bound.clone().unwrap_or_else(|| kept(true)));
    let field = if changes.unbound.is_some() { "key.scopes" } else { "key.grants" };
    if grants.is_empty() && !key.follows_owner_role {
        return Err(OperationError::invalid(
            field,
            ParseError::new("such that at least one scope or grant is left: the key follows no role"),
        ));
    }
    Grants::new(grants).map_err(|why| OperationError::invalid(field, why))
}

/// One field of a key, as the log tells it.
type KeyField = fn(&Key) -> Value;

pub(in crate::changes) fn differences(before: &Key, after: &Key) -> Vec<FieldChange> {
    let fields: [(&'static str, KeyField); 7] = [
        ("name", |key| key.name.as_str().into()),
        ("description", |key| key.description.as_str().into()),
        ("grants", |key| describe::grants(&key.grants)),
        ("expire_time", |key| describe::time(key.expires)),
        ("allowed_cidrs", |key| describe::networks(&key.networks)),
        ("metadata", |key| describe::metadata(&key.metadata)),
        ("limits", |key| describe::limits(key.limits.as_ref())),
    ];
    let differing = fields
        .into_iter()
        .map(|(field, of)| (field, of(before), of(after)))
        .filter(|(_, from, to)| from != to);
    differing.map(|(field, from, to)| change(field, from, to)).collect()
}
