//! What a Check is answered. Answers are made in [`record`](super::record) alone.

use std::time::Duration;

use crate::{
    domain::{
        decision::{Decision, Denial},
        limit::Bound,
        policy::{TierSet, Undeclared},
        revision::Revision,
        time::Timestamp,
    },
    index::Found,
    ports::LimitState,
};

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
    /// How the limits stand that the request is under, where the answer may say so.
    pub states: Vec<LimitState>,
    /// When it was decided.
    pub time: Timestamp,
    /// What the boot clock showed when that was begun.
    pub began: Duration,
    /// Whether counting goes on in memory only.
    pub degraded: bool,
    /// The revision that the answer is based on.
    pub revision: Revision,
}

impl Answer {
    /// Each limit that the request is under, and how it stands, where the answer may say so.
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
    /// Whether the caller may know who made it.
    pub creator_known: bool,
    /// The tiers that the request is of.
    pub tiers: TierSet,
}
