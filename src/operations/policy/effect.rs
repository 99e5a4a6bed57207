//! What a document would change, and what becomes of the keys that live.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::super::Operations;
use crate::{
    domain::{
        grant::Grants,
        id::{KeyId, WorkspaceId},
        key::{Key, Standing},
        policy::{Change, Document, Policy, RuleBroken, changes},
        rights::Rights,
        text::{Label, Name},
        time::Timestamp,
    },
    ports::PolicyVersion,
};

/// The most changes, and the most keys, that an answer names.
const MAX_NAMED: usize = 1_000;

/// What a document changes, and what keys lose by it.
#[derive(Debug)]
pub struct Effect {
    /// At most 1,000 changes.
    pub changes: Vec<Change>,
    /// How many there are.
    pub change_count: usize,
    /// At most 1,000 keys, by id.
    pub affected: Vec<AffectedKey>,
    /// How many there are.
    pub affected_count: usize,
}

/// A key that loses something.
#[derive(Debug)]
pub struct AffectedKey {
    /// The key.
    pub id: KeyId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// What people call it.
    pub name: Name,
    /// Scopes that it has now and would not have.
    pub lost_scopes: Vec<String>,
    /// Rules that it keeps now and would not keep.
    pub broken_rules: Vec<&'static str>,
}

impl Operations {
    /// What a document would change, and what living keys would lose by it.
    pub(super) fn effect(&self, current: Option<&PolicyVersion>, policy: &Policy) -> Effect {
        let nothing = Document::default();
        let before = current.map_or(&nothing, |current| current.policy.document());
        let mut changes = changes(before, policy.document());
        let change_count = changes.len();
        changes.truncate(MAX_NAMED);

        let now = self.clock.now();
        let mut known: HashMap<Arc<Grants>, Rights> = HashMap::new();
        let mut followed: HashMap<(Arc<Grants>, Option<Label>), Rights> = HashMap::new();
        let mut affected = BTreeMap::new();
        let mut affected_count = 0_usize;
        self.index.each(|key, rights| {
            if key.admin.is_some() || !is_alive(key, now) {
                return;
            }
            let grants = Arc::clone(&key.grants);
            let new = if key.follows_owner_role {
                let role = self.index.owner_role(key);
                followed.entry((grants, role)).or_insert_with_key(|(grants, role)| {
                    Rights::following(grants, role.as_ref().and_then(|role| policy.role(role)), policy)
                })
            } else {
                known.entry(grants).or_insert_with_key(|grants| Rights::new(grants, policy))
            };
            let lost_scopes = rights.lost_in(new);
            let broken_rules = newly_broken(current, policy, key);
            if lost_scopes.is_empty() && broken_rules.is_empty() {
                return;
            }
            affected_count += 1;
            let id = key.id;
            let (workspace, name) = (key.workspace, key.name.clone());
            affected.insert(id.to_string(), AffectedKey { id, workspace, name, lost_scopes, broken_rules });
            if affected.len() > MAX_NAMED {
                affected.pop_last();
            }
        });
        Effect { changes, change_count, affected: affected.into_values().collect(), affected_count }
    }
}

/// Whether a key is neither revoked nor expired.
pub(super) fn is_alive(key: &Key, now: Timestamp) -> bool {
    matches!(key.standing(now), Standing::Active | Standing::Disabled)
}

fn newly_broken(current: Option<&PolicyVersion>, policy: &Policy, key: &Key) -> Vec<&'static str> {
    let before = current.map(|current| current.policy.key_rules().broken_by(key)).unwrap_or_default();
    let before: BTreeSet<_> = before.iter().map(RuleBroken::rule).collect();
    let after = policy.key_rules().broken_by(key);
    after.iter().map(RuleBroken::rule).filter(|rule| !before.contains(rule)).collect()
}
