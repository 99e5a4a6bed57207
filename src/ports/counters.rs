//! What Keyward needs of whoever counts: one decision is one charge, of all limits or of none.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::Pending;
use crate::domain::{
    decision::{Denial, Spent},
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

/// How the limits of a bill stand that all of them allow: each of them, and one at least (L1). Made by [`Weighed::new`]
/// alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passing(Vec<LimitState>);

impl Passing {
    /// The states.
    #[must_use]
    pub fn states(&self) -> &[LimitState] {
        &self.0
    }

    /// The same, to keep.
    #[must_use]
    pub fn into_states(self) -> Vec<LimitState> {
        self.0
    }
}

/// That a bill is refused, by which of its limits, and how all of them stand. Made by [`Weighed::new`] alone: there is no
/// refusal without a limit that refuses, so that none can be taken for an allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    denial: Denial,
    states: Vec<LimitState>,
}

impl Refusal {
    /// The denial, by the limit that takes longest (L9), and the states.
    #[must_use]
    pub fn into_parts(self) -> (Denial, Vec<LimitState>) {
        (self.denial, self.states)
    }
}

/// How the limits of a bill stand, and what that comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weighed {
    /// All of them allow it.
    Passes(Passing),
    /// Some do not.
    Refused(Refusal),
}

impl Weighed {
    /// What these states of the limits of a bill come to. `None` where they are not one for each of its limits, or it is
    /// under no limit: then nobody knows whether it may, and that is no answer.
    #[must_use]
    pub fn new(bill: &Bill<'_>, states: Vec<LimitState>) -> Option<Self> {
        let limits = bill.limits.of(bill.tiers).count();
        if limits == 0 || limits != states.len() {
            return None;
        }
        let longest = denials(bill, &states).max_by_key(|(wait, _)| wait.unwrap_or(Duration::MAX));
        Some(match longest {
            Some((_, denial)) => Self::Refused(Refusal { denial, states }),
            None => Self::Passes(Passing(states)),
        })
    }

    /// The states.
    #[must_use]
    pub fn into_states(self) -> Vec<LimitState> {
        match self {
            Self::Passes(passing) => passing.into_states(),
            Self::Refused(refusal) => refusal.states,
        }
    }
}

/// Every limit that does not allow a bill, in the order of its limits: how long until it does, and the denial by it.
pub fn denials(bill: &Bill<'_>, states: &[LimitState]) -> impl Iterator<Item = (Option<Duration>, Denial)> {
    let failing = bill.limits.of(bill.tiers).zip(states).filter(|(_, state)| !state.passes);
    failing.map(|(bound, state)| {
        let spent = Spent { limit: bound.name.clone(), admits: bound.limit, wait: state.wait };
        (state.wait, if bound.is_quota { Denial::QuotaExceeded(spent) } else { Denial::RateLimited(spent) })
    })
}

/// What became of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// All limits allow it, and it is charged to all of them; how they stand then.
    Charged(Passing),
    /// Some limit does not, and nothing is charged.
    Refused(Refusal),
    /// All limits allow it, but more must be written before it may be charged; that is under way.
    Unwritten,
}

/// What became of several charges that go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeAll {
    /// All are charged: how the limits of each stand then.
    Charged(Vec<Passing>),
    /// This one is refused, and nothing is charged.
    Refused(usize, Refusal),
    /// More must be written first; that is under way.
    Unwritten,
}

/// Who counts.
pub trait Counters: Send + Sync {
    /// Charges a bill to all of its limits, or to none.
    fn charge(&self, bill: &Bill<'_>, now: &Now) -> Charge;

    /// Charges all bills, one after the other, or none of them.
    fn charge_all(&self, bills: &[Bill<'_>], now: &Now) -> ChargeAll;

    /// How the limits of a bill stand. Charges nothing. `None` where that cannot be told of each of them.
    fn peek(&self, bill: &Bill<'_>, now: &Now) -> Option<Weighed>;

    /// Changes whenever something was written: what was [`Charge::Unwritten`] may pass now.
    fn written(&self) -> watch::Receiver<u64>;

    /// Whether counting goes on in memory only, because nothing can be written.
    fn is_degraded(&self) -> bool;

    /// Writes every count that begun under limits as they are now: before they change.
    fn settle(&self) -> Pending<'_, ()>;
}
