//! Last uses: noted in memory by a Check, written each second for the secrets that were used, kept to the minute.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    changes::Changes,
    domain::id::KeyId,
    error::OperationError,
    index::Index,
    ports::{KeyStore, LastUse, Note},
};

/// A crash loses no more than the uses of this time.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Uses in one write: a change that comes meanwhile waits for no more than these.
const BATCH: usize = 16_384;

impl Changes {
    /// The last uses of these keys, those of each newest first: as they are stored, and what is not written yet.
    pub(in crate::changes) async fn last_uses(
        &self,
        keys: Vec<KeyId>,
    ) -> Result<HashMap<KeyId, Vec<LastUse>>, OperationError> {
        // Before the store is read: what is written in between is seen twice, and not never.
        let noted = self.index.noted_uses(&keys.iter().copied().collect());
        let mut uses: HashMap<KeyId, Vec<LastUse>> = HashMap::new();
        for last in self.store.last_uses(keys).await?.into_iter().chain(noted) {
            let known = uses.entry(last.key).or_default();
            match known.iter_mut().find(|known| LastUse { time: last.time, ..**known } == last) {
                Some(same) => same.time = same.time.max(last.time),
                None => known.push(last),
            }
        }
        for of_key in uses.values_mut() {
            of_key.sort_by_key(|last| std::cmp::Reverse(last.time));
        }
        Ok(uses)
    }
}

/// Writes what the index has noted.
pub struct UseWriter {
    store: Arc<dyn KeyStore>,
    index: Arc<Index>,
    /// Whether the last write failed.
    failing: bool,
}

impl UseWriter {
    /// Writes the uses that `index` notes into `store`.
    #[must_use]
    pub const fn new(store: Arc<dyn KeyStore>, index: Arc<Index>) -> Self {
        Self { store, index, failing: false }
    }

    /// Writes each second what is news, until `stop` says true or is gone; then all that is left.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let stopped = tokio::time::timeout(WRITE_EVERY, stop.wait_for(|stop| *stop)).await.is_ok();
            self.write().await;
            if stopped {
                return;
            }
        }
    }

    async fn write(&mut self) {
        loop {
            let batch = self.index.unwritten_uses(BATCH);
            if batch.is_empty() {
                return;
            }
            let count = batch.len();
            if let Err(error) = self.store.note(batch.into_iter().map(Note::LastUse).collect()).await {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "last uses could not be written; they are kept, and tried again each second");
                }
                return;
            }
            self.failing = false;
            self.index.wrote_uses(count);
        }
    }
}
