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
        key::{KeyView, Standing},
        policy::{Change, Document, Policy, RuleBroken, changes},
        rights::Rights,
        text::{Label, Name},
        time::Timestamp,
        workspace::Workspace,
    },
    error::OperationError,
    index::Index,
    ports::PolicyVersion,
    yielding::Yielding,
};

/// The most changes, and the most keys, that an answer names.
const MAX_NAMED: usize = 1_000;

/// How many keys' names are read at once.
const AT_ONCE: usize = 1_024;

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
    /// What people call it; `None` where its row cannot be read.
    pub name: Option<Name>,
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
    /// What people call it; `None` where its row cannot be read.
    pub name: Option<Name>,
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
    ///
    /// # Errors
    /// The store: it alone has the names of keys.
    pub(super) async fn effect(
        &self,
        current: Option<&PolicyVersion>,
        policy: &Policy,
    ) -> Result<Effect, OperationError> {
        let nothing = Document::default();
        let before = current.map_or(&nothing, |current| current.policy.document());
        let mut changes = changes(before, policy.document());
        let change_count = changes.len();
        changes.truncate(MAX_NAMED);
        let mut look = Look::new(self, current, policy);
        if look.asks_for_names() {
            let mut ids = Vec::new();
            self.index.each(|key, _rights| ids.push(key.id));
            for ids in ids.chunks(AT_ONCE) {
                let names = self.names_of(ids.to_vec()).await?;
                for found in ids.iter().filter_map(|id| self.index.by_id(*id)) {
                    let key = found.key();
                    look.see(&key, found.rights(), names.get(&key.id));
                }
            }
        } else {
            self.index.each(|key, rights| look.see(key, rights, None));
        }
        let Look { affected, affected_count, gaining, gains, mut yielding, .. } = look;
        let gains = Arc::new(gains.finish(|| yielding.step()));
        let (mut affected, mut gaining) = (affected.into_keys(), gaining.into_keys());
        let told = affected.iter().map(|key| key.id).chain(gaining.iter().map(|key| key.id));
        let names = self.names_of(told.collect()).await?;
        for key in &mut affected {
            key.name = names.get(&key.id).cloned();
        }
        for key in &mut gaining {
            key.name = names.get(&key.id).cloned();
        }
        Ok(Effect { changes, change_count, affected, affected_count, gaining, gains })
    }

    async fn names_of(&self, ids: Vec<KeyId>) -> Result<HashMap<KeyId, Name>, OperationError> {
        let whole = self.whole_keys(ids).await?;
        Ok(whole.into_iter().map(|(id, key)| (id, key.name)).collect())
    }
}

/// A look at all living keys, as they are seen one by one.
struct Look<'a> {
    index: &'a Index,
    now: Timestamp,
    current: Option<&'a PolicyVersion>,
    policy: &'a Policy,
    plans: Plans<'a>,
    shifts: Shifts,
    affected: FirstNamed<AffectedKey>,
    affected_count: usize,
    gaining: FirstNamed<GainingKey>,
    gains: GainsFound,
    yielding: Yielding,
}

impl<'a> Look<'a> {
    fn new(changes: &'a Changes, current: Option<&'a PolicyVersion>, policy: &'a Policy) -> Self {
        Self {
            index: &changes.index,
            now: changes.clock.now(),
            current,
            policy,
            plans: Plans::new(current.map(|current| &current.policy), policy),
            shifts: Shifts::default(),
            affected: FirstNamed(BTreeMap::new()),
            affected_count: 0,
            gaining: FirstNamed(BTreeMap::new()),
            gains: GainsFound::default(),
            yielding: Yielding::without_pauses(),
        }
    }

    /// Whether a key can come to break the rule for names: only then its name is looked at.
    fn asks_for_names(&self) -> bool {
        let current = self.current.and_then(|current| current.policy.key_rules().name_pattern());
        self.policy.key_rules().name_pattern().is_some_and(|new| Some(new) != current)
    }

    fn see(&mut self, key: &KeyView<'_>, rights: &Rights, name: Option<&Name>) {
        self.yielding.step();
        if key.admin.is_some() || !is_alive(key, self.now) {
            return;
        }
        let (id, workspace) = (key.id, key.workspace);
        let policy = self.policy;
        let open = self.open(key);
        let role = || self.index.owner_role(key);
        let Some(shift) = self.shifts.of(key, rights, (open, policy), role) else { return };
        if !shift.gained.is_empty() {
            self.gains.add(id, &shift.gained);
            let gained_scopes = Arc::clone(&shift.gained);
            self.gaining.add(id, GainingKey { id, workspace, name: None, gained_scopes });
        }
        let broken_rules = newly_broken(self.current, policy, key, name);
        if !shift.lost.is_empty() || !broken_rules.is_empty() {
            self.affected_count = self.affected_count.saturating_add(1);
            let lost_scopes = shift.lost.clone();
            self.affected.add(id, AffectedKey { id, workspace, name: None, lost_scopes, broken_rules });
        }
    }

    /// Whether the plan of a key's workspace lets it use its rights, now and then.
    fn open(&self, key: &KeyView<'_>) -> (bool, bool) {
        if self.plans.all_open { (true, true) } else { self.plans.open(self.index.workspace(key.workspace)) }
    }
}

/// Where grants stand in memory, whether they give any rights now, and whether the plan of the workspace lets a key use them, now
/// and then.
type GrantsPlace = (usize, bool, (bool, bool));

/// What becomes of rights, worked out once for all that come from the same.
#[derive(Default)]
struct Shifts {
    all: Vec<Shift>,
    /// Each by its place.
    by_source: HashMap<RightsSource, usize>,
    /// Those of keys that follow no role, by where their grants stand in memory: most keys share them, and nothing of them is
    /// compared then. The grants are held, so that no others come to stand there.
    by_grants: HashMap<GrantsPlace, (Arc<Grants>, usize)>,
}

impl Shifts {
    /// What becomes of the rights of a key, whose plan is open so; `role` is asked for where the key follows it.
    fn of(
        &mut self,
        key: &KeyView<'_>,
        rights: &Rights,
        (open, policy): ((bool, bool), &Policy),
        role: impl FnOnce() -> Option<Label>,
    ) -> Option<&Shift> {
        let has_rights = rights.scopes().next().is_some();
        let stands_at = (Arc::as_ptr(key.grants).addr(), has_rights, open);
        let follows = key.follows_owner_role;
        let known = self.by_grants.get(&stands_at).filter(|_| !follows).map(|(_, place)| *place);
        let place = known.unwrap_or_else(|| {
            let role = if follows { role() } else { None };
            let source = RightsSource { grants: Arc::clone(key.grants), follows, role, has_rights, open };
            let all = &mut self.all;
            let place = *self.by_source.entry(source).or_insert_with_key(|source| {
                all.push(source.shift(rights, policy));
                all.len().saturating_sub(1)
            });
            if !follows {
                self.by_grants.insert(stands_at, (Arc::clone(key.grants), place));
            }
            place
        });
        self.all.get(place)
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
pub(in crate::changes) fn is_alive(key: &KeyView<'_>, now: Timestamp) -> bool {
    matches!(key.standing(now), Standing::Active | Standing::Disabled)
}

fn newly_broken(
    current: Option<&PolicyVersion>,
    policy: &Policy,
    key: &KeyView<'_>,
    name: Option<&Name>,
) -> Vec<&'static str> {
    let before = current.map(|current| current.policy.key_rules().broken_by(key, name)).unwrap_or_default();
    let before: BTreeSet<_> = before.iter().map(RuleBroken::rule).collect();
    let after = policy.key_rules().broken_by(key, name);
    after.iter().map(RuleBroken::rule).filter(|rule| !before.contains(rule)).collect()
}
