//! What a document would change, and what becomes of the keys that live: what they lose, and what they gain (S10).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    changes::Changes,
    domain::{
        gains::{Gains, GainsFound},
        grant::Grants,
        id::{KeyId, WorkspaceId},
        key::{Key, Standing},
        policy::{Change, Document, Policy, RuleBroken, changes},
        rights::Rights,
        text::{Label, Name},
        time::Timestamp,
        workspace::Workspace,
    },
    ports::PolicyVersion,
    yielding::Yielding,
};

/// The most changes, and the most keys, that an answer names.
const MAX_NAMED: usize = 1_000;

/// What a document changes, and what living keys lose and gain by it.
#[derive(Debug)]
pub struct Effect {
    /// At most 1,000 changes.
    pub changes: Vec<Change>,
    /// How many there are.
    pub change_count: usize,
    /// At most 1,000 keys that lose, by id.
    pub affected: Vec<AffectedKey>,
    /// How many there are.
    pub affected_count: usize,
    /// At most 1,000 keys that gain, by id.
    pub gaining: Vec<GainingKey>,
    /// All of them.
    pub gains: Arc<Gains>,
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

/// A key that gains something.
#[derive(Debug)]
pub struct GainingKey {
    /// The key.
    pub id: KeyId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// What people call it.
    pub name: Name,
    /// Scopes that it would have and has not, or has for fewer resources.
    pub gained_scopes: Arc<[Arc<str>]>,
}

/// What rights come from: those of two keys that are alike in this are the same, before and after.
#[derive(PartialEq, Eq, Hash)]
struct RightsSource {
    grants: Arc<Grants>,
    /// Whether the key follows its owner's role, and which that is, if there is one.
    follows: bool,
    role: Option<Label>,
    /// Whether it has any rights now: none has, while no policy can be trusted.
    has_rights: bool,
    /// Whether the plan of its workspace lets it use them, now and then.
    open: (bool, bool),
}

/// What becomes of rights.
struct Shift {
    lost: Vec<String>,
    gained: Arc<[Arc<str>]>,
}

impl Shift {
    fn new(before: &Rights, after: &Rights) -> Self {
        let lost = before.not_in(after).map(ToOwned::to_owned).collect();
        Self { lost, gained: after.not_in(before).map(Arc::from).collect() }
    }
}

/// The first so many, by the text of their ids.
struct FirstNamed<T>(BTreeMap<String, T>);

impl<T> FirstNamed<T> {
    fn add(&mut self, id: KeyId, key: T) {
        self.0.insert(id.to_string(), key);
        if self.0.len() > MAX_NAMED {
            self.0.pop_last();
        }
    }

    fn into_keys(self) -> Vec<T> {
        self.0.into_values().collect()
    }
}

impl Changes {
    /// What a document would change, and what living keys would lose and gain by it.
    pub(super) fn effect(&self, current: Option<&PolicyVersion>, policy: &Policy) -> Effect {
        let nothing = Document::default();
        let before = current.map_or(&nothing, |current| current.policy.document());
        let mut changes = changes(before, policy.document());
        let change_count = changes.len();
        changes.truncate(MAX_NAMED);

        let now = self.clock.now();
        let plans = Plans::new(current.map(|current| &current.policy), policy);
        let mut shifts: HashMap<RightsSource, Shift> = HashMap::new();
        let (mut affected, mut affected_count) = (FirstNamed(BTreeMap::new()), 0_usize);
        let (mut gaining, mut gains) = (FirstNamed(BTreeMap::new()), GainsFound::default());
        let mut yielding = Yielding::without_pauses();
        self.index.each(|key, rights| {
            yielding.step();
            if key.admin.is_some() || !is_alive(key, now) {
                return;
            }
            let (id, workspace) = (key.id, key.workspace);
            let source = self.source(key, rights, &plans);
            let shift = shifts.entry(source).or_insert_with_key(|source| source.shift(rights, policy));
            if !shift.gained.is_empty() {
                gains.add(id, &shift.gained);
                let gained_scopes = Arc::clone(&shift.gained);
                gaining.add(id, GainingKey { id, workspace, name: key.name.clone(), gained_scopes });
            }
            let broken_rules = newly_broken(current, policy, key);
            if !shift.lost.is_empty() || !broken_rules.is_empty() {
                affected_count += 1;
                let (name, lost_scopes) = (key.name.clone(), shift.lost.clone());
                affected.add(id, AffectedKey { id, workspace, name, lost_scopes, broken_rules });
            }
        });
        let gains = Arc::new(gains.finish(|| yielding.step()));
        let (affected, gaining) = (affected.into_keys(), gaining.into_keys());
        Effect { changes, change_count, affected, affected_count, gaining, gains }
    }

    fn source(&self, key: &Key, rights: &Rights, plans: &Plans<'_>) -> RightsSource {
        RightsSource {
            grants: Arc::clone(&key.grants),
            follows: key.follows_owner_role,
            role: self.index.owner_role(key).filter(|_| key.follows_owner_role),
            has_rights: rights.scopes().next().is_some(),
            open: if plans.all_open { (true, true) } else { plans.open(self.index.workspace(key.workspace)) },
        }
    }
}

/// Which plans deny keys, before and after.
struct Plans<'a> {
    before: Option<&'a Policy>,
    after: &'a Policy,
    /// No plan denies any, as in most policies.
    all_open: bool,
}

impl<'a> Plans<'a> {
    fn new(before: Option<&'a Policy>, after: &'a Policy) -> Self {
        let mut plans = before.into_iter().chain([after]).flat_map(Policy::plans);
        let all_open = !plans.any(|plan| plan.keys_denied);
        Self { before, after, all_open }
    }

    fn open(&self, workspace: Option<Arc<Workspace>>) -> (bool, bool) {
        let Some(workspace) = workspace else { return (true, true) };
        let open = |policy: &Policy| !policy.denies_keys_on(&workspace.plan);
        (self.before.is_none_or(open), open(self.after))
    }
}

impl RightsSource {
    fn shift(&self, rights: &Rights, policy: &Policy) -> Shift {
        let nothing = Rights::default();
        let before = if self.open.0 { rights } else { &nothing };
        let after = if self.open.1 { self.rights(policy) } else { Rights::default() };
        Shift::new(before, &after)
    }

    fn rights(&self, policy: &Policy) -> Rights {
        if !self.follows {
            return Rights::new(&self.grants, policy);
        }
        let role = self.role.as_ref().and_then(|role| policy.role(role));
        Rights::following(&self.grants, role, policy)
    }
}

/// Whether a key is neither revoked nor expired.
pub(in crate::changes) fn is_alive(key: &Key, now: Timestamp) -> bool {
    matches!(key.standing(now), Standing::Active | Standing::Disabled)
}

fn newly_broken(current: Option<&PolicyVersion>, policy: &Policy, key: &Key) -> Vec<&'static str> {
    let before = current.map(|current| current.policy.key_rules().broken_by(key)).unwrap_or_default();
    let before: BTreeSet<_> = before.iter().map(RuleBroken::rule).collect();
    let after = policy.key_rules().broken_by(key);
    after.iter().map(RuleBroken::rule).filter(|rule| !before.contains(rule)).collect()
}
