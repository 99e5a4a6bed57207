//! Members, and which keys follow whose role.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    ops::Bound,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{class::ClassParts, own::Own};
use crate::domain::{
    id::{KeyId, WorkspaceId},
    member::{KNOWN_REMOVED, Member, MemberId},
    revision::Revision,
    text::{Label, Owner},
};

/// Every member. No Check reads here: what a member is to a key stands in the key's record. Only the follower writes.
#[derive(Default)]
pub(super) struct Members(RwLock<HashMap<WorkspaceId, Of>>);

/// The members of one workspace.
#[derive(Default)]
struct Of {
    members: BTreeMap<Owner, Arc<Member>>,
    /// Who was removed last, the latest at the end.
    removed: VecDeque<(Owner, Revision)>,
}

impl Members {
    pub(super) fn get(&self, id: &MemberId) -> Option<Arc<Member>> {
        self.read().get(&id.workspace)?.members.get(&id.subject).map(Arc::clone)
    }

    /// The revision that removed this former member, if it is still known.
    pub(super) fn removed(&self, id: &MemberId) -> Option<Revision> {
        let all = self.read();
        let mut removed = all.get(&id.workspace)?.removed.iter();
        removed.find_map(|(subject, revision)| (*subject == id.subject).then_some(*revision))
    }

    /// Takes a member as it is now; whether there was one before.
    pub(super) fn put(&self, member: Arc<Member>) -> bool {
        let mut all = self.write();
        let of = all.entry(member.id.workspace).or_default();
        of.removed.retain(|(subject, _)| *subject != member.id.subject);
        of.members.insert(member.id.subject.clone(), member).is_some()
    }

    /// Forgets one that was removed; whether there was one.
    pub(super) fn remove(&self, id: &MemberId, revision: Revision) -> bool {
        let mut all = self.write();
        let of = all.entry(id.workspace).or_default();
        of.removed.retain(|(subject, _)| *subject != id.subject);
        of.removed.push_back((id.subject.clone(), revision));
        if of.removed.len() > KNOWN_REMOVED {
            of.removed.pop_front();
        }
        of.members.remove(&id.subject).is_some()
    }

    /// Forgets one that cannot be trusted; whether there was one.
    pub(super) fn distrust(&self, id: &MemberId) -> bool {
        let before = self.write().get_mut(&id.workspace).and_then(|of| of.members.remove(&id.subject));
        before.is_some()
    }

    /// The role that the owner of a key has; `None` where it has no owner, or one who is no member.
    pub(super) fn role(&self, workspace: WorkspaceId, owner: Option<&Owner>) -> Option<Label> {
        self.read().get(&workspace)?.members.get(owner?)?.role.clone()
    }

    /// At most `limit` members of a workspace that `wanted` picks, by subject, after `after`.
    pub(super) fn page(
        &self,
        workspace: WorkspaceId,
        after: Option<&Owner>,
        limit: usize,
        wanted: impl Fn(&Member) -> bool,
    ) -> Vec<Arc<Member>> {
        let all = self.read();
        let Some(of) = all.get(&workspace) else { return Vec::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let members = of.members.range::<Owner, _>((from, Bound::Unbounded)).map(|(_, member)| member);
        members.filter(|member| wanted(member)).take(limit).map(Arc::clone).collect()
    }

    pub(super) fn each(&self, mut see: impl FnMut(&Member)) {
        self.read().values().flat_map(|of| of.members.values()).for_each(|member| see(member));
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<WorkspaceId, Of>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<WorkspaceId, Of>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which keys follow whose role, so that a change of one member does not look at all keys.
#[derive(Default)]
pub(super) struct Followers(HashMap<MemberId, HashSet<KeyId>>);

impl Followers {
    pub(super) fn add(&mut self, key: &Own, parts: &ClassParts) {
        if let Some(leader) = leader(key, parts) {
            self.0.entry(leader).or_default().insert(key.id());
        }
    }

    pub(super) fn drop(&mut self, key: &Own, parts: &ClassParts) {
        let Some(leader) = leader(key, parts) else { return };
        if let Some(keys) = self.0.get_mut(&leader) {
            keys.remove(&key.id());
        }
    }

    pub(super) fn count(&self, member: &MemberId) -> usize {
        self.0.get(member).map_or(0, HashSet::len)
    }

    pub(super) fn of(&self, member: &MemberId) -> Vec<KeyId> {
        self.0.get(member).into_iter().flatten().copied().collect()
    }
}

/// Whose role a key follows.
fn leader(key: &Own, parts: &ClassParts) -> Option<MemberId> {
    let subject = key.owner.clone().filter(|_| parts.follows_owner_role)?;
    Some(MemberId { workspace: parts.workspace, subject })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::key::{
            Key,
            tests::{at, key},
        },
        index::Index,
        ports::View,
    };

    #[test]
    fn a_view_counts_when_what_a_member_is_to_its_keys_has_been_worked_out() {
        // S5, V1
        let index = Index::default();
        let workspace = WorkspaceId::parse(&format!("ws_{:026}", 1)).unwrap();
        let id = MemberId { workspace, subject: Owner::parse("ann").unwrap() };
        let of = |number: u32, follows| Key {
            id: KeyId::parse(&format!("key_{number:026}")).unwrap(),
            workspace,
            owner: Some(id.subject.clone()),
            follows_owner_role: follows,
            ..key().unwrap()
        };
        index.apply(View { keys: vec![of(1, true), of(2, true), of(3, false)], ..View::default() });
        let removed = |number: u32| index.by_id(of(number, true).id).unwrap().surroundings().owner_removed;
        assert!(removed(1) && removed(2) && !removed(3));
        let member = Member {
            id: id.clone(),
            role: Some(Label::parse("owner").unwrap()),
            created: at(0),
            updated: at(0),
            revision: Revision(1),
        };
        let view = View { members: vec![member], revision: Some(Revision(1)), ..View::default() };
        let mut touched = index.apply_rows(view);
        touched.sort();
        assert_eq!(
            (touched.as_slice(), index.revision()),
            (&[of(1, true).id, of(2, true).id][..], Revision::ZERO)
        );
        assert!(removed(1), "nobody who waits for the revision has been told yet");
        index.refresh(&touched);
        index.arrive(Some(Revision(1)));
        assert_eq!((removed(1), removed(2), index.revision()), (false, false, Revision(1)));
    }

    #[test]
    fn as_many_removed_members_are_known_as_there_are_places_the_latest_of_them() {
        // D7
        let members = Members::default();
        let workspace = WorkspaceId::parse(&format!("ws_{:026}", 1)).unwrap();
        let id =
            |number: u64| MemberId { workspace, subject: Owner::parse(&format!("user-{number}")).unwrap() };
        for number in 0..1_001 {
            members.remove(&id(number), Revision(number));
        }
        assert_eq!(members.removed(&id(0)), None);
        assert_eq!(members.removed(&id(1)), Some(Revision(1)));
        for again in 0..1_000 {
            members.remove(&id(1_000), Revision(2_000 + again));
        }
        assert_eq!(members.removed(&id(1_000)), Some(Revision(2_999)));
        assert_eq!(members.removed(&id(1)), Some(Revision(1)), "one has one place");
    }
}
