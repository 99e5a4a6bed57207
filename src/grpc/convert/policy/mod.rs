//! Policies: documents in, documents, versions and effects out.

mod read;
mod show;

pub(in crate::grpc) use self::{
    read::{overrides, own_rules},
    show::{effective_to_wire, overrides_to_wire, own_rules_to_wire, route as route_to_wire, to_wire},
};
use super::time;
use crate::{
    changes::policy::{AffectedKey, Effect, GainingKey},
    domain::{
        caller_id::CallerId,
        parse::ParseError,
        policy::{Change, Policy},
    },
    error::{Invalid, OperationError},
    ports::PolicyVersion,
    wire::v1::{self, apply_policy_request, validate_policy_request},
};

/// The most scopes that an answer names for one of a thousand keys.
const MAX_SCOPES: usize = 50;

/// The document to be looked at.
pub(in crate::grpc) fn validated(asked: v1::ValidatePolicyRequest) -> Result<Policy, OperationError> {
    match asked.document {
        Some(validate_policy_request::Document::Policy(policy)) => of_message(policy),
        Some(validate_policy_request::Document::Toml(text)) => of_text(&text),
        None => Err(missing()),
    }
}

/// The document to be applied.
pub(in crate::grpc) fn applied(asked: v1::ApplyPolicyRequest) -> Result<Policy, OperationError> {
    match asked.document {
        Some(apply_policy_request::Document::Policy(policy)) => of_message(policy),
        Some(apply_policy_request::Document::Toml(text)) => of_text(&text),
        None => Err(missing()),
    }
}

fn of_message(policy: v1::Policy) -> Result<Policy, OperationError> {
    Policy::new(read::document(policy)).map_err(|faults| Invalid::Policy(faults).into())
}

fn of_text(text: &str) -> Result<Policy, OperationError> {
    Policy::from_toml(text).map_err(|faults| Invalid::Policy(faults).into())
}

fn missing() -> OperationError {
    OperationError::invalid("policy", ParseError::new("set, or `toml`"))
}

/// A version for the wire.
pub(in crate::grpc) fn version_to_wire(version: &PolicyVersion) -> v1::PolicyVersion {
    let (applied_by, owner) = (version.applied_by, version.applied_by_owner.as_ref());
    v1::PolicyVersion {
        version: version.version,
        apply_time: Some(time::to_wire(version.applied)),
        applied_by: applied_by.map(CallerId::to_text).unwrap_or_default(),
        applied_by_owner: owner.map(ToString::to_string).unwrap_or_default(),
        comment: version.comment.to_string(),
        revision: version.revision.0,
    }
}

/// What a document does, for the wire.
pub(in crate::grpc) fn effect_to_wire(effect: &Effect) -> v1::PolicyEffect {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    v1::PolicyEffect {
        changes: effect.changes.iter().map(change).collect(),
        change_count: count(effect.change_count),
        affected_keys: effect.affected.iter().map(affected).collect(),
        affected_key_count: count(effect.affected_count),
        gaining_keys: effect.gaining.iter().map(gaining).collect(),
        gaining_key_count: count(effect.gains.count()),
    }
}

fn change(change: &Change) -> v1::PolicyChange {
    let json = |value: &serde_json::Value| if value.is_null() { String::new() } else { value.to_string() };
    v1::PolicyChange { field: change.field.clone(), from: json(&change.from), to: json(&change.to) }
}

fn gaining(key: &GainingKey) -> v1::GainingKey {
    v1::GainingKey {
        key_id: key.id.to_string(),
        workspace_id: key.workspace.to_string(),
        name: key.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        gained_scopes: key.gained_scopes.iter().take(MAX_SCOPES).map(ToString::to_string).collect(),
        gained_scope_count: u64::try_from(key.gained_scopes.len()).unwrap_or(u64::MAX),
    }
}

fn affected(key: &AffectedKey) -> v1::AffectedKey {
    v1::AffectedKey {
        key_id: key.id.to_string(),
        workspace_id: key.workspace.to_string(),
        name: key.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        lost_scopes: key.lost_scopes.clone(),
        broken_rules: key.broken_rules.iter().map(|rule| (*rule).to_owned()).collect(),
    }
}
