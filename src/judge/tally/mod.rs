//! What came of Checks, counted for metrics: decisions by their reason, environment, tier and door, how long calls took, and
//! which limits refused.
//!
//! Each thread counts in cells of its own, so that cores share no line of cache. How many series there can be is bounded, whatever
//! policies come and go, and no label is made of what a caller sent.

mod cells;
mod durations;
mod names;
mod reasons;
mod series;

use std::time::Duration;

pub use self::durations::{BOUNDS, Durations};
use self::{
    cells::TallyCells,
    names::{LimitNames, PolicyNames},
    reasons::reasons,
    series::{Labels, Series},
};
use super::{
    basis::Basis,
    question::{Door, Mode, Query},
};
use crate::domain::{
    decision::{Decision, Denial, DenialReason},
    policy::TierSet,
    text::EnvironmentName,
    usage::ALLOWED,
};

/// What an allow is counted as, among the numbers of reasons.
const ALLOW: usize = 0;

/// Counts.
#[derive(Default)]
pub struct DecisionTally {
    names: PolicyNames,
    limits: LimitNames,
    series: Series,
    cells: TallyCells,
}

/// Decisions that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionCount {
    /// [`ALLOWED`], or the reason of the denial.
    pub reason: &'static str,
    /// The environment of the key; empty where no key was found.
    pub environment: String,
    /// The tier that was asked for; empty where none was, or the key is no good.
    pub tier: String,
    /// By which door they were asked for.
    pub door: Door,
    /// How many there were.
    pub count: u64,
}

impl DecisionTally {
    /// Counts an enforcing decision about a key.
    pub(super) fn count(
        &self,
        query: &Query<'_>,
        basis: Basis<'_>,
        (environment, tiers): (&EnvironmentName, TierSet),
        decision: &Decision,
    ) {
        let denial = match decision {
            Decision::Allow(_) => None,
            Decision::Deny(denial) => Some(denial),
        };
        let tiers = if denial.is_none_or(Denial::is_of_a_valid_key) { tiers } else { TierSet::default() };
        let (environment, tier) = self.names.slots(basis.policy, environment, tiers);
        self.add(Labels { reason: reason(denial), door: query.door, environment, tier });
        if let Some(spent) = denial.and_then(Denial::spent) {
            self.cells.of_this_thread().refused_by(self.limits.place(&spent.limit));
        }
    }

    /// Counts an enforcing decision without a key; no denial is an allow.
    pub(super) fn count_without_key(&self, door: Door, denial: Option<&Denial>) {
        self.add(Labels { reason: reason(denial), door, environment: names::NONE, tier: names::NONE });
    }

    /// The same for a question about a key that does not exist, or that the caller may not know.
    pub(super) fn count_unknown(&self, query: &Query<'_>, denial: &Denial) {
        if query.mode == Mode::Enforce {
            self.count_without_key(query.door, Some(denial));
        }
    }

    /// Counts a call whose questions were answered in so long.
    pub(super) fn took(&self, door: Door, time: Duration) {
        self.cells.of_this_thread().took(door, time);
    }

    /// Counts a question that could not be answered.
    pub(super) fn undecided(&self, door: Door) {
        self.cells.of_this_thread().undecided(door);
    }

    fn add(&self, labels: Labels) {
        self.cells.of_this_thread().decided(self.series.place(labels));
    }

    /// Every series that there is.
    #[must_use]
    pub fn decisions(&self) -> Vec<DecisionCount> {
        let counts = self.cells.decisions();
        let (environments, tiers) = (self.names.environments(), self.names.tiers());
        let name = |names: &[String], slot: usize| names.get(slot).cloned().unwrap_or_default();
        let reasons = reasons();
        let assigned = self.series.assigned();
        let each = assigned.into_iter().zip(counts).map(|(labels, count)| DecisionCount {
            reason: reason_name(labels.reason, &reasons),
            environment: name(&environments, labels.environment),
            tier: name(&tiers, labels.tier),
            door: labels.door,
            count,
        });
        each.collect()
    }

    /// How long calls took, by door.
    #[must_use]
    pub fn durations(&self) -> Vec<(Door, Durations)> {
        Door::ALL.into_iter().map(|door| (door, self.cells.durations(door))).collect()
    }

    /// How many questions could not be answered, by door.
    #[must_use]
    pub fn undecided_counts(&self) -> Vec<(Door, u64)> {
        Door::ALL.into_iter().map(|door| (door, self.cells.undecided(door))).collect()
    }

    /// How many Checks each limit refused.
    #[must_use]
    pub fn limit_refusals(&self) -> Vec<(String, u64)> {
        self.limits.each().into_iter().zip(self.cells.refusals()).filter(|(_, count)| *count > 0).collect()
    }
}

fn reason(denial: Option<&Denial>) -> usize {
    let number = denial.map(|denial| denial.facts().reason.number);
    number.map_or(ALLOW, |number| usize::try_from(number).unwrap_or(series::REASONS))
}

fn reason_name(number: usize, reasons: &[DenialReason]) -> &'static str {
    if number == ALLOW {
        return ALLOWED;
    }
    let found = reasons.iter().find(|reason| usize::try_from(reason.number) == Ok(number));
    found.map_or(names::OTHER, |reason| reason.name)
}

#[cfg(test)]
mod tests;
