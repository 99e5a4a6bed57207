//! What Keyward needs of whoever counts: one decision is one charge, of all limits or of none.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::Pending;
use crate::domain::{
    limit::{Bound, KeyLimits, LimitId, Sheet},
    policy::{Subject, TierSet},
    time::{Now, Timestamp},
};

/// The place where the counts of one subject are kept, beside the subject itself: so that nothing is looked up.
///
/// Taken in this order, so that nobody waits in a circle: of the key, of its owner, of its workspace; several of a kind
/// in the order of their addresses.
#[derive(Debug)]
pub struct Account {
    /// Held for a judgement and its charge, and never while anything waits.
    sheet: Mutex<Sheet>,
    /// When the subject came to be: what was over before then, nobody has counted anything of it.
    since: Timestamp,
}

impl Account {
    /// An account on which nothing is counted yet.
    #[must_use]
    pub fn new(since: Timestamp) -> Self {
        Self { sheet: Mutex::default(), since }
    }

    /// The counts, for as long as the guard is held.
    pub fn lock(&self) -> MutexGuard<'_, Sheet> {
        self.sheet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the subject came to be.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        self.since
    }
}

/// Somebody whose use is counted: a key, an owner, a workspace.
pub trait Payer: Send + Sync {
    /// Where.
    fn account(&self) -> &Account;

    /// What its counts are stored under.
    fn subject(&self) -> String;
}

/// A payer at hand, who can be kept.
pub trait Payable {
    /// Where its use is counted.
    fn account(&self) -> &Account;

    /// The payer, to be kept.
    fn payer(&self) -> Arc<dyn Payer>;
}

impl<P: Payer + 'static> Payable for Arc<P> {
    fn account(&self) -> &Account {
        Payer::account(&**self)
    }

    fn payer(&self) -> Arc<dyn Payer> {
        Arc::<P>::clone(self)
    }
}

impl Payable for Arc<dyn Payer> {
    fn account(&self) -> &Account {
        (**self).account()
    }

    fn payer(&self) -> Arc<dyn Payer> {
        Self::clone(self)
    }
}

/// What a request is to be charged to.
#[derive(Clone, Copy)]
pub struct Bill<'a> {
    /// The key.
    pub key: &'a dyn Payable,
    /// All keys of its owner in its workspace and environment; there where a limit is shared so.
    pub owner: Option<&'a dyn Payable>,
    /// All keys of its workspace and environment; there where a limit is shared so.
    pub workspace: Option<&'a dyn Payable>,
    /// The limits of the key.
    pub limits: &'a KeyLimits,
    /// The tiers that count.
    pub tiers: TierSet,
    /// Units.
    pub cost: u64,
}

impl<'a> Bill<'a> {
    /// Who a limit that is shared so is charged to. What should be shared and is not is charged to the key: it is never
    /// free.
    #[must_use]
    pub fn payer(&self, per: Subject) -> (Subject, &'a dyn Payable) {
        let shared = match per {
            Subject::Key => None,
            Subject::Owner => self.owner,
            Subject::Workspace => self.workspace,
        };
        shared.map_or((Subject::Key, self.key), |shared| (per, shared))
    }

    /// Each limit that it is charged to, with the count that this is: whose account, and of what.
    pub fn counts(&self) -> impl Iterator<Item = (Count, &'a Bound)> + use<'a> {
        let bill = *self;
        bill.limits.of(bill.tiers).map(move |bound| {
            let (_, payable) = bill.payer(bound.per);
            ((std::ptr::from_ref(payable.account()).addr(), bound.id), bound)
        })
    }
}

/// One count: the address of its account, and its limit.
pub type Count = (usize, LimitId);

/// What bills that go together ask of each count.
#[must_use]
pub fn costs(bills: &[Bill<'_>]) -> HashMap<Count, u64> {
    let mut costs: HashMap<_, u64> = HashMap::new();
    for bill in bills {
        for (count, _) in bill.counts() {
            let cost = costs.entry(count).or_default();
            *cost = cost.saturating_add(bill.cost);
        }
    }
    costs
}

/// How one limit stands after a request; the limits of a bill are always in the order of [`KeyLimits::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState {
    /// Units that are left.
    pub remaining: u64,
    /// When all of them are there again, if nobody uses any.
    pub reset: Timestamp,
    /// Whether it allows the request.
    pub passes: bool,
    /// How long until it does; `None` where it does now, or never will.
    pub wait: Option<Duration>,
}

/// What became of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// All limits allow it, and it is charged to all of them.
    Charged(Vec<LimitState>),
    /// Some limit does not, and nothing is charged.
    Refused(Vec<LimitState>),
    /// All limits allow it, but more must be written before it may be charged; that is under way.
    Unwritten,
}

/// What became of several charges that go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeAll {
    /// All are charged.
    Charged(Vec<Vec<LimitState>>),
    /// This one is refused, and nothing is charged.
    Refused(usize, Vec<LimitState>),
    /// More must be written first; that is under way.
    Unwritten,
}

/// Who counts.
pub trait Counters: Send + Sync {
    /// Charges a bill to all of its limits, or to none.
    fn charge(&self, bill: &Bill<'_>, now: &Now) -> Charge;

    /// Charges all bills, one after the other, or none of them.
    fn charge_all(&self, bills: &[Bill<'_>], now: &Now) -> ChargeAll;

    /// How the limits of a bill stand. Charges nothing.
    fn peek(&self, bill: &Bill<'_>, now: &Now) -> Vec<LimitState>;

    /// Changes whenever something was written: what was [`Charge::Unwritten`] may pass now.
    fn written(&self) -> watch::Receiver<u64>;

    /// Whether counting goes on in memory only, because nothing can be written.
    fn is_degraded(&self) -> bool;

    /// Writes every count that begun under limits as they are now: before they change.
    fn settle(&self) -> Pending<'_, ()>;
}
