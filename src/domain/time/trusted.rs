//! The time that is believed (D6): it never goes back, and never leaps unconfirmed.
//!
//! Every reading compares the wall clock with the boot clock. Their difference, the *skew*, changes only when
//! somebody sets the wall clock. The lowest skew of the last minute or so is the reference: up to [`LEAP_MS`] above it
//! is believed at once, and more only after [`CONFIRM_MS`] above it. A lower skew is the new reference at once; the
//! time then stands until the wall clock has passed it. All arithmetic saturates.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use super::{Clock, Now, Steady, Timestamp};

/// A greater step forward, in milliseconds, is doubted.
pub(super) const LEAP_MS: i64 = 5 * 60_000;

/// For so long, by the boot clock.
const CONFIRM_MS: i64 = 60_000;

/// A wall clock that is behind by less is not reported.
const NOTABLE_MS: i64 = 1_000;

/// No skew is under this ceiling: every reading goes through the lock.
const DOUBTED: i64 = i64::MIN;

/// A clock that can be decided by.
pub struct TrustedClock {
    clock: Arc<dyn Clock>,
    /// The boot clock when this was made.
    began: i64,
    /// What was believed then.
    steady_began: i64,
    /// The mark, and what was believed first: later by as much as the mark may have been too old.
    mark_began: i64,
    latest_began: i64,
    /// The greatest time given; raised by every reader, when its millisecond is a new one.
    latest: AtomicI64,
    /// The skew last believed; written by every reader that believes another.
    believed: AtomicI64,
    /// The range of skews, and the end by the boot clock, within which a reader takes no lock. Written under it.
    floor: AtomicI64,
    ceiling: AtomicI64,
    review_at: AtomicI64,
    /// Taken when the wall clock was set, while a leap of it is doubted, and once a minute.
    reference: Mutex<Reference>,
}

/// What the wall clock is compared with.
struct Reference {
    skew: i64,
    doubt: Option<DoubtedLeap>,
}

/// A leap forward that is not believed yet.
struct DoubtedLeap {
    /// When it was seen first, by the boot clock.
    since: i64,
    /// The lowest skew seen since.
    lowest: i64,
}

/// How a clock is: what its operator should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockCondition {
    /// The wall clock is believed.
    Sound,
    /// The wall clock is behind a time that was believed before; time stands there until the wall clock has passed it.
    Behind(Duration),
    /// The wall clock has leapt ahead so far, and is believed once it has stayed there for a minute.
    Doubted(Duration),
}

impl TrustedClock {
    /// A clock that begins where the wall clock is, or at `mark`, the latest time that an earlier process believed, if
    /// that is later. There is nothing yet to compare a wall clock with that is ahead of the mark: it is believed.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, mark: Option<Timestamp>) -> Self {
        Self::beginning(clock, mark, Duration::ZERO)
    }

    /// The same where the earlier process did not end in order, and had believed times up to `age` later than the mark: they
    /// have passed too. The mark to keep is only ever what a clock has shown, so that however many such starts in a row
    /// run ahead by one `age`, and not by one each.
    #[must_use]
    pub fn after_a_crash(clock: Arc<dyn Clock>, mark: Timestamp, age: Duration) -> Self {
        Self::beginning(clock, Some(mark), age)
    }

    fn beginning(clock: Arc<dyn Clock>, mark: Option<Timestamp>, age: Duration) -> Self {
        let boot = to_ms(clock.boot());
        let wall = clock.wall();
        let skew = wall.as_ms().saturating_sub(boot);
        let latest = mark.map_or(wall, |mark| mark.saturating_add(age).max(wall)).as_ms();
        Self {
            clock,
            began: boot,
            steady_began: latest,
            mark_began: mark.map_or(wall, |mark| mark.max(wall)).as_ms(),
            latest_began: latest,
            latest: AtomicI64::new(latest),
            believed: AtomicI64::new(skew),
            floor: AtomicI64::new(skew),
            ceiling: AtomicI64::new(skew.saturating_add(LEAP_MS)),
            review_at: AtomicI64::new(boot.saturating_add(CONFIRM_MS)),
            reference: Mutex::new(Reference { skew, doubt: None }),
        }
    }

    /// The time: never earlier than one given before.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.read().time
    }

    /// The time, and the count that rates go by.
    #[must_use]
    pub fn read(&self) -> Now {
        let (boot, wall) = self.raw();
        self.judge(boot, wall)
    }

    /// The same, and what the boot clock showed: from it shorter times are measured than a millisecond.
    #[must_use]
    pub fn read_exact(&self) -> (Now, Duration) {
        let (boot, wall) = (self.clock.boot(), self.clock.wall());
        (self.judge(to_ms(boot), wall), boot)
    }

    /// The time since the boot clock showed this.
    #[must_use]
    pub fn since(&self, began: Duration) -> Duration {
        self.clock.boot().saturating_sub(began)
    }

    /// The greatest time that a clock has shown and that was believed, to be kept for the next process.
    #[must_use]
    pub fn mark(&self) -> Timestamp {
        let latest = self.latest.load(Ordering::Acquire);
        if latest > self.latest_began {
            return Timestamp::clamped(latest);
        }
        let (boot, wall) = self.raw();
        Timestamp::clamped(self.believed(boot, wall).max(self.mark_began).min(latest))
    }

    /// How the clock is now.
    #[must_use]
    pub fn condition(&self) -> ClockCondition {
        let (boot, wall) = self.raw();
        let time = self.judge(boot, wall).time;
        if self.reference().doubt.is_some() {
            return ClockCondition::Doubted(wall.saturating_since(time));
        }
        let behind = time.saturating_since(wall);
        if to_ms(behind) < NOTABLE_MS { ClockCondition::Sound } else { ClockCondition::Behind(behind) }
    }

    /// The boot clock first: a thread that is stopped in between sees too great a skew, which the next one corrects.
    fn raw(&self) -> (i64, Timestamp) {
        (to_ms(self.clock.boot()), self.clock.wall())
    }

    fn judge(&self, boot: i64, wall: Timestamp) -> Now {
        let time = self.believed(boot, wall);
        let latest = self.latest.load(Ordering::Acquire);
        let latest =
            if latest < time { self.latest.fetch_max(time, Ordering::AcqRel).max(time) } else { latest };
        let up = boot.saturating_sub(self.began).max(0);
        Now { time: Timestamp::clamped(latest), steady: Steady(self.steady_began.saturating_add(up)) }
    }

    /// What the clocks show together, however late it was before.
    fn believed(&self, boot: i64, wall: Timestamp) -> i64 {
        let skew = wall.as_ms().saturating_sub(boot);
        let undisturbed = self.floor.load(Ordering::Acquire) <= skew
            && skew <= self.ceiling.load(Ordering::Acquire)
            && boot < self.review_at.load(Ordering::Acquire);
        let believes = undisturbed || self.review(boot, skew);
        if believes {
            if self.believed.load(Ordering::Relaxed) != skew {
                self.believed.store(skew, Ordering::Relaxed);
            }
            wall.as_ms()
        } else {
            boot.saturating_add(self.believed.load(Ordering::Relaxed))
        }
    }

    /// Whether a skew out of the ordinary is believed; sets the reference, and what is ordinary, anew.
    fn review(&self, boot: i64, skew: i64) -> bool {
        let mut reference = self.reference();
        if skew > reference.ceiling() {
            let doubt = reference.doubt.get_or_insert(DoubtedLeap { since: boot, lowest: skew });
            doubt.lowest = doubt.lowest.min(skew);
            if boot.saturating_sub(doubt.since) < CONFIRM_MS {
                self.ceiling.store(DOUBTED, Ordering::Release);
                return false;
            }
            // All of the minute it was at least this far ahead. What has come on top is another leap.
            let confirmed = doubt.lowest;
            *reference = Reference { skew: confirmed, doubt: None };
            self.begin_minute(boot, confirmed);
            if skew > reference.ceiling() {
                self.believed.store(confirmed, Ordering::Relaxed);
                reference.doubt = Some(DoubtedLeap { since: boot, lowest: skew });
                self.ceiling.store(DOUBTED, Ordering::Release);
                return false;
            }
        }
        reference.doubt = None;
        reference.skew = reference.skew.min(skew);
        let lowest = self.floor.load(Ordering::Relaxed).min(skew);
        if boot < self.review_at.load(Ordering::Relaxed) {
            self.floor.store(lowest, Ordering::Release);
        } else {
            reference.skew = lowest;
            self.begin_minute(boot, skew);
        }
        self.ceiling.store(reference.ceiling(), Ordering::Release);
        true
    }

    /// From here on the lowest skew is looked for anew.
    fn begin_minute(&self, boot: i64, skew: i64) {
        self.floor.store(skew, Ordering::Release);
        self.review_at.store(boot.saturating_add(CONFIRM_MS), Ordering::Release);
    }

    fn reference(&self) -> MutexGuard<'_, Reference> {
        self.reference.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reference {
    const fn ceiling(&self) -> i64 {
        self.skew.saturating_add(LEAP_MS)
    }
}

fn to_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
