//! Changes of one key take turns, in the order in which they came: none is starved by others, a revocation least of all.
//! A new policy takes its turn alone among those who make keys and workspaces.

use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit};

use crate::domain::id::KeyId;

const STRIPES: usize = 256;

/// Imports at once: a quarter of the changes that may wait are theirs at most.
const IMPORTS: usize = 4;

/// Who may change what now.
pub(super) struct Turns {
    /// Keys share turns by a part of their id.
    keys: Vec<Mutex<()>>,
    /// Taken before all of those by who changes many keys: they queue here, and a key's own change waits for one of them.
    all: Mutex<()>,
    /// Shared by those who make something under a policy, from judging to committing.
    policy: RwLock<()>,
    /// Taken by who looks at all keys of all workspaces, and changes none.
    look: Mutex<()>,
    /// Taken by few imports at once.
    imports: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            keys: (0..STRIPES).map(|_| Mutex::default()).collect(),
            all: Mutex::default(),
            policy: RwLock::default(),
            look: Mutex::default(),
            imports: Semaphore::new(IMPORTS),
        }
    }
}

impl Turns {
    /// Waits for the turn of a change of this key; it is over when the guard is dropped.
    pub(super) async fn of(&self, key: KeyId) -> Option<MutexGuard<'_, ()>> {
        match self.keys.get(key.stripe(self.keys.len())) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        }
    }

    /// Waits for the turns of all keys: until the guards are dropped, nobody else changes one. Always taken in the same order,
    /// and nobody who waits here holds another.
    pub(super) async fn of_all(&self) -> Vec<MutexGuard<'_, ()>> {
        let mut turns = vec![self.all.lock().await];
        for turn in &self.keys {
            turns.push(turn.lock().await);
        }
        turns
    }

    /// Waits for the turn of a look at all keys, one at a time. Nobody who looks waits for anything else.
    pub(super) async fn to_look(&self) -> MutexGuard<'_, ()> {
        self.look.lock().await
    }

    /// Waits for the turn of an import: many at once would fill the queue of changes, and others, a revocation for one, find
    /// no place in it. Taken before all other turns, so that no policy waits for more than a few of them.
    pub(super) async fn of_import(&self) -> Option<SemaphorePermit<'_>> {
        self.imports.acquire().await.ok()
    }

    /// Waits until something may be made: the policy stays the same until the guard is dropped.
    pub(super) async fn under_policy(&self) -> RwLockReadGuard<'_, ()> {
        self.policy.read().await
    }

    /// Waits for the turn of a new policy: until the guard is dropped nothing is made, so that what was not in use stays
    /// out of use.
    pub(super) async fn over_policy(&self) -> RwLockWriteGuard<'_, ()> {
        self.policy.write().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_looks_at_all_keys_at_a_time_and_keeps_no_change_waiting() {
        // V1
        let turns = Turns::default();
        let first = turns.to_look().await;
        assert!(turns.to_look().now_or_never().is_none());
        let _others = turns.of_all().await;
        assert!(turns.over_policy().now_or_never().is_some());
        drop(first);
        assert!(turns.to_look().now_or_never().is_some());
    }
}
