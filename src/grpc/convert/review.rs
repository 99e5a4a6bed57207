//! Key review for the wire.

use std::time::Duration;

use super::{key::owner_to_wire, time, workspace::looked_at};
use crate::{
    changes::keys::review::{ReviewPage, ReviewQuery, Reviewed},
    domain::{
        parse::ParseError,
        review::{Breadth, Finding, Kind, Severity, Terms},
        workspace::Within,
    },
    error::OperationError,
    wire::v1::{self, FindingKind, FindingSeverity},
};

/// Which keys to review, once it is known within which workspaces.
pub(in crate::grpc) fn query(
    within: Within,
    asked: &v1::ReviewKeysRequest,
) -> Result<ReviewQuery, OperationError> {
    let Terms { unused_for, older_than, expiring_within } = Terms::default();
    let terms = Terms {
        unused_for: length("unused_for", asked.unused_for, unused_for)?,
        older_than: length("older_than", asked.older_than, older_than)?,
        expiring_within: length("expiring_within", asked.expiring_within, expiring_within)?,
    };
    Ok(ReviewQuery { within, terms })
}

fn length(
    field: &str,
    asked: Option<prost_types::Duration>,
    unless_asked: Duration,
) -> Result<Duration, OperationError> {
    let Some(asked) = asked else { return Ok(unless_asked) };
    let length = time::duration(field, asked)?;
    let why = ParseError::new("longer than 0, at most 3,660 days");
    if length.is_zero() { Err(OperationError::invalid(field, why)) } else { Ok(length) }
}

/// A page of a review.
pub(in crate::grpc) fn response(page: ReviewPage, within: Within) -> v1::ReviewKeysResponse {
    let total = |(kind, keys): (Kind, u64)| v1::FindingTotal { kind: kind_to_wire(kind).into(), keys };
    v1::ReviewKeysResponse {
        keys: page.keys.iter().map(reviewed).collect(),
        totals: page.totals.into_iter().map(total).collect(),
        reviewed: page.reviewed,
        next_page_token: page.next_page_token,
        workspace_id: looked_at(within),
    }
}

/// Some of the keys of a review.
pub(in crate::grpc) fn keys(keys: &[Reviewed]) -> v1::ReviewedKeys {
    v1::ReviewedKeys { keys: keys.iter().map(reviewed).collect() }
}

fn reviewed(reviewed: &Reviewed) -> v1::ReviewedKey {
    let key = &reviewed.key;
    v1::ReviewedKey {
        key_id: key.id.to_text(),
        name: key.name.to_string(),
        owner: owner_to_wire(key.owner.as_ref()),
        environment: key.environment.to_string(),
        breadth: Some(breadth(reviewed.breadth)),
        score: reviewed.score,
        findings: reviewed.findings.iter().map(finding).collect(),
        last_use_time: reviewed.last_use.map(time::to_wire),
        workspace_id: key.workspace.to_string(),
    }
}

fn breadth(breadth: Breadth) -> v1::KeyBreadth {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    v1::KeyBreadth {
        scopes: count(breadth.scopes),
        unbound_scopes: count(breadth.unbound),
        wildcards: count(breadth.wildcards),
        networks: count(breadth.networks),
    }
}

fn finding(finding: &Finding) -> v1::Finding {
    v1::Finding {
        kind: kind_to_wire(finding.kind).into(),
        words: finding.words.clone(),
        severity: severity_to_wire(finding.kind.severity()).into(),
    }
}

const fn kind_to_wire(kind: Kind) -> FindingKind {
    match kind {
        Kind::ImportedTwice => FindingKind::ImportedTwice,
        Kind::RetiringStillUsed => FindingKind::RetiringStillUsed,
        Kind::ExpiringInUse => FindingKind::ExpiringInUse,
        Kind::BroadUnused => FindingKind::BroadUnused,
        Kind::BroadAnywhere => FindingKind::BroadAnywhere,
        Kind::NeverUsed => FindingKind::NeverUsed,
        Kind::Unused => FindingKind::Unused,
        Kind::ScopesUnused => FindingKind::ScopesUnused,
        Kind::Old => FindingKind::Old,
        Kind::NoExpiry => FindingKind::NoExpiry,
        Kind::DisabledLong => FindingKind::DisabledLong,
    }
}

const fn severity_to_wire(severity: Severity) -> FindingSeverity {
    match severity {
        Severity::Low => FindingSeverity::Low,
        Severity::Medium => FindingSeverity::Medium,
        Severity::High => FindingSeverity::High,
    }
}
