//! A moment in which no key is being changed: for a change of roots, under which every hash gets another layer.

use tokio::sync::RwLockWriteGuard;

use crate::{changes::Changes, ports::StoreError};

impl Changes {
    /// Waits until no key is being changed, and memory has all that was changed before; until the guard is dropped, changes of keys
    /// wait. Checks do not.
    ///
    /// # Errors
    /// The store takes no change now.
    pub async fn stand_still(&self) -> Result<RwLockWriteGuard<'_, ()>, StoreError> {
        let turn = self.locks.over_roots().await;
        // Behind everything that is on its way to the store, also where who asked for it has gone.
        self.store.note(Vec::new()).await?;
        let head = *self.store.revisions().borrow();
        let reached = self.index.reached(head).await;
        reached.map_err(|_stopped| StoreError::Unavailable("Keyward is stopping".to_owned()))?;
        Ok(turn)
    }
}
