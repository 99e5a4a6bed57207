//! Taking over what is stored: the writing side, which the follower alone uses.

use std::sync::{Arc, MutexGuard, PoisonError, atomic::Ordering};

use super::{
    Index,
    cell::{Cell, KeyRecord},
    sharing::Sharing,
};
use crate::{
    domain::{
        credentials::Credentials,
        group::GroupChange,
        id::{KeyId, WorkspaceId},
        key::Key,
        member::{MemberId, Surroundings},
        policy::Subject,
        revision::Revision,
        workspace::WorkspaceState,
    },
    ports::{Damaged, PolicyView, View},
};

impl Index {
    /// Takes over rows as they stand at the view's revision, and what they change for other keys. Rows that are newer here
    /// stay.
    pub fn apply(&self, mut view: View) {
        let revision = view.revision.take();
        self.refresh(&self.apply_rows(view));
        self.arrive(revision);
    }

    /// Takes over rows, and says for which other keys they change something: those are to be refreshed before the view's
    /// revision counts.
    pub fn apply_rows(&self, mut view: View) -> Vec<KeyId> {
        let mut sharing = self.lock();
        let mut touched = Vec::new();
        if let Some(policy) = view.policy {
            self.put_policy(policy, &mut sharing);
        }
        for workspace in view.workspaces {
            if workspace.is_default {
                let _first = self.default_workspace.set(workspace.id);
            }
            let workspace = Arc::new(workspace);
            let workspaces = self.workspaces.pin();
            let before = workspaces.insert(workspace.id, Arc::clone(&workspace));
            let was_damaged = self.damaged.pin().remove(&workspace.id.to_string()).is_some();
            if was_damaged
                || before.is_some_and(|before| {
                    (&before.plan, &before.limits, before.state)
                        != (&workspace.plan, &workspace.limits, workspace.state)
                })
            {
                self.residents.each(workspace.id, |cell| touched.push(cell.id()));
            }
        }
        for scheme in view.schemes {
            sharing.schemes.put(scheme);
        }
        for member in view.members {
            let id = member.id.clone();
            self.damaged.pin().remove(&id.to_string());
            let was = self.members.put(Arc::new(member));
            sharing.tallies.member(id.workspace, was, true);
            touched.extend(sharing.followers.of(&id));
        }
        view.removed_members.sort_unstable_by_key(|(_, revision)| *revision);
        for (id, revision) in view.removed_members {
            self.damaged.pin().remove(&id.to_string());
            let was = self.members.remove(&id, revision);
            sharing.tallies.member(id.workspace, was, false);
            touched.extend(sharing.followers.of(&id));
        }
        for mut key in view.keys {
            sharing.share(&mut key);
            sharing.followers.add(&key);
            let record = self.record(key, &mut sharing);
            self.put(record, &mut sharing);
        }
        for damaged in view.damaged {
            touched.extend(self.distrust(&damaged, &mut sharing));
            self.damaged.pin().insert(damaged.id, damaged.why);
        }
        sharing.prune();
        if let Some(ways) = sharing.schemes.changed_ways() {
            self.ways.store(Arc::new(ways));
        }
        touched
    }

    /// Works out anew the rights and limits of these keys.
    pub fn refresh(&self, keys: &[KeyId]) {
        if keys.is_empty() {
            return;
        }
        let mut sharing = self.lock();
        let by_id = self.by_id.pin();
        keys.iter().filter_map(|key| by_id.get(key)).for_each(|cell| self.refresh_one(cell, &mut sharing));
    }

    /// From now on the view is of this revision.
    pub fn arrive(&self, revision: Option<Revision>) {
        if let Some(revision) = revision {
            self.revision.store(revision.0, Ordering::Release);
            self.applied.send_replace(revision);
        }
    }

    /// Takes over a change of many keys for these of them. A key that is newer here stays, and one that is not here, because
    /// its rows cannot be trusted, stays away.
    pub fn apply_group(&self, change: &GroupChange, keys: &[KeyId]) {
        let mut sharing = self.lock();
        let by_id = self.by_id.pin();
        for cell in keys.iter().filter_map(|key| by_id.get(key)) {
            let before = cell.record.load_full();
            if before.key.revision < change.revision {
                let after = before.laid_over(before.stored().clone().under(change), &self.laid);
                sharing.tallies.moved(&before.key, &after.key);
                cell.record.store(Arc::new(after));
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Sharing> {
        self.sharing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a policy in force: what every key may do is worked out anew.
    fn put_policy(&self, policy: PolicyView, sharing: &mut Sharing) {
        let policy = match policy {
            PolicyView::Sound(policy) => {
                self.newest_policy.fetch_max(policy.version, Ordering::AcqRel);
                Some(policy)
            }
            PolicyView::Damaged { version, why, zone: _ } => {
                self.newest_policy.fetch_max(version, Ordering::AcqRel);
                tracing::error!(
                    policy.version = version,
                    why,
                    "the stored policy cannot be trusted; nothing is decided until another is applied"
                );
                None
            }
        };
        sharing.govern(policy.clone());
        self.by_id.pin().values().for_each(|cell| self.refresh_one(cell, sharing));
        self.policy.store(policy);
    }

    fn refresh_one(&self, cell: &Cell, sharing: &mut Sharing) {
        let key = cell.record.load().stored().clone();
        cell.record.store(Arc::new(self.record(key, sharing)));
    }

    /// A key, with its rights and limits under the policy in force.
    fn record(&self, key: Key, sharing: &mut Sharing) -> KeyRecord {
        let role = self.members.role(&key.view()).filter(|_| key.follows_owner_role);
        let rights = sharing.rights_of(&key, role.as_ref());
        let workspaces = self.workspaces.pin();
        let workspace = workspaces.get(&key.workspace).map(|workspace| &**workspace);
        let surroundings = Surroundings {
            // One that cannot be trusted may have been suspended.
            workspace: workspace.map_or(WorkspaceState::Suspended, |workspace| workspace.state),
            plan_denies: workspace.is_some_and(|workspace| sharing.denies_keys_on(&workspace.plan)),
            owner_removed: key.follows_owner_role && role.is_none(),
        };
        let limits = sharing.limits_of(&key, workspace);
        let owner = limits.has(Subject::Owner).then(|| sharing.accounts.of_owner(&key));
        let workspace = limits.has(Subject::Workspace).then(|| sharing.accounts.of_workspace(&key));
        let (key, stored) = self.laid.upon(key);
        KeyRecord { key, stored, rights, surroundings, limits, owner, workspace }
    }

    fn put(&self, record: KeyRecord, sharing: &mut Sharing) {
        let key = record.key.clone();
        self.damaged.pin().remove(&key.id.to_string());
        let by_id = self.by_id.pin();
        let by_hash = self.by_hash.pin();
        let Some(cell) = by_id.get(&key.id) else {
            let cell = (self.new_cell)(record);
            self.imports.put(key.id, key.view().secrets);
            for slot in slots(&key.credentials) {
                by_hash.insert(slot, Arc::clone(&cell));
            }
            sharing.schemes.count(&key.credentials);
            sharing.tallies.add(&key);
            self.residents.add(key.workspace, &cell);
            by_id.insert(key.id, cell);
            return;
        };
        if cell.record.load().key.revision > key.revision {
            return;
        }
        // The record first: a hash that leads to a record without it is unknown, never wrong.
        let before = cell.record.swap(Arc::new(record));
        sharing.schemes.count(&key.credentials);
        sharing.schemes.discount(&before.key.credentials);
        sharing.tallies.drop(&before.key);
        sharing.tallies.add(&key);
        for slot in slots(&key.credentials) {
            by_hash.insert(slot, Arc::clone(cell));
        }
        for slot in slots(&before.key.credentials) {
            if slots(&key.credentials).all(|kept| kept != slot) {
                by_hash.remove(&slot);
            }
        }
    }

    /// Takes out what a row was that cannot be trusted: a key is unknown, a member counts as removed, and the keys of a
    /// workspace are denied. Says for which keys it changes something.
    fn distrust(&self, row: &Damaged, sharing: &mut Sharing) -> Vec<KeyId> {
        let mut touched = Vec::new();
        let lost = if let Ok(id) = KeyId::parse(&row.id) {
            self.remove(id, sharing);
            "its key is denied"
        } else if let Some(id) = MemberId::parse(&row.id) {
            let was = self.members.distrust(&id);
            sharing.tallies.member(id.workspace, was, false);
            touched = sharing.followers.of(&id);
            "its member counts as removed"
        } else if let Ok(id) = WorkspaceId::parse(&row.id) {
            self.workspaces.pin().remove(&id);
            self.residents.each(id, |cell| touched.push(cell.id()));
            "the keys of its workspace are denied"
        } else {
            sharing.schemes.remove(&row.id);
            "the keys of its import scheme are denied"
        };
        tracing::error!(row.id = %row.id, why = row.why, "a stored row cannot be trusted; {lost}");
        touched
    }

    fn remove(&self, id: KeyId, sharing: &mut Sharing) {
        let by_id = self.by_id.pin();
        let Some(cell) = by_id.remove(&id) else { return };
        let record = cell.record.load();
        sharing.schemes.discount(&record.key.credentials);
        sharing.followers.drop(&record.key);
        self.residents.remove(record.key.workspace, id);
        sharing.tallies.drop(&record.key);
        self.imports.remove(id, record.key.view().secrets);
        for slot in slots(&record.key.credentials) {
            self.by_hash.pin().remove(&slot);
        }
    }
}

/// Where the secrets of a key are found: all but those of later imports, which nothing that is presented leads to.
fn slots(credentials: &Credentials) -> impl Iterator<Item = u128> {
    let hashes = credentials.iter().map(|(secret, _)| secret.hash);
    hashes.filter(|hash| !hash.is_later()).map(|hash| hash.slot())
}
