//! Random lives of keys under random limits, against a log of what was admitted: no window, no interval, no suffix of the log
//! ever holds more than its limit, and nothing is refused that would have passed, but for what crashes may waste.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};

use keyward::ports::LimitState;

use super::{Backend, World, cases::block, ms};

/// Unless `PROPTEST_CASES` asks for more.
const CASES: u32 = 24;
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/counters_support/regressions.txt");

#[derive(Debug, Clone, Copy)]
enum Window {
    /// So many milliseconds of the UTC clock.
    Calendar(&'static str, i64),
    Rolling(i64),
    Bucket {
        refill: u64,
        seconds: i64,
    },
}

#[derive(Debug, Clone)]
struct Rule {
    window: Window,
    limit: u64,
    per: &'static str,
}

#[derive(Debug, Clone)]
enum Step {
    /// A key, and a cost in hundredths of the smallest block, at least 1; 0 for nothing.
    Charge(usize, u64),
    ChargeAll(Vec<(usize, u64)>),
    /// Charges until it is refused, and once more when it said.
    Exhaust(usize),
    Pass(i64),
    Restart,
    Crash,
}

/// Each key: its owner and environment.
const KEYS: [(&str, &str); 5] =
    [("", "live"), ("ann", "live"), ("ann", "live"), ("bob", "live"), ("ann", "test")];

fn rule() -> impl Strategy<Value = Rule> {
    let window = prop_oneof![
        Just(Window::Calendar("minute", 60_000)),
        Just(Window::Calendar("hour", 3_600_000)),
        Just(Window::Calendar("day", 86_400_000)),
        (1_i64..5_000).prop_map(Window::Rolling),
        (1_u64..50, 1_i64..600).prop_map(|(refill, seconds)| Window::Bucket { refill, seconds }),
    ];
    let limit = prop_oneof![1_u64..20, 100_u64..200, Just(1_000)];
    let per = prop_oneof![2 => Just("key"), 1 => Just("owner"), 1 => Just("workspace")];
    (window, limit, per).prop_map(|(window, limit, per)| Rule { window, limit, per })
}

fn step() -> impl Strategy<Value = Step> {
    let cost = prop_oneof![1 => Just(0_u64), 6 => 1_u64..4, 3 => 4_u64..17, 1 => 17_u64..1_200];
    let charge = (0..KEYS.len(), cost);
    prop_oneof![
        8 => charge.clone().prop_map(|(key, cost)| Step::Charge(key, cost)),
        2 => vec(charge, 1..5).prop_map(Step::ChargeAll),
        1 => (0..KEYS.len()).prop_map(Step::Exhaust),
        4 => prop_oneof![0_i64..2_000, 0_i64..100_000, 0_i64..5_000_000].prop_map(Step::Pass),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ]
}

impl Rule {
    fn text(&self, place: usize) -> String {
        let window = match self.window {
            Window::Calendar(unit, _) => format!("calendar = '{unit}'"),
            Window::Rolling(seconds) => format!("rolling = '{seconds}s'"),
            Window::Bucket { refill, seconds } => {
                format!("bucket = {{ refill = {refill}, every = '{seconds}s' }}")
            }
        };
        format!("{{ name = 'l{place}', limit = {}, {window}, per = '{}' }}", self.limit, self.per)
    }

    fn shares(&self, one: usize, other: usize) -> bool {
        match self.per {
            "key" => one == other,
            "owner" => KEYS[one] == KEYS[other],
            _ => KEYS[one].1 == KEYS[other].1,
        }
    }
}

/// What was admitted, and what crashes may have wasted.
struct Log {
    rules: Vec<Rule>,
    admitted: Vec<(i64, usize, u64)>,
    crashes: u64,
    dearest: u64,
}

impl Log {
    fn of(&self, rule: &Rule, key: usize) -> Vec<(i64, u64)> {
        let shared = self.admitted.iter().filter(|(_, other, _)| rule.shares(key, *other));
        shared.map(|(at, _, cost)| (*at, *cost)).collect()
    }

    /// What is used at least, and at most, where no process has crashed.
    fn used(&self, rule: &Rule, key: usize, now: i64) -> (u64, u64) {
        let log = self.of(rule, key);
        let sum = |from: i64| log.iter().filter(|(at, _)| *at >= from).map(|(_, cost)| cost).sum::<u64>();
        match rule.window {
            Window::Calendar(_, length) => {
                let used = sum(now - now.rem_euclid(length));
                (used, used)
            }
            Window::Rolling(seconds) => {
                let length = seconds * 1_000;
                (sum(now - length + 1), sum(now - length - 2 * ((length + 15) / 16)))
            }
            Window::Bucket { refill, seconds } => {
                // The fullest suffix decides.
                let points = u128::try_from(seconds * 1_000).unwrap();
                let missing = (0..log.len()).map(|from| {
                    let taken: u64 = log[from..].iter().map(|(_, cost)| cost).sum();
                    let back = u128::try_from(now - log[from].0).unwrap() * u128::from(refill);
                    (u128::from(taken) * points).saturating_sub(back)
                });
                let used = u64::try_from(missing.max().unwrap_or(0).div_ceil(points)).unwrap();
                (used, used)
            }
        }
    }

    fn admit(&mut self, now: i64, key: usize, cost: u64) {
        self.admitted.push((now, key, cost));
        for rule in &self.rules {
            let (used, _) = self.used(rule, key, now);
            assert!(used <= rule.limit, "{rule:?}: {used} are used with {cost} by key {key}");
        }
    }

    /// A stop in order wastes nothing, but for what a crash before it has left unknown: that is a block.
    fn compare(&self, before: &[Vec<LimitState>], after: &[Vec<LimitState>]) {
        if self.crashes == 0 {
            assert_eq!(before, after, "a stop in order wastes nothing");
        }
        for (before, after) in before.iter().zip(after) {
            for ((before, after), rule) in before.iter().zip(after).zip(&self.rules) {
                let (before, after) = (before.remaining, after.remaining);
                assert!(
                    after <= before && before - after <= block(rule.limit),
                    "{rule:?}: {before}, {after}"
                );
            }
        }
    }

    /// A refusal must have had a reason.
    fn refused(&self, now: i64, wanted: &[(usize, u64)]) {
        let (key, _) = wanted[wanted.len() - 1];
        let reason = self.rules.iter().any(|rule| {
            let cost: u64 =
                wanted.iter().filter(|(other, _)| rule.shares(key, *other)).map(|(_, cost)| cost).sum();
            // A crash wastes two blocks, or what one request needed.
            let by_crashes = self.crashes * (2 * block(rule.limit)).max(self.dearest + block(rule.limit));
            self.used(rule, key, now).1 + cost + by_crashes > rule.limit
        });
        assert!(reason, "refused for nothing: {wanted:?}");
    }
}

fn live<B: Backend>(rules: Vec<Rule>, steps: &[Step]) {
    let texts: Vec<_> = rules.iter().enumerate().map(|(place, rule)| rule.text(place)).collect();
    let mut world = World::<B>::starting("2026-03-01T23:10:20.300Z", &texts.join(", "));
    for (owner, environment) in &KEYS[1..] {
        world.key_of(owner, environment, ms("2026-01-01T00:00:00Z"));
    }
    let mut log = Log { rules, admitted: Vec::new(), crashes: 0, dearest: 0 };
    for step in steps {
        match step {
            Step::Pass(ms) => world.pass(*ms),
            Step::Restart => {
                let before = world.everything();
                world.restart();
                log.compare(&before, &world.everything());
            }
            Step::Crash => {
                world.crash_and_start();
                log.crashes += 1;
            }
            Step::Charge(key, cost) => drop(one(&world, &mut log, *key, *cost)),
            Step::ChargeAll(of) => {
                let before = world.everything();
                match world.charge_all(of) {
                    Ok(()) => of.iter().for_each(|(key, cost)| log.admit(world.now(), *key, *cost)),
                    Err(place) => {
                        log.refused(world.now(), &of[..=place]);
                        assert_eq!(world.everything(), before, "a denial leaves every count as it was");
                    }
                }
                log.dearest = log.dearest.max(of.iter().map(|(_, cost)| cost).sum());
            }
            Step::Exhaust(key) => {
                for _unit in 0..50 {
                    let Some(wait) = one(&world, &mut log, *key, 7) else { continue };
                    if let Some(wait) = wait {
                        world.pass(wait - 1);
                        assert!(one(&world, &mut log, *key, 7).is_some(), "a millisecond early");
                        world.pass(1);
                        assert_eq!(one(&world, &mut log, *key, 7), None, "it said when");
                    }
                    break;
                }
            }
        }
    }
}

/// `None` where it passes, else how long until it does.
#[allow(clippy::option_option, reason = "a wait, none for ever, or none needed")]
fn one<B: Backend>(world: &World<B>, log: &mut Log, key: usize, cost: u64) -> Option<Option<i64>> {
    log.dearest = log.dearest.max(cost);
    let before = world.everything();
    let verdict = world.charge(key, cost);
    if verdict.passed() {
        log.admit(world.now(), key, cost);
        return None;
    }
    log.refused(world.now(), &[(key, cost)]);
    assert_eq!(world.everything(), before, "a denial leaves every count as it was");
    Some(verdict.wait())
}

pub(crate) fn whatever_happens_no_window_ever_holds_more_than_its_limit<B: Backend>() {
    // L3, L4, L6, L7, L9, L10, L14
    #[allow(
        clippy::disallowed_methods,
        reason = "proptest's own variable, for which its default is too many"
    )]
    let asked = std::env::var("PROPTEST_CASES").ok().map(|cases| cases.parse().unwrap());
    let config = Config {
        cases: asked.unwrap_or(CASES),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let lives = (vec(rule(), 1..4), vec(step(), 1..60));
    if let Err(failure) = TestRunner::new(config).run(&lives, |(rules, steps)| {
        live::<B>(rules, &steps);
        Ok(())
    }) {
        panic!("{failure}");
    }
}
