//! Last uses: noted in memory by a Check, written once a minute for the secrets that were used, kept to the minute.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    changes::Changes,
    domain::id::KeyId,
    error::OperationError,
    index::Index,
    ports::{KeyStore, LastUse, Note},
};

const WRITE_EVERY: Duration = Duration::from_secs(60);
/// Uses in one write: a change that comes meanwhile waits for no more than these.
const BATCH: usize = 16_384;
/// Uses that are taken from memory at once, some 20 MiB: to look for them goes through all keys.
const TAKEN_AT_ONCE: usize = 1 << 18;

impl Changes {
    /// The last uses of these keys, those of each newest first: as they are stored, and what is not written yet.
    pub(in crate::changes) async fn last_uses(
        &self,
        keys: Vec<KeyId>,
    ) -> Result<HashMap<KeyId, Vec<LastUse>>, OperationError> {
        let noted: Vec<_> =
            keys.iter().filter_map(|key| self.index.by_id(*key)).map(|found| found.uses()).collect();
        let mut uses: HashMap<KeyId, Vec<LastUse>> = HashMap::new();
        for last in self.store.last_uses(keys).await?.into_iter().chain(noted.into_iter().flatten()) {
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
    /// What was taken from the index and is not written.
    unwritten: Vec<LastUse>,
}

impl UseWriter {
    /// Writes the uses that `index` notes into `store`.
    #[must_use]
    pub const fn new(store: Arc<dyn KeyStore>, index: Arc<Index>) -> Self {
        Self { store, index, unwritten: Vec::new() }
    }

    /// Writes each minute what is news, until `stop` says true or is gone; then all that is left.
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
            while !self.unwritten.is_empty() {
                let batch = self.unwritten.split_off(self.unwritten.len().saturating_sub(BATCH));
                if let Err(error) = self.store.note(batch.iter().copied().map(Note::LastUse).collect()).await
                {
                    tracing::warn!(%error, "last uses could not be written; they are tried again a minute later");
                    self.unwritten.extend(batch);
                    return;
                }
            }
            self.unwritten = self.index.take_uses(TAKEN_AT_ONCE);
            if self.unwritten.is_empty() {
                return;
            }
        }
    }
}
