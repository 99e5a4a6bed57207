//! What is decided: who asks, whose a secret is, and whether its holder may do what it asks to do.
//!
//! Invariant: nothing here reaches a store. A decision is made from the index, the counters and the clock, all in memory; what
//! it leaves behind, uses and usage, is noted in memory, and written by [`changes`](crate::changes).

pub mod answer;
mod basis;
pub mod check;
pub mod check_all;
pub mod denials;
pub mod identify;
mod import_alarm;
pub mod leak;
mod locate;
mod presented;
pub mod question;
pub mod record;
mod source_limit;
pub mod tally;
mod unbilled;
pub mod usage;
pub mod wrong_callers;

use std::{ops::Deref, sync::Arc, time::Duration};

pub(crate) use self::source_limit::ProcessSourceLimit;
use self::{
    denials::{DenialBook, RefusedCalls},
    import_alarm::ImportAlarms,
    question::Door,
    tally::DecisionTally,
    usage::UsageBook,
    wrong_callers::WrongCallers,
};
use crate::{
    domain::{
        root::KeysInForce,
        time::{Now, Steady, TrustedClock},
    },
    error::OperationError,
    index::Index,
    ports::{Counters, PolicyVersion, StoreError},
};

const NO_LEASE: &str = "changes may have been made that this process has not heard of; it decides nothing until the store answers";
const POLICY_DAMAGED: &str = "the stored policy cannot be trusted; apply one, with the expected version 0";

/// Everything that a decision needs.
pub struct Judge {
    index: Arc<Index>,
    counters: Arc<dyn Counters>,
    clock: Arc<TrustedClock>,
    keys: Arc<KeysInForce>,
    count_wait: Duration,
    usage: Arc<UsageBook>,
    tally: Arc<DecisionTally>,
    denials: Arc<DenialBook>,
    refused_calls: RefusedCalls,
    wrong_callers: WrongCallers,
    import_alarms: ImportAlarms,
}

/// What a judge is made of.
#[derive(Clone)]
pub struct JudgeParts {
    /// The view of the truth, which a follower keeps.
    pub index: Arc<Index>,
    /// Where limits are counted.
    pub counters: Arc<dyn Counters>,
    /// The time.
    pub clock: Arc<TrustedClock>,
    /// The keys derived from the roots.
    pub keys: Arc<KeysInForce>,
    /// How long a Check waits until what it would use of a limit is written.
    pub count_wait: Duration,
}

impl Judge {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: JudgeParts) -> Self {
        let JudgeParts { index, counters, clock, keys, count_wait } = parts;
        Self {
            index,
            counters,
            clock,
            keys,
            count_wait,
            usage: Arc::default(),
            tally: Arc::default(),
            denials: Arc::default(),
            refused_calls: RefusedCalls::default(),
            wrong_callers: WrongCallers::default(),
            import_alarms: ImportAlarms::default(),
        }
    }

    /// What Checks are counted in; the usage ledger writes it to the store.
    #[must_use]
    pub fn usage_book(&self) -> Arc<UsageBook> {
        Arc::clone(&self.usage)
    }

    /// What denials are noted in; the ledger of denials writes it to the store.
    #[must_use]
    pub fn denial_book(&self) -> Arc<DenialBook> {
        Arc::clone(&self.denials)
    }

    /// What came of Checks, for metrics.
    #[must_use]
    pub fn tally(&self) -> Arc<DecisionTally> {
        Arc::clone(&self.tally)
    }

    /// Notes for metrics that the questions of a call are answered, which were begun when the boot clock showed this.
    /// Says how long that took.
    pub fn note_answered(&self, door: Door, began: Duration) -> Duration {
        let took = self.clock.since(began);
        self.tally.took(door, took);
        took
    }

    /// Passes while the view may be acted upon at `now`. Every decision passes here, and nothing else looks at the lease: where it
    /// has no end, no time is compared.
    ///
    /// # Errors
    /// The lease of the view has ended: changes may have been made elsewhere that are not in it.
    pub fn require_fresh(&self, now: impl FnOnce() -> Steady) -> Result<(), OperationError> {
        if self.index.lease().holds(now) {
            return Ok(());
        }
        Err(StoreError::Unreachable(NO_LEASE.to_owned()).into())
    }

    /// The same, with what the boot clock showed.
    #[must_use]
    pub fn exact_reading(&self) -> (Now, Duration) {
        self.clock.read_exact()
    }

    /// The time, with a count of time that nobody can set.
    #[must_use]
    pub fn reading(&self) -> Now {
        self.clock.read()
    }

    /// The policy in force.
    ///
    /// # Errors
    /// The stored one cannot be trusted.
    pub fn policy(&self) -> Result<Arc<PolicyVersion>, OperationError> {
        trusted(self.index.policy())
    }

    /// The policy in force for as long as one Check takes, see [`trusted`].
    #[must_use]
    pub fn policy_now(&self) -> impl Deref<Target = Option<Arc<PolicyVersion>>> + use<> {
        self.index.policy_now()
    }
}

/// Passes the policy in force on.
///
/// # Errors
/// No policy is in force: the stored one cannot be trusted.
pub fn trusted<T>(policy: Option<T>) -> Result<T, OperationError> {
    policy.ok_or_else(|| StoreError::Corrupt(POLICY_DAMAGED.to_owned()).into())
}
