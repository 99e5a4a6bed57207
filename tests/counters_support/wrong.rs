//! Limiters that are wrong, each in one way that others have been wrong in; and the plain one that they are made from.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
#![allow(clippy::wildcard_enum_match_arm, reason = "each flaw is in one place")]

use std::{
    collections::HashMap,
    marker::PhantomData,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use keyward::{
    domain::{
        limit::Bound,
        policy::Subject,
        time::{Now, Timestamp, TrustedClock},
    },
    index::Index,
    ports::{Bill, Charge, ChargeAll, Charged, Counters, LimitState, Pending, Weighed},
};
use tokio::sync::watch;

use super::Backend;

/// In which way a limiter is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    ReadsThenAdds,
    ResetsOnRestart,
    ForgetsOnCrash,
    ChargesDenials,
    WindowFromFirstUse,
    WallClockForRates,
    CounterPerSecret,
    ResetsOnlyAfterIdleness,
    ChargesThenRefunds,
    ChargesTheFirstLimitOnly,
    MixesEnvironments,
    OneTooMany,
    BatchesByHalves,
    SaysTooEarly,
    ForgetsWhenTheLimitChanges,
    LooksAreCharged,
    RollsOverADayAfterTheFirstUse,
}

/// A flaw as a type.
pub(crate) trait Flawed: Send + 'static {
    const FLAW: Flaw;
}

/// Whom a charge is counted for, under which limit.
type Place = (String, String);

/// Each charge that may still count.
type Charges = HashMap<Place, Vec<(Now, u64)>>;

/// A back end that keeps every charge, durable at once: slow, and right but for its flaw.
pub(crate) struct Plain<F: Flawed> {
    kept: Arc<Mutex<Charges>>,
    flaw: PhantomData<F>,
}

impl<F: Flawed> Backend for Plain<F> {
    fn new() -> Self {
        Self { kept: Arc::default(), flaw: PhantomData }
    }

    fn open(&mut self, _index: &Arc<Index>, _clock: &Arc<TrustedClock>) -> Arc<dyn Counters> {
        Arc::new(PlainCounters {
            turns: AtomicUsize::new(0),
            flaw: F::FLAW,
            charges: Arc::clone(&self.kept),
            written: watch::channel(0).1,
        })
    }

    fn close(&mut self) {
        if F::FLAW == Flaw::ResetsOnRestart {
            self.kept.lock().unwrap().clear();
        }
    }

    fn crash(&mut self) {
        if F::FLAW == Flaw::ForgetsOnCrash {
            self.kept.lock().unwrap().clear();
        }
    }

    fn break_store(&mut self) {}
}

struct PlainCounters {
    flaw: Flaw,
    /// How many bills were to be charged.
    turns: AtomicUsize,
    charges: Arc<Mutex<Charges>>,
    written: watch::Receiver<u64>,
}

impl PlainCounters {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn place(&self, bill: &Bill<'_>, bound: &Bound) -> Place {
        let account = match bound.per {
            Subject::Key => bill.key,
            Subject::Owner => bill.owner.unwrap(),
            Subject::Workspace => bill.workspace.unwrap(),
        };
        let mut subject = account.payer.to_string();
        if self.has(Flaw::MixesEnvironments) {
            subject = subject.replace("/test", "/live");
        }
        if self.has(Flaw::CounterPerSecret) {
            // A bill does not say which secret was presented: the three of the case take turns.
            subject = format!("{subject}/{}", self.turns.load(Ordering::SeqCst) % 3);
        }
        let mut limit = bound.name.to_string();
        if self.has(Flaw::ForgetsWhenTheLimitChanges) {
            limit = format!("{limit}/{}", bound.limit);
        }
        (subject, limit)
    }

    /// The charges that count, oldest first, each with the time at which it does no more.
    fn counting(&self, charges: &[(Now, u64)], bound: &Bound, now: &Now) -> Vec<(i64, u64)> {
        let length = i64::try_from(bound.length.as_millis()).unwrap();
        if bound.name.ends_with("rolling") {
            let by_the_wall = self.has(Flaw::WallClockForRates);
            let clock = |now: &Now| if by_the_wall { now.time.as_ms() } else { now.steady.as_ms() };
            let ends = charges.iter().map(|(then, cost)| (clock(then) + length - clock(now), *cost));
            return ends.filter(|(ends, _)| *ends > 0).collect();
        }
        let now = now.time.as_ms();
        let first = charges.first().map_or(now, |(then, _)| then.time.as_ms());
        let last = charges.last().map_or(now, |(then, _)| then.time.as_ms());
        let end = |then: i64| match self.flaw {
            Flaw::WindowFromFirstUse => first + (then - first).div_euclid(length) * length + length,
            Flaw::RollsOverADayAfterTheFirstUse if length >= 86_400_000 => then + length,
            Flaw::ResetsOnlyAfterIdleness => last + length,
            _ => then.div_euclid(length) * length + length,
        };
        let ends = charges.iter().map(|(then, cost)| (end(then.time.as_ms()) - now, *cost));
        ends.filter(|(ends, _)| *ends > 0).collect()
    }

    fn state(&self, charges: &Charges, bill: &Bill<'_>, bound: &Bound, cost: u64, now: &Now) -> LimitState {
        let none = Vec::new();
        let counting = self.counting(charges.get(&self.place(bill, bound)).unwrap_or(&none), bound, now);
        let used: u64 = counting.iter().map(|(_, cost)| cost).sum();
        let limit = bound.limit + u64::from(self.has(Flaw::OneTooMany));
        let remaining = limit.saturating_sub(used);
        let passes = cost <= remaining;
        let mut fewer = 0;
        let enough = counting.iter().find(|(_, cost_of)| {
            fewer += cost_of;
            used.saturating_add(cost) - fewer.min(used) <= limit
        });
        let early = i64::from(self.has(Flaw::SaysTooEarly));
        let ms = |ms: i64| Duration::from_millis(ms.try_into().unwrap());
        let wait = enough.filter(|_| !passes && cost <= limit).map(|(ends, _)| ms(ends - early));
        let length = i64::try_from(bound.length.as_millis()).unwrap();
        let unused = length - now.time.as_ms().rem_euclid(length);
        let whole = counting.iter().map(|(ends, _)| *ends).max().unwrap_or(unused);
        LimitState { remaining, reset: Timestamp::saturating_add(now.time, ms(whole)), passes, wait }
    }

    fn states(&self, charges: &Charges, bill: &Bill<'_>, cost: u64, now: &Now) -> Vec<LimitState> {
        bill.limits.of(bill.tiers).map(|bound| self.state(charges, bill, bound, cost, now)).collect()
    }

    fn add(&self, charges: &mut Charges, bill: &Bill<'_>, now: &Now) {
        if bill.cost == 0 {
            return;
        }
        let only = if self.has(Flaw::ChargesTheFirstLimitOnly) { 1 } else { usize::MAX };
        for bound in bill.limits.of(bill.tiers).take(only) {
            let of_bound = charges.entry(self.place(bill, bound)).or_default();
            match of_bound.last_mut().filter(|(then, _)| then == now) {
                Some((_, cost)) => *cost = cost.saturating_add(bill.cost),
                None => of_bound.push((*now, bill.cost)),
            }
        }
    }

    fn refund(&self, charges: &mut Charges, bill: &Bill<'_>, now: &Now) {
        for bound in bill.limits.of(bill.tiers) {
            let of_bound = charges.get_mut(&self.place(bill, bound)).unwrap();
            let (_, cost) = of_bound.iter_mut().rfind(|(then, _)| then == now).unwrap();
            *cost -= bill.cost;
        }
    }
}

impl Counters for PlainCounters {
    fn charge(&self, bill: &Bill<'_>, now: &Now) -> Charge {
        self.turns.fetch_add(1, Ordering::SeqCst);
        if self.has(Flaw::ReadsThenAdds) {
            let passing = match self.peek(bill, now).unwrap() {
                Weighed::Refused(refusal) => return Charge::Refused(refusal),
                Weighed::Passes(passing) => passing,
            };
            std::thread::yield_now();
            self.add(&mut self.charges.lock().unwrap(), bill, now);
            return Charge::Charged(Charged::by_counters(passing));
        }
        if self.has(Flaw::ChargesThenRefunds) {
            let weighed = {
                let mut charges = self.charges.lock().unwrap();
                let states = self.states(&charges, bill, bill.cost, now);
                self.add(&mut charges, bill, now);
                Weighed::new(bill, states).unwrap()
            };
            let refusal = match weighed {
                Weighed::Passes(passing) => return Charge::Charged(Charged::by_counters(passing)),
                Weighed::Refused(refusal) => refusal,
            };
            std::thread::yield_now();
            self.refund(&mut self.charges.lock().unwrap(), bill, now);
            return Charge::Refused(refusal);
        }
        match self.charge_all(std::slice::from_ref(bill), now) {
            ChargeAll::Charged(mut each) => Charge::Charged(each.remove(0)),
            ChargeAll::Refused(_, refusal) => Charge::Refused(refusal),
            ChargeAll::Unwritten => Charge::Unwritten,
        }
    }

    fn charge_all(&self, bills: &[Bill<'_>], now: &Now) -> ChargeAll {
        let mut charges = self.charges.lock().unwrap();
        let before = charges.clone();
        let mut all = Vec::new();
        for (place, bill) in bills.iter().enumerate() {
            let states = self.states(&charges, bill, bill.cost, now);
            if let Weighed::Refused(refusal) = Weighed::new(bill, states).unwrap() {
                if self.has(Flaw::ChargesDenials) {
                    self.add(&mut charges, bill, now);
                } else if !self.has(Flaw::BatchesByHalves) {
                    *charges = before;
                }
                return ChargeAll::Refused(place, refusal);
            }
            self.add(&mut charges, bill, now);
            let after = self.states(&charges, bill, 0, now);
            if let Some(Weighed::Passes(passing)) = Weighed::new(bill, after) {
                all.push(Charged::by_counters(passing));
            }
        }
        ChargeAll::Charged(all)
    }

    fn peek(&self, bill: &Bill<'_>, now: &Now) -> Option<Weighed> {
        let mut charges = self.charges.lock().unwrap();
        let states = self.states(&charges, bill, bill.cost, now);
        if self.has(Flaw::LooksAreCharged) {
            self.add(&mut charges, bill, now);
        }
        Weighed::new(bill, states)
    }

    fn written(&self) -> watch::Receiver<u64> {
        self.written.clone()
    }

    fn is_degraded(&self) -> bool {
        false
    }

    fn settle(&self) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
