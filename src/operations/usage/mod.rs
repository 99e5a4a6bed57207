//! Usage: what keys did, by key, tier, environment and hour (A4, L13).
//!
//! Counted are enforcing Checks of keys that exist. An allowed one counts once in each tier that it charged, with its whole
//! cost in each; a denied one costs nothing.

mod book;
mod ledger;
mod read;

use std::sync::Arc;

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
    domain::{decision::Decision, id::KeyId, policy::TierSet, time::Timestamp, usage::ALLOWED},
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
        key: KeyId,
        now: Timestamp,
        (tiers, decision): (TierSet, &Decision),
    ) {
        if query.mode != Mode::Enforce {
            return;
        }
        let (tiers, outcome, cost) = match decision {
            Decision::Allow(permit) => (permit.tiers(), ALLOWED, query.requirement.cost.unwrap_or(ONE)),
            Decision::Deny(denial) if denial.is_of_a_valid_key() => (tiers, denial.reason(), 0),
            Decision::Deny(denial) => (TierSet::default(), denial.reason(), 0),
        };
        self.usage.book.note(policy, key, now, tiers, outcome, cost);
    }
}
