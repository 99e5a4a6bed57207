//! Policies and their versions as JSON for scripts, as [`super`] says.

use serde_json::{Value, json};

use crate::{
    cli::output::{
        json::{list, route},
        names, time,
    },
    wire::v1::{self, policy_limit::Window},
};

pub(in crate::cli) fn shown(answer: &v1::GetPolicyResponse) -> Value {
    json!({
        "version": answer.version.as_ref().map(version),
        "policy": answer.policy.as_ref().map(policy),
        "toml": answer.toml,
    })
}

pub(in crate::cli) fn judged(answer: &v1::ValidatePolicyResponse) -> Value {
    json!({ "current_version": answer.current_version, "effect": answer.effect.as_ref().map(effect) })
}

pub(in crate::cli) fn applied(answer: &v1::ApplyPolicyResponse) -> Value {
    json!({ "version": answer.version.as_ref().map(version), "effect": answer.effect.as_ref().map(effect) })
}

/// What a document changes, without what keys lose by it.
pub(in crate::cli) fn changes(effect: &v1::PolicyEffect) -> Value {
    json!({ "changes": list(&effect.changes, change), "change_count": effect.change_count })
}

pub(in crate::cli) fn versions(page: &v1::ListPolicyVersionsResponse) -> Value {
    json!({ "versions": list(&page.versions, version), "next_page_token": page.next_page_token })
}

pub(in crate::cli) fn version(version: &v1::PolicyVersion) -> Value {
    json!({
        "version": version.version,
        "apply_time": version.apply_time.as_ref().map(time::rfc3339),
        "applied_by": version.applied_by,
        "applied_by_owner": version.applied_by_owner,
        "comment": version.comment,
        "revision": version.revision,
    })
}

fn effect(effect: &v1::PolicyEffect) -> Value {
    json!({
        "changes": list(&effect.changes, change),
        "change_count": effect.change_count,
        "affected_keys": list(&effect.affected_keys, affected_key),
        "affected_key_count": effect.affected_key_count,
        "gaining_keys": list(&effect.gaining_keys, gaining_key),
        "gaining_key_count": effect.gaining_key_count,
    })
}

fn change(change: &v1::PolicyChange) -> Value {
    json!({ "field": change.field, "from": change.from, "to": change.to })
}

fn affected_key(key: &v1::AffectedKey) -> Value {
    json!({
        "key_id": key.key_id,
        "workspace_id": key.workspace_id,
        "name": key.name,
        "lost_scopes": key.lost_scopes,
        "broken_rules": key.broken_rules,
    })
}

fn gaining_key(key: &v1::GainingKey) -> Value {
    json!({
        "key_id": key.key_id,
        "workspace_id": key.workspace_id,
        "name": key.name,
        "gained_scopes": key.gained_scopes,
        "gained_scope_count": key.gained_scope_count,
    })
}

fn policy(policy: &v1::Policy) -> Value {
    json!({
        "environments": list(&policy.environments, environment),
        "admin_prefix": policy.admin_prefix,
        "scopes": list(&policy.scopes, scope),
        "tiers": list(&policy.tiers, tier),
        "plans": list(&policy.plans, plan),
        "roles": list(&policy.roles, role),
        "key_rules": policy.key_rules.as_ref().map(key_rules),
        "quotas": policy.quotas.as_ref().map(quotas),
        "routes": list(&policy.routes, route),
    })
}

fn environment(environment: &v1::PolicyEnvironment) -> Value {
    json!({
        "name": environment.name,
        "prefix": environment.prefix,
        "billable": environment.billable,
        "browsers": names::policy_browser_rule(environment.browsers),
    })
}

fn scope(scope: &v1::PolicyScope) -> Value {
    json!({
        "name": scope.name,
        "description": scope.description,
        "not_by_wildcard": scope.not_by_wildcard,
    })
}

fn tier(tier: &v1::PolicyTier) -> Value {
    json!({
        "name": tier.name,
        "description": tier.description,
        "scopes": tier.scopes,
        "limits": list(&tier.limits, limit),
    })
}

pub(in crate::cli) fn limit(limit: &v1::PolicyLimit) -> Value {
    let (calendar, rolling, bucket) = match &limit.window {
        None => (None, None, None),
        Some(Window::Calendar(calendar)) => (Some(names::policy_calendar(*calendar)), None, None),
        Some(Window::Rolling(length)) => (None, Some(time::duration_seconds(length)), None),
        Some(Window::Bucket(bucket)) => (None, None, Some(self::bucket(bucket))),
    };
    json!({
        "name": limit.name,
        "limit": limit.limit,
        "calendar": calendar,
        "rolling": rolling,
        "bucket": bucket,
        "time_zone": limit.time_zone,
        "per": names::policy_limit_subject(limit.per),
    })
}

fn bucket(bucket: &v1::PolicyBucket) -> Value {
    json!({ "refill": bucket.refill, "every": bucket.every.as_ref().map(time::duration_seconds) })
}

fn plan(plan: &v1::PolicyPlan) -> Value {
    json!({
        "name": plan.name,
        "description": plan.description,
        "keys_denied": plan.keys_denied,
        "limits": list(&plan.limits, limit),
        "tiers": list(&plan.tiers, plan_tier),
        "quotas": plan.quotas.as_ref().map(quotas),
    })
}

fn quotas(quotas: &v1::PolicyQuotas) -> Value {
    json!({
        "keys": quotas.keys,
        "kept_keys": quotas.kept_keys,
        "key_bytes": quotas.key_bytes,
        "members": quotas.members,
        "log_bytes_per_day": quotas.log_bytes_per_day,
        "workspaces": quotas.workspaces,
        "import_schemes": quotas.import_schemes,
    })
}

pub(in crate::cli) fn plan_tier(tier: &v1::PolicyPlanTier) -> Value {
    json!({ "tier": tier.tier, "limits": list(&tier.limits, limit) })
}

fn role(role: &v1::PolicyRole) -> Value {
    json!({
        "name": role.name,
        "description": role.description,
        "all_scopes": role.all_scopes,
        "scopes": role.scopes,
    })
}

fn key_rules(rules: &v1::PolicyKeyRules) -> Value {
    json!({
        "require_expiry": rules.require_expiry,
        "max_lifetime": rules.max_lifetime.as_ref().map(time::duration_seconds),
        "name_pattern": rules.name_pattern,
        "barred_plans": rules.barred_plans,
        "barred_roles": rules.barred_roles,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::json::assert_shows_every_field;

    #[test]
    fn every_field_of_the_wire_is_shown() {
        for (message, value) in [
            ("GetPolicyResponse", shown(&v1::GetPolicyResponse::default())),
            ("ValidatePolicyResponse", judged(&v1::ValidatePolicyResponse::default())),
            ("ApplyPolicyResponse", applied(&v1::ApplyPolicyResponse::default())),
            ("ListPolicyVersionsResponse", versions(&v1::ListPolicyVersionsResponse::default())),
            ("PolicyVersion", version(&v1::PolicyVersion::default())),
            ("PolicyEffect", effect(&v1::PolicyEffect::default())),
            ("PolicyChange", change(&v1::PolicyChange::default())),
            ("AffectedKey", affected_key(&v1::AffectedKey::default())),
            ("GainingKey", gaining_key(&v1::GainingKey::default())),
            ("Policy", policy(&v1::Policy::default())),
            ("PolicyEnvironment", environment(&v1::PolicyEnvironment::default())),
            ("PolicyScope", scope(&v1::PolicyScope::default())),
            ("PolicyTier", tier(&v1::PolicyTier::default())),
            ("PolicyLimit", limit(&v1::PolicyLimit::default())),
            ("PolicyBucket", bucket(&v1::PolicyBucket::default())),
            ("PolicyPlan", plan(&v1::PolicyPlan::default())),
            ("PolicyPlanTier", plan_tier(&v1::PolicyPlanTier::default())),
            ("PolicyRole", role(&v1::PolicyRole::default())),
            ("PolicyKeyRules", key_rules(&v1::PolicyKeyRules::default())),
            ("PolicyQuotas", quotas(&v1::PolicyQuotas::default())),
        ] {
            assert_shows_every_field(message, &value);
        }
    }

    #[test]
    fn a_limit_has_one_window() {
        let day = v1::PolicyLimit { limit: 500, window: Some(Window::Calendar(3)), ..Default::default() };
        let shown = limit(&day);
        assert_eq!((&shown["calendar"], &shown["rolling"]), (&"DAY".into(), &Value::Null));
        let length = prost_types::Duration { seconds: 60, nanos: 0 };
        let minute = v1::PolicyLimit { window: Some(Window::Rolling(length)), ..Default::default() };
        assert_eq!(limit(&minute)["rolling"], "60s");
        assert_eq!(route(&v1::PolicyRoute { cost: Some(0), ..Default::default() })["cost"], 0);
    }
}
