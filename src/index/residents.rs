//! Which keys a workspace has, so that what concerns one workspace costs as much as its own keys, and not everybody's.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::place::Place;
use crate::domain::id::WorkspaceId;

/// How many are taken out at once to be looked at: no writer waits for a reader of all keys.
const AT_ONCE: usize = 1_024;

/// The keys of every workspace, in the order in which they came. A key never moves to another workspace. No Check reads here;
/// only the follower writes.
#[derive(Default)]
pub(super) struct Residents(papaya::HashMap<WorkspaceId, Arc<Keys>>);

/// A key that could not be trusted any more leaves its place empty: the places of the others do not move under a reader.
#[derive(Default)]
struct Keys(RwLock<Vec<Place>>);

impl Residents {
    pub(super) fn add(&self, workspace: WorkspaceId, keys: &[Place]) {
        let all = self.0.pin();
        all.get_or_insert_with(workspace, Arc::default).write().extend_from_slice(keys);
    }

    pub(super) fn remove(&self, workspace: WorkspaceId, key: Place) {
        let all = self.0.pin();
        let Some(keys) = all.get(&workspace) else { return };
        if let Some(place) = keys.write().iter_mut().find(|place| **place == key) {
            *place = Place::NOWHERE;
        }
    }

    /// Every workspace that has keys.
    pub(super) fn workspaces(&self) -> Vec<WorkspaceId> {
        self.0.pin().keys().copied().collect()
    }

    /// Some of the places of a workspace's keys, and where the next are, if there can be any.
    pub(super) fn some(&self, workspace: WorkspaceId, from: usize) -> (Vec<Place>, Option<usize>) {
        let Some(keys) = self.0.pin().get(&workspace).map(Arc::clone) else { return (Vec::new(), None) };
        let some: Vec<_> = keys.read().iter().skip(from).take(AT_ONCE).copied().collect();
        let next = (some.len() >= AT_ONCE).then(|| from.saturating_add(some.len()));
        (some, next)
    }
}

impl Keys {
    fn read(&self) -> RwLockReadGuard<'_, Vec<Place>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Place>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        domain::{
            id::KeyId,
            key::{Key, tests::key},
        },
        index::Index,
        ports::{Damaged, View},
    };

    fn workspace(number: usize) -> WorkspaceId {
        WorkspaceId::parse(&format!("ws_{number:026}")).unwrap()
    }

    #[test]
    fn each_key_of_a_workspace_is_seen_once_and_one_that_cannot_be_trusted_is_not() {
        // T1, D5
        let index = Index::default();
        let of = |number: usize| Key {
            id: KeyId::parse(&format!("key_{number:026}")).unwrap(),
            workspace: workspace(number % 2),
            ..key().unwrap()
        };
        // More than are taken out at once.
        let keys: Vec<_> = (0..5 * AT_ONCE).map(of).collect();
        let (first, count) = (keys[0].id, keys.len() / 2);
        index.apply(View { keys, ..View::default() });
        let seen = |number: usize| {
            let (mut seen, mut times) = (HashSet::new(), 0);
            index.each_of(workspace(number), |key, _| {
                assert_eq!(key.workspace, workspace(number));
                times += 1;
                seen.insert(key.id);
            });
            assert_eq!(seen.len(), times, "none twice");
            seen
        };
        assert_eq!((seen(0).len(), seen(1).len(), seen(2).len()), (count, count, 0));
        let damaged = vec![Damaged { id: first.to_string(), why: "a test", zone: None }];
        index.apply(View { damaged, ..View::default() });
        let left = seen(0);
        assert_eq!((left.len(), left.contains(&first)), (count - 1, false));
    }
}
