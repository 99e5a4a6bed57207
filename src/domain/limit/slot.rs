//! One count: what a subject has used of one limit, and how much more it may use before more is written.
//!
//! [`Slot::snapshot`] is what is written: what is used, and how much more may be used (its reach). After a crash all of the
//! reach counts as used; after a stop in order none of it does.

use super::{
    Bound, LimitId,
    bound::Shape,
    bucket::{Bucket, Flow},
    calendar,
    marks::Marks,
    measure::{Measure, Reading},
    rolling::Rolling,
    state::{bytes, words},
};
use crate::domain::time::Now;

/// A count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// Of a window of the calendar.
    Calendar {
        /// Of which limit.
        id: LimitId,
        /// What is known of its writing.
        marks: Marks,
        /// The first second of the next window.
        end: u64,
        /// Units used.
        used: u64,
        /// Units that may be used before more must be written.
        covered: u64,
    },
    /// Of a rolling window.
    Rolling {
        /// Of which limit.
        id: LimitId,
        /// What is known of its writing.
        marks: Marks,
        /// What is used.
        count: Box<Rolling>,
    },
    /// Of a bucket.
    Bucket {
        /// Of which limit.
        id: LimitId,
        /// What is known of its writing.
        marks: Marks,
        /// What is missing.
        count: Box<Bucket>,
    },
}

/// The second in which a window of the calendar is over that ends at this millisecond. Windows end with a second; what says
/// otherwise was not written by us, and counts for the rest of it.
fn second_of(end: i64) -> u64 {
    u64::try_from(end).unwrap_or(0).div_ceil(1_000)
}

/// The millisecond at which it is over.
fn ms_of(end: u64) -> i64 {
    i64::try_from(end.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

/// What is to be written of a count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Of which limit.
    pub id: LimitId,
    /// The bytes to keep.
    pub state: Vec<u8>,
    /// Which window it is of, where it is of the calendar.
    end: i64,
    /// Units that may be used once this is written: of the window, or from here on.
    reach: u64,
    /// Units that were still to be used when this was taken.
    left: i64,
    /// Units that may be used once this is written, counted from when it was taken.
    units: u64,
}

impl Snapshot {
    /// Units that may be used once this is written.
    #[must_use]
    pub const fn units(&self) -> u64 {
        self.units
    }

    /// The same where only so many of the units may be used.
    #[must_use]
    pub fn granted(self, units: u64) -> Self {
        let missing = self.units.saturating_sub(units);
        Self { reach: self.reach.saturating_sub(missing), units: self.units.min(units), ..self }
    }
}

impl Slot {
    /// A count that begins. If a window was open at a crash and nothing of its count was written, its use is unknown: it is
    /// at most what may be used unwritten.
    pub(super) fn open(bound: &Bound, reading: &Reading) -> Self {
        let (id, marks, free) = (bound.id, Marks::default(), bound.unwritten(reading.replicas));
        let crashed = reading.unclean.filter(|_| free > 0);
        match &bound.shape {
            Shape::Calendar(unit, zone) => {
                let (start, end) = calendar::window(*unit, zone, reading.now.time);
                let was_open = crashed.is_some_and(|started| start <= started.time.as_ms());
                let used = if was_open { free } else { 0 };
                Self::Calendar { id, marks, end: second_of(end), used, covered: free }
            }
            Shape::Rolling(window) => {
                let mut count = Rolling::new(*window, signed(free));
                if let Some(started) = crashed {
                    let mut was_open = Rolling::new(*window, 0);
                    was_open.add(free, started.steady.as_ms());
                    if was_open.over_at() > reading.now.steady.as_ms() {
                        count = was_open;
                    }
                }
                Self::Rolling { id, marks, count: Box::new(count) }
            }
            Shape::Bucket(flow) => {
                let mut count = Bucket::new(*flow, signed(free));
                if let Some(started) = crashed {
                    let mut was_open = Bucket::new(*flow, 0);
                    was_open.take(free, *flow, started.steady.as_ms());
                    if was_open.over_at() > reading.now.steady.as_ms() {
                        count = was_open;
                    }
                }
                Self::Bucket { id, marks, count: Box::new(count) }
            }
        }
    }

    /// Of which limit.
    #[must_use]
    pub const fn id(&self) -> LimitId {
        match self {
            Self::Calendar { id, .. } | Self::Rolling { id, .. } | Self::Bucket { id, .. } => *id,
        }
    }

    pub(super) const fn marks(&mut self) -> &mut Marks {
        match self {
            Self::Calendar { marks, .. } | Self::Rolling { marks, .. } | Self::Bucket { marks, .. } => marks,
        }
    }

    pub(super) const fn has(&self, mark: Marks) -> bool {
        match self {
            Self::Calendar { marks, .. } | Self::Rolling { marks, .. } | Self::Bucket { marks, .. } => {
                marks.has(mark)
            }
        }
    }

    /// Whether its window ends later than one of this length that is open now: it was counted by a clock that was wrong, and
    /// has been repaired since.
    pub(super) fn is_of_the_future(&self, length: i64, now: &Now) -> bool {
        match self {
            Self::Calendar { end, .. } => {
                ms_of(*end).saturating_sub(now.time.as_ms()) > length.saturating_mul(2)
            }
            Self::Rolling { .. } | Self::Bucket { .. } => false,
        }
    }

    /// Whether nothing of it counts any more.
    pub(super) fn is_over(&self, now: &Now) -> bool {
        match self {
            Self::Calendar { end, .. } => now.time.as_ms() >= ms_of(*end),
            Self::Rolling { count, .. } => now.steady.as_ms() >= count.over_at(),
            Self::Bucket { count, .. } => now.steady.as_ms() >= count.over_at(),
        }
    }

    /// Whether this counts what `bound` limits, now.
    pub(super) fn serves(&self, bound: &Bound, now: &Now) -> bool {
        match (self, &bound.shape) {
            (Self::Calendar { end, .. }, Shape::Calendar(..)) => now.time.as_ms() < ms_of(*end),
            (Self::Rolling { count, .. }, Shape::Rolling(window)) => count.window == *window,
            (Self::Bucket { count, .. }, Shape::Bucket(flow)) => count.flow.every == flow.every,
            (Self::Calendar { .. } | Self::Rolling { .. } | Self::Bucket { .. }, _) => false,
        }
    }

    /// How it stands for a request of `cost` units.
    pub(super) fn measure(&self, bound: &Bound, cost: u64, now: &Now) -> Measure {
        let remaining = self.remaining(bound, now);
        let passes = cost <= remaining;
        let covered = cost <= self.covered();
        Measure { passes, covered }
    }

    /// Units that may be used before more must be written.
    fn covered(&self) -> u64 {
        u64::try_from(self.left()).unwrap_or(0)
    }

    /// The same; below zero where more was used than was written.
    fn left(&self) -> i64 {
        match self {
            Self::Calendar { used, covered, .. } => signed(*covered).saturating_sub(signed(*used)),
            Self::Rolling { count, .. } => count.left,
            Self::Bucket { count, .. } => count.left,
        }
    }

    pub(super) fn remaining(&self, bound: &Bound, now: &Now) -> u64 {
        match (self, &bound.shape) {
            (Self::Calendar { used, .. }, _) => bound.limit.saturating_sub(*used),
            (Self::Rolling { count, .. }, _) => bound.limit.saturating_sub(count.used_at(now.steady.as_ms())),
            (Self::Bucket { count, .. }, Shape::Bucket(flow)) => {
                count.holds(bound.limit, *flow, now.steady.as_ms())
            }
            (Self::Bucket { .. }, _) => 0,
        }
    }

    /// Milliseconds until everything has come back.
    pub(super) fn until_whole(&self, bound: &Bound, now: &Now) -> i64 {
        let steady = now.steady.as_ms();
        match (self, &bound.shape) {
            (Self::Calendar { end, .. }, _) => ms_of(*end).saturating_sub(now.time.as_ms()),
            (Self::Bucket { count, .. }, Shape::Bucket(flow)) => count.until_full(*flow, steady),
            (Self::Rolling { count, .. }, _) => count.over_at().saturating_sub(steady).max(0),
            (Self::Bucket { count, .. }, _) => count.over_at().saturating_sub(steady).max(0),
        }
    }

    /// Milliseconds until a request of `cost` units passes; `None` if it never does.
    pub(super) fn until_passes(&self, bound: &Bound, cost: u64, now: &Now) -> Option<i64> {
        let steady = now.steady.as_ms();
        if cost > bound.limit {
            return None;
        }
        Some(match (self, &bound.shape) {
            (Self::Rolling { count, .. }, _) => {
                let excess = count.used_at(steady).saturating_add(cost).saturating_sub(bound.limit);
                count.until_fewer(excess, steady)
            }
            (Self::Bucket { count, .. }, Shape::Bucket(flow)) => {
                count.until_holds(cost, bound.limit, *flow, steady)
            }
            (Self::Calendar { .. } | Self::Bucket { .. }, _) => self.until_whole(bound, now),
        })
    }

    /// Counts units as used; whether more should be written soon.
    pub(super) fn charge(&mut self, bound: &Bound, cost: u64, reading: &Reading) -> bool {
        self.marks().set(Marks::NEWS);
        let now = &reading.now;
        let steady = now.steady.as_ms();
        match (&mut *self, &bound.shape) {
            (Self::Calendar { used, .. }, _) => *used = used.saturating_add(cost),
            (Self::Rolling { count, .. }, _) => {
                count.add(cost, steady);
                count.left = count.left.saturating_sub(signed(cost));
            }
            (Self::Bucket { count, .. }, Shape::Bucket(flow)) => {
                count.take(cost, *flow, steady);
                count.left = count.left.saturating_sub(signed(cost));
            }
            // It does not serve this limit: see `serves`.
            (Self::Bucket { .. }, _) => {}
        }
        let left = self.covered();
        left < bound.block(reading.replicas).div_ceil(2) && left < self.remaining(bound, now)
    }

    /// What is to be written so that all that may be used now may be used after it.
    pub(super) fn as_it_is(&self) -> Snapshot {
        self.snapshot(self.covered())
    }

    /// What is to be written so that `more` units may be used after it; never fewer than may be used without it.
    pub(super) fn snapshot(&self, more: u64) -> Snapshot {
        let left = self.left();
        let more = more.max(self.covered());
        let (end, reach, state) = match self {
            Self::Calendar { end, used, .. } => {
                let (end, used) = (ms_of(*end), *used);
                let reach = used.saturating_add(more);
                (end, reach, bytes(CALENDAR, &[word(end), used, reach]))
            }
            Self::Rolling { count, .. } => {
                let head = [word(count.newest), word(count.window), more];
                (0, more, bytes(ROLLING, &[&head[..], &count.used[..]].concat()))
            }
            Self::Bucket { count, .. } => {
                let (low, high) = halves(count.missing);
                let Flow { refill, every } = count.flow;
                let state = [word(count.at), low, high, refill, every, more];
                (0, more, bytes(BUCKET, &state))
            }
        };
        Snapshot { id: self.id(), state, end, reach, left, units: more }
    }

    /// Takes note that a snapshot of this was written.
    pub(super) fn wrote(&mut self, snapshot: &Snapshot) {
        let left_now = self.left();
        match self {
            Self::Calendar { end, covered, marks, .. } if ms_of(*end) == snapshot.end => {
                *covered = snapshot.reach.max(*covered);
                marks.set(Marks::WRITTEN);
            }
            // Of a window that is over.
            Self::Calendar { .. } => {}
            Self::Rolling { count, marks, .. } => {
                let used_since = snapshot.left.saturating_sub(left_now);
                count.left = signed(snapshot.reach).saturating_sub(used_since);
                marks.set(Marks::WRITTEN);
            }
            Self::Bucket { count, marks, .. } => {
                let used_since = snapshot.left.saturating_sub(left_now);
                count.left = signed(snapshot.reach).saturating_sub(used_since);
                marks.set(Marks::WRITTEN);
            }
        }
    }

    /// A count as it was written, in a process that started at `now`; `None` where nothing of it counts any more, or the
    /// bytes are not ours. Unless the process before stopped in order, all that it might have used counts as used.
    pub(super) fn read(id: LimitId, state: &[u8], complete: bool, now: &Now) -> Option<Self> {
        let (kind, words) = words(state)?;
        // What counts as used after a crash is news to the disk.
        let mut marks = Marks::WRITTEN;
        if !complete {
            marks.set(Marks::NEWS);
        }
        let slot = match (kind, words.as_slice()) {
            (CALENDAR, [end, used, reach]) => {
                let used = if complete { *used } else { *reach };
                Self::Calendar { id, marks, end: second_of(number(*end)), used, covered: *reach }
            }
            (ROLLING, [newest, window, reach, used @ ..]) => {
                let used = used.try_into().ok()?;
                let mut count =
                    Rolling { used, newest: number(*newest), window: number(*window), left: signed(*reach) };
                count.not_after(now.steady.as_ms());
                if !complete {
                    count.left = 0;
                    count.add(*reach, now.steady.as_ms());
                }
                Self::Rolling { id, marks, count: Box::new(count) }
            }
            (BUCKET, [at, low, high, refill, every, reach]) => {
                let flow = Flow { refill: *refill, every: *every };
                let missing = whole(*low, *high);
                let at = number(*at).min(now.steady.as_ms());
                let mut count = Bucket { missing, at, flow, left: signed(*reach) };
                if !complete {
                    count.left = 0;
                    count.take(*reach, flow, now.steady.as_ms());
                }
                Self::Bucket { id, marks, count: Box::new(count) }
            }
            _ => return None,
        };
        (!slot.is_over(now)).then_some(slot)
    }
}

const CALENDAR: u8 = 1;
const ROLLING: u8 = 2;
const BUCKET: u8 = 3;

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

const fn word(number: i64) -> u64 {
    number.cast_unsigned()
}

const fn number(word: u64) -> i64 {
    word.cast_signed()
}

fn halves(whole: u128) -> (u64, u64) {
    let low = whole & u128::from(u64::MAX);
    (u64::try_from(low).unwrap_or(u64::MAX), u64::try_from(whole >> 64).unwrap_or(u64::MAX))
}

fn whole(low: u64, high: u64) -> u128 {
    u128::from(low) | (u128::from(high) << 64)
}
