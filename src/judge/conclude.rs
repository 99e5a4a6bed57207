//! The one place that every decision passes once it is final, and where what it leaves behind is noted: last uses and usage.
//!
//! An [`Answer`] is made here alone, and one that allows only with how the limits stand that allowed it.

use std::sync::Arc;

use crate::{
    domain::{
        admin::Sight,
        audit::Revision,
        decision::{Decision, Denial, Permit},
        policy::{Policy, Undeclared},
        time::{Now, Timestamp},
    },
    index::User,
    judge::{
        Judge,
        check::{Answer, CheckedKey, Judged, Mode, Query},
    },
    ports::{LimitState, Passing, PolicyVersion},
};

/// What a question came to, its limits included.
pub(super) enum Settled {
    /// Nothing speaks against it, limits least of all: an allow cannot be made without how they stand.
    Allowed(Permit, Passing),
    /// Something does; how its limits stand, where that may be told.
    Denied(Denial, Vec<LimitState>),
    /// Only another question does, which goes together with it.
    HeldBack(Denial, Vec<LimitState>),
}

impl Settled {
    /// How the limits stand, as far as that may be told.
    pub(super) fn states(&self) -> &[LimitState] {
        match self {
            Self::Allowed(_, passing) => passing.states(),
            Self::Denied(_, states) | Self::HeldBack(_, states) => states,
        }
    }
}

/// When and by what a question was judged.
#[derive(Clone, Copy)]
pub(super) struct JudgedBy<'a> {
    pub(super) policy: &'a Arc<PolicyVersion>,
    pub(super) now: &'a Now,
    /// What the view had at the least.
    pub(super) revision: Revision,
}

impl Judge {
    /// Concludes a question about a key.
    pub(super) fn conclude(
        &self,
        query: &Query<'_>,
        judged: Judged,
        settled: Settled,
        failures: Vec<Denial>,
        by: JudgedBy<'_>,
    ) -> Answer {
        let JudgedBy { policy, now, revision } = by;
        let Judged { found, tiers, secret, .. } = judged;
        let (decision, states, is_own) = match settled {
            Settled::Allowed(permit, passing) => (Decision::Allow(permit), passing.into_states(), true),
            Settled::Denied(denial, states) => (Decision::Deny(denial), states, true),
            Settled::HeldBack(denial, states) => (Decision::Deny(denial), states, false),
        };
        if query.mode == Mode::Enforce {
            if let (Decision::Allow(_), Some((generation, end))) = (&decision, secret) {
                let user = User { generation, caller: query.caller, address: query.requirement.address };
                found.note_use(user, end.is_none(), now.time);
            }
            self.note_usage(&query.requirement, policy, &found, now.time, (tiers, &decision, is_own));
        }
        // One that is held back by another question lacks nothing of its own.
        let undeclared = is_own.then(|| undeclared(&policy.policy, &decision, &failures)).flatten();
        let workspace = self.index.workspace(found.key().workspace);
        let creator_known = self.index.is_creator_seen(Sight::within(query.bound_to), found.key());
        let subject = Some(CheckedKey { found, secret, workspace, creator_known, tiers });
        let degraded = self.counters.is_degraded();
        Answer { decision, failures, undeclared, subject, states, time: now.time, degraded, revision }
    }
}

/// Concludes a question about a key that does not exist, or that the caller may not know: nothing is noted of nobody.
pub(super) fn without_key(query: &Query<'_>, denial: Denial, time: Timestamp, revision: Revision) -> Answer {
    let failures = if query.mode == Mode::Explain { vec![denial.clone()] } else { Vec::new() };
    let decision = Decision::Deny(denial);
    let (undeclared, states) = (None, Vec::new());
    Answer { decision, failures, undeclared, subject: None, states, time, degraded: false, revision }
}

/// The first scope that speaks against a request because the policy does not declare it.
fn undeclared(policy: &Policy, decision: &Decision, failures: &[Denial]) -> Option<Undeclared> {
    let Decision::Deny(denial) = decision else { return None };
    let denials = std::iter::once(denial).chain(failures);
    denials.map(Denial::missing_scopes).find_map(|missing| policy.first_undeclared(missing))
}
