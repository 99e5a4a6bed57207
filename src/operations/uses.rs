//! Last use: one store to memory a Check, written once a minute for the keys that were used, kept to the minute.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    domain::time::{Timestamp, TrustedClock},
    index::Index,
    ports::{KeyStore, Note},
};

const WRITE_EVERY: Duration = Duration::from_secs(60);
/// Uses in one write: a change that comes meanwhile waits for no more than these.
const BATCH: usize = 1_024;
const MINUTE_MS: i64 = 60_000;

/// The start of the minute that `time` is in.
pub(super) fn minute_of(time: Timestamp) -> Timestamp {
    Timestamp::from_ms(time.as_ms().div_euclid(MINUTE_MS) * MINUTE_MS).unwrap_or(time)
}

/// Writes what the index has noted.
pub struct UseWriter {
    store: Arc<dyn KeyStore>,
    index: Arc<Index>,
    clock: Arc<TrustedClock>,
    /// What was used before this minute is written.
    written_before: Timestamp,
}

impl UseWriter {
    /// Writes the uses that `index` notes from now on into `store`.
    #[must_use]
    pub fn new(store: Arc<dyn KeyStore>, index: Arc<Index>, clock: Arc<TrustedClock>) -> Self {
        let written_before = minute_of(clock.now());
        Self { store, index, clock, written_before }
    }

    /// Writes each minute once it is over, until `stop` says true or is gone; then all that is left.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let stopped = tokio::time::timeout(WRITE_EVERY, stop.wait_for(|stop| *stop)).await.is_ok();
            let minute = minute_of(self.clock.now());
            let before = if stopped { minute.saturating_add(WRITE_EVERY) } else { minute };
            self.write(before).await;
            if stopped {
                return;
            }
        }
    }

    async fn write(&mut self, before: Timestamp) {
        let uses = self.index.uses_between(self.written_before, before);
        for batch in uses.chunks(BATCH) {
            if let Err(error) = self.store.note(batch.iter().copied().map(Note::LastUse).collect()).await {
                tracing::warn!(%error, "last uses could not be written; they are tried again a minute later");
                return;
            }
        }
        self.written_before = self.written_before.max(before);
    }
}
