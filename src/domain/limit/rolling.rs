//! Rolling windows, in sixteenths: a unit comes back a window after the end of the sixteenth that it was used in, so that
//! no interval as long as the window ever holds more than the limit.

/// The sixteenths that can count at one time: sixteen, and the one that is going on.
const PARTS: i64 = 17;

/// What was used, by sixteenth. Times are of the steady clock, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rolling {
    /// By the number of the sixteenth, modulo 17; those older than sixteen before `newest` are stale.
    pub(super) used: [u64; 17],
    /// The number of the newest sixteenth: how many are over since the clock's zero.
    pub(super) newest: i64,
    /// Its length.
    pub(super) window: i64,
    /// Units that may be used before more must be written; below zero where nothing could be written for a while.
    pub(super) left: i64,
}

impl Rolling {
    pub(super) const fn new(window: i64, left: i64) -> Self {
        Self { used: [0; 17], newest: i64::MIN, window, left }
    }

    /// From then on nothing counts any more.
    pub(super) const fn over_at(&self) -> i64 {
        end_of(self.newest, self.window)
    }

    /// Units that count at `now`.
    pub(super) fn used_at(&self, now: i64) -> u64 {
        self.live(now).map(|(_, used)| used).fold(0, u64::saturating_add)
    }

    /// Milliseconds until `excess` units fewer count; the window where that never comes.
    pub(super) fn until_fewer(&self, excess: u64, now: i64) -> i64 {
        let mut fewer = 0_u64;
        for (ends, used) in self.live(now) {
            fewer = fewer.saturating_add(used);
            if fewer >= excess {
                return ends.saturating_sub(now);
            }
        }
        self.window
    }

    /// Counts units as used at `now`.
    pub(super) fn add(&mut self, units: u64, now: i64) {
        if units == 0 {
            return;
        }
        let part = part_of(self.window, now).max(self.newest);
        if self.newest < part {
            let first_stale = self.newest.saturating_add(1).max(part.saturating_sub(PARTS.saturating_sub(1)));
            for stale in first_stale..=part {
                if let Some(used) = self.used.get_mut(place(stale)) {
                    *used = 0;
                }
            }
            self.newest = part;
        }
        if let Some(used) = self.used.get_mut(place(part)) {
            *used = used.saturating_add(units);
        }
    }

    /// Moves everything back so that the newest was used at `now` at the latest: the clock of the process that counted it
    /// was ahead of this one's.
    pub(super) fn not_after(&mut self, now: i64) {
        let part = part_of(self.window, now);
        if self.newest > part {
            let by = self.newest.saturating_sub(part).rem_euclid(PARTS);
            self.used.rotate_left(usize::try_from(by).unwrap_or(0));
            self.newest = part;
        }
    }

    /// Each sixteenth that counts at `now`, oldest first: when it ends to count, and its units.
    fn live(&self, now: i64) -> impl Iterator<Item = (i64, u64)> {
        let oldest = self.newest.saturating_sub(PARTS.saturating_sub(1));
        (oldest..=self.newest).filter_map(move |part| {
            let ends = end_of(part, self.window);
            let used = *self.used.get(place(part))?;
            (ends > now && used > 0).then_some((ends, used))
        })
    }
}

const fn width(window: i64) -> i64 {
    let width = window.saturating_add(15) / 16;
    if width < 1 { 1 } else { width }
}

fn part_of(window: i64, now: i64) -> i64 {
    now.checked_div_euclid(width(window)).unwrap_or(0)
}

/// When the units of a sixteenth come back.
const fn end_of(part: i64, window: i64) -> i64 {
    part.saturating_add(1).saturating_mul(width(window)).saturating_add(window)
}

fn place(part: i64) -> usize {
    usize::try_from(part.rem_euclid(PARTS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_come_back_a_window_after_their_sixteenth() {
        // L4
        let window = 16_000;
        let mut rolling = Rolling::new(window, 0);
        rolling.add(3, 500);
        rolling.add(4, 1_000);
        assert_eq!(rolling.used_at(16_999), 7);
        assert_eq!(rolling.until_fewer(1, 1_000), 16_000);
        assert_eq!(rolling.until_fewer(4, 1_000), 17_000);
        assert_eq!(rolling.used_at(17_000), 4);
        assert_eq!(rolling.used_at(18_000), 0);
        assert_eq!(rolling.over_at(), 18_000);
    }

    #[test]
    fn what_a_clock_that_was_ahead_has_counted_is_counted_as_of_now() {
        // D6
        let mut rolling = Rolling::new(16_000, 0);
        rolling.add(3, 1_005_500);
        rolling.add(4, 1_009_000);
        rolling.not_after(2_000_000);
        assert_eq!(rolling.over_at(), 1_026_000);
        rolling.not_after(20_500);
        assert_eq!((rolling.used_at(20_500), rolling.over_at()), (7, 37_000));
        assert_eq!((rolling.used_at(32_999), rolling.used_at(33_000), rolling.used_at(37_000)), (7, 4, 0));
    }

    proptest! {
        #[test]
        fn no_interval_holds_more_than_was_said_to_count(
            window in 1_i64..100_000,
            steps in proptest::collection::vec((0_i64..20_000, 0_u64..5), 1..60),
            start in -50_000_i64..50_000,
        ) {
            // L4: a use that is younger than a window counts, and one that is two sixteenths older does not
            let mut rolling = Rolling::new(window, 0);
            let mut log = Vec::new();
            let mut now = start;
            for (step, units) in steps {
                now += step;
                rolling.add(units, now);
                log.push((now, units));
                let sum = |age: i64| log.iter().filter(|(at, _)| now - at < age).map(|(_, units)| units).sum::<u64>();
                let used = rolling.used_at(now);
                prop_assert!(used >= sum(window));
                prop_assert!(used <= sum(window + 2 * width(window)));
                if used > 0 {
                    let wait = rolling.until_fewer(1, now);
                    prop_assert!(rolling.used_at(now + wait) < used);
                    prop_assert_eq!(rolling.used_at(now + wait - 1), used);
                }
                if used > 0 {
                    prop_assert_eq!(rolling.used_at(rolling.over_at()), 0);
                }
            }
        }
    }
}
