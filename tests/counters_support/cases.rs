//! What counters must do, whatever they are made of: each a sentence that a back end passes, or fails by a panic.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used, reason = "tests")]

use std::sync::{
    Barrier,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use keyward::domain::policy::TierSet;

#[allow(unused_imports, reason = "a case too, in a file of its own")]
pub(crate) use super::random::whatever_happens_no_window_ever_holds_more_than_its_limit;
use super::{Backend, FIRST, Process, World, ms};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn calendar(limit: u64, unit: &str) -> String {
    format!("{{ name = '{unit}', limit = {limit}, calendar = '{unit}' }}")
}

fn zoned(limit: u64, unit: &str, zone: &str) -> String {
    format!("{{ name = '{unit}', limit = {limit}, calendar = '{unit}', time_zone = '{zone}' }}")
}

fn rolling(limit: u64, length: &str) -> String {
    format!("{{ name = 'rolling', limit = {limit}, rolling = '{length}' }}")
}

fn bucket(limit: u64, refill: u64, every: &str) -> String {
    format!("{{ name = 'bucket', limit = {limit}, bucket = {{ refill = {refill}, every = '{every}' }} }}")
}

fn per(limit: u64, unit: &str, per: &str) -> String {
    format!("{{ name = '{unit}', limit = {limit}, calendar = '{unit}', per = '{per}' }}")
}

/// Spends a window of 20 units from `now` to its last, and finds the next at `reset`, to the millisecond.
fn ends_at<B: Backend>(now: &str, limit: &str, reset: &str) {
    let world = World::<B>::starting(now, limit);
    let length = ms(reset) - ms(now);
    world.allow(FIRST, 5);
    world.pass(length / 2);
    for left in (0..15).rev() {
        assert_eq!(world.allow(FIRST, 1)[0].remaining, left);
    }
    let spent = world.refuse(FIRST, 1);
    assert_eq!(spent.states()[0].reset.as_ms(), ms(reset), "{limit} at {now}");
    assert_eq!(spent.wait(), Some(length - length / 2));
    world.pass(length - length / 2 - 1);
    world.refuse(FIRST, 1);
    world.pass(1);
    assert_eq!(world.allow(FIRST, 1)[0].remaining, 19);
}

pub(crate) fn a_window_of_the_calendar_ends_with_the_calendar<B: Backend>() {
    // L3
    for (now, unit, reset) in [
        ("2026-01-01T00:00:07.250Z", "minute", "2026-01-01T00:01:00Z"),
        ("2026-03-29T00:59:59.000Z", "hour", "2026-03-29T01:00:00Z"),
        ("2026-12-31T10:00:00.001Z", "day", "2027-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.000Z", "day", "2026-01-02T00:00:00Z"),
    ] {
        ends_at::<B>(now, &calendar(20, unit), reset);
    }
}

pub(crate) fn a_window_of_a_zone_is_as_long_as_the_zone_makes_it<B: Backend>() {
    // L3
    for (now, unit, zone, reset) in [
        ("2028-02-29T12:00:00Z", "month", "UTC", "2028-03-01T00:00:00Z"),
        ("2026-03-28T23:30:00Z", "day", "Europe/Berlin", "2026-03-29T22:00:00Z"),
        ("2026-10-24T22:30:00Z", "day", "Europe/Berlin", "2026-10-25T23:00:00Z"),
        ("2026-03-10T12:00:00Z", "month", "Europe/Berlin", "2026-03-31T22:00:00Z"),
        ("2026-10-10T12:00:00Z", "month", "Europe/Berlin", "2026-10-31T23:00:00Z"),
    ] {
        ends_at::<B>(now, &zoned(20, unit, zone), reset);
    }
}

/// Spends a limit, and comes back exactly when it says.
fn waits_exactly<B: Backend>(limit: u64, entry: &str) {
    let world = World::<B>::starting("2026-01-01T00:00:00.777Z", entry);
    world.allow(FIRST, 1);
    world.pass(1_333);
    for _unit in 1..limit {
        world.allow(FIRST, 1);
    }
    for cost in [1, limit.div_ceil(2), limit] {
        let wait = world.refuse(FIRST, cost).wait().unwrap();
        world.pass(wait - 1);
        assert_eq!(world.refuse(FIRST, cost).wait(), Some(1), "{entry}");
        world.pass(1);
        world.allow(FIRST, cost);
        for _unit in 0..world.left(FIRST)[0] {
            world.allow(FIRST, 1);
        }
        world.refuse(FIRST, 1);
    }
}

pub(crate) fn waiting_exactly_as_long_as_said_passes_and_a_millisecond_less_does_not<B: Backend>() {
    // L9
    for limit in [1, 3, 16, 130] {
        for entry in [calendar(limit, "minute"), calendar(limit, "day"), rolling(limit, "90s")] {
            waits_exactly::<B>(limit, &entry);
        }
    }
}

pub(crate) fn a_bucket_fills_to_the_millisecond<B: Backend>() {
    // L4, L9
    for limit in [1, 3, 16, 130] {
        waits_exactly::<B>(limit, &bucket(limit, 7, "60s"));
        waits_exactly::<B>(limit, &bucket(limit, 1, "1h"));
    }
}

pub(crate) fn a_clock_that_stands_or_is_set_back_frees_nothing<B: Backend>() {
    // D6
    for entry in [calendar(5, "minute"), calendar(5, "day"), rolling(5, "60s")] {
        let world = World::<B>::new(&entry);
        world.pass(30_000);
        for _unit in 0..5 {
            world.allow(FIRST, 1);
        }
        for _look in 0..3 {
            world.refuse(FIRST, 1);
        }
        for back in [-MINUTE, -DAY, -400 * DAY] {
            world.leap(back);
            world.refuse(FIRST, 1);
        }
    }
}

pub(crate) fn a_rate_goes_by_the_steady_clock_whatever_the_wall_clock_says<B: Backend>() {
    // L4, D6
    let world = World::<B>::new(&rolling(5, "60s"));
    world.allow(FIRST, 5);
    for leap in [4 * MINUTE, -DAY] {
        world.leap(leap);
        world.refuse(FIRST, 1);
    }
    let wait = world.refuse(FIRST, 1).wait().unwrap();
    assert!((MINUTE..=MINUTE + MINUTE / 16 + 1).contains(&wait), "{wait}");
    world.pass(wait);
    world.allow(FIRST, 5);
}

pub(crate) fn a_cost_of_nothing_always_passes_and_one_above_the_limit_never<B: Backend>() {
    // L7, L9
    for entry in [calendar(3, "day"), rolling(3, "60s")] {
        let world = World::<B>::new(&entry);
        let before = world.everything();
        assert_eq!(world.refuse(FIRST, 4).wait(), None);
        assert_eq!(world.refuse(FIRST, u64::MAX).wait(), None);
        world.allow(FIRST, 0);
        assert_eq!(world.everything(), before);
        world.allow(FIRST, 3);
        world.allow(FIRST, 0);
        world.refuse(FIRST, 1);
    }
}

pub(crate) fn several_limits_are_charged_together_or_not_at_all<B: Backend>() {
    // L4, L7
    let world =
        World::<B>::new(&[calendar(5, "minute"), calendar(7, "day"), per(6, "hour", "owner")].join(","));
    world.allow(FIRST, 5);
    assert_eq!(world.refuse(FIRST, 1).wait(), Some(MINUTE));
    assert_eq!(world.left(FIRST), [0, 2, 1]);
    world.pass(MINUTE);
    assert_eq!(world.refuse(FIRST, 2).wait(), Some(HOUR - MINUTE));
    world.allow(FIRST, 1);
    assert_eq!(world.left(FIRST), [4, 1, 0]);
    world.pass(HOUR - MINUTE);
    world.allow(FIRST, 1);
    assert_eq!(world.refuse(FIRST, 1).wait(), Some(DAY - HOUR));
    assert_eq!(world.left(FIRST), [4, 0, 5]);
}

pub(crate) fn a_denial_leaves_every_count_as_it_was<B: Backend>() {
    // L7
    let limits =
        [calendar(3, "minute"), calendar(100, "day"), rolling(50, "1h"), per(40, "hour", "workspace")];
    let mut world = World::<B>::new(&limits.join(","));
    world.key("ann", "live");
    world.allow(FIRST, 2);
    let before = world.everything();
    for cost in [2, 3, 4, 100, 1_000] {
        world.refuse(FIRST, cost);
    }
    assert_eq!(world.everything(), before);
    assert_eq!(world.charge_all(&[(1, 3), (FIRST, 1), (FIRST, 1)]), Err(2));
    assert_eq!(world.everything(), before);
}

pub(crate) fn a_look_changes_nothing<B: Backend>() {
    // L12
    let world = World::<B>::new(&[calendar(200, "day"), rolling(50, "1h")].join(","));
    world.allow(FIRST, 1);
    for _look in 0..300 {
        assert_eq!(world.left(FIRST), [199, 49]);
    }
    world.allow(FIRST, 49);
}

pub(crate) fn an_owner_and_a_workspace_share_by_environment<B: Backend>() {
    // L13, L14, K6
    let mut world = World::<B>::new(
        &[per(10, "day", "owner"), per(15, "hour", "workspace"), calendar(9, "minute")].join(","),
    );
    let (ann, too) = (world.key("ann", "live"), world.key("ann", "live"));
    let (bob, test) = (world.key("bob", "live"), world.key("ann", "test"));
    world.allow(ann, 7);
    assert_eq!(world.left(too), [3, 8, 9]);
    assert_eq!(world.left(bob), [10, 8, 9]);
    assert_eq!(world.left(test), [10, 15, 9], "usage in a test environment is counted apart");
    world.allow(too, 3);
    world.refuse(too, 1);
    world.refuse(ann, 1);
    world.allow(bob, 5);
    assert_eq!(world.left(bob), [5, 0, 4]);
    world.refuse(bob, 1);
    world.allow(test, 9);
}

pub(crate) fn a_limit_changed_in_mid_window_keeps_what_was_used<B: Backend>() {
    // L5
    let mut world = World::<B>::new(&calendar(500, "day"));
    world.allow(FIRST, 40);
    for (limit, left) in [(100, 60), (1_000, 960), (40, 0), (5, 0), (41, 1)] {
        world.limits(&calendar(limit, "day"));
        assert_eq!(world.left(FIRST), [left], "of {limit}");
    }
    world.allow(FIRST, 1);
    world.refuse(FIRST, 1);
}

pub(crate) fn several_bills_are_charged_all_or_none<B: Backend>() {
    // L7
    let mut world = World::<B>::new(&[calendar(10, "day"), per(15, "hour", "workspace")].join(","));
    let (one, two) = (world.key("ann", "live"), world.key("bob", "live"));
    assert_eq!(world.charge_all(&[(one, 4), (one, 4), (one, 2)]), Ok(()));
    assert_eq!(world.left(one), [0, 5]);
    let before = world.everything();
    assert_eq!(world.charge_all(&[(two, 5), (one, 1)]), Err(1), "the key has none left");
    assert_eq!(world.charge_all(&[(two, 5), (FIRST, 1)]), Err(1), "their workspace has not so many left");
    assert_eq!(world.charge_all(&[(two, 3), (FIRST, 1), (two, 2)]), Err(2));
    assert_eq!(world.everything(), before);
    assert_eq!(world.charge_all(&[(two, 3), (FIRST, 2), (one, 0)]), Ok(()));
    assert_eq!((world.left(two), world.left(FIRST)), (vec![7, 0], vec![8, 0]));
    assert_eq!(world.charge_all(&[]), Ok(()));
}

pub(crate) fn all_secrets_of_a_key_share_its_counts<B: Backend>() {
    // L8, R1
    let mut world = World::<B>::new(&calendar(6, "day"));
    world.allow(FIRST, 1);
    world.rotate(FIRST);
    world.rotate(FIRST);
    let found = world.found_by_secrets(FIRST);
    assert_eq!(found.len(), 3);
    let process = world.process();
    let admitted = (0..12).filter(|turn| process.charge(&found[turn % 3], 1).passed()).count();
    assert_eq!(admitted, 5);
}

/// How often a case with threads is tried: the time that is there for it in CI, unless more is asked for.
fn rounds() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "how long a test is to last is told by the environment")]
    let asked = std::env::var("KEYWARD_EDGE_ROUNDS").ok();
    asked.map_or(200, |rounds| rounds.parse().unwrap())
}

const THREADS: usize = 64;

/// Runs `work` on all threads at once, in each round, and hands what they made to `judge`.
fn together<T: Send>(
    process: &Process,
    rounds: u64,
    work: impl Fn(&Process, usize) -> T + Sync,
    mut judge: impl FnMut(u64, Vec<T>),
) {
    let (begin, end) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    let (over, made) = (AtomicBool::new(false), std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (begin, end, over, made, work) = (&begin, &end, &over, &made, &work);
            scope.spawn(move || {
                loop {
                    begin.wait();
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    let done =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(process, thread)));
                    if let Ok(done) = done {
                        made.lock().unwrap().push(done);
                    }
                    end.wait();
                }
            });
        }
        // A panic here would leave the threads waiting.
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..rounds {
                begin.wait();
                end.wait();
                let made = std::mem::take(&mut *made.lock().unwrap());
                assert_eq!(made.len(), THREADS, "a thread has died");
                judge(round, made);
            }
        }));
        over.store(true, Ordering::SeqCst);
        begin.wait();
        judged.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

pub(crate) fn sixty_four_threads_at_the_edge_admit_the_limit_exactly<B: Backend>() {
    // L6
    let world = World::<B>::new(&[calendar(100, "minute"), rolling(1_000_000_000, "1h")].join(","));
    let (process, id) = (world.process(), world.id(FIRST));
    let work = |process: &Process, _: usize| {
        let found = process.index.by_id(id).unwrap();
        (0..3).filter(|_| process.charge(&found, 1).passed()).count()
    };
    together(&process, rounds(), work, |round, admitted| {
        assert_eq!(admitted.iter().sum::<usize>(), 100, "in round {round}");
        assert_eq!(world.left(FIRST)[0], 0);
        world.pass(MINUTE);
    });
}

pub(crate) fn a_denied_neighbour_takes_nothing_even_for_a_moment<B: Backend>() {
    // L6, L7: half of the threads ask for too much, all the time
    let world = World::<B>::new(&calendar(100, "minute"));
    let (process, id) = (world.process(), world.id(FIRST));
    let work = |process: &Process, thread: usize| {
        let found = process.index.by_id(id).unwrap();
        let cost = if thread.is_multiple_of(2) { 1 } else { 101 };
        (0..3).filter(|_| process.charge(&found, cost).passed()).count()
    };
    together(&process, rounds().div_ceil(4), work, |round, admitted| {
        assert_eq!(admitted.iter().sum::<usize>(), 96, "in round {round}");
        world.pass(MINUTE);
    });
}

pub(crate) fn bills_in_opposite_orders_never_wait_for_each_other<B: Backend>() {
    // L6, L7
    let limits =
        [calendar(1_000_000, "month"), per(1_000_000, "day", "owner"), per(4_000_000, "hour", "workspace")];
    let mut world = World::<B>::new(&limits.join(","));
    let keys: Vec<_> = ["ann", "bob", "ann", "cy"].iter().map(|owner| world.key(owner, "live")).collect();
    let ids: Vec<_> = keys.iter().map(|key| world.id(*key)).collect();
    let charged = AtomicU64::new(0);
    let work = |process: &Process, thread: usize| {
        let mut found: Vec<_> = ids.iter().map(|id| process.index.by_id(*id).unwrap()).collect();
        found.rotate_left(thread % 4);
        if thread % 8 < 4 {
            found.reverse();
        }
        let bills: Vec<_> =
            found.iter().map(|found| process.index.bill(found, TierSet::only(0), 1)).collect();
        for _time in 0..5 {
            process.charge_all(&bills).unwrap();
            charged.fetch_add(1, Ordering::SeqCst);
        }
    };
    let process = world.process();
    together(&process, rounds().div_ceil(10), work, |_, _| {});
    let each = charged.load(Ordering::SeqCst);
    for (key, of_owner) in keys.iter().zip([2, 1, 2, 1]) {
        assert_eq!(world.left(*key), [1_000_000 - each, 1_000_000 - of_owner * each, 4_000_000 - 4 * each]);
    }
}

/// Every kind of window, with this limit.
pub(crate) fn kinds(limit: u64) -> [String; 6] {
    [
        calendar(limit, "minute"),
        calendar(limit, "hour"),
        zoned(limit, "day", "Europe/Berlin"),
        calendar(limit, "month"),
        rolling(limit, "1h"),
        bucket(limit, 1, "366d"),
    ]
}

pub(crate) const LIMITS: [u64; 8] = [1, 3, 16, 100, 127, 128, 1_000, 1_000_000];

pub(crate) fn a_stop_in_order_wastes_nothing<B: Backend>() {
    // L10
    let mut world =
        World::<B>::new(&[calendar(500, "day"), rolling(1_000, "1h"), per(9, "hour", "owner")].join(","));
    for used in [1, 3, 2] {
        world.allow(FIRST, used);
        let before = world.everything();
        world.restart();
        assert_eq!(world.everything(), before);
    }
    world.restart();
    assert_eq!(world.left(FIRST), [494, 994, 3]);
    let late = world.key_of("late", "live", ms("2026-01-01T00:00:01Z"));
    world.allow(late, 1);
    assert_eq!(world.left(late), [499, 999, 8]);
}

pub(crate) fn a_stop_in_order_wastes_nothing_of_any_kind<B: Backend>() {
    // L10
    for limit in LIMITS {
        for kind in kinds(limit) {
            let mut world = World::<B>::new(&kind);
            for cost in [1, limit / 3, limit / 2] {
                let before = world.charge(FIRST, cost).passed().then(|| world.everything());
                let before = before.unwrap_or_else(|| world.everything());
                world.restart();
                assert_eq!(world.everything(), before, "{kind}");
            }
        }
    }
}

/// Units written ahead at a time, as they are declared.
pub(crate) fn block(limit: u64) -> u64 {
    limit.min(limit.div_ceil(100).max(16))
}

/// What is left after so many crashes, of which no unit is used twice and not more than two blocks each are wasted.
#[track_caller]
pub(crate) fn waste_is_bounded(limit: u64, used: u64, crashes: u64, left: u64, what: &str) {
    assert!(used + left <= limit, "{what}: {used} used, and {left} left");
    let wasted = limit - used - left;
    assert!(wasted <= 2 * block(limit) * crashes, "{what}: {wasted} wasted by {crashes} crashes");
}

/// Spends what is left; how much that was.
#[track_caller]
pub(crate) fn spend_all<B: Backend>(world: &World<B>) -> u64 {
    let left = world.left(FIRST)[0];
    for _unit in 0..left.min(3) {
        world.allow(FIRST, 1);
    }
    if left > 3 {
        world.allow(FIRST, left - 3);
    }
    world.refuse(FIRST, 1);
    left
}

pub(crate) fn a_crash_admits_nothing_twice<B: Backend>() {
    // L10
    for kind in [calendar(500, "day"), calendar(40, "hour"), rolling(1_000, "1h")] {
        for used in [1, 2, 15, 39] {
            let mut world = World::<B>::new(&kind);
            let limit = world.left(FIRST)[0];
            (0..used).for_each(|_| drop(world.allow(FIRST, 1)));
            world.crash_and_start();
            waste_is_bounded(limit, used, 1, world.left(FIRST)[0], &kind);
            spend_all(&world);
        }
    }
}

pub(crate) fn a_crash_of_any_kind_of_window_wastes_at_most_two_blocks<B: Backend>() {
    // L10
    for limit in LIMITS {
        for kind in kinds(limit) {
            let mut world = World::<B>::new(&kind);
            let used = (limit / 3).clamp(1, 60);
            (0..used).for_each(|_| drop(world.allow(FIRST, 1)));
            world.crash_and_start();
            waste_is_bounded(limit, used, 1, world.left(FIRST)[0], &kind);
            let more = world.left(FIRST)[0].min(3);
            (0..more).for_each(|_| drop(world.allow(FIRST, 1)));
            world.crash_and_start();
            let left = spend_all(&world);
            waste_is_bounded(limit, used + more, 2, left, &kind);
        }
    }
}

pub(crate) fn what_a_crash_leaves_unknown_stays_so_after_a_stop_in_order<B: Backend>() {
    // L10: nothing is written of the first units, nor by the process that does not know of them
    for kind in [calendar(500, "day"), rolling(500, "1h"), bucket(500, 1, "366d")] {
        let mut world = World::<B>::new(&kind);
        (0..4).for_each(|_| drop(world.allow(FIRST, 1)));
        world.crash_and_start();
        world.restart();
        world.restart();
        waste_is_bounded(500, 4, 1, world.left(FIRST)[0], &kind);
        let late = world.key_of("late", "live", ms("2026-01-01T00:05:00Z"));
        assert_eq!(world.left(late), [500], "who came later has used nothing");
    }
}

pub(crate) fn a_window_that_ends_while_nobody_counts_begins_anew<B: Backend>() {
    // L3, L10
    for kind in [calendar(500, "minute"), rolling(500, "60s"), bucket(500, 500, "60s")] {
        for crash in [false, true] {
            let mut world = World::<B>::new(&kind);
            (0..100).for_each(|_| drop(world.allow(FIRST, 1)));
            if crash {
                world.crash();
            } else {
                world.stop();
            }
            world.pass(2 * MINUTE);
            world.start();
            let left = world.left(FIRST)[0];
            assert!(left == 500 || (crash && left >= 500 - 32), "{kind}: {left}");
            world.pass(2 * MINUTE);
            assert_eq!(world.left(FIRST), [500], "{kind}");
        }
    }
}

pub(crate) fn a_limit_that_changes_before_a_crash_admits_nothing_twice<B: Backend>() {
    // L5, L10
    for (before, after) in [(1_000, 100), (1_000, 20), (100, 1_000), (100_000, 1_000), (1_000, 100_000)] {
        for used in [1, 10, 20] {
            let mut world = World::<B>::new(&calendar(before, "day"));
            (0..used).for_each(|_| drop(world.allow(FIRST, 1)));
            world.limits(&calendar(after, "day"));
            world.crash_and_start();
            let left = world.left(FIRST)[0];
            assert!(used + left <= after, "{before} to {after}: {used} used, {left} left");
            assert!(after - used - left <= 2 * block(before.max(after)), "{before} to {after}: {left} left");
        }
    }
}

pub(crate) fn what_a_wrong_clock_has_counted_ends_with_its_repair<B: Backend>() {
    // D6
    for kind in [calendar(5, "day"), calendar(5, "hour"), rolling(5, "1h"), bucket(5, 5, "1h")] {
        let mut world = World::<B>::new(&kind);
        world.leap(1_000 * DAY);
        world.refuse(FIRST, 6);
        world.pass(2 * MINUTE);
        world.restart();
        world.allow(FIRST, 5);
        world.stop();
        world.leap(-1_000 * DAY);
        world.forget_mark();
        world.start();
        world.pass(DAY);
        assert_eq!(world.left(FIRST), [5], "{kind}");
    }
}

pub(crate) fn what_is_settled_under_load_is_not_admitted_twice_after_a_crash<B: Backend>() {
    // L10
    for round in 0..10 {
        for kind in [calendar(2_000, "day"), rolling(2_000, "1h"), bucket(2_000, 1, "366d")] {
            let mut world = World::<B>::new(&kind);
            let id = world.id(FIRST);
            let process = world.process();
            let used = AtomicU64::new(0);
            std::thread::scope(|scope| {
                for thread in 0..4_u64 {
                    let (process, used) = (&process, &used);
                    scope.spawn(move || {
                        for turn in 0..20 + round {
                            let found = process.index.by_id(id).unwrap();
                            let cost = 1 + (turn + thread) % 7;
                            assert!(process.charge(&found, cost).passed());
                            used.fetch_add(cost, Ordering::SeqCst);
                        }
                    });
                }
                for _time in 0..20 {
                    super::wait(process.counters.settle()).unwrap();
                }
            });
            drop(process);
            world.crash_and_start();
            waste_is_bounded(2_000, used.into_inner(), 1, world.left(FIRST)[0], &kind);
        }
    }
}

pub(crate) fn while_nothing_can_be_written_counting_goes_on_and_says_so<B: Backend>() {
    // D4, L6
    for kind in [calendar(500, "day"), rolling(500, "1h"), bucket(500, 1, "366d")] {
        let mut world = World::<B>::new(&kind);
        world.allow(FIRST, 10);
        assert!(!world.process().counters.is_degraded());
        world.backend.break_store();
        (0..490).for_each(|_| drop(world.allow(FIRST, 1)));
        world.refuse(FIRST, 1);
        assert!(world.process().counters.is_degraded());
    }
}
