//! The cells of each thread, and their sums.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    durations::{DurationCells, Durations},
    names::LIMITS,
    series::SERIES,
};
use crate::judge::question::{DOORS, Door};

/// Threads beyond these share one, and count no less for that.
const SHARDS: usize = 64;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Which shard is this thread's, and no other's as long as the process lives.
    static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// The cells of all threads; those of a thread are made when it counts first.
pub(super) struct TallyCells {
    shards: [OnceLock<Box<ThreadCells>>; SHARDS],
    /// Of threads that came when every shard had its own.
    rest: ThreadCells,
}

/// One thread's cells, on lines of cache of their own.
#[repr(align(128))]
pub(super) struct ThreadCells {
    /// Whether one thread alone writes them.
    is_own: bool,
    decisions: Box<[AtomicU64]>,
    refusals: Box<[AtomicU64]>,
    undecided: [AtomicU64; DOORS],
    durations: [DurationCells; DOORS],
    other: DurationCells,
}

impl ThreadCells {
    fn new(is_own: bool) -> Self {
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            is_own,
            decisions: zeros(SERIES),
            refusals: zeros(LIMITS + 1),
            undecided: Default::default(),
            durations: Default::default(),
            other: DurationCells::default(),
        }
    }
}

impl Default for TallyCells {
    fn default() -> Self {
        Self { shards: [const { OnceLock::new() }; SHARDS], rest: ThreadCells::new(false) }
    }
}

/// Adds to a cell. Where one thread alone writes it, no other core need be kept out meanwhile, which takes longest of all.
fn add(cell: &AtomicU64, count: u64, is_own: bool) {
    if is_own {
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    } else {
        cell.fetch_add(count, Ordering::Relaxed);
    }
}

impl ThreadCells {
    pub(super) fn decided(&self, series: usize) {
        self.add_one(&self.decisions, series);
    }

    pub(super) fn refused_by(&self, limit: usize) {
        self.add_one(&self.refusals, limit);
    }

    pub(super) fn undecided(&self, door: Door) {
        self.add_one(&self.undecided, door.place());
    }

    pub(super) fn took(&self, door: Door, time: Duration) {
        self.durations(door).add(time, |cell, count| add(cell, count, self.is_own));
    }

    fn add_one(&self, cells: &[AtomicU64], place: usize) {
        if let Some(cell) = cells.get(place) {
            add(cell, 1, self.is_own);
        }
    }

    fn durations(&self, door: Door) -> &DurationCells {
        self.durations.get(door.place()).unwrap_or(&self.other)
    }
}

impl TallyCells {
    pub(super) fn of_this_thread(&self) -> &ThreadCells {
        let shard = self.shards.get(SHARD.with(|shard| *shard));
        shard.map_or(&self.rest, |shard| shard.get_or_init(|| Box::new(ThreadCells::new(true))))
    }

    fn each(&self) -> impl Iterator<Item = &ThreadCells> {
        self.shards.iter().filter_map(OnceLock::get).map(Box::as_ref).chain([&self.rest])
    }

    fn sums(&self, count: usize, of: impl Fn(&ThreadCells) -> &[AtomicU64]) -> Vec<u64> {
        let mut sums = vec![0_u64; count];
        for thread in self.each() {
            for (sum, cell) in sums.iter_mut().zip(of(thread)) {
                *sum = sum.saturating_add(cell.load(Ordering::Relaxed));
            }
        }
        sums
    }

    /// One for each series.
    pub(super) fn decisions(&self) -> Vec<u64> {
        self.sums(SERIES, |thread| &thread.decisions)
    }

    /// One for each limit, and one for the others together.
    pub(super) fn refusals(&self) -> Vec<u64> {
        self.sums(LIMITS + 1, |thread| &thread.refusals)
    }

    pub(super) fn undecided(&self, door: Door) -> u64 {
        let sums = self.sums(DOORS, |thread| &thread.undecided);
        sums.get(door.place()).copied().unwrap_or_default()
    }

    pub(super) fn durations(&self, door: Door) -> Durations {
        let mut all = Durations::default();
        self.each().for_each(|thread| thread.durations(door).add_to(&mut all));
        all
    }
}
