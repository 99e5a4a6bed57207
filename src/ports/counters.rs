//! What Keyward needs of a back end that counts: one decision is one charge, of all limits or of none.

use std::{collections::HashMap, time::Duration};

use tokio::sync::watch;

use super::{Account, Payer, Pending};
use crate::domain::{
    decision::{Denial, Spent},
    limit::{Bound, KeyLimits, LimitId, Reading, Sheet},
    policy::{Subject, TierSet},
    time::{Now, Timestamp},
};

/// What a request is to be charged to, in values: payers, limits and units. That is all that a back end needs; the slots
/// beside the payers are for one that counts in memory.
#[derive(Debug, Clone, Copy)]
pub struct Bill<'a> {
    /// The key.
    pub key: Account<'a>,
    /// All keys of its owner in its workspace and environment; there where a limit is shared so.
    pub owner: Option<Account<'a>>,
    /// All keys of its workspace and environment; there where a limit is shared so.
    pub workspace: Option<Account<'a>>,
    /// The limits of the key.
    pub limits: &'a KeyLimits,
    /// The tiers that count.
    pub tiers: TierSet,
    /// Units.
    pub cost: u64,
}

impl<'a> Bill<'a> {
    /// The account that a limit is charged to which is shared so. What should be shared and is not is charged to the key: it
    /// is never free.
    #[must_use]
    pub fn account(&self, per: Subject) -> Account<'a> {
        let shared = match per {
            Subject::Key => None,
            Subject::Owner => self.owner,
            Subject::Workspace => self.workspace,
        };
        shared.unwrap_or(self.key)
    }

    /// Each limit that it is charged to, with the count that this is: whose, and of what.
    pub fn counts(&self) -> impl Iterator<Item = (Count<'a>, &'a Bound)> + use<'a> {
        let bill = *self;
        bill.limits.of(bill.tiers).map(move |bound| ((bill.account(bound.per).payer, bound.id), bound))
    }
}

/// One count: who pays, and for what.
pub type Count<'a> = (Payer<'a>, LimitId);

/// What bills that go together ask of each count.
#[must_use]
pub fn costs<'a>(bills: &[Bill<'a>]) -> HashMap<Count<'a>, u64> {
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
    /// When all of them are there again, if none is used until then.
    pub reset: Timestamp,
    /// Whether it allows the request.
    pub passes: bool,
    /// How long until it does; `None` where it does now, or never will.
    pub wait: Option<Duration>,
}

impl LimitState {
    /// How a limit stands for a request of so many units, by what this sheet has of it.
    #[must_use]
    pub fn of(sheet: &Sheet, bound: &Bound, cost: u64, reading: &Reading) -> Self {
        let left = sheet.left(bound, reading);
        let passes = cost <= left.units;
        let wait = if passes { None } else { sheet.until_passes(bound, cost, reading) };
        let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let reset = reading.now.time.saturating_add(ms(left.whole_in));
        Self { remaining: left.units, reset, passes, wait: wait.map(ms) }
    }
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

/// The proof that a bill was charged, and how its limits stood then: a request that is enforced is not allowed without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged(Passing);

impl Charged {
    /// Says that a bill was charged. Only a back end that counts may call this: no other code knows that it was.
    #[must_use]
    pub const fn by_counters(passing: Passing) -> Self {
        Self(passing)
    }

    /// How its limits stood, to keep.
    #[must_use]
    pub fn into_states(self) -> Vec<LimitState> {
        self.0.into_states()
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

/// How the limits of a bill stand, and whether it passes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weighed {
    /// All of them allow it.
    Passes(Passing),
    /// Some do not.
    Refused(Refusal),
}

impl Weighed {
    /// Whether a bill passes its limits, by these states. `None` where they are not one for each of its limits, or it is
    /// under no limit: then it is unknown whether the bill may pass, and the request gets no decision.
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
    Charged(Charged),
    /// Some limit does not, and nothing is charged.
    Refused(Refusal),
    /// All limits allow it, but more must be written before it may be charged; that is under way.
    Unwritten,
}

/// What became of several charges that go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeAll {
    /// All are charged: how the limits of each stand then.
    Charged(Vec<Charged>),
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
