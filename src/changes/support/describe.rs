//! Values as the log tells them: JSON that a person reads, the same words as on the wire. Never a secret or a hash.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::domain::{
    admin::{AdminRights, AdminScope},
    ceiling::{Ceiling, EnvironmentCeiling, GrantCeiling, LifetimeCeiling},
    grant::{Grant, Grants},
    key::KeyState,
    network::AllowedNetworks,
    policy::{LimitOverrides, OwnKeyRules},
    text::Metadata,
    time::Timestamp,
};

/// Grants: a bound one with its resources; `null` for none.
pub(in crate::changes) fn grants(grants: &Grants) -> Value {
    let each = |grant: &Grant| match grant.resources() {
        None => json!(grant.scope().as_str()),
        Some(resources) => {
            let resources: Vec<_> = resources.iter().map(ToString::to_string).collect();
            json!({ "scope": grant.scope().as_str(), "resources": resources })
        }
    };
    if grants.is_empty() { Value::Null } else { grants.iter().map(each).collect() }
}

/// Networks; `null` for no restriction.
pub(in crate::changes) fn networks(networks: &AllowedNetworks) -> Value {
    match networks.as_slice() {
        [] => Value::Null,
        some => some.iter().map(ToString::to_string).collect(),
    }
}

/// Labels; `null` for none.
pub(in crate::changes) fn metadata(metadata: &Metadata) -> Value {
    if metadata.pairs().is_empty() { Value::Null } else { json!(metadata.pairs()) }
}

/// Limits of one's own, as a policy document has them; `null` for none.
pub(in crate::changes) fn limits(own: Option<&Arc<LimitOverrides>>) -> Value {
    // Texts, numbers and lists, which always can be.
    own.map(|own| serde_json::to_value(own.entry()).unwrap_or_default()).unwrap_or_default()
}

/// Rules for keys, as a policy document has them; `null` for none.
pub(in crate::changes) fn key_rules(own: Option<&OwnKeyRules>) -> Value {
    own.map(|own| serde_json::to_value(own.entry()).unwrap_or_default()).unwrap_or_default()
}

/// A time, in RFC 3339; `null` for none.
pub(in crate::changes) fn time(time: Option<Timestamp>) -> Value {
    json!(time.map(|time| time.to_string()))
}

/// What was done to a key.
pub(in crate::changes) const fn state(state: &KeyState) -> &'static str {
    match state {
        KeyState::Active => "active",
        KeyState::Disabled => "disabled",
        KeyState::Revoked(_) => "revoked",
    }
}

/// What an administration key may do and hand out.
pub(in crate::changes) fn admin(rights: &AdminRights) -> Value {
    let scopes: Vec<_> = rights.scopes.iter().copied().map(AdminScope::as_str).collect();
    json!({ "scopes": scopes, "global": rights.global, "ceiling": ceiling(&rights.ceiling) })
}

fn ceiling(ceiling: &Ceiling) -> Value {
    let grants = match &ceiling.grants {
        GrantCeiling::Any => json!("any"),
        GrantCeiling::Within(within) => grants(within),
    };
    let environments = match &ceiling.environments {
        EnvironmentCeiling::Any => json!("any"),
        EnvironmentCeiling::Within(names) => names.iter().map(ToString::to_string).collect(),
    };
    let lifetime = match ceiling.lifetime {
        LifetimeCeiling::Any => json!("any"),
        LifetimeCeiling::AtMost(longest) => json!(format!("{} s", longest.as_secs())),
    };
    let raise_limits = ceiling.raise_limits;
    json!({
        "grants": grants,
        "environments": environments,
        "lifetime": lifetime,
        "raise_limits": raise_limits,
    })
}
