//! Writes counts ahead of their use, one batch after the other, so that a later row is always of a later time.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
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

use super::slot::MemorySlot;
use crate::{
    domain::{
        limit::{LimitId, LimitIds, Snapshot},
        time::{Now, Steady, Timestamp, TrustedClock},
    },
    index::Index,
    ports::{KeyStore, Note, Slotted, StoreError, StoredCount, Taking},
};

/// Rows in one write: a change that comes meanwhile waits for no more than these.
pub(super) const BATCH: usize = 1_024;
/// How often what is over is dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often a write is tried while none succeeds.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What is logged while counts cannot be written.
pub(super) const IN_MEMORY_ONLY: &str =
    "counts cannot be written: they are kept in memory only, and a crash now may admit more than a limit";

/// Under which the start is stored of the last process that followed a crash. No subject is empty.
const UNCLEAN: (&str, &str) = ("", "unclean");

/// The start of the last process that followed a crash, where this is it.
pub(super) fn unclean_start(count: &StoredCount) -> Option<Now> {
    let state = count.state.as_ref().filter(|_| (&*count.subject, &*count.limit) == UNCLEAN)?;
    let (time, rest) = state.split_first_chunk()?;
    let time = Timestamp::from_ms(i64::from_le_bytes(*time)).ok()?;
    Some(Now { time, steady: Steady::from_ms(i64::from_le_bytes(rest.try_into().ok()?)) })
}

fn note_of_unclean_start(started: &Now) -> Note {
    let state = [started.time.as_ms().to_le_bytes(), started.steady.as_ms().to_le_bytes()].concat();
    Note::Count(StoredCount {
        subject: UNCLEAN.0.to_owned(),
        limit: UNCLEAN.1.to_owned(),
        state: Some(state),
    })
}

/// A write that somebody needs.
pub(super) struct Ask {
    pub(super) payer: Box<dyn Slotted>,
    pub(super) limit: LimitId,
    /// What it is stored under, so that its number stays its own until this is written.
    pub(super) text: Arc<str>,
    /// Units that may be used once it is written.
    pub(super) more: u64,
}

/// What the ledger is asked for.
pub(super) enum Job {
    Ask(Ask),
    /// Write every count of which nothing is written.
    Settle(oneshot::Sender<Result<(), StoreError>>),
    /// Write every count, and end.
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// A row of what is over.
struct Over {
    subject: Arc<str>,
    limit: Arc<str>,
}

/// What writes.
pub(super) struct Ledger {
    store: Arc<dyn KeyStore>,
    index: Arc<Index>,
    ids: Arc<LimitIds>,
    clock: Arc<TrustedClock>,
    /// See [`unclean_start`].
    unclean: Option<Now>,
    written: watch::Sender<u64>,
    degraded: Arc<AtomicBool>,
    /// Whether something may have been counted in memory only.
    behind: AtomicBool,
}

impl Ledger {
    pub(super) fn new(
        store: Arc<dyn KeyStore>,
        index: Arc<Index>,
        clock: Arc<TrustedClock>,
        unclean: Option<Now>,
        written: watch::Sender<u64>,
        degraded: Arc<AtomicBool>,
    ) -> Self {
        let ids = index.limit_ids();
        Self { store, index, ids, clock, unclean, written, degraded, behind: AtomicBool::new(false) }
    }

    /// Writes until it is told to close, or nobody can ask any more.
    pub(super) async fn run(self, mut jobs: mpsc::Receiver<Job>) -> Result<(), StoreError> {
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        let mut probe = tokio::time::interval(PROBE_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        let mut last_sweep = self.clock.read();
        let mut over = VecDeque::new();
        let mut taking = self.store.taking();
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
                taken = jobs.recv_many(&mut batch, BATCH) => if taken == 0 {
                    return Ok(());
                },
                // One batch at a time, and only while nobody waits for a write.
                () = ready(()), if !over.is_empty() => self.forget(&mut over).await,
            }
            let mut asks = Vec::new();
            for job in batch.drain(..) {
                match job {
                    Job::Ask(ask) => asks.push(ask),
                    Job::Settle(answer) => {
                        self.write(std::mem::take(&mut asks)).await;
                        let _gone = answer.send(self.write_as_it_is(false).await);
                    }
                    Job::Close(answer) => {
                        let closed = self.close().await;
                        let _gone = answer.send(closed.clone());
                        return closed;
                    }
                }
            }
            if !asks.is_empty() {
                self.write(asks).await;
            }
            self.catch_up().await;
        }
    }

    async fn write(&self, asks: Vec<Ask>) {
        let mut taken = Vec::with_capacity(asks.len());
        let mut notes = Vec::with_capacity(asks.len());
        for ask in one_each(asks) {
            // Gone where the window was over and swept meanwhile: whoever needs it asks again.
            let slot = MemorySlot::of(&*ask.payer);
            let Some(snapshot) = slot.and_then(|slot| slot.lock().snapshot(ask.limit, ask.more)) else {
                continue;
            };
            notes.extend(self.note(&*ask.payer, &snapshot));
            taken.push((ask.payer, snapshot));
        }
        let outcome = self.store.note(notes).await;
        self.heard(&outcome);
        wrote(&taken, outcome.is_ok());
        self.written.send_modify(|written| *written = written.wrapping_add(1));
    }

    fn note(&self, payer: &dyn Slotted, snapshot: &Snapshot) -> Option<Note> {
        let limit = self.ids.text(snapshot.id)?.to_string();
        Some(Note::Count(StoredCount {
            subject: payer.payer().to_string(),
            limit,
            state: Some(snapshot.state.clone()),
        }))
    }

    /// Takes note of whether the store takes anything.
    fn heard(&self, outcome: &Result<(), StoreError>) {
        match outcome {
            Ok(()) => {
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

    /// Writes what was counted in memory only, once something can be written again: nobody may use it ever after, and a
    /// crash must find it all the same.
    async fn catch_up(&self) {
        let written_again =
            !self.degraded.load(Ordering::Acquire) && self.behind.swap(false, Ordering::AcqRel);
        if written_again && self.write_as_it_is(false).await.is_err() {
            self.behind.store(true, Ordering::Release);
        }
    }

    async fn probe(&self) {
        let outcome = self.store.note(vec![Note::CountsComplete(false)]).await;
        self.heard(&outcome);
        self.written.send_modify(|written| *written = written.wrapping_add(1));
    }

    /// Drops what is over in memory, and what nobody uses any more: accounts of which nothing is counted, and numbers of limits.
    /// The rows of what is over are to be forgotten.
    fn sweep(&self, now: &Now, over: &mut VecDeque<Over>) {
        let mut unused = self.ids.idle();
        self.index.each_payer(|payer| {
            let Some(slot) = MemorySlot::of(payer) else { return };
            let mut sheet = slot.lock();
            let swept = sheet.sweep(now);
            sheet.ids().for_each(|counted| {
                unused.remove(&counted);
            });
            drop(sheet);
            if !swept.is_empty() {
                let subject: Arc<str> = payer.payer().text().into();
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
        let notes = batch.filter_map(|Over { subject, limit }| {
            let payer = self.index.payer(&subject)?;
            let slot = MemorySlot::of(&*payer)?;
            let begun_anew = self.ids.known(&limit).is_some_and(|limit| slot.lock().counts(limit));
            let (subject, limit) = (subject.to_string(), limit.to_string());
            (!begun_anew).then_some(Note::Count(StoredCount { subject, limit, state: None }))
        });
        if let Err(error) = self.store.note(notes.collect()).await {
            // The rows are of windows that are over: they do no harm, and the next start drops them.
            tracing::warn!(%error, "counts of windows that are over could not be dropped");
            over.clear();
        }
    }

    /// Writes every count, or those of which nothing is written.
    async fn write_as_it_is(&self, all: bool) -> Result<(), StoreError> {
        let mut payers = Vec::new();
        self.index.each_payer(|payer| {
            if MemorySlot::of(payer).is_some_and(|slot| slot.lock().as_it_is(all).next().is_some()) {
                payers.push(payer.payer().to_string());
            }
        });
        for batch in payers.chunks(BATCH) {
            let mut taken = Vec::new();
            let mut notes = Vec::new();
            for payer in batch.iter().filter_map(|subject| self.index.payer(subject)) {
                let Some(slot) = MemorySlot::of(&*payer) else { continue };
                let snapshots: Vec<_> = slot.lock().as_it_is(all).collect();
                for snapshot in snapshots {
                    notes.extend(self.note(&*payer, &snapshot));
                    taken.push((payer.keep(), snapshot));
                }
            }
            let outcome = self.store.note(notes).await;
            self.heard(&outcome);
            wrote(&taken, outcome.is_ok());
            outcome?;
        }
        Ok(())
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.write_as_it_is(true).await?;
        let mut last = vec![Note::CountsComplete(true)];
        last.extend(self.unclean.as_ref().map(note_of_unclean_start));
        self.store.note(last).await
    }
}

/// Tells each count what became of the write of its snapshot.
fn wrote(taken: &[(Box<dyn Slotted>, Snapshot)], done: bool) {
    for (payer, snapshot) in taken {
        if let Some(slot) = MemorySlot::of(&**payer) {
            slot.lock().wrote(snapshot, done);
        }
    }
}

/// One ask of each count, the greatest, in the order of payers and limits: of two rows of one count the second would stand,
/// and both be believed.
fn one_each(asks: Vec<Ask>) -> impl Iterator<Item = Ask> {
    let mut greatest: BTreeMap<_, Ask> = BTreeMap::new();
    for ask in asks {
        let count = (ask.payer.payer().to_string(), Arc::clone(&ask.text));
        match greatest.entry(count) {
            Entry::Vacant(place) => drop(place.insert(ask)),
            Entry::Occupied(mut known) => {
                let more = &mut known.get_mut().more;
                *more = ask.more.max(*more);
            }
        }
    }
    greatest.into_values()
}
