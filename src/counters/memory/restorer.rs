//! Takes what the process before has kept into memory, in the background: a start waits for none of it, and a Check for its own
//! part alone.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::{giving::sorted, news::News, parts::KeptParts, slot::MemorySlot};
use crate::{
    domain::{
        limit::{LimitIds, Sheet},
        time::Now,
    },
    index::Index,
    ports::{CountName, CountSink, GiveBack, PackedCounts, Payer, Permits, ReplicaId, StoreError},
};

/// How long after a failure it is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Takes counts in as they are read.
pub(super) struct Restorer {
    index: Arc<Index>,
    ids: Arc<LimitIds>,
    /// Whether the process before stopped in order.
    in_order: bool,
    /// When this one began.
    started: Now,
    /// Where it did not, what may have been used counts as used, which is to be written.
    news: Arc<News>,
    taken: Mutex<Taken>,
}

/// What came of the counts that were read, beside those that are in memory now.
#[derive(Default)]
struct Taken {
    /// Of windows that are over.
    over: Vec<GiveBack>,
    /// How many were read in this step.
    read: usize,
    /// Of those whom the index does not know, such as a key whose rows are damaged: they stay as they are.
    strays: Vec<Stray>,
}

struct Stray {
    payer: String,
    limit: Arc<str>,
    sheet: Sheet,
}

impl Restorer {
    pub(super) fn new(index: Arc<Index>, in_order: bool, started: Now, news: Arc<News>) -> Self {
        let ids = index.limit_ids();
        Self { index, ids, in_order, started, news, taken: Mutex::default() }
    }

    /// Reads part after part until all are read.
    pub(super) async fn run(
        self: Arc<Self>,
        (permits, replica): (Arc<dyn Permits>, ReplicaId),
        parts: Arc<KeptParts>,
        written: Arc<watch::Sender<u64>>,
    ) {
        let mut failing = false;
        while let Err(error) = self.read(&*permits, replica, (&parts, &written), &mut failing).await {
            if !failing {
                tracing::error!(
                    %error,
                    "what was counted before the start cannot be read: keys that it is of are COUNTS_UNWRITTEN"
                );
            }
            failing = true;
            parts.failed();
            tokio::select! {
                () = tokio::time::sleep(AGAIN_AFTER) => {}
                () = parts.wanted() => tokio::time::sleep(AGAIN_AFTER / 10).await,
            }
        }
    }

    async fn read(
        self: &Arc<Self>,
        permits: &dyn Permits,
        replica: ReplicaId,
        (parts, written): (&KeptParts, &watch::Sender<u64>),
        failing: &mut bool,
    ) -> Result<(), StoreError> {
        let kept = permits.kept(replica).await?;
        loop {
            let next = parts.next();
            if next.is_empty() {
                return Ok(());
            }
            let sink: Arc<dyn CountSink> = Arc::<Self>::clone(self);
            kept.show(next.clone(), sink).await?;
            *failing = false;
            // Before anybody is charged: a new window of the same count would go with it.
            self.give_back(permits, replica).await;
            parts.took(&next, std::mem::take(&mut self.lock().read));
            written.send_modify(|written| *written = written.wrapping_add(1));
            parts.told();
        }
    }

    async fn give_back(&self, permits: &dyn Permits, replica: ReplicaId) {
        let over = std::mem::take(&mut self.lock().over);
        if !over.is_empty()
            && let Err(error) = permits.give_back(replica, sorted(over)).await
        {
            // They are of windows that are over: they do no harm, and a stop in order drops them.
            tracing::debug!(%error, "counts of windows that are over could not be dropped");
        }
    }

    /// Adds the counts of those whom the index does not know to what is kept for the process that comes after, where they are not
    /// there as they are.
    pub(super) fn keep_strays(&self, now: &Now, counts: &mut PackedCounts) {
        for Stray { payer, limit, sheet } in &mut self.lock().strays {
            sheet.sweep(now);
            for snapshot in sheet.take_news() {
                counts.push(&Payer::stored_under(payer), limit, &snapshot.state);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CountSink for Restorer {
    fn take(&self, payer: &Payer<'_>, limit: &str, state: &[u8]) {
        // The text is held until the count is there, so that its number stays its own.
        let (id, text) = self.ids.named(limit);
        let known = self.index.payer(payer);
        let slot = known.as_deref().and_then(MemorySlot::of);
        let restored = if let Some(slot) = slot {
            let mut sheet = slot.lock();
            let had_news = sheet.has_news();
            let restored = sheet.restore((id, limit), state, self.in_order, &self.started);
            if !had_news && sheet.has_news() {
                self.news.add(payer.keep());
            }
            restored
        } else {
            let mut sheet = Sheet::default();
            let restored = sheet.restore((id, limit), state, self.in_order, &self.started);
            let stray =
                restored.map(|()| Stray { payer: payer.to_string(), limit: Arc::clone(&text), sheet });
            self.lock().strays.extend(stray);
            restored
        };
        let mut taken = self.lock();
        taken.read = taken.read.saturating_add(1);
        if restored.is_none() {
            let count = CountName { payer: payer.to_string(), limit: limit.to_owned() };
            taken.over.push(GiveBack { count, state: None });
        }
    }
}
