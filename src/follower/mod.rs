//! Follows the log into the index, in this process as in a replica: truth becomes memory on this road alone.

use std::{
    panic::resume_unwind,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::runtime::Handle;

use crate::{
    domain::{group::GroupChange, id::KeyId},
    index::Index,
    ports::{Freshness, KeyStore, StoreError, View, ViewSink},
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
        let freshness = self.store.freshness();
        let loading = Arc::new(Loading::into(&self.index));
        let revision = self.store.load(Arc::<Loading>::clone(&loading)).await?;
        self.refresh(loading.touched(), Vec::new()).await?;
        self.index.arrive(Some(revision));
        self.hold(*freshness.borrow());
        Ok(())
    }

    /// Takes over change after change, for ever. While the store cannot be reached, it is asked again and again: how old the
    /// view may grow meanwhile, the lease says.
    ///
    /// # Errors
    /// The store is gone, or contradicts itself: without it the view would grow old unnoticed, so that the process
    /// must end.
    pub async fn run(self) -> Result<(), StoreError> {
        let (mut revisions, mut freshness) = (self.store.revisions(), self.store.freshness());
        loop {
            self.hold(*freshness.borrow_and_update());
            let head = *revisions.borrow_and_update();
            if head > self.index.revision() {
                self.catch_up().await?;
                continue;
            }
            tokio::select! {
                changed = revisions.changed() => if changed.is_err() {
                    return Err(StoreError::Unavailable("the store was closed".to_owned()));
                },
                // Where the lease is for ever, nothing more is ever said of it.
                Ok(()) = freshness.changed() => {}
            }
        }
    }

    /// Gives the view the lease that it has reached. One that it has not reached changes nothing: it keeps the one before.
    fn hold(&self, freshness: Freshness) {
        if self.index.revision() >= freshness.revision {
            self.index.hold(freshness.valid_until);
        }
    }

    /// Takes a view over: rows at once, changes of many keys, and what a member or a workspace is to its keys, in the
    /// background, so that no Check waits for a core that they keep busy. The view's revision comes last: a caller who waits
    /// for it sees all of it.
    async fn take(&self, mut view: View) -> Result<(), StoreError> {
        let (groups, revision) = (std::mem::take(&mut view.groups), view.revision.take());
        let touched = self.index.apply_rows(view);
        self.refresh(touched, groups).await?;
        self.index.arrive(revision);
        Ok(())
    }

    /// Takes over what rows changed for other keys, and what came to many keys at once.
    async fn refresh(&self, touched: Vec<KeyId>, groups: Vec<GroupChange>) -> Result<(), StoreError> {
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
        Ok(())
    }

    /// Takes over what is new, or waits a little where the store may answer the next time.
    async fn catch_up(&self) -> Result<(), StoreError> {
        let caught_up = match self.store.changes_after(self.index.revision()).await {
            Ok(view) => self.take(view).await,
            Err(StoreError::TooOld) => self.load().await,
            // Its readers are busy, for example.
            Err(StoreError::Unavailable(why)) => {
                return rest("the store cannot be read; trying again", &why).await;
            }
            Err(error) => Err(error),
        };
        match caught_up {
            Err(StoreError::Unreachable(why)) => {
                rest("the store cannot be reached; trying again", &why).await
            }
            Ok(()) => Ok(()),
            // What a failover makes ordinary is above; these would leave a view that grows old unnoticed.
            Err(
                error @ (StoreError::Conflict
                | StoreError::RequestUsed { .. }
                | StoreError::GroupDone { .. }
                | StoreError::Unavailable(_)
                | StoreError::Sealed(_)
                | StoreError::WrittenByOthers(_)
                | StoreError::OutcomeUnknown(_)
                | StoreError::ZoneMissing { .. }
                | StoreError::TooOld
                | StoreError::Corrupt(_)),
            ) => Err(error),
        }
    }
}

/// Takes what is stored into the index as it comes. The index has no revision of it until all of it is there.
struct Loading {
    index: Arc<Index>,
    /// Keys that were there before, and for which rows that came later change something.
    touched: Mutex<Vec<KeyId>>,
}

impl Loading {
    fn into(index: &Arc<Index>) -> Self {
        Self { index: Arc::clone(index), touched: Mutex::default() }
    }

    fn touched(&self) -> Vec<KeyId> {
        std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ViewSink for Loading {
    fn take(&self, part: View) {
        let touched = self.index.apply_rows(part);
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).extend(touched);
    }

    fn expect(&self, keys: usize) {
        self.index.expect(keys);
    }

    /// Rows that come again take the place of those that are there, and what cannot be trusted goes.
    fn begin_anew(&self) {}
}

/// Waits before the store is read again.
async fn rest(message: &'static str, why: &str) -> Result<(), StoreError> {
    tracing::warn!(why, "{message}");
    tokio::time::sleep(RETRY_AFTER).await;
    Ok(())
}

#[cfg(test)]
mod tests;
