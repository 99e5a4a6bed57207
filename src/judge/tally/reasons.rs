//! Every reason that a decision can have.

use std::time::Duration;

use crate::domain::{
    decision::{Denial, DenialDetails, DenialReason, Spent},
    time::Timestamp,
};

/// The reasons of denials, each once.
pub(super) fn reasons() -> Vec<DenialReason> {
    let spent = Spent { limit: "".into(), admits: 0, wait: Some(Duration::ZERO) };
    let details = DenialDetails {
        at: Timestamp::EPOCH,
        missing: &[],
        bound: &[],
        named: true,
        address: None,
        spent: &spent,
    };
    let mut reasons: Vec<_> = Denial::every(&details).iter().map(|denial| denial.facts().reason).collect();
    reasons.sort_by_key(|reason| reason.number);
    reasons.dedup();
    reasons
}
