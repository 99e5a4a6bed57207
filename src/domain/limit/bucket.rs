//! Token buckets: units that come back steadily, up to the size of the bucket. Exact: a unit is counted in so many points
//! that whole points come back each millisecond.

/// What is missing in a bucket. Times are of the steady clock, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Points that were missing at `at`; a unit has as many points as the refill's time has milliseconds.
    pub(super) missing: u128,
    /// When that was.
    pub(super) at: i64,
    /// How it filled then.
    pub(super) flow: Flow,
    /// Units that may be used before more must be written; below zero where nothing could be written for a while.
    pub(super) left: i64,
}

/// How a bucket fills: units in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    /// Units that come back.
    pub(super) refill: u64,
    /// In so many milliseconds.
    pub(super) every: u64,
}

impl Flow {
    const fn points(self, units: u64) -> u128 {
        u128_of(units).saturating_mul(u128_of(self.every))
    }

    /// Milliseconds until so many points have come back.
    fn time_for(self, points: u128) -> i64 {
        i64::try_from(points.div_ceil(u128_of(self.refill).max(1))).unwrap_or(i64::MAX)
    }
}

impl Bucket {
    pub(super) const fn new(flow: Flow, left: i64) -> Self {
        Self { missing: 0, at: i64::MIN, flow, left }
    }

    /// From then on nothing is missing any more.
    pub(super) fn over_at(&self) -> i64 {
        self.at.saturating_add(self.flow.time_for(self.missing))
    }

    fn missing_at(&self, flow: Flow, now: i64) -> u128 {
        let elapsed = u64::try_from(now.saturating_sub(self.at)).unwrap_or(0);
        self.missing.saturating_sub(u128_of(elapsed).saturating_mul(u128_of(flow.refill)))
    }

    /// Whole units that a bucket of `size` holds at `now`.
    pub(super) fn holds(&self, size: u64, flow: Flow, now: i64) -> u64 {
        let there = flow.points(size).saturating_sub(self.missing_at(flow, now));
        let units = there.checked_div(u128_of(flow.every)).unwrap_or(0);
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    /// Milliseconds until a bucket of `size` holds `units`, which are no more than that.
    pub(super) fn until_holds(&self, units: u64, size: u64, flow: Flow, now: i64) -> i64 {
        let needed = self.missing_at(flow, now).saturating_add(flow.points(units));
        flow.time_for(needed.saturating_sub(flow.points(size)))
    }

    /// Takes units out at `now`.
    pub(super) fn take(&mut self, units: u64, flow: Flow, now: i64) {
        let now = now.max(self.at);
        self.missing = self.missing_at(flow, now).saturating_add(flow.points(units));
        (self.at, self.flow) = (now, flow);
    }

    /// Milliseconds until nothing is missing.
    pub(super) fn until_full(&self, flow: Flow, now: i64) -> i64 {
        flow.time_for(self.missing_at(flow, now))
    }
}

#[expect(clippy::as_conversions, reason = "widening; `From` is not const")]
const fn u128_of(number: u64) -> u128 {
    number as u128
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_come_back_steadily() {
        // L4
        let flow = Flow { refill: 3, every: 1_000 };
        let mut bucket = Bucket::new(flow, 0);
        assert_eq!(bucket.holds(10, flow, 5), 10);
        bucket.take(10, flow, 5);
        assert_eq!(bucket.holds(10, flow, 5), 0);
        assert_eq!(bucket.until_holds(1, 10, flow, 5), 334);
        assert_eq!((bucket.holds(10, flow, 338), bucket.holds(10, flow, 339)), (0, 1));
        assert_eq!((bucket.holds(10, flow, 1_005), bucket.holds(10, flow, 100_000)), (3, 10));
        assert_eq!(bucket.until_full(flow, 5), 3_334);
        assert_eq!(bucket.over_at(), 3_339);
    }

    #[test]
    fn nothing_overflows() {
        let flow = Flow { refill: 1_000_000_000_000, every: 366 * 86_400_000 };
        let mut bucket = Bucket::new(flow, 0);
        bucket.take(1_000_000_000_000, flow, i64::MAX - 1);
        assert_eq!(bucket.holds(1_000_000_000_000, flow, i64::MAX - 1), 0);
        bucket.take(u64::MAX, flow, i64::MIN);
        assert!(bucket.until_full(flow, i64::MIN) > 0);
    }

    proptest! {
        #[test]
        fn any_interval_admits_the_size_and_what_came_back(
            size in 1_u64..50,
            refill in 1_u64..20,
            every in 1_000_u64..5_000,
            steps in proptest::collection::vec((0_i64..3_000, 1_u64..10), 1..60),
        ) {
            // L4
            let flow = Flow { refill, every };
            let mut bucket = Bucket::new(flow, 0);
            let (mut now, mut log) = (0_i64, Vec::new());
            for (step, units) in steps {
                now += step;
                if units <= bucket.holds(size, flow, now) {
                    bucket.take(units, flow, now);
                    log.push((now, units));
                } else if units <= size {
                    let wait = bucket.until_holds(units, size, flow, now);
                    prop_assert!(bucket.holds(size, flow, now + wait) >= units);
                    prop_assert!(bucket.holds(size, flow, now + wait - 1) < units);
                }
                for (place, (from, _)) in log.iter().enumerate() {
                    let admitted: u64 = log[place..].iter().map(|(_, units)| units).sum();
                    let came_back = u64::try_from(now - from).unwrap() * refill;
                    prop_assert!(admitted * every <= size * every + came_back);
                }
            }
        }
    }
}
