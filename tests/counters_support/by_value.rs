//! A back end that counts by what a bill says and by nothing else: no slot, no index, no address. Its counts stand in one map,
//! by payer and limit as texts, as an engine on another machine would have them; they outlive the process that counts.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use keyward::{
    domain::{
        limit::{Bound, Reading, Replicas, Sheet},
        time::{Now, TrustedClock},
    },
    index::Index,
    ports::{Bill, Charge, ChargeAll, Charged, Counters, LimitState, Pending, Weighed},
};
use tokio::sync::watch;

use super::Backend;

/// Counts by payer and limit.
type Counts = BTreeMap<(String, String), Sheet>;

/// The engine: what it has counted survives every process.
pub(crate) struct ByValue(Arc<Mutex<Counts>>);

impl Backend for ByValue {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn open(&mut self, _index: &Arc<Index>, _clock: &Arc<TrustedClock>) -> Arc<dyn Counters> {
        Arc::new(Counting { counts: Arc::clone(&self.0), written: watch::channel(0).1 })
    }

    fn close(&mut self) {}

    fn crash(&mut self) {}

    fn break_store(&mut self) {}
}

struct Counting {
    counts: Arc<Mutex<Counts>>,
    written: watch::Receiver<u64>,
}

fn place(bill: &Bill<'_>, bound: &Bound) -> (String, String) {
    (bill.account(bound.per).payer.to_string(), bound.text().to_string())
}

fn weighed(counts: &Counts, bill: &Bill<'_>, cost: u64, reading: &Reading) -> Weighed {
    let nothing = Sheet::default();
    let of =
        |bound| LimitState::of(counts.get(&place(bill, bound)).unwrap_or(&nothing), bound, cost, reading);
    Weighed::new(bill, bill.limits.of(bill.tiers).map(of).collect()).unwrap()
}

impl Counters for Counting {
    fn charge(&self, bill: &Bill<'_>, now: &Now) -> Charge {
        match self.charge_all(std::slice::from_ref(bill), now) {
            ChargeAll::Charged(mut each) => Charge::Charged(each.remove(0)),
            ChargeAll::Refused(_, refusal) => Charge::Refused(refusal),
            ChargeAll::Unwritten => Charge::Unwritten,
        }
    }

    /// Charges a copy of the counts that the bills name, and puts the copy in their place if all of them pass.
    fn charge_all(&self, bills: &[Bill<'_>], now: &Now) -> ChargeAll {
        let reading = Reading { now: *now, unclean: None, replicas: Replicas::ALONE };
        let mut counts = self.counts.lock().unwrap();
        let named = bills.iter().flat_map(|bill| bill.counts().map(|(_, bound)| place(bill, bound)));
        let mut charged: Counts =
            named.map(|place| (place.clone(), counts.get(&place).cloned().unwrap_or_default())).collect();
        let mut all = Vec::new();
        for (number, bill) in bills.iter().enumerate() {
            if let Weighed::Refused(refusal) = weighed(&charged, bill, bill.cost, &reading) {
                return ChargeAll::Refused(number, refusal);
            }
            for bound in bill.limits.of(bill.tiers) {
                charged.get_mut(&place(bill, bound)).unwrap().charge(bound, bill.cost, &reading);
            }
            if let Weighed::Passes(passing) = weighed(&charged, bill, 0, &reading) {
                all.push(Charged::by_counters(passing));
            }
        }
        counts.extend(charged);
        ChargeAll::Charged(all)
    }

    fn peek(&self, bill: &Bill<'_>, now: &Now) -> Option<Weighed> {
        let reading = Reading { now: *now, unclean: None, replicas: Replicas::ALONE };
        Some(weighed(&self.counts.lock().unwrap(), bill, bill.cost, &reading))
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
