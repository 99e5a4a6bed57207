//! Check: may the holder of this key do this, now?
//!
//! Parsing refuses bad shapes before any hash, the hash comes before any look-up, and the decision before any trace
//! of use. No disk, no lock, nothing that waits: the one wait there is, for a revision, comes before.

use std::time::Duration;

use super::{
    Judge,
    answer::Answer,
    basis::Basis,
    question::{Door, Mode, Query},
    record::{Settled, Verdict},
    trusted,
    unbilled::{Unbilled, examine},
};
use crate::{
    domain::{
        decision::{Decision, Denial},
        id::{KeyId, WorkspaceId},
        revision::Revision,
        time::Now,
    },
    error::{OperationError, Unavailable},
    ports::{Bill, Charge, LimitState, Weighed},
};

/// How long a Check waits for the revision that it asks for.
const REVISION_WAIT: Duration = Duration::from_millis(100);

impl Judge {
    /// Waits until the view has `revision`, but not for long.
    ///
    /// # Errors
    /// It does not have it in time.
    pub async fn await_revision(&self, revision: Revision) -> Result<(), OperationError> {
        if self.has_revision(revision) {
            return Ok(());
        }
        let reached = tokio::time::timeout(REVISION_WAIT, self.index.reached(revision)).await;
        reached.ok().and_then(Result::ok).ok_or(OperationError::Unavailable(Unavailable::RevisionAhead))
    }

    /// Whether the view has `revision` already.
    #[must_use]
    pub fn has_revision(&self, revision: Revision) -> bool {
        self.index.revision() >= revision
    }

    /// Passes if there is such a holder's key within reach.
    ///
    /// # Errors
    /// The key does not exist, or it is out of reach: both look the same (T1).
    pub fn require_known(&self, bound_to: Option<WorkspaceId>, id: KeyId) -> Result<(), OperationError> {
        self.known(bound_to, id).map(drop)
    }

    /// Answers a Check.
    ///
    /// # Errors
    /// The policy cannot be trusted; an operator asks about an id that does not exist within reach; what the request would use
    /// could not be written in time. Anything that a holder presents gets an answer, and no error.
    pub async fn check(&self, query: &Query<'_>) -> Result<Answer, OperationError> {
        let began = match self.attempt(query) {
            Ok(Some(answer)) => return Ok(answer),
            // What is waited for counts.
            Ok(None) => self.exact_reading().1,
            Err(error) => return Err(self.undecided(query.door, error)),
        };
        let answered = self.when_written(|| self.attempt(query)).await;
        let answered = answered.map(|answer| Answer { began, ..answer });
        answered.map_err(|error| self.undecided(query.door, error))
    }

    /// The one wait in a Check: for a write that is under way, so that a crash admits nothing twice.
    pub(crate) async fn when_written<T>(
        &self,
        attempt: impl Fn() -> Result<Option<T>, OperationError>,
    ) -> Result<T, OperationError> {
        let mut written = self.counters.written();
        let answered = async {
            loop {
                // Tried after subscribing, so that no write is missed.
                if let Some(answer) = attempt()? {
                    return Ok(answer);
                }
                if written.changed().await.is_err() {
                    return Err(Unavailable::CountsUnwritten.into());
                }
            }
        };
        let in_time = tokio::time::timeout(self.count_wait, answered).await;
        in_time.unwrap_or(Err(Unavailable::CountsUnwritten.into()))
    }

    /// The same without a wait; `None` where more must be written first, which is under way then.
    ///
    /// # Errors
    /// The same, but for the last.
    pub fn try_check(&self, query: &Query<'_>) -> Result<Option<Answer>, OperationError> {
        self.attempt(query).map_err(|error| self.undecided(query.door, error))
    }

    /// Counts a question that cannot be answered, unless who asked it is to blame.
    pub(super) fn undecided(&self, door: Door, error: OperationError) -> OperationError {
        if matches!(error, OperationError::Unavailable(_) | OperationError::Store(_)) {
            self.tally.undecided(door);
        }
        error
    }

    fn attempt(&self, query: &Query<'_>) -> Result<Option<Answer>, OperationError> {
        let (now, began) = self.clock.read_exact();
        // Before the look-up, so that the answer is based on this revision at the least.
        let revision = self.index.revision();
        let policy = self.policy_now();
        let policy = trusted(policy.as_ref())?;
        let located = self.locate(query, policy);
        self.require_fresh(|| now.steady)?;
        let basis = Basis { policy, now: &now, began, revision };
        let (unbilled, decision) = match examine(query, located?, basis) {
            Ok(examined) => examined,
            Err(denial) => return Ok(Some(self.record_unknown(query, denial, basis))),
        };
        let settled = self.ask_limits(query.mode, decision, &unbilled, &now);
        Ok(settled.map(|settled| self.record(query, unbilled, settled, basis)))
    }

    /// Asks the limits, and charges them where the question enforces; `None` where more must be written first.
    fn ask_limits(&self, mode: Mode, decision: Decision, unbilled: &Unbilled, now: &Now) -> Option<Settled> {
        let bill = unbilled.bill(&self.index);
        Some(match (mode, decision) {
            (Mode::Enforce, Decision::Allow(permit)) => {
                Settled::Enforced(match self.counters.charge(&bill, now) {
                    Charge::Charged(charged) => Verdict::Allowed(permit, charged),
                    Charge::Refused(refusal) => Verdict::refused(refusal),
                    Charge::Unwritten => return None,
                })
            }
            // Where the state of a limit is unknown, the answer never says that the request may pass.
            (Mode::Peek | Mode::Explain, Decision::Allow(permit)) => {
                Settled::Looked(match self.counters.peek(&bill, now)? {
                    Weighed::Passes(passing) => Verdict::Allowed(permit, passing),
                    Weighed::Refused(refusal) => Verdict::refused(refusal),
                })
            }
            (Mode::Enforce, Decision::Deny(denial)) => {
                let states = self.told(&denial, unbilled, now);
                Settled::Enforced(Verdict::Denied(denial, states))
            }
            (Mode::Peek, Decision::Deny(denial)) => {
                let states = self.told(&denial, unbilled, now);
                Settled::Looked(Verdict::Denied(denial, states))
            }
            (Mode::Explain, Decision::Deny(denial)) => {
                Settled::Looked(Verdict::Denied(denial, self.states(&bill, now)))
            }
        })
    }

    /// How the limits of a denied question stand, where the answer may say so.
    pub(super) fn told(&self, denial: &Denial, unbilled: &Unbilled, now: &Now) -> Vec<LimitState> {
        if denial.is_of_a_valid_key() { self.states(&unbilled.bill(&self.index), now) } else { Vec::new() }
    }

    /// How the limits of a bill stand, beside an answer that does not depend on them; empty where that is not known.
    pub(super) fn states(&self, bill: &Bill<'_>, now: &Now) -> Vec<LimitState> {
        self.counters.peek(bill, now).map(Weighed::into_states).unwrap_or_default()
    }
}
