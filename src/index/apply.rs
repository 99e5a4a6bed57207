//! Taking over what is stored: the writing side, which the follower alone uses.

use std::sync::{Arc, MutexGuard, PoisonError, atomic::Ordering};

use super::{Index, coming::Coming, sharing::Sharing};
use crate::{
    domain::{
        id::{KeyId, WorkspaceId},
        key::KeptKey,
        member::MemberId,
        revision::Revision,
        workspace::Workspace,
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

    /// Makes room for about so many keys in all, each with one secret, so that a start moves none of them once more.
    pub fn expect(&self, keys: usize) {
        self.slab.expect(keys);
        self.hashes.expect(keys);
    }

    /// Takes over rows, and says for which other keys they change something: those are to be refreshed before the view's
    /// revision counts.
    pub fn apply_rows(&self, mut view: View) -> Vec<KeyId> {
        // What needs nothing of the index is done before others wait for it.
        let keys = std::mem::take(&mut view.keys).iter().map(KeptKey::of).chain(view.kept).collect();
        let keys = Coming::new(keys);
        let mut sharing = self.lock();
        let mut touched = Vec::new();
        if let Some(policy) = view.policy {
            self.put_policy(policy, &mut sharing);
        }
        for workspace in view.workspaces {
            self.put_workspace(workspace, &mut sharing);
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
        self.put_keys(keys, &mut sharing);
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

    /// Works out anew the rights and limits of these keys, whose owners' roles changed.
    pub fn refresh(&self, keys: &[KeyId]) {
        if keys.is_empty() {
            return;
        }
        let mut sharing = self.lock();
        for key in keys {
            self.refresh_one(*key, &mut sharing);
        }
    }

    /// From now on the view is of this revision.
    pub fn arrive(&self, revision: Option<Revision>) {
        if let Some(revision) = revision {
            self.revision.store(revision.0, Ordering::Release);
            self.applied.send_replace(revision);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Sharing> {
        self.sharing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a policy in force: what keys of each class may do is worked out anew.
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
        self.refresh_classes(None, sharing);
        self.policy.store(policy);
    }

    fn put_workspace(&self, workspace: Workspace, sharing: &mut Sharing) {
        if workspace.is_default {
            let _first = self.default_workspace.set(workspace.id);
        }
        let id = workspace.id;
        self.workspaces.pin().insert(id, Arc::new(workspace));
        self.damaged.pin().remove(&id.to_string());
        self.refresh_classes(Some(id), sharing);
    }

    /// Takes out what a row was that cannot be trusted: a key is unknown, a member counts as removed, and the keys of a
    /// workspace are denied. Says for which keys it changes something.
    fn distrust(&self, row: &Damaged, sharing: &mut Sharing) -> Vec<KeyId> {
        let mut touched = Vec::new();
        let lost = if let Ok(id) = KeyId::parse(&row.id) {
            self.remove_key(id, sharing);
            "its key is denied"
        } else if let Some(id) = MemberId::parse(&row.id) {
            let was = self.members.distrust(&id);
            sharing.tallies.member(id.workspace, was, false);
            touched = sharing.followers.of(&id);
            "its member counts as removed"
        } else if let Ok(id) = WorkspaceId::parse(&row.id) {
            self.workspaces.pin().remove(&id);
            self.refresh_classes(Some(id), sharing);
            "the keys of its workspace are denied"
        } else {
            sharing.schemes.remove(&row.id);
            "the keys of its import scheme are denied"
        };
        tracing::error!(row.id = %row.id, why = row.why, "a stored row cannot be trusted; {lost}");
        touched
    }
}
