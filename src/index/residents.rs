//! Which keys a workspace has, so that what concerns one workspace costs as much as its own keys, and not everybody's.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Index, cell::Cell};
use crate::domain::{
    id::{KeyId, WorkspaceId},
    key::Key,
    rights::Rights,
};

/// How many are taken out at once to be looked at: nobody waits for somebody who looks at all.
const AT_ONCE: usize = 1_024;

/// The keys of every workspace, in the order in which they came. A key never moves to another workspace. No Check reads here;
/// only the follower writes.
#[derive(Default)]
pub(super) struct Residents(papaya::HashMap<WorkspaceId, Arc<Keys>>);

/// A key that could not be trusted any more leaves its place empty: the places of the others do not move under a reader.
#[derive(Default)]
struct Keys(RwLock<Vec<Option<Arc<Cell>>>>);

impl Residents {
    pub(super) fn add(&self, workspace: WorkspaceId, cell: &Arc<Cell>) {
        let all = self.0.pin();
        all.get_or_insert_with(workspace, Arc::default).write().push(Some(Arc::clone(cell)));
    }

    pub(super) fn remove(&self, workspace: WorkspaceId, key: KeyId) {
        let all = self.0.pin();
        let Some(keys) = all.get(&workspace) else { return };
        let is_it = |place: &&mut Option<Arc<Cell>>| {
            place.as_ref().is_some_and(|cell| cell.record.load().key.id == key)
        };
        if let Some(place) = keys.write().iter_mut().find(is_it) {
            *place = None;
        }
    }

    /// Shows the places of a workspace's keys to `see`.
    pub(super) fn each(&self, workspace: WorkspaceId, mut see: impl FnMut(&Cell)) {
        let Some(keys) = self.0.pin().get(&workspace).map(Arc::clone) else { return };
        let mut from = 0;
        loop {
            let some: Vec<_> = keys.read().iter().skip(from).take(AT_ONCE).cloned().collect();
            from += some.len();
            some.iter().flatten().for_each(|cell| see(cell));
            if some.len() < AT_ONCE {
                return;
            }
        }
    }
}

impl Keys {
    fn read(&self) -> RwLockReadGuard<'_, Vec<Option<Arc<Cell>>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Option<Arc<Cell>>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// Shows every key of a workspace to `see`.
    pub fn each_of(&self, workspace: WorkspaceId, mut see: impl FnMut(&Key, &Rights)) {
        self.residents.each(workspace, |cell| {
            let record = cell.record.load();
            see(&record.key, &record.rights);
        });
    }
}
