//! Follows the log into the index, in this process as in a replica: truth becomes memory on this road alone.

use std::{panic::resume_unwind, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use crate::{
    index::Index,
    ports::{KeyStore, StoreError, View},
    yielding::Yielding,
};

/// How long to wait before a store that could not be read is read again.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How many keys of one change are taken over before others who need the view's writing side have it.
const AT_ONCE: usize = 8;

/// Takes what the store has into the index.
pub struct Follower {
    store: Arc<dyn KeyStore>,
    index: Arc<Index>,
    background: Handle,
}

impl Follower {
    /// Follows `store` into `index`; what concerns very many keys is taken over in the `background`.
    #[must_use]
    pub const fn new(store: Arc<dyn KeyStore>, index: Arc<Index>, background: Handle) -> Self {
        Self { store, index, background }
    }

    /// Takes over everything that is stored.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn load(&self) -> Result<(), StoreError> {
        let view = self.store.load().await?;
        self.take(view).await
    }

    /// Takes over change after change, for ever.
    ///
    /// # Errors
    /// The store is gone, or contradicts itself: without it the view would grow old unnoticed, so that the process
    /// must end.
    pub async fn run(self) -> Result<(), StoreError> {
        let mut revisions = self.store.revisions();
        loop {
            let head = *revisions.borrow_and_update();
            if head > self.index.revision() {
                self.catch_up().await?;
            } else if revisions.changed().await.is_err() {
                return Err(StoreError::Unavailable("the store was closed".to_owned()));
            }
        }
    }

    /// Takes a view over: rows at once, changes of many keys, and what a member or a workspace is to its keys, in the
    /// background, so that no Check waits for a core that they keep busy. The view's revision comes last: whoever waits for it
    /// sees all of it.
    async fn take(&self, mut view: View) -> Result<(), StoreError> {
        let (groups, revision) = (std::mem::take(&mut view.groups), view.revision.take());
        let touched = self.index.apply_rows(view);
        if groups.is_empty() && touched.len() <= AT_ONCE {
            self.index.refresh(&touched);
        } else {
            let index = Arc::clone(&self.index);
            let applied = self.background.spawn(async move {
                let mut yielding = Yielding::with_pauses();
                for keys in touched.chunks(AT_ONCE) {
                    index.refresh(keys);
                    yielding.step();
                }
                for change in &groups {
                    for keys in change.keys.chunks(AT_ONCE) {
                        index.apply_group(change, keys);
                        yielding.step();
                    }
                }
            });
            applied.await.map_err(|ended| match ended.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_cancelled) => StoreError::Unavailable("Keyward is stopping".to_owned()),
            })?;
        }
        self.index.arrive(revision);
        Ok(())
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        match self.store.changes_after(self.index.revision()).await {
            Ok(view) => self.take(view).await,
            Err(StoreError::TooOld) => self.load().await,
            Err(StoreError::Unavailable(why)) => {
                tracing::warn!(why, "the store cannot be read; trying again");
                tokio::time::sleep(RETRY_AFTER).await;
                Ok(())
            }
            Err(
                error @ (StoreError::Conflict
                | StoreError::RequestUsed { .. }
                | StoreError::GroupDone { .. }
                | StoreError::Sealed(_)
                | StoreError::WrittenByOthers
                | StoreError::OutcomeUnknown(_)
                | StoreError::ZoneMissing { .. }
                | StoreError::Corrupt(_)),
            ) => Err(error),
        }
    }
}
