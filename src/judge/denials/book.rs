//! Denials of Checks and of administration, counted in memory until they are written (A4, A6).
//!
//! Each thread notes what it denied in a shard of its own: cores share no line of cache, and a shard's lock is waited for only while
//! the shard is being emptied. What is noted is bounded, whatever is sent: sums are exact, and of names there are only so many.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::domain::{
    denial_sums::{DenialNames, DenialSeen, DenialTotals, MOST_NAMES_OF_THREAD},
    time::Timestamp,
    usage::{MINUTES_AN_HOUR, minute_of},
};

const SHARDS: usize = 64;

/// So many are noted before they are summed up: to note one costs no look at what came before.
const UNSUMMED: usize = 512;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Which shard is this thread's; more threads than shards share.
    static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
}

/// What was denied and is not yet taken out.
pub struct DenialBook {
    shards: Box<[DenialShard]>,
}

/// What one thread denied, on lines of cache of its own.
#[derive(Default)]
#[repr(align(128))]
struct DenialShard(Mutex<DeniedByThread>);

/// Written by the thread whose shard it is, emptied by the ledger that writes it.
#[derive(Default)]
struct DeniedByThread {
    /// Each with its minute.
    unsummed: Vec<(u32, DenialSeen)>,
    summed: DenialsTaken,
}

/// What was taken out.
#[derive(Debug, Default)]
pub(crate) struct DenialsTaken {
    /// By the minute.
    pub(crate) totals: BTreeMap<u32, DenialTotals>,
    /// By the first minute of the hour.
    pub(crate) names: BTreeMap<u32, DenialNames>,
}

impl Default for DenialBook {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| DenialShard::default()).collect() }
    }
}

impl DenialBook {
    /// Notes a denial.
    pub(crate) fn note(&self, now: Timestamp, seen: DenialSeen) {
        if let Some(shard) = self.shards.get(SHARD.with(|shard| *shard)) {
            shard.lock().note(minute_of(now), seen);
        }
    }

    /// Takes out what was noted, and hands over what each thread had.
    pub(crate) fn drain(&self, mut to: impl FnMut(DenialsTaken)) {
        for shard in &self.shards {
            let DeniedByThread { unsummed, mut summed } = mem::take(&mut *shard.lock());
            summed.sum_up(unsummed);
            if !summed.totals.is_empty() {
                to(summed);
            }
        }
    }
}

impl DenialShard {
    fn lock(&self) -> MutexGuard<'_, DeniedByThread> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeniedByThread {
    fn note(&mut self, minute: u32, seen: DenialSeen) {
        self.unsummed.push((minute, seen));
        if self.unsummed.len() >= UNSUMMED {
            let unsummed = mem::take(&mut self.unsummed);
            self.summed.sum_up(unsummed);
        }
    }
}

impl DenialsTaken {
    fn sum_up(&mut self, unsummed: Vec<(u32, DenialSeen)>) {
        for (minute, seen) in unsummed {
            let totals = self.totals.entry(minute).or_default();
            let count = totals.entry(seen.label.clone()).or_default();
            *count = count.saturating_add(1);
            let hour = minute.saturating_sub(minute % MINUTES_AN_HOUR);
            self.names.entry(hour).or_insert_with(|| DenialNames::of(MOST_NAMES_OF_THREAD)).count(seen);
        }
    }
}
