//! Changes of one key take turns, in the order in which they came: none is starved by others, a revocation least of all.

use tokio::sync::{Mutex, MutexGuard};

use crate::domain::id::KeyId;

const STRIPES: usize = 256;

/// Who may change which key now. Keys share turns by a part of their id.
pub(super) struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..STRIPES).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    /// Waits for the turn of a change of this key; it is over when the guard is dropped.
    pub(super) async fn of(&self, key: KeyId) -> Option<MutexGuard<'_, ()>> {
        match self.0.get(key.stripe(self.0.len())) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        }
    }
}
