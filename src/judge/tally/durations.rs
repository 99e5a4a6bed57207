//! How long calls took, in buckets.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The upper bounds of the buckets, in nanoseconds: from what a Check takes in memory to the longest deadline there is.
pub const BOUNDS: [u64; 17] = [
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    5_000_000_000,
];

/// One thread's counts.
#[derive(Debug, Default)]
pub(super) struct DurationCells {
    /// The last one is of those over every bound.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// How long calls took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many took no longer than each bound, and longer than the one before; those over every bound at the end.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

impl DurationCells {
    /// Counts one; `add` adds to a cell.
    pub(super) fn add(&self, time: Duration, add: impl Fn(&AtomicU64, u64)) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().position(|bound| nanos <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(place) {
            add(bucket, 1);
        }
        add(&self.nanos, nanos);
    }

    /// Adds these to those of other threads.
    pub(super) fn add_to(&self, all: &mut Durations) {
        for (all, mine) in all.buckets.iter_mut().zip(&self.buckets) {
            *all = all.saturating_add(mine.load(Ordering::Relaxed));
        }
        all.sum = all.sum.saturating_add(Duration::from_nanos(self.nanos.load(Ordering::Relaxed)));
    }
}
