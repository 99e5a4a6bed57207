//! Keys that come, change and go, and the classes that they are of.

use std::{collections::HashMap, sync::Arc};

use foldhash::quality::RandomState;
use smallvec::SmallVec;

use super::{
    Index,
    class::{Class, ClassCell, ClassParts},
    coming::Coming,
    hashes::Short,
    own::Own,
    place::Place,
    sharing::Sharing,
    slab::Record,
};
use crate::domain::{
    group::GroupChange,
    id::{KeyId, WorkspaceId},
    member::Surroundings,
    policy::Subject,
    workspace::WorkspaceState,
};

impl Index {
    /// Takes over a change of many keys for these of them. A key that is newer here stays, and one that is not here, because
    /// its rows cannot be trusted, stays away.
    pub fn apply_group(&self, change: &GroupChange, keys: &[KeyId]) {
        let mut sharing = self.lock();
        // A key that is of a later revision than a new root has its layer.
        for key in keys {
            self.lay_under(*key, &mut sharing);
        }
        for (place, before, class) in keys.iter().filter_map(|key| self.slab.by_id(*key, Self::copied)) {
            if before.revision() < change.revision {
                let after = self.laid.over(before.stored().clone().under(change));
                sharing.tallies.moved(class.load().parts.workspace, &before, &after);
                self.slab.change(place, |record| record.put(after));
            }
        }
    }

    pub(super) fn put_keys(&self, coming: Coming, sharing: &mut Sharing) {
        let mut classes: Vec<Option<Arc<ClassCell>>> = vec![None; coming.classes.len()];
        // A workspace is told of all its new keys at once.
        let mut come = HashMap::with_hasher(RandomState::default());
        for (mut own, class) in coming.keys {
            let (Some(parts), Some(known)) = (coming.classes.get(class), classes.get_mut(class)) else {
                continue;
            };
            if let Some(metadata) = &mut own.metadata {
                sharing.share_metadata(metadata);
            }
            sharing.followers.add(&own, parts);
            let class = if parts.follows_owner_role {
                self.class_of(self.with_role(parts, &own), sharing)
            } else {
                Arc::clone(known.get_or_insert_with(|| self.class_of(Arc::clone(parts), sharing)))
            };
            let new = self.put_key(self.laid.over(own), parts.workspace, class, sharing);
            if let Some(place) = new {
                come.entry(parts.workspace).or_insert_with(Vec::new).push(place);
            }
        }
        for (workspace, places) in come {
            self.residents.add(workspace, &places);
        }
    }

    /// Works out anew what the classes of a workspace may do, or all classes.
    pub(super) fn refresh_classes(&self, of: Option<WorkspaceId>, sharing: &mut Sharing) {
        for (parts, class) in sharing.classes_of(of) {
            let class_now = self.work_out(parts, sharing);
            class.put(class_now);
        }
    }

    /// Puts a key in the class that it is of by the role that its owner has now.
    pub(super) fn refresh_one(&self, key: KeyId, sharing: &mut Sharing) {
        let Some((place, own, before)) = self.slab.by_id(key, Self::copied) else { return };
        let class = self.class_of(self.with_role(&before.load().parts, &own), sharing);
        self.slab.change(place, |record| record.class = class);
    }

    /// Takes out a key that cannot be trusted any more.
    pub(super) fn remove_key(&self, id: KeyId, sharing: &mut Sharing) {
        let Some((place, record)) = self.slab.remove(id) else { return };
        let (own, class) = (&record.own, record.class.load());
        sharing.schemes.discount(own.secrets());
        sharing.followers.drop(own, &class.parts);
        self.residents.remove(class.parts.workspace, place);
        sharing.tallies.drop(class.parts.workspace, own);
        self.imports.remove(id, own.secrets());
        self.uses.forget_users(id);
        shorts(own).for_each(|short| self.hashes.remove(short, place));
    }

    /// Puts a key in, and says where, if it is new here.
    fn put_key(
        &self,
        own: Own,
        workspace: WorkspaceId,
        class: Arc<ClassCell>,
        sharing: &mut Sharing,
    ) -> Option<Place> {
        let id = own.id();
        if !self.damaged.is_empty() {
            self.damaged.pin().remove(&id.to_string());
        }
        let Some((place, before, _)) = self.slab.by_id(id, Self::copied) else {
            self.imports.put(id, own.secrets());
            sharing.schemes.count(own.secrets());
            sharing.tallies.add(workspace, &own);
            return self.add_key(own, class);
        };
        let is_waiting = sharing.laying.as_ref().is_some_and(|root| root.awaits(own.revision()));
        if before.revision() > own.revision() || is_waiting {
            return None;
        }
        // The record first: a hash that leads to a record without it is unknown, never wrong.
        if own.secrets().retiring.is_empty() {
            self.uses.forget_users(id);
        }
        let record = self
            .slab
            .change(place, |record| (record.put(own.clone()), std::mem::replace(&mut record.class, class)));
        if let Some((before, _)) = &record
            && before.secrets().current.generation != own.secrets().current.generation
            && let Some(used) = self.cell(before.used)
        {
            used.newest.forget();
        }
        drop(record);
        sharing.schemes.count(own.secrets());
        sharing.schemes.discount(before.secrets());
        sharing.tallies.drop(workspace, &before);
        sharing.tallies.add(workspace, &own);
        shorts(&own).for_each(|short| self.hashes.put(short, place));
        let gone = shorts(&before).filter(|short| shorts(&own).all(|kept| kept != *short));
        gone.for_each(|short| self.hashes.remove(short, place));
        None
    }

    fn add_key(&self, own: Own, class: Arc<ClassCell>) -> Option<Place> {
        let (id, secrets): (_, SmallVec<[_; 1]>) = (own.id(), shorts(&own).collect());
        let Some(place) = self.slab.insert(Record { own, class }) else {
            tracing::error!(key.id = %id, "there are more keys than one process can keep; this one is denied");
            return None;
        };
        for short in secrets {
            self.hashes.put(short, place);
        }
        Some(place)
    }

    /// The parts with the role that the owner of a key has now, where the key follows it.
    fn with_role(&self, parts: &Arc<ClassParts>, own: &Own) -> Arc<ClassParts> {
        if !parts.follows_owner_role {
            return Arc::clone(parts);
        }
        let role = self.members.role(parts.workspace, own.owner.as_ref());
        if role == parts.role {
            Arc::clone(parts)
        } else {
            Arc::new(ClassParts { role, ..(**parts).clone() })
        }
    }

    /// The class of keys that are so.
    fn class_of(&self, parts: Arc<ClassParts>, sharing: &mut Sharing) -> Arc<ClassCell> {
        if let Some(known) = sharing.class(&parts) {
            return known;
        }
        let mut parts = Arc::unwrap_or_clone(parts);
        sharing.share(&mut parts);
        let parts = Arc::new(parts);
        let class = ClassCell::new(self.work_out(Arc::clone(&parts), sharing));
        sharing.add_class(parts, &class);
        class
    }

    /// What keys of a class may do under the policy in force.
    fn work_out(&self, parts: Arc<ClassParts>, sharing: &mut Sharing) -> Class {
        let rights = sharing.rights_of(&parts);
        let workspace = self.workspace(parts.workspace);
        let surroundings = Surroundings {
            // One that cannot be trusted may have been suspended.
            workspace: workspace.as_ref().map_or(WorkspaceState::Suspended, |workspace| workspace.state),
            plan_denies: workspace.as_ref().is_some_and(|workspace| sharing.denies_keys_on(&workspace.plan)),
            owner_removed: parts.follows_owner_role && parts.role.is_none(),
        };
        let limits = sharing.limits_of(&parts, workspace.as_deref());
        let account = limits
            .has(Subject::Workspace)
            .then(|| self.accounts().of_workspace(parts.workspace, &parts.environment));
        Class { parts, rights, surroundings, limits, workspace, account }
    }
}

/// What leads to a key: all its secrets but those of later imports, which nothing that is presented leads to.
pub(super) fn shorts(own: &Own) -> impl Iterator<Item = Short> {
    let hashes = own.secrets().iter().map(|(secret, _)| secret.hash);
    hashes.filter(|hash| !hash.is_later()).map(Short::of)
}
