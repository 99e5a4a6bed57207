//! The answer to a Check as JSON: the wire's field names in `snake_case`, every field always there.
//!
//! An absent message is `null`, an empty text `""`. Times are RFC 3339, durations decimal seconds with an `s`
//! (`"86400s"`), enum values bare names (`"KEY_REVOKED"`), numbers numbers.

use jiff::{SignedDuration, Timestamp, civil};
use serde_json::{Value, json};

use super::v1::{self, DenialReason, PolicyRouteAccess};

pub(crate) fn check(answer: &v1::CheckResponse) -> Value {
    json!({
        "allowed": answer.allowed,
        "denial": answer.denial.as_ref().map(denial),
        "key": answer.key.as_ref().map(checked_key),
        "limits": list(&answer.limits, limit),
        "degraded": answer.degraded,
        "revision": answer.revision,
        "route": answer.route.as_ref().map(route_explanation),
    })
}

pub(crate) fn route_explanation(explanation: &v1::RouteExplanation) -> Value {
    json!({
        "route": explanation.route.as_ref().map(route),
        "field": explanation.field,
        "resource": explanation.resource,
        "why": explanation.why,
        "others": list(&explanation.others, route_not_taken),
    })
}

fn route_not_taken(other: &v1::RouteNotTaken) -> Value {
    json!({ "route": other.route.as_ref().map(route), "field": other.field, "why": other.why })
}

fn denial(denial: &v1::Denial) -> Value {
    json!({
        "reason": denial_reason(denial.reason),
        "message": denial.message,
        "missing_scopes": denial.missing_scopes,
        "retry_after": denial.retry_after.as_ref().map(duration_seconds),
        "failures": list(&denial.failures, failure),
    })
}

fn failure(failure: &v1::DenialFailure) -> Value {
    json!({ "reason": denial_reason(failure.reason), "message": failure.message })
}

fn checked_key(key: &v1::CheckedKey) -> Value {
    json!({
        "id": key.id,
        "workspace_id": key.workspace_id,
        "owner": key.owner,
        "creator": key.creator.as_ref().map(creator),
        "environment": key.environment,
        "scopes": key.scopes,
        "grants": list(&key.grants, grant),
        "plan": key.plan,
        "metadata": key.metadata,
        "secret": key.secret.as_ref().map(checked_secret),
    })
}

fn checked_secret(secret: &v1::CheckedSecret) -> Value {
    json!({ "generation": secret.generation, "retiring_at": secret.retiring_at.as_ref().map(rfc3339) })
}

fn limit(limit: &v1::LimitState) -> Value {
    json!({
        "name": limit.name,
        "limit": limit.limit,
        "remaining": limit.remaining,
        "reset_time": limit.reset_time.as_ref().map(rfc3339),
        "window": limit.window.as_ref().map(duration_seconds),
    })
}

pub(crate) fn creator(creator: &v1::Creator) -> Value {
    json!({
        "key_id": creator.key_id,
        "owner": creator.owner,
        "workspace_id": creator.workspace_id,
        "on_behalf_of": creator.on_behalf_of,
    })
}

pub(crate) fn grant(grant: &v1::Grant) -> Value {
    json!({ "scope": grant.scope, "resources": grant.resources })
}

pub(crate) fn route(route: &v1::PolicyRoute) -> Value {
    json!({
        "host": route.host,
        "method": route.method,
        "path": route.path,
        "scopes": route.scopes,
        "resource": route.resource,
        "cost": route.cost,
        "access": policy_route_access(route.access),
    })
}

/// `SCOPES`, `PUBLIC`, `DENIED`.
fn policy_route_access(value: i32) -> String {
    bare(PolicyRouteAccess::try_from(value).ok().map(|v| v.as_str_name()), "POLICY_ROUTE_ACCESS_", value)
}

/// `KEY_UNKNOWN`, `SCOPE_INSUFFICIENT`, …
pub(crate) fn denial_reason(value: i32) -> String {
    bare(DenialReason::try_from(value).ok().map(|v| v.as_str_name()), "DENIAL_REASON_", value)
}

/// The name of an enum value without the prefix that protobuf wants. One that a newer server sent is shown as its number.
pub(crate) fn bare(name: Option<&str>, prefix: &str, value: i32) -> String {
    name.map_or_else(|| format!("UNKNOWN_{value}"), |name| name.trim_start_matches(prefix).to_owned())
}

/// Each item, in order.
pub(crate) fn list<T>(items: &[T], each: impl Fn(&T) -> Value) -> Value {
    items.iter().map(each).collect()
}

/// The start of 1970.
pub(crate) const EPOCH: civil::DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// RFC 3339; what the calendar cannot express is shown as the numbers that were sent.
pub(crate) fn rfc3339(time: &prost_types::Timestamp) -> String {
    if let Ok(valid) = Timestamp::new(time.seconds, time.nanos) {
        return valid.to_string();
    }
    // On the last day of the year 9999 the library has no times, but a calendar.
    let calendar = EPOCH.checked_add(SignedDuration::new(time.seconds, time.nanos));
    calendar
        .map_or_else(|_| format!("{} s {} ns", time.seconds, time.nanos), |calendar| format!("{calendar}Z"))
}

/// As the JSON mapping of protobuf has it: decimal seconds and an `s`.
pub(crate) fn duration_seconds(duration: &prost_types::Duration) -> String {
    let signed = signed(duration);
    let whole = signed.as_secs();
    match signed.subsec_nanos().unsigned_abs() {
        0 => format!("{whole}s"),
        nanos => {
            let sign = if signed.is_negative() && whole == 0 { "-" } else { "" };
            format!("{sign}{whole}.{}s", format!("{nanos:09}").trim_end_matches('0'))
        }
    }
}

pub(crate) fn signed(duration: &prost_types::Duration) -> SignedDuration {
    SignedDuration::from_secs(duration.seconds)
        .saturating_add(SignedDuration::from_nanos(i64::from(duration.nanos)))
}

/// Fails when a field is added to the wire and forgotten in an answer.
#[cfg(test)]
pub(crate) fn assert_shows_every_field(message: &str, value: &Value) {
    use std::collections::BTreeSet;

    let pool = prost_reflect::DescriptorPool::decode(super::DESCRIPTOR_SET).unwrap();
    let descriptor = pool.get_message_by_name(&format!("keyward.v1.{message}")).unwrap();
    let fields: BTreeSet<String> = descriptor.fields().map(|field| field.name().to_owned()).collect();
    let shown: BTreeSet<String> = value.as_object().unwrap().keys().cloned().collect();
    assert_eq!(shown, fields, "{message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_check_is_shown() {
        for (message, value) in [
            ("CheckResponse", check(&v1::CheckResponse::default())),
            ("Denial", denial(&v1::Denial::default())),
            ("DenialFailure", failure(&v1::DenialFailure::default())),
            ("CheckedKey", checked_key(&v1::CheckedKey::default())),
            ("CheckedSecret", checked_secret(&v1::CheckedSecret::default())),
            ("LimitState", limit(&v1::LimitState::default())),
            ("Creator", creator(&v1::Creator::default())),
            ("Grant", grant(&v1::Grant::default())),
            ("RouteExplanation", route_explanation(&v1::RouteExplanation::default())),
            ("RouteNotTaken", route_not_taken(&v1::RouteNotTaken::default())),
            ("PolicyRoute", route(&v1::PolicyRoute::default())),
        ] {
            assert_shows_every_field(message, &value);
        }
    }
}
