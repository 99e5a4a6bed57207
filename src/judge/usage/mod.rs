//! Usage: what keys did, by key, tier, environment and hour (A4, L13), as it is counted in memory.
//!
//! Counted are enforcing Checks of keys that exist. An allowed one counts once in each tier that it charged, with its whole
//! cost in each; a denied one costs nothing.

pub(crate) mod book;
pub mod lines;
mod places;

use std::sync::Arc;

use self::book::CheckOutcome;
pub use self::book::UsageBook;
use super::Judge;
use crate::{
    domain::{
        decision::{Decision, Denial, Requirement},
        grant::Coverage,
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

impl Judge {
    /// Counts an enforcing Check, once its decision is final, in the tiers that it asked for; in none where its key is no longer any
    /// good. Where it was denied for another's sake, `is_own` is false: that one lacks scopes, and not this one.
    pub(super) fn note_usage(
        &self,
        requirement: &Requirement<'_>,
        policy: &Arc<PolicyVersion>,
        found: &Found,
        now: Timestamp,
        (tiers, decision, is_own): (TierSet, &Decision, bool),
    ) {
        let policy_now = &policy.policy;
        let (key, book) = (found.key().id, &self.usage);
        match decision {
            Decision::Allow(permit) => {
                let cost = requirement.cost.unwrap_or(ONE);
                let outcome = CheckOutcome { tiers: permit.tiers(), word: ALLOWED, cost };
                book.count(policy, key, now, &outcome, |scopes| {
                    put_used(scopes, found, requirement, policy_now);
                });
            }
            Decision::Deny(denial) => {
                let tiers = if denial.is_of_a_valid_key() { tiers } else { TierSet::default() };
                let outcome = CheckOutcome { tiers, word: denial.reason(), cost: 0 };
                book.count(policy, key, now, &outcome, |scopes| {
                    if is_own {
                        put_denied(scopes, denial, policy_now);
                    }
                });
            }
        }
    }
}

/// The scopes that an allowed request has used: each that it needs, and of each group the first that is granted.
fn put_used(scopes: &mut ScopeSet, found: &Found, requirement: &Requirement<'_>, policy: &Policy) {
    let granted = |scope: &&Scope<'_>| {
        matches!(found.rights().verdict(**scope, requirement.resource), Coverage::Granted(_))
    };
    let of_groups = requirement.any_scopes.iter().filter_map(|group| group.iter().find(granted));
    for scope in requirement.scopes.iter().chain(of_groups) {
        if let Some(place) = places::place_of(scope.as_str(), policy) {
            scopes.insert(place);
        }
    }
}

/// The declared scopes that a request was denied for: undeclared ones would fill memory with names.
fn put_denied(scopes: &mut ScopeSet, denial: &Denial, policy: &Policy) {
    for scope in denial.lacking_scopes() {
        if let Some(place) = places::place_of(scope, policy) {
            scopes.insert(place);
        }
    }
}
