//! Writes counts ahead of their use, one batch after the other, so that a later row is always of a later time.

use std::{
    collections::{HashMap, VecDeque},
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::MissedTickBehavior,
};

use super::{
    giving::sorted, news::News, parts::KeptParts, replicas::KnownReplicas, restorer::Restorer,
    slot::MemorySlot,
};
use crate::{
    domain::{
        limit::{LimitId, LimitIds, Snapshot},
        time::{Now, TrustedClock},
    },
    index::Index,
    ports::{
        CountName, GiveBack, KeptPayer, PackedCounts, Payer, Permits, ReplicaId, StoreError, Take, Taking,
    },
};

/// Rows in one write: a change that comes meanwhile waits for no more than these.
pub(super) const BATCH: usize = 1_024;
/// How often counts are written as they are: what was charged since is what a stop has to write.
const KEEP_EVERY: Duration = Duration::from_secs(4);
/// Payers whose counts are written as they are in one write, less than a block.
const KEPT_AT_ONCE: usize = 8_192;
/// How often what is over is dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often a write is tried while none succeeds.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What is logged while counts cannot be written.
pub(super) const IN_MEMORY_ONLY: &str =
    "counts cannot be written: they are kept in memory only, and a crash now may admit more than a limit";

/// A write that a request needs.
pub(super) struct Ask {
    pub(super) payer: KeptPayer,
    pub(super) limit: LimitId,
    /// What it is stored under, so that its number stays its own until this is written.
    pub(super) text: Arc<str>,
    /// Units that may be used once it is written.
    pub(super) more: u64,
}

/// What the ledger is asked for.
pub(super) enum Job {
    Ask(Ask),
    /// Write every count that was never written.
    Settle(oneshot::Sender<Result<(), StoreError>>),
    /// Write every count, and end.
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// A snapshot that is being written.
struct InFlight {
    payer: KeptPayer,
    snapshot: Snapshot,
}

/// A row of what is over.
struct Over {
    subject: Arc<str>,
    limit: Arc<str>,
}

/// Who hears of writes.
pub(super) struct Hearers {
    pub(super) written: Arc<watch::Sender<u64>>,
    pub(super) degraded: Arc<AtomicBool>,
    pub(super) replicas: Arc<KnownReplicas>,
}

/// What writes.
pub(super) struct Ledger {
    permits: Arc<dyn Permits>,
    /// The replica that takes the permits.
    replica: ReplicaId,
    index: Arc<Index>,
    ids: Arc<LimitIds>,
    clock: Arc<TrustedClock>,
    /// When the last process started that followed a crash.
    unclean: Option<Now>,
    written: Arc<watch::Sender<u64>>,
    degraded: Arc<AtomicBool>,
    /// How many processes take of the permits, as was heard with each write.
    replicas: Arc<KnownReplicas>,
    /// What the process before has counted, as far as it is in memory, and what reads it.
    kept: (Arc<KeptParts>, Arc<Restorer>),
    /// Who was charged and is not written as they are.
    news: Arc<News>,
    /// Whether something may have been counted in memory only.
    behind: AtomicBool,
}

impl Ledger {
    pub(super) fn new(
        (permits, replica): (Arc<dyn Permits>, ReplicaId),
        index: Arc<Index>,
        clock: Arc<TrustedClock>,
        unclean: Option<Now>,
        told: Hearers,
        (parts, restorer, news): (Arc<KeptParts>, Arc<Restorer>, Arc<News>),
    ) -> Self {
        let (ids, kept) = (index.limit_ids(), (parts, restorer));
        let Hearers { written, degraded, replicas } = told;
        Self {
            permits,
            replica,
            index,
            ids,
            clock,
            unclean,
            written,
            degraded,
            replicas,
            kept,
            news,
            behind: AtomicBool::new(false),
        }
    }

    /// Writes until it is told to close, or every sender is gone.
    pub(super) async fn run(self, mut jobs: mpsc::Receiver<Job>) -> Result<(), StoreError> {
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        let mut probe = tokio::time::interval(PROBE_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        let mut last_sweep = self.clock.read();
        let mut keep = tokio::time::interval(KEEP_EVERY);
        keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut over, mut news) = (VecDeque::new(), Vec::new());
        let mut taking = self.permits.accepting();
        loop {
            tokio::select! {
                biased;
                // A store that takes nothing any more is told at once, and not when the next block is spent.
                Ok(()) = taking.changed() => if *taking.borrow_and_update() != Taking::Everything {
                    self.probe().await;
                },
                _tick = probe.tick(), if self.degraded.load(Ordering::Acquire) => self.probe().await,
                _tick = sweep.tick() => {
                    // What was over then: a request that read its time before a window was over may be charged only now.
                    self.sweep(&last_sweep, &mut over);
                    last_sweep = self.clock.read();
                }
                _tick = keep.tick(), if !self.degraded.load(Ordering::Acquire) => news.append(&mut self.news.take()),
                taken = jobs.recv_many(&mut batch, BATCH) => if taken == 0 {
                    return Ok(());
                },
                // One batch at a time, and only while no request waits for a write.
                () = ready(()), if !news.is_empty() => {
                    let _heard = self.keep_some(&mut news).await;
                }
                () = ready(()), if !over.is_empty() => self.forget(&mut over).await,
            }
            let mut asks = Vec::new();
            for job in batch.drain(..) {
                match job {
                    Job::Ask(ask) => asks.push(ask),
                    Job::Settle(answer) => {
                        self.write(std::mem::take(&mut asks)).await;
                        let _gone = answer.send(self.keep_all(&mut news).await);
                    }
                    Job::Close(answer) => {
                        let closed = self.close(&mut news).await;
                        let _gone = answer.send(closed.clone());
                        return closed;
                    }
                }
            }
            if !asks.is_empty() {
                self.write(asks).await;
            }
            self.catch_up(&mut news).await;
        }
    }

    async fn write(&self, asks: Vec<Ask>) {
        let mut list = Vec::with_capacity(asks.len());
        for ask in asks {
            // Gone where the window was over and swept meanwhile: a request that needs it asks again.
            let slotted = self.index.payer(&ask.payer.payer());
            let slot = slotted.as_deref().and_then(MemorySlot::of);
            let Some(snapshot) = slot.and_then(|slot| slot.lock().snapshot(ask.limit, ask.more)) else {
                continue;
            };
            let count = CountName { payer: ask.payer.payer().to_string(), limit: ask.text.to_string() };
            list.push((count, InFlight { payer: ask.payer, snapshot }));
        }
        let _heard = self.take(list).await;
        self.written.send_modify(|written| *written = written.wrapping_add(1));
    }

    /// Takes what these snapshots need, and tells each count what became of it. Of two rows of one count the second would stand,
    /// and both be believed: so it is one each, the one that reaches further.
    async fn take(&self, mut list: Vec<(CountName, InFlight)>) -> Result<(), StoreError> {
        list.sort_by(|(one, first), (other, second)| {
            one.cmp(other).then_with(|| second.snapshot.units().cmp(&first.snapshot.units()))
        });
        list.dedup_by(|(one, _), (other, _)| one == other);
        let takes = list.into_iter().map(|(count, mut pending)| {
            let state = std::mem::take(&mut pending.snapshot.state);
            (Take { count, state, units: pending.snapshot.units() }, pending)
        });
        let (takes, pending): (_, Vec<_>) = takes.unzip();
        let outcome = self.permits.take(self.replica, takes).await;
        self.heard(&outcome);
        let granted = outcome.as_deref().unwrap_or_default();
        for (place, InFlight { payer, snapshot }) in pending.into_iter().enumerate() {
            let slotted = self.index.payer(&payer.payer());
            if let Some(slot) = slotted.as_deref().and_then(MemorySlot::of) {
                let granted = granted.get(place).copied();
                slot.lock().wrote(&snapshot.granted(granted.unwrap_or_default()), granted.is_some());
            }
        }
        outcome.map(drop)
    }

    /// Takes note of whether the store takes anything, and of how many take.
    fn heard<T>(&self, outcome: &Result<T, StoreError>) {
        self.replicas.set(self.permits.replicas());
        match outcome {
            Ok(_) => {
                if self.degraded.swap(false, Ordering::AcqRel) {
                    tracing::info!("counts are written again");
                }
            }
            Err(error) => {
                self.behind.store(true, Ordering::Release);
                if !self.degraded.swap(true, Ordering::AcqRel) {
                    tracing::error!(%error, "{IN_MEMORY_ONLY}");
                }
            }
        }
    }

    /// Writes what was counted in memory only, once the store takes writes again: even if no request uses it ever after, a
    /// process after a crash must find it.
    async fn catch_up(&self, news: &mut Vec<KeptPayer>) {
        let written_again =
            !self.degraded.load(Ordering::Acquire) && self.behind.swap(false, Ordering::AcqRel);
        if written_again && self.keep_all(news).await.is_err() {
            self.behind.store(true, Ordering::Release);
        }
    }

    async fn probe(&self) {
        let outcome = self.permits.begin(self.replica).await;
        self.heard(&outcome);
        self.written.send_modify(|written| *written = written.wrapping_add(1));
    }

    /// Drops what is over in memory, and what is no longer used: accounts without a count, and numbers of limits.
    /// The rows of what is over are to be forgotten.
    fn sweep(&self, now: &Now, over: &mut VecDeque<Over>) {
        let mut unused = self.ids.idle();
        self.index.each_slot(|slot, whose| {
            let Some(slot) = MemorySlot::within(slot) else { return };
            let mut sheet = slot.lock();
            let swept = sheet.sweep(now);
            sheet.ids().for_each(|counted| {
                unused.remove(&counted);
            });
            drop(sheet);
            if let Some(kept) = whose().filter(|_| !swept.is_empty()) {
                let subject: Arc<str> = kept.payer().text().into();
                let limits = swept.into_iter().filter_map(|limit| self.ids.text(limit));
                over.extend(limits.map(|limit| Over { subject: Arc::clone(&subject), limit }));
            }
        });
        self.ids.free(unused);
        self.index.free_accounts(|payer| MemorySlot::of(payer).is_none_or(|slot| slot.lock().is_empty()));
    }

    /// Drops a batch of rows of what is over, but for what was begun anew: its row may be that of the new window.
    async fn forget(&self, over: &mut VecDeque<Over>) {
        let batch = over.drain(..over.len().min(BATCH));
        let list = batch.filter_map(|Over { subject, limit }| {
            let payer = self.index.payer(&Payer::stored_under(&subject))?;
            let slot = MemorySlot::of(&*payer)?;
            let begun_anew = self.ids.known(&limit).is_some_and(|limit| slot.lock().counts(limit));
            let count = CountName { payer: subject.to_string(), limit: limit.to_string() };
            (!begun_anew).then_some(GiveBack { count, state: None })
        });
        if let Err(error) = self.permits.give_back(self.replica, sorted(list.collect())).await {
            // The rows are of windows that are over: they do no harm, and the next start drops them.
            tracing::warn!(%error, "counts of windows that are over could not be dropped");
            over.clear();
        }
    }

    /// Writes the counts of some of those payers as they are.
    async fn keep_some(&self, news: &mut Vec<KeptPayer>) -> Result<(), StoreError> {
        let batch = news.split_off(news.len().saturating_sub(KEPT_AT_ONCE));
        if news.is_empty() {
            // Nothing of the room for many is kept.
            *news = Vec::new();
        }
        let (mut counts, mut pending) = (PackedCounts::default(), Vec::new());
        let mut texts = HashMap::new();
        for kept in &batch {
            let payer = kept.payer();
            let slotted = self.index.payer(&payer);
            let Some(slot) = slotted.as_deref().and_then(MemorySlot::of) else { continue };
            let mut sheet = slot.lock();
            for snapshot in sheet.take_news() {
                let text = texts.entry(snapshot.id).or_insert_with(|| self.ids.text(snapshot.id));
                let Some(limit) = text else { continue };
                counts.push(&payer, limit, &snapshot.state);
                pending.push((kept, snapshot));
            }
        }
        let outcome = self.permits.keep(self.replica, counts).await;
        self.heard(&outcome);
        for (kept, snapshot) in pending {
            let slotted = self.index.payer(&kept.payer());
            let Some(slot) = slotted.as_deref().and_then(MemorySlot::of) else { continue };
            let mut sheet = slot.lock();
            if outcome.is_ok() {
                sheet.noted(&snapshot);
            } else {
                sheet.renew();
            }
        }
        if outcome.is_err() {
            for payer in batch {
                self.news.add(payer);
            }
        }
        outcome
    }

    /// Writes every count as it is that is not written so.
    async fn keep_all(&self, news: &mut Vec<KeptPayer>) -> Result<(), StoreError> {
        news.append(&mut self.news.take());
        while !news.is_empty() {
            if let Err(error) = self.keep_some(news).await {
                news.drain(..).for_each(|payer| self.news.add(payer));
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes what is not written as it is, and says that every count is.
    async fn close(&self, news: &mut Vec<KeptPayer>) -> Result<(), StoreError> {
        let (parts, restorer) = &self.kept;
        if !parts.complete().await {
            // They stay as they are, and what may have been used of them counts as used.
            let why = "not all that was counted before the start could be read";
            return Err(StoreError::Unavailable(why.to_owned()));
        }
        self.keep_all(news).await?;
        let mut strays = PackedCounts::default();
        restorer.keep_strays(&self.clock.read(), &mut strays);
        if strays.size() > 0 {
            self.permits.keep(self.replica, strays).await?;
        }
        self.permits.end(self.replica, self.unclean).await
    }
}
