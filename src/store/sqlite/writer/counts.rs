//! What the writing thread counts of its transactions, for metrics.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::ports::{COMMIT_BOUNDS, GROUP_BOUNDS, StoreFigures};

/// Written by the thread that writes, read by who shows it.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct WriterCounts {
    commits: AtomicU64,
    failures: AtomicU64,
    /// The last one is of those over every bound.
    groups: [AtomicU64; GROUP_BOUNDS.len() + 1],
    works: AtomicU64,
    times: [AtomicU64; COMMIT_BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl WriterCounts {
    /// Counts a transaction of so many works that is durable.
    pub(super) fn committed(&self, works: usize, took: Duration) {
        let (works, micros) = (as_u64(works), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        add(&self.commits, 1);
        put(&GROUP_BOUNDS, &self.groups, works);
        add(&self.works, works);
        put(&COMMIT_BOUNDS, &self.times, micros);
        add(&self.micros, micros);
    }

    /// Counts a transaction that failed.
    pub(super) fn failed(&self) {
        add(&self.failures, 1);
    }

    /// What was counted, and this queue.
    pub(in crate::store::sqlite) fn figures(&self, waiting: usize, capacity: usize) -> StoreFigures {
        let each = |cells: &[AtomicU64]| cells.iter().map(|cell| cell.load(Ordering::Relaxed)).collect();
        StoreFigures {
            commits: self.commits.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            groups: each(&self.groups),
            works: self.works.load(Ordering::Relaxed),
            times: each(&self.times),
            time: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
            waiting,
            capacity,
        }
    }
}

fn put(bounds: &[u64], buckets: &[AtomicU64], value: u64) {
    let place = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
    if let Some(bucket) = buckets.get(place) {
        add(bucket, 1);
    }
}

fn add(cell: &AtomicU64, count: u64) {
    cell.fetch_add(count, Ordering::Relaxed);
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
