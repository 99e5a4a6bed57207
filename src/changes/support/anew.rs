//! A store that takes no change because one could not be written is tried again, for as long as that lasts.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};

use crate::{changes::Changes, ports::Taking};

/// How long to wait before it is tried the first time; twice as long before each other time, as long as nothing is written in
/// between.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// How long at most.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Changes {
    /// Opens the store anew whenever it takes no change, and writes what could not be written, until `stop` says true or is gone;
    /// then once more, see [`Self::write_denied`].
    pub async fn tend_store(self: Arc<Self>, stop: watch::Receiver<bool>) {
        tokio::join!(self.open_store_anew(stop.clone()), Arc::clone(&self).write_denied(stop));
    }

    async fn open_store_anew(&self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            _stop = stop.wait_for(|stop| *stop) => {}
            () = self.try_store() => {}
        }
    }

    /// For ever, or until the store is gone.
    async fn try_store(&self) {
        let (mut taking, revisions) = (self.store.taking(), self.store.revisions());
        let (mut wait, mut tried_at, mut tries) = (FIRST_WAIT, None, 0_u64);
        while taking.wait_for(|taking| *taking == Taking::Nothing).await.is_ok() {
            let head = *revisions.borrow();
            if tried_at.replace(head) != Some(head) {
                wait = FIRST_WAIT;
            }
            sleep(wait).await;
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            // In earnest that is told by who seals it.
            if let Err(error) = self.store.open_anew().await {
                tries = tries.saturating_add(1);
                tracing::debug!(%error, tries, "the store is still sealed");
            }
        }
    }
}
