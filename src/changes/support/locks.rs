//! Changes of one key take turns, in the order in which they came: none is starved by others, a revocation least of all.
//! A new policy takes its turn alone among those who make keys and workspaces.

use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit};

use crate::domain::{
    id::{KeyId, WorkspaceId},
    workspace::Within,
};

const STRIPES: usize = 256;

/// Imports at once: a quarter of the changes that may wait are theirs at most.
const IMPORTS: usize = 4;

/// Who may change what now.
pub(in crate::changes) struct Locks {
    /// Keys share turns by a part of their id.
    keys: Vec<Mutex<()>>,
    /// Shared by changes of one key, and had alone by who changes many keys of a workspace: others' keys do not wait for that.
    /// Workspaces share turns by a part of their id.
    workspaces: Vec<RwLock<()>>,
    /// Shared by those who make something under a policy, from judging to committing.
    policy: RwLock<()>,
    /// Shared by those who make keys of a workspace, and had alone by who counts what its keys gain. Taken after that of the
    /// policy and before those of keys.
    makers: Vec<RwLock<()>>,
    /// Taken by who looks at all keys of a workspace, and changes none.
    looks: Vec<Mutex<()>>,
    /// The same of who looks at those of all workspaces.
    wide_looks: Mutex<()>,
    /// Taken by few imports at once.
    imports: Semaphore,
    /// Shared by changes of keys, from reading or hashing secrets to committing, and had alone by a change of roots. Taken after all
    /// others: who has it waits for no other turn.
    roots: RwLock<()>,
}

/// The turn of a change of one key; it is over when this is dropped.
pub(in crate::changes) struct KeyTurn<'a> {
    _workspace: Option<RwLockReadGuard<'a, ()>>,
    _key: Option<MutexGuard<'a, ()>>,
}

impl Default for Locks {
    fn default() -> Self {
        Self {
            keys: (0..STRIPES).map(|_| Mutex::default()).collect(),
            workspaces: (0..STRIPES).map(|_| RwLock::default()).collect(),
            policy: RwLock::default(),
            makers: (0..STRIPES).map(|_| RwLock::default()).collect(),
            looks: (0..STRIPES).map(|_| Mutex::default()).collect(),
            wide_looks: Mutex::default(),
            imports: Semaphore::new(IMPORTS),
            roots: RwLock::default(),
        }
    }
}

impl Locks {
    /// Waits for the turn of a change of this key of this workspace. Always taken in the same order: a task that waits for a
    /// workspace never holds a key.
    pub(in crate::changes) async fn of(&self, workspace: WorkspaceId, key: KeyId) -> KeyTurn<'_> {
        let of_workspace = match self.workspaces.get(workspace.stripe(STRIPES)) {
            Some(turn) => Some(turn.read().await),
            None => None,
        };
        let of_key = match self.keys.get(key.stripe(STRIPES)) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        KeyTurn { _workspace: of_workspace, _key: of_key }
    }

    /// Waits for the turns of all keys of a workspace: until the guard is dropped, no other task changes one.
    pub(in crate::changes) async fn of_all(
        &self,
        workspace: WorkspaceId,
    ) -> Option<RwLockWriteGuard<'_, ()>> {
        match self.workspaces.get(workspace.stripe(STRIPES)) {
            Some(turn) => Some(turn.write().await),
            None => None,
        }
    }

    /// Waits for the turns of all keys of all workspaces, always in the same order. A task that starts to wait here holds
    /// none of them.
    pub(in crate::changes) async fn of_everything(&self) -> Vec<RwLockWriteGuard<'_, ()>> {
        let mut turns = Vec::with_capacity(self.workspaces.len());
        for turn in &self.workspaces {
            turns.push(turn.write().await);
        }
        turns
    }

    /// Waits until keys of a workspace may be made: no other task counts what its keys gain until the guard is dropped.
    pub(in crate::changes) async fn to_make(
        &self,
        workspace: WorkspaceId,
    ) -> Option<RwLockReadGuard<'_, ()>> {
        match self.makers.get(workspace.stripe(STRIPES)) {
            Some(turn) => Some(turn.read().await),
            None => None,
        }
    }

    /// Waits until no task makes keys of a workspace: until the guard is dropped, none can.
    pub(in crate::changes) async fn to_count(
        &self,
        workspace: WorkspaceId,
    ) -> Option<RwLockWriteGuard<'_, ()>> {
        match self.makers.get(workspace.stripe(STRIPES)) {
            Some(turn) => Some(turn.write().await),
            None => None,
        }
    }

    /// Waits for the turn of a look at all keys of a workspace, one at a time. A task that looks waits for no other lock.
    pub(in crate::changes) async fn to_look(&self, workspace: WorkspaceId) -> Option<MutexGuard<'_, ()>> {
        match self.looks.get(workspace.stripe(STRIPES)) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        }
    }

    /// The same for a look at the keys of these workspaces; a look at all of them keeps no look at one waiting.
    pub(in crate::changes) async fn to_look_within(&self, within: Within) -> Option<MutexGuard<'_, ()>> {
        match within {
            Within::One(workspace) => self.to_look(workspace).await,
            Within::All => Some(self.wide_looks.lock().await),
        }
    }

    /// Waits for the turns of all keys of these workspaces, as [`Self::of_all`] and [`Self::of_everything`].
    pub(in crate::changes) async fn of_all_within(&self, within: Within) -> Vec<RwLockWriteGuard<'_, ()>> {
        match within {
            Within::One(workspace) => self.of_all(workspace).await.into_iter().collect(),
            Within::All => self.of_everything().await,
        }
    }

    /// Waits for the turn of an import: many at once would fill the queue of changes, and others, a revocation for one, find
    /// no place in it. Taken before all other turns, so that no policy waits for more than a few of them.
    pub(in crate::changes) async fn of_import(&self) -> Option<SemaphorePermit<'_>> {
        self.imports.acquire().await.ok()
    }

    /// Waits until secrets may be hashed and keys be changed: until the guard is dropped, the roots stay the same.
    pub(in crate::changes) async fn under_roots(&self) -> RwLockReadGuard<'_, ()> {
        self.roots.read().await
    }

    /// Waits until no key is being changed: until the guard is dropped, none is, and every hash on its way has arrived.
    pub(in crate::changes) async fn over_roots(&self) -> RwLockWriteGuard<'_, ()> {
        self.roots.write().await
    }

    /// Waits until something may be made: the policy stays the same until the guard is dropped.
    pub(in crate::changes) async fn under_policy(&self) -> RwLockReadGuard<'_, ()> {
        self.policy.read().await
    }

    /// Waits for the turn of a new policy: until the guard is dropped nothing is made, so that what was not in use stays
    /// out of use.
    pub(in crate::changes) async fn over_policy(&self) -> RwLockWriteGuard<'_, ()> {
        self.policy.write().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn key(number: u32) -> KeyId {
        KeyId::parse(&format!("key_{number:026}")).unwrap()
    }

    fn workspace(number: u32) -> WorkspaceId {
        WorkspaceId::parse(&format!("ws_{number:026}")).unwrap()
    }

    #[tokio::test]
    async fn one_looks_at_a_workspace_at_a_time_and_keeps_no_change_waiting() {
        // V1, T1
        let turns = Locks::default();
        let first = turns.to_look(workspace(1)).await;
        assert!(turns.to_look(workspace(1)).now_or_never().is_none());
        assert!(turns.to_look(workspace(2)).now_or_never().is_some(), "each has its own");
        let _others = turns.of_all(workspace(1)).await;
        assert!(turns.over_policy().now_or_never().is_some());
        drop(first);
        assert!(turns.to_look(workspace(1)).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_counts_what_keys_gain_keeps_nobody_from_making_keys_of_another_workspace() {
        // S10, T1
        let turns = Locks::default();
        let counting = (turns.under_policy().await, turns.to_count(workspace(1)).await);
        assert!(turns.to_make(workspace(1)).now_or_never().is_none());
        let other = (turns.under_policy().now_or_never(), turns.to_make(workspace(2)).now_or_never());
        assert!(other.0.is_some() && other.1.is_some());
        assert!(turns.to_count(workspace(2)).now_or_never().is_none(), "a key of it is being made");
        drop((counting, other));
        assert!(turns.to_make(workspace(1)).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_change_of_many_keys_keeps_none_of_another_workspace_waiting() {
        // V1, T1
        let turns = Locks::default();
        let all = turns.of_all(workspace(1)).await;
        assert!(turns.of(workspace(1), key(1)).now_or_never().is_none());
        let other = turns.of(workspace(2), key(1)).now_or_never();
        assert!(other.is_some());
        assert!(
            turns.of(workspace(2), key(1)).now_or_never().is_none(),
            "one key is changed by one at a time"
        );
        assert!(turns.of(workspace(2), key(2)).now_or_never().is_some());
        assert!(turns.of_all(workspace(2)).now_or_never().is_none(), "a key of it is being changed");
        drop((all, other));
        assert!(turns.of_all(workspace(2)).now_or_never().is_some());
        assert!(turns.of(workspace(1), key(1)).now_or_never().is_some());
    }
}
