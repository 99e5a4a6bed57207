//! Tests of the time that is believed: every way in which a wall clock can be set.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;

use super::{Clock, ClockCondition, Timestamp, TrustedClock, trusted::LEAP_MS};

const START: i64 = 1_767_225_600_000;
const MINUTE: i64 = 60_000;
const CONFIRM_MS: i64 = MINUTE;
const YEAR: i64 = 365 * 24 * 60 * MINUTE;

/// Both clocks, in the test's hands.
struct Hands {
    wall: AtomicI64,
    boot: AtomicI64,
}

impl Clock for Hands {
    fn wall(&self) -> Timestamp {
        Timestamp::clamped(self.wall.load(Ordering::Relaxed))
    }

    fn boot(&self) -> Duration {
        Duration::from_millis(self.boot.load(Ordering::Relaxed).try_into().unwrap())
    }
}

impl Hands {
    /// Sets the wall clock.
    fn leap(&self, by: i64) {
        self.wall.store(self.wall.load(Ordering::Relaxed).saturating_add(by), Ordering::Relaxed);
    }

    /// Lets both clocks go on.
    fn pass(&self, ms: i64) {
        self.leap(ms);
        self.boot.store(self.boot.load(Ordering::Relaxed).saturating_add(ms), Ordering::Relaxed);
    }

    fn skew(&self) -> i64 {
        self.wall().as_ms() - self.boot.load(Ordering::Relaxed)
    }
}

fn clock(mark: Option<i64>) -> (Arc<Hands>, TrustedClock) {
    let hands = Arc::new(Hands { wall: AtomicI64::new(START), boot: AtomicI64::new(77) });
    let clock = TrustedClock::new(Arc::<Hands>::clone(&hands), mark.map(Timestamp::clamped));
    (hands, clock)
}

/// The time since the start.
fn since(clock: &TrustedClock) -> i64 {
    clock.now().as_ms() - START
}

#[test]
fn time_goes_with_the_wall_clock() {
    let (hands, clock) = clock(None);
    assert_eq!(since(&clock), 0);
    for _hour in 0..100 {
        hands.pass(60 * MINUTE);
        assert_eq!(clock.now(), hands.wall());
    }
    assert_eq!((clock.mark(), clock.condition()), (hands.wall(), ClockCondition::Sound));
}

#[test]
fn a_clock_set_back_stands_until_it_has_passed_where_it_was() {
    // D6, K8
    let (hands, clock) = clock(None);
    hands.leap(-YEAR);
    assert_eq!(since(&clock), 0);
    hands.pass(10_000);
    assert_eq!((since(&clock), clock.read().steady.as_ms() - START), (0, 10_000));
    assert_eq!(
        clock.condition(),
        ClockCondition::Behind(Duration::from_millis((YEAR - 10_000).unsigned_abs()))
    );
    hands.pass(YEAR);
    assert_eq!((since(&clock), clock.condition()), (10_000, ClockCondition::Sound));
}

#[test]
fn a_small_leap_is_believed_at_once() {
    let (hands, clock) = clock(None);
    hands.leap(LEAP_MS);
    assert_eq!((since(&clock), clock.condition()), (LEAP_MS, ClockCondition::Sound));
}

#[test]
fn small_leaps_in_a_row_are_one_great_leap() {
    // D6
    let (hands, clock) = clock(None);
    hands.leap(4 * MINUTE);
    assert_eq!(since(&clock), 4 * MINUTE);
    hands.pass(1_000);
    hands.leap(4 * MINUTE);
    assert_eq!(since(&clock), 4 * MINUTE + 1_000, "it goes on by the boot clock from where it was");
    hands.pass(59_000);
    assert_eq!(since(&clock), 5 * MINUTE, "the first leap has stood for a minute, the second has not");
    hands.pass(1_000);
    assert_eq!(clock.now(), hands.wall());
}

#[test]
fn a_great_leap_is_believed_after_it_has_stood_for_a_minute() {
    // D6, K8
    let (hands, clock) = clock(None);
    hands.pass(30_000);
    hands.leap(YEAR);
    assert_eq!(since(&clock), 30_000);
    assert_eq!(clock.condition(), ClockCondition::Doubted(Duration::from_millis(YEAR.unsigned_abs())));
    hands.pass(CONFIRM_MS - 1);
    assert_eq!(since(&clock), 30_000 + CONFIRM_MS - 1);
    hands.pass(1);
    assert_eq!((clock.now(), clock.condition()), (hands.wall(), ClockCondition::Sound));
    assert_eq!(clock.read().steady.as_ms() - START, 30_000 + CONFIRM_MS, "rates know nothing of it");
}

#[test]
fn a_great_leap_that_is_taken_back_never_counted() {
    // D6
    let (hands, clock) = clock(None);
    for _time in 0..5 {
        hands.leap(YEAR);
        let before = since(&clock);
        hands.pass(50_000);
        assert_eq!(since(&clock), before + 50_000);
        hands.leap(-YEAR);
        assert_eq!(clock.now(), hands.wall());
    }
}

#[test]
fn only_what_was_there_for_the_whole_minute_is_confirmed() {
    // D6
    let (hands, clock) = clock(None);
    hands.leap(10 * MINUTE);
    assert_eq!(since(&clock), 0);
    hands.pass(59_999);
    hands.leap(YEAR);
    assert_eq!(since(&clock), 59_999);
    hands.pass(1);
    assert_eq!(since(&clock), 11 * MINUTE);
    hands.pass(CONFIRM_MS);
    assert_eq!(clock.now(), hands.wall());
}

#[test]
fn a_step_back_moves_the_reference_at_once() {
    // D6: else a clock set back by an hour could leap by an hour and five minutes
    let (hands, clock) = clock(None);
    hands.leap(-60 * MINUTE);
    assert_eq!(since(&clock), 0);
    hands.leap(65 * MINUTE);
    assert_eq!(since(&clock), 0);
    hands.pass(CONFIRM_MS);
    assert_eq!(since(&clock), 6 * MINUTE);
}

#[test]
fn a_clock_behind_the_mark_begins_there_and_one_ahead_of_it_is_believed() {
    // D6, K8
    let (hands, behind) = clock(Some(START + YEAR));
    assert_eq!(since(&behind), YEAR);
    assert_eq!(behind.read().steady.as_ms() - START, YEAR);
    assert_eq!(behind.condition(), ClockCondition::Behind(Duration::from_millis(YEAR.unsigned_abs())));
    hands.pass(MINUTE);
    assert_eq!((since(&behind), behind.mark().as_ms() - START), (YEAR, YEAR));
    let (hands, ahead) = clock(Some(START - YEAR));
    assert_eq!(ahead.now(), hands.wall());
}

proptest! {
    #[test]
    fn time_never_goes_back_and_never_leaps_unconfirmed(
        mark in prop::option::of(-YEAR..YEAR),
        steps in prop::collection::vec((0..40_000_i64, prop_oneof![
            4 => Just(0), 2 => -400_000..400_000_i64, 1 => -YEAR..YEAR
        ]), 1..200),
    ) {
        // D6
        let (hands, clock) = clock(mark.map(|mark| START + mark));
        let mut last = clock.read();
        let mut seen = vec![(hands.boot.load(Ordering::Relaxed), hands.skew())];
        for (pass, leap) in steps {
            hands.pass(pass);
            hands.leap(leap);
            let now = clock.read();
            let boot = hands.boot.load(Ordering::Relaxed);
            seen.push((boot, hands.skew()));
            let minute = seen.iter().rposition(|(at, _)| boot - at >= CONFIRM_MS).unwrap_or(0);
            let lowest = seen[minute..].iter().map(|(_, skew)| *skew).min().unwrap();
            let bound = last.time.as_ms().max(boot + lowest + LEAP_MS);
            prop_assert!(last.time <= now.time && now.time.as_ms() <= bound);
            prop_assert_eq!(now.steady.saturating_since(last.steady), Duration::from_millis(pass.unsigned_abs()));
            last = now;
        }
        // Of two leaps in a row, the second has its own minute.
        for _minute in 0..2 {
            hands.pass(CONFIRM_MS);
            last = clock.read();
        }
        prop_assert_eq!(last.time, hands.wall().max(last.time), "what stays is believed");
    }

    #[test]
    fn nothing_that_a_clock_may_say_stops_it(
        mark in prop::option::of(any::<i64>()),
        steps in prop::collection::vec((0..=i64::MAX, any::<i64>()), 1..50),
    ) {
        // D6
        let (hands, clock) = clock(mark);
        let mut last = clock.read();
        for (pass, leap) in steps {
            hands.pass(pass);
            hands.leap(leap);
            let now = clock.read();
            prop_assert!(last.time <= now.time && last.steady <= now.steady);
            let _either = clock.condition();
            last = now;
        }
    }
}

#[test]
fn after_a_crash_time_begins_where_the_mark_may_have_been_too_old() {
    // D6, K8
    let age = Duration::from_secs(11);
    let (hands, _) = clock(None);
    let crashed = |mark| TrustedClock::after_a_crash(Arc::<Hands>::clone(&hands), mark, age);
    // The clock was set back by a minute meanwhile.
    let mark = hands.wall();
    hands.leap(-MINUTE);
    let first = crashed(mark);
    assert_eq!(first.now(), mark.saturating_add(age));
    hands.pass(1_000);
    assert_eq!(
        (first.now(), first.mark()),
        (mark.saturating_add(age), mark),
        "the mark is what a clock has shown"
    );
    hands.pass(2 * MINUTE);
    assert_eq!((first.now(), first.mark()), (hands.wall(), hands.wall()));
}

#[test]
fn a_hundred_crashes_in_a_minute_run_ahead_by_one_allowance() {
    // D6
    let age = Duration::from_secs(11);
    let (hands, clock) = clock(None);
    let mut mark = clock.mark();
    for _ in 0..100 {
        hands.pass(500);
        let crashed = TrustedClock::after_a_crash(Arc::<Hands>::clone(&hands), mark, age);
        let ahead = to_ms(crashed.now().saturating_since(hands.wall()));
        assert!(ahead <= to_ms(age), "{ahead}");
        hands.pass(100);
        mark = crashed.mark().max(mark);
    }
    assert_eq!(mark, hands.wall());
}

fn to_ms(duration: Duration) -> i64 {
    duration.as_millis().try_into().unwrap()
}
