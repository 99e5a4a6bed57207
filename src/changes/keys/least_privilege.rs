//! Least privilege: what a key used of what it has, and the one call that leaves it no more than that.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    changes::{
        Changed, Changes,
        keys::update,
        support::{
            attempt::Attempt,
            entry::{entry, write_key},
            key_rules,
        },
    },
    domain::{
        admin::{AdminPermit, ReadKeys, UpdateKeys},
        audit::Action,
        grant::Grants,
        id::KeyId,
        key::KeyView,
        least_privilege::narrowed,
        parse::ParseError,
        revision::Revision,
        time::Timestamp,
        usage::{hour_of, start_of},
    },
    error::{Blocked, NotFound, OperationError},
    ports::{Mutation, ScopeUse, StoreError},
};

/// A scope, and the hour of the last time.
pub type LastSeen = (Arc<str>, Timestamp);

/// What a key used of what it has.
#[derive(Debug)]
pub struct LeastPrivilege {
    /// From when on it is known.
    pub since: Timestamp,
    /// The scopes that it used, whether or not it still has them, by name.
    pub used: Vec<LastSeen>,
    /// The scopes that it has and did not use.
    pub never_used: Vec<String>,
    /// The declared scopes that it asked for and was denied.
    pub denied: Vec<LastSeen>,
    /// Its grants, if they held no more than it used.
    pub narrowed: Grants,
}

/// How to narrow a key.
#[derive(Debug, Clone, Copy)]
pub struct Narrowing {
    /// To what it used from then on; `None` is all that is known.
    pub since: Option<Timestamp>,
    /// Only say what would become of it.
    pub validate_only: bool,
    /// The revision that the key must have.
    pub expected: Option<Revision>,
}

impl Changes {
    /// What a key used of what it has.
    ///
    /// # Errors
    /// It is out of reach; `since` lies ahead. The store.
    pub async fn least_privilege(
        &self,
        permit: &AdminPermit<ReadKeys>,
        id: KeyId,
        since: Option<Timestamp>,
    ) -> Result<LeastPrivilege, OperationError> {
        let found = self.key(permit, id)?;
        self.privilege_of(&found.key(), since).await
    }

    async fn privilege_of(
        &self,
        key: &KeyView<'_>,
        since: Option<Timestamp>,
    ) -> Result<LeastPrivilege, OperationError> {
        let now = self.clock.now();
        if since.is_some_and(|since| since > now) {
            return Err(OperationError::invalid(
                "since",
                ParseError::new("a time that has passed, or absent"),
            ));
        }
        self.flush_usage().await?;
        let (rows, watched) = self.store.scope_uses(vec![key.id]).await?;
        let since = watched.unwrap_or(now).max(key.created).max(since.unwrap_or(key.created));
        let policy = self.policy()?;
        let found = self.index.by_id(key.id).ok_or(NotFound::Key(key.id))?;
        let seen = |used: bool| -> BTreeMap<Arc<str>, Timestamp> {
            let recent = |row: &&ScopeUse| row.used == used && row.last_hour >= hour_of(since);
            rows.iter().filter(recent).map(|row| (Arc::clone(&row.scope), start_of(row.last_hour))).collect()
        };
        let (used, denied) = (seen(true), seen(false));
        let narrowed = narrowed(key.grants, &policy.policy, |scope| used.contains_key(scope));
        Ok(LeastPrivilege {
            since,
            never_used: found
                .rights()
                .scopes()
                .filter(|scope| !used.contains_key(*scope))
                .map(ToOwned::to_owned)
                .collect(),
            narrowed: narrowed.map_err(|why| OperationError::invalid("key_id", why))?,
            used: used.into_iter().collect(),
            denied: denied.into_iter().collect(),
        })
    }

    /// Leaves a key no more than it used, and says from when on that is known. A key without grants stays as it is.
    ///
    /// # Errors
    /// It is out of reach, revoked or expired; it has another revision than expected; it used nothing of what it has. The
    /// store.
    pub async fn narrow(
        &self,
        permit: AdminPermit<UpdateKeys>,
        id: KeyId,
        how: Narrowing,
    ) -> Result<(Changed, Timestamp), OperationError> {
        let read = || self.key(&permit, id);
        let known = read()?;
        let LeastPrivilege { since, used, .. } = self.privilege_of(&known.key(), how.since).await?;
        let changed = self
            .change_key(permit.stands_on(), read, |key, now| {
                let policy = self.policy()?;
                Self::require_grant_over(&permit, Some(&policy), &key)?;
                self.require_open(key.workspace)?;
                if how.expected.is_some_and(|expected| expected != key.revision) {
                    return Err(StoreError::Conflict.into());
                }
                let before = key.clone();
                let mut key = key.changeable(now)?;
                let was_used = |scope: &str| used.binary_search_by(|(used, _)| (**used).cmp(scope)).is_ok();
                let narrowed = narrowed(&key.grants, &policy.policy, was_used);
                key.grants = narrowed.map_err(|why| OperationError::invalid("key_id", why))?.into();
                if key.grants.is_empty() && !before.grants.is_empty() {
                    return Err(Blocked::NothingUsed(since).into());
                }
                if key.grants == before.grants {
                    return Ok(Attempt::Done(before));
                }
                let workspace = self.index.workspace(key.workspace);
                key_rules::require_kept(&policy.policy, workspace.as_deref(), &before, &key)?;
                if how.validate_only {
                    return Ok(Attempt::Done(key));
                }
                let mut entry = entry(permit.actor(), Action::KeyUpdate, &key, now);
                entry.changes = update::differences(&before, &key);
                let judged_by = Some(policy.version);
                Ok(Attempt::Commit(Box::new(Mutation { judged_by, ..write_key(entry, key.clone()) }), key))
            })
            .await?;
        Ok((changed, since))
    }
}
