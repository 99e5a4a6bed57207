//! Usage: what keys did, by key, tier, environment and hour (A4, L13).
//!
//! Counted are enforcing Checks of keys that exist. An allowed one counts once in each tier that it charged, with its whole
//! cost in each; a denied one costs nothing.

mod book;
mod ledger;
mod lines;
mod read;

use std::sync::Arc;

use self::book::Outcome;
pub use self::{
    book::UsageBook,
    ledger::UsageLedger,
    read::{UsagePage, UsageQuery, UsageSum},
};
use super::{
    Operations,
    check::{Mode, Query},
    error::OperationError,
};
use crate::{
    domain::{
        decision::{Decision, Denial, Requirement},
        grant::Verdict,
        policy::{Policy, ScopeSet, TierSet},
        scope::Scope,
        time::Timestamp,
        usage::ALLOWED,
    },
    index::Found,
    ports::PolicyVersion,
};

/// Of a Check that names no cost.
const ONE: u64 = 1;

impl Operations {
    /// What counts usage and writes it: to be run beside the calls, and stopped after the last.
    #[must_use]
    pub fn usage_ledger(&self) -> Arc<UsageLedger> {
        Arc::clone(&self.usage)
    }

    /// Writes the usage that was counted until now: whoever reads after this reads it all.
    ///
    /// # Errors
    /// The store.
    pub async fn flush_usage(&self) -> Result<(), OperationError> {
        Ok(self.usage.flush().await?)
    }

    /// Counts a Check, once its decision is final, in the tiers that it asked for; in none where its key is no longer any
    /// good.
    pub(super) fn note_usage(
        &self,
        query: &Query<'_>,
        policy: &Arc<PolicyVersion>,
        found: &Found,
        now: Timestamp,
        (tiers, decision): (TierSet, &Decision),
    ) {
        if query.mode != Mode::Enforce {
            return;
        }
        let requirement = &query.requirement;
        let outcome = match decision {
            Decision::Allow(permit) => Outcome {
                tiers: permit.tiers(),
                scopes: used(found, requirement, &policy.policy),
                outcome: ALLOWED,
                cost: requirement.cost.unwrap_or(ONE),
            },
            Decision::Deny(denial) => Outcome {
                tiers: if denial.is_of_a_valid_key() { tiers } else { TierSet::default() },
                scopes: denied(denial, &policy.policy),
                outcome: denial.reason(),
                cost: 0,
            },
        };
        self.usage.book.count(policy, found.key().id, now, &outcome);
    }
}

/// The scopes that an allowed request has used: each that it needs, and of each group the first that is granted.
fn used(found: &Found, requirement: &Requirement<'_>, policy: &Policy) -> ScopeSet {
    let rights = found.rights();
    let mut used = ScopeSet::default();
    let mut put = |scope: &Scope<'_>| {
        // In the moment in which a policy is put in force, the key's rights may be those of the next.
        let known = rights.place_of(*scope).filter(|place| policy.scope_at(*place) == Some(scope.as_str()));
        if let Some(place) = known.or_else(|| policy.place_of(scope.as_str())) {
            used.insert(place);
        }
    };
    requirement.scopes.iter().for_each(&mut put);
    for group in &requirement.any_scopes {
        let granted =
            |scope: &&Scope<'_>| matches!(rights.verdict(**scope, requirement.resource), Verdict::Granted(_));
        group.iter().find(granted).into_iter().for_each(&mut put);
    }
    used
}

/// The declared scopes that a request was denied for: others are nobody's, and would fill memory with names.
fn denied(denial: &Denial, policy: &Policy) -> ScopeSet {
    let mut denied = ScopeSet::default();
    let scopes = denial.lacking_scopes().iter();
    scopes.filter_map(|scope| policy.place_of(scope)).for_each(|place| denied.insert(place));
    denied
}
