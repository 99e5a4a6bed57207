//! Last use: noted without a write per Check, kept to the minute.
//!
//! A key's first use in a minute goes into a bounded queue; a task writes what has come once a second. When the queue
//! is full, nothing is lost but time: the next use is news again.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, watch};

use crate::{
    domain::time::Timestamp,
    index::Found,
    ports::{KeyStore, LastUse, StoreError},
};

const QUEUE: usize = 65_536;
const BATCH: usize = 4_096;
const WRITE_EVERY: Duration = Duration::from_secs(1);
const MINUTE_MS: i64 = 60_000;

/// Takes note of uses.
#[derive(Clone)]
pub struct Uses {
    noted: mpsc::Sender<LastUse>,
    /// Dropped with the last of these, which ends the writer's pause.
    _alive: Arc<watch::Sender<()>>,
}

/// Writes what was noted.
pub struct UseWriter {
    noted: mpsc::Receiver<LastUse>,
    alive: watch::Receiver<()>,
    store: Arc<dyn KeyStore>,
}

/// A queue of uses and what empties it into `store`.
#[must_use]
pub fn queue(store: Arc<dyn KeyStore>) -> (Uses, UseWriter) {
    let (sender, noted) = mpsc::channel(QUEUE);
    let (alive_sender, alive) = watch::channel(());
    (Uses { noted: sender, _alive: Arc::new(alive_sender) }, UseWriter { noted, alive, store })
}

impl Uses {
    /// Notes that the key was used at `now`.
    pub fn note(&self, found: &Found, now: Timestamp) {
        let Ok(minute) = Timestamp::from_ms(now.as_ms().div_euclid(MINUTE_MS) * MINUTE_MS) else { return };
        if found.use_is_news(minute)
            && self.noted.try_send(LastUse { key: found.key().id, time: minute }).is_err()
        {
            found.forget_use();
        }
    }
}

impl UseWriter {
    /// Writes until every [`Uses`] is dropped and the queue is empty.
    pub async fn run(mut self) {
        let mut batch = Vec::new();
        while self.noted.recv_many(&mut batch, BATCH).await > 0 {
            let uses = std::mem::take(&mut batch);
            match self.store.note_uses(uses).await {
                Ok(()) => {}
                Err(
                    error @ (StoreError::Unavailable(_)
                    | StoreError::Conflict
                    | StoreError::RequestUsed { .. }
                    | StoreError::OutcomeUnknown(_)
                    | StoreError::Corrupt(_)
                    | StoreError::TooOld),
                ) => tracing::warn!(%error, "last uses could not be written"),
            }
            let _paused_or_closed = tokio::time::timeout(WRITE_EVERY, self.alive.changed()).await;
        }
    }
}
