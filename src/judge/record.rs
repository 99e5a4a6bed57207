//! The one place that every decision passes once it is final: what it leaves behind is noted here, and its answer is made here.
//!
//! Checks come here, alone and together, and so does what a gateway decides before any key is looked for
//! ([`WithoutKey`]). An allow that was enforced cannot be recorded without the proof that it was charged.

use std::{borrow::Cow, net::IpAddr};

use super::{
    Judge,
    answer::{Answer, CheckedKey},
    basis::Basis,
    question::{Door, InQuestion, Mode, Query},
    unbilled::Unbilled,
};
use crate::{
    domain::{
        admin::Sight,
        decision::{Cleared, Decision, Denial},
        denial_sums::{DenialLabel, DenialSeen, DeniedCredential},
        id::{KeyId, WorkspaceId},
        network::source_of,
        policy::{Policy, Undeclared},
        secret::hint_of,
        time::Timestamp,
    },
    index::User,
    ports::{Charged, LimitState, Passing, Refusal},
};

/// What a question came to, its limits included, by what was done about them.
pub(super) enum Settled {
    /// It was enforced: what is allowed was charged.
    Enforced(Verdict<Charged>),
    /// It was only looked: nothing was charged.
    Looked(Verdict<Passing>),
}

/// What all conditions came to; an allow cannot be made without `P`, the proof of how the limits stand.
pub(super) enum Verdict<P> {
    /// No condition fails, and no limit.
    Allowed(Cleared, P),
    /// Some condition or limit fails; how the limits stand, where the answer may say so.
    Denied(Denial, Vec<LimitState>),
    /// Only another question is denied, which goes together with this one.
    HeldBack(Denial, Vec<LimitState>),
}

impl<P> Verdict<P> {
    /// The verdict of limits that refuse.
    pub(super) fn refused(refusal: Refusal) -> Self {
        let (denial, states) = refusal.into_parts();
        Self::Denied(denial, states)
    }

    /// The decision, how the limits stand where the answer may say so, and whether the decision is this question's own.
    fn into_parts(self, states: impl FnOnce(P) -> Vec<LimitState>) -> (Decision, Vec<LimitState>, bool) {
        match self {
            Self::Allowed(permit, proof) => (Decision::Allow(permit), states(proof), true),
            Self::Denied(denial, states) => (Decision::Deny(denial), states, true),
            Self::HeldBack(denial, states) => (Decision::Deny(denial), states, false),
        }
    }
}

/// What a gateway decides about a request before any key is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WithoutKey {
    /// The policy lets everybody through.
    Public,
    /// The request is denied for every sender.
    Denied(Denial),
}

/// What is known of a request that is decided before any key is looked for.
#[derive(Debug, Clone, Copy)]
pub struct KeylessRequest {
    /// By which door it was asked about.
    pub door: Door,
    /// Where it came from, as far as that is believed.
    pub address: Option<IpAddr>,
    /// The workspace that the gateway is bound to.
    pub bound_to: Option<WorkspaceId>,
    /// The key whose secret was sent where it may not be.
    pub key: Option<KeyId>,
}

/// A decision that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Recorded(WithoutKey);

impl Recorded {
    /// The decision.
    #[must_use]
    pub const fn decision(&self) -> &WithoutKey {
        &self.0
    }
}

/// A final decision, as all that notes decisions hears of it.
enum Final<'a> {
    /// About a key.
    OfKey {
        query: &'a Query<'a>,
        unbilled: &'a Unbilled,
        decision: &'a Decision,
        /// Whether it was enforced, and not only looked at.
        is_enforced: bool,
        /// Whether it was denied for its own sake.
        is_own: bool,
        basis: Basis<'a>,
    },
    /// Without a key that counts: why it was denied, if it was and that was enforced.
    WithoutKey(Option<DeniedCheck<'a>>),
}

/// A Check that is denied.
struct DeniedCheck<'a> {
    denial: &'a Denial,
    door: Door,
    address: Option<IpAddr>,
    workspace: Option<WorkspaceId>,
    credential: DeniedCredential,
    now: Timestamp,
}

impl Judge {
    /// Records a decision about a key, and answers the question with it.
    pub(super) fn record(
        &self,
        query: &Query<'_>,
        unbilled: Unbilled,
        settled: Settled,
        basis: Basis<'_>,
    ) -> Answer {
        let (is_enforced, (decision, states, is_own)) = match settled {
            Settled::Enforced(verdict) => (true, verdict.into_parts(Charged::into_states)),
            Settled::Looked(verdict) => (false, verdict.into_parts(Passing::into_states)),
        };
        let (of, came_to) = (&unbilled, &decision);
        self.note(Final::OfKey { query, unbilled: of, decision: came_to, is_enforced, is_own, basis });
        let failures = match query.mode {
            Mode::Explain => unbilled.failures(&self.index, query, &states, basis),
            Mode::Enforce | Mode::Peek => Vec::new(),
        };
        // A question that another one holds back lacks nothing of its own.
        let undeclared = is_own.then(|| undeclared(&basis.policy.policy, &decision, &failures)).flatten();
        let Unbilled { found, tiers, secret, .. } = unbilled;
        let creator_known = self.index.is_creator_seen(Sight::within(query.bound_to), found.key().creator);
        let subject = Some(CheckedKey { found, secret, creator_known, tiers });
        let (time, began, revision) = (basis.now.time, basis.began, basis.revision);
        let degraded = self.counters.is_degraded();
        Answer { decision, failures, undeclared, subject, states, time, began, degraded, revision }
    }

    /// Records the denial of a question about a key that does not exist, or that the caller may not know, and answers with it.
    pub(super) fn record_unknown(&self, query: &Query<'_>, denial: Denial, basis: Basis<'_>) -> Answer {
        self.tally.count_unknown(query, &denial);
        self.note(Final::WithoutKey((query.mode == Mode::Enforce).then(|| DeniedCheck {
            denial: &denial,
            door: query.door,
            address: query.requirement.address,
            workspace: query.bound_to,
            credential: sent(&query.subject),
            now: basis.now.time,
        })));
        let failures = if query.mode == Mode::Explain { vec![denial.clone()] } else { Vec::new() };
        let (decision, began) = (Decision::Deny(denial), basis.began);
        let (time, revision) = (basis.now.time, basis.revision);
        let (undeclared, states) = (None, Vec::new());
        Answer {
            decision,
            failures,
            undeclared,
            subject: None,
            states,
            time,
            began,
            degraded: false,
            revision,
        }
    }

    /// Records what a gateway decides before any key is looked for.
    pub fn record_without_key(&self, request: KeylessRequest, decision: WithoutKey) -> Recorded {
        let KeylessRequest { door, address, bound_to, key } = request;
        let denial = match &decision {
            WithoutKey::Public => None,
            WithoutKey::Denied(denial) => Some(denial),
        };
        self.tally.count_without_key(door, denial);
        self.note(Final::WithoutKey(denial.map(|denial| DeniedCheck {
            denial,
            door,
            address,
            workspace: bound_to,
            credential: key.map_or(DeniedCredential::Unnamed, DeniedCredential::Key),
            now: self.clock.now(),
        })));
        Recorded(decision)
    }

    /// Notes what a final decision leaves behind. Every decision passes here once; what is to hear of decisions is told here.
    fn note(&self, decided: Final<'_>) {
        // What is only looked at leaves nothing behind.
        let (query, unbilled, decision, is_own, basis) = match decided {
            Final::OfKey { is_enforced: true, query, unbilled, decision, is_own, basis } => {
                (query, unbilled, decision, is_own, basis)
            }
            Final::WithoutKey(Some(denied)) => return self.note_denied(denied),
            Final::OfKey { .. } | Final::WithoutKey(None) => return,
        };
        let (found, requirement, now) = (&unbilled.found, &query.requirement, basis.now.time);
        if let (Decision::Allow(_), Some((generation, end))) = (decision, unbilled.secret) {
            let user = User { generation, caller: query.caller, address: requirement.address };
            self.index.note_use(found, user, end.is_none(), now);
        }
        self.tally.count(query, basis, (found.key().environment, unbilled.tiers), decision);
        self.note_usage(requirement, basis.policy, found, now, (unbilled.tiers, decision, is_own));
        if let Decision::Deny(denial) = decision {
            self.note_denied(DeniedCheck {
                denial,
                door: query.door,
                address: requirement.address,
                workspace: Some(found.key().workspace),
                credential: DeniedCredential::Key(found.key().id),
                now,
            });
        }
    }

    /// Notes what was denied, and to whom.
    fn note_denied(&self, denied: DeniedCheck<'_>) {
        let DeniedCheck { denial, door, address, workspace, credential, now } = denied;
        let label = DenialLabel {
            door: Cow::Borrowed(door.name()),
            call: Cow::Borrowed(""),
            reason: Cow::Borrowed(denial.reason()),
        };
        let source = address.map(source_of);
        self.denials.note(now, DenialSeen { label, workspace, source, credential });
    }
}

/// What was sent that is no key's which the caller may know of.
fn sent(subject: &InQuestion<'_>) -> DeniedCredential {
    match subject {
        InQuestion::Presented(text) => hint_of(text).into(),
        InQuestion::Nothing => DeniedCredential::Unnamed,
        InQuestion::Key(id) => DeniedCredential::Key(*id),
    }
}

/// The first scope that speaks against a request because the policy does not declare it.
fn undeclared(policy: &Policy, decision: &Decision, failures: &[Denial]) -> Option<Undeclared> {
    let Decision::Deny(denial) = decision else { return None };
    let denials = std::iter::once(denial).chain(failures);
    denials.map(Denial::missing_scopes).find_map(|missing| policy.first_undeclared(missing))
}
