//! Check: may the holder of this key do this, now?
//!
//! Parsing refuses bad shapes before any hash, the hash comes before any look-up, and the decision before any trace
//! of use. No disk, no lock, nothing that waits: the one wait there is, for a revision, comes before.

use std::{sync::Arc, time::Duration};

use super::{
    Judge,
    conclude::{JudgedBy, Settled, without_key},
    trusted,
};
use crate::{
    domain::{
        audit::Revision,
        decision::{self, Decision, Denial, Holder, Proof, Requirement},
        environment::BrowserRule,
        id::{KeyId, WorkspaceId},
        limit::Bound,
        policy::{TierSet, Undeclared},
        secret::{KeyHash, PresentedKey},
        time::{Now, Timestamp},
        workspace::Workspace,
    },
    error::OperationError,
    index::Found,
    ports::{Bill, Charge, LimitState, PolicyVersion, Refusal, Weighed, denials},
};

/// How long a Check waits for the revision that it asks for.
const REVISION_WAIT: Duration = Duration::from_millis(100);

/// Whose right is in question.
pub enum Subject<'a> {
    /// The holder of what was presented.
    Presented(&'a str),
    /// Nobody presented anything.
    Nothing,
    /// The key of this id; an operator asks.
    Key(KeyId),
}

/// How to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Decide, charge and note the use.
    Enforce,
    /// Decide only.
    Peek,
    /// Decide only, and name every condition that fails.
    Explain,
}

/// A question.
pub struct Query<'a> {
    /// Whose right is in question.
    pub subject: Subject<'a>,
    /// What the request needs.
    pub requirement: Requirement<'a>,
    /// How to judge.
    pub mode: Mode,
    /// The workspace that the caller is bound to: keys of others are unknown to it.
    pub bound_to: Option<WorkspaceId>,
    /// The administration key that asks; `None` for a caller without one.
    pub caller: Option<KeyId>,
}

/// An answer.
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// Every condition that failed, where the question was to explain.
    pub failures: Vec<Denial>,
    /// The first scope that failed because the policy does not declare it.
    pub undeclared: Option<Undeclared>,
    /// The key, where the caller may know it.
    pub subject: Option<CheckedKey>,
    /// How the limits stand that the request is under, where they may be told.
    pub states: Vec<LimitState>,
    /// When it was decided.
    pub time: Timestamp,
    /// Whether counting goes on in memory only.
    pub degraded: bool,
    /// The revision that the answer is based on.
    pub revision: Revision,
}

impl Answer {
    /// Each limit that the request is under, and how it stands, where that may be told.
    pub fn limits(&self) -> impl Iterator<Item = (&Bound, &LimitState)> {
        let bounds = self.subject.iter().flat_map(|subject| subject.found.limits().of(subject.tiers));
        bounds.zip(&self.states)
    }
}

/// A key that was checked.
pub struct CheckedKey {
    /// The key.
    pub found: Found,
    /// The generation of the secret presented, and its end if it was replaced.
    pub secret: Option<(u32, Option<Timestamp>)>,
    /// The key's workspace.
    pub workspace: Option<Arc<Workspace>>,
    /// Whether the caller may know who made it.
    pub creator_known: bool,
    /// The tiers that the request is of.
    pub tiers: TierSet,
}

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
        reached.ok().and_then(Result::ok).ok_or(OperationError::RevisionAhead)
    }

    /// Whether the view has `revision` already.
    #[must_use]
    pub fn has_revision(&self, revision: Revision) -> bool {
        self.index.revision() >= revision
    }

    /// Passes if there is such a holder's key within reach.
    ///
    /// # Errors
    /// There is none, or it is out of reach: both look the same (T1).
    pub fn require_known(&self, bound_to: Option<WorkspaceId>, id: KeyId) -> Result<(), OperationError> {
        self.known(bound_to, id).map(drop)
    }

    fn known(&self, bound_to: Option<WorkspaceId>, id: KeyId) -> Result<Found, OperationError> {
        let found = self.index.by_id(id).filter(|found| known_to(bound_to, found));
        found.ok_or(OperationError::KeyNotFound(id))
    }

    /// Answers a Check.
    ///
    /// # Errors
    /// The policy cannot be trusted; an operator asks about an id that does not exist within reach; what the request would use
    /// could not be written in time. Whatever a holder presents is an answer.
    pub async fn check(&self, query: &Query<'_>) -> Result<Answer, OperationError> {
        match self.try_check(query)? {
            Some(answer) => Ok(answer),
            None => self.when_written(|| self.try_check(query)).await,
        }
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
                    return Err(OperationError::CountsUnwritten);
                }
            }
        };
        let in_time = tokio::time::timeout(self.count_wait, answered).await;
        in_time.unwrap_or(Err(OperationError::CountsUnwritten))
    }

    /// The same without a wait; `None` where more must be written first, which is under way then.
    ///
    /// # Errors
    /// The same, but for the last.
    pub fn try_check(&self, query: &Query<'_>) -> Result<Option<Answer>, OperationError> {
        // Before the look-up, so that the answer is based on this revision at the least.
        let revision = self.index.revision();
        let policy = self.policy_now();
        let policy = trusted(policy.as_ref())?;
        match self.locate(query, policy)? {
            Ok((found, hash)) => Ok(self.judge(query, policy, found, hash, revision)),
            Err(denial) => Ok(Some(without_key(query, denial, self.clock.now(), revision))),
        }
    }

    /// The key in question, with the hash of what was presented; or why there is none.
    pub(super) fn locate(
        &self,
        query: &Query<'_>,
        policy: &PolicyVersion,
    ) -> Result<Result<(Found, Option<KeyHash>), Denial>, OperationError> {
        Ok(match query.subject {
            Subject::Nothing => Err(Denial::CredentialsMissing),
            Subject::Key(id) => {
                let found = self.known(query.bound_to, id)?;
                // What a tenant is told of its own key says nothing of others'.
                let is_others = query.bound_to.is_none() && self.is_others(found.key());
                if is_others { Err(Denial::KeyUnknown) } else { Ok((found, None)) }
            }
            Subject::Presented(text) => match PresentedKey::parse(text, policy.policy.environments())
                .or_else(|not_ours| self.foreign_after_all(text, not_ours))
            {
                Err(not_a_key) => Err(not_a_key.into()),
                Ok(presented) => {
                    let known = self.whose(&presented).filter(|(found, _)| known_to(query.bound_to, found));
                    known.map(|(found, hash)| (found, Some(hash))).ok_or(Denial::KeyUnknown)
                }
            },
        })
    }

    fn judge(
        &self,
        query: &Query<'_>,
        policy: &Arc<PolicyVersion>,
        found: Found,
        hash: Option<KeyHash>,
        revision: Revision,
    ) -> Option<Answer> {
        let now = self.clock.read();
        let (judged, decision) = Judged::new(query, policy, found, hash.as_ref(), &now);
        let settled = self.ask_limits(query.mode, decision, &judged, &now)?;
        let failures = match query.mode {
            Mode::Explain => failures(query, policy, (&judged, hash.as_ref()), &settled, &now),
            Mode::Enforce | Mode::Peek => Vec::new(),
        };
        Some(self.conclude(query, judged, settled, failures, JudgedBy { policy, now: &now, revision }))
    }

    /// Asks the limits, and charges them where the question enforces; `None` where more must be written first.
    fn ask_limits(&self, mode: Mode, decision: Decision, judged: &Judged, now: &Now) -> Option<Settled> {
        let bill = judged.bill();
        let permit = match decision {
            Decision::Allow(permit) => permit,
            Decision::Deny(denial) => {
                let told = denial.is_of_a_valid_key() || mode == Mode::Explain;
                let states = if told { self.states(&bill, now) } else { Vec::new() };
                return Some(Settled::Denied(denial, states));
            }
        };
        Some(match mode {
            Mode::Enforce => match self.counters.charge(&bill, now) {
                Charge::Charged(passing) => Settled::Allowed(permit, passing),
                Charge::Refused(refusal) => denied(refusal),
                Charge::Unwritten => return None,
            },
            // Where nobody knows how some limit stands, nobody says that the request may pass.
            Mode::Peek | Mode::Explain => match self.counters.peek(&bill, now)? {
                Weighed::Passes(passing) => Settled::Allowed(permit, passing),
                Weighed::Refused(refusal) => denied(refusal),
            },
        })
    }
}

impl Judge {
    /// How the limits of a bill stand, to be told beside an answer that they have no part in; none where that is not known.
    pub(super) fn states(&self, bill: &Bill<'_>, now: &Now) -> Vec<LimitState> {
        self.counters.peek(bill, now).map(Weighed::into_states).unwrap_or_default()
    }
}

/// Every condition that fails.
fn failures(
    query: &Query<'_>,
    policy: &PolicyVersion,
    (judged, hash): (&Judged, Option<&KeyHash>),
    settled: &Settled,
    now: &Now,
) -> Vec<Denial> {
    let bill = judged.bill();
    let of_limits = denials(&bill, settled.states()).map(|(_, denial)| denial);
    let browsers = browsers(policy, &judged.found, &query.requirement);
    let of_key = decision::failures(holder(&judged.found, hash, browsers), &query.requirement, now.time);
    of_key.into_iter().chain(of_limits).collect()
}

/// What limits have come to that refuse.
fn denied(refusal: Refusal) -> Settled {
    let (denial, states) = refusal.into_parts();
    Settled::Denied(denial, states)
}

/// A question about a key, judged but for its limits.
pub(super) struct Judged {
    pub(super) found: Found,
    /// The tiers that it is of.
    pub(super) tiers: TierSet,
    pub(super) cost: u64,
    pub(super) secret: Option<(u32, Option<Timestamp>)>,
}

impl Judged {
    /// Judges a question; `hash` is of the secret that was presented.
    pub(super) fn new(
        query: &Query<'_>,
        policy: &PolicyVersion,
        found: Found,
        hash: Option<&KeyHash>,
        now: &Now,
    ) -> (Self, Decision) {
        let requirement = &query.requirement;
        let browsers = browsers(policy, &found, requirement);
        let holder = holder(&found, hash, browsers);
        let decision = decision::judge(holder, requirement, now.time);
        let tiers = match &decision {
            Decision::Allow(permit) => permit.tiers(),
            Decision::Deny(_) => decision::tiers_asked(&policy.policy, requirement),
        };
        let secret = match holder.proof {
            Proof::Secret(secret, end) => Some((secret.generation, end)),
            Proof::AskedById | Proof::Missing => None,
        };
        (Self { tiers, cost: requirement.cost.unwrap_or(1), secret, found }, decision)
    }

    pub(super) fn bill(&self) -> Bill<'_> {
        self.found.bill(self.tiers, self.cost)
    }
}

/// What becomes of a key when a browser sends it, where that is the question.
fn browsers(policy: &PolicyVersion, found: &Found, requirement: &Requirement<'_>) -> BrowserRule {
    if !requirement.from_browser {
        return BrowserRule::default();
    }
    policy.policy.environments().browsers(&found.key().environment)
}

fn holder<'a>(found: &'a Found, hash: Option<&KeyHash>, browsers: BrowserRule) -> Holder<'a> {
    Holder {
        key: found.key(),
        rights: found.rights(),
        surroundings: found.surroundings(),
        default_tier: found.limits().default_tier(),
        proof: proof(found, hash),
        browsers,
    }
}

/// What proves a key to whoever asks.
fn proof<'a>(found: &'a Found, hash: Option<&KeyHash>) -> Proof<'a> {
    let Some(hash) = hash else { return Proof::AskedById };
    let secret = found.key().credentials.find(hash);
    secret.map_or(Proof::Missing, |(secret, end)| Proof::Secret(secret, end))
}

/// Whether a caller may know of a key: administration keys are nobody's holder's key, and a bound caller knows its
/// own workspace only.
pub(super) fn known_to(bound_to: Option<WorkspaceId>, found: &Found) -> bool {
    let key = found.key();
    key.admin.is_none() && bound_to.is_none_or(|workspace| workspace == key.workspace)
}
