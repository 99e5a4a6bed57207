//! The policy as it is written: names and numbers that were not checked yet, the same as TOML, as stored JSON and,
//! field by field, as a message. [`Policy::new`](super::Policy::new) checks them.

use serde::{Deserialize, Serialize};

/// A policy document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Document {
    /// What administration keys begin with; empty is `kw_admin_`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub admin_prefix: String,
    /// The environments of holders' keys, the first of them the default one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<EnvironmentEntry>,
    /// Every scope that can be granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<ScopeEntry>,
    /// Groups of scopes with limits of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierEntry>,
    /// Plans of workspaces, the first of them the default one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<PlanEntry>,
    /// Roles of owners.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleEntry>,
    /// What holders' keys must be like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_rules: Option<KeyRulesEntry>,
    /// How far things may grow, where a plan says nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quotas: Option<QuotasEntry>,
    /// What requests through gateways need.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteEntry>,
}

/// An environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnvironmentEntry {
    /// Its name.
    pub name: String,
    /// What its keys begin with.
    pub prefix: String,
    /// Whether what its keys use is billed.
    #[serde(skip_serializing_if = "is_false")]
    pub billable: bool,
    /// `allow`, `log` or `deny`; empty is `log`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub browsers: String,
}

/// A declared scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeEntry {
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether wildcards pass it by.
    #[serde(skip_serializing_if = "is_false")]
    pub not_by_wildcard: bool,
}

/// A tier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TierEntry {
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its scopes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Its limits, unless a plan sets others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitEntry>,
}

/// A limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitEntry {
    /// Its name.
    pub name: String,
    /// Units that are admitted.
    pub limit: u64,
    /// `minute`, `hour`, `day` or `month`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// A duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolling: Option<String>,
    /// How a bucket fills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketEntry>,
    /// Where the calendar's days begin; empty is UTC.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
    /// `key`, `owner` or `workspace`; empty is `key`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub per: String,
}

/// How a bucket fills.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BucketEntry {
    /// Units that come back.
    pub refill: u64,
    /// In this duration.
    pub every: String,
}

/// A plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanEntry {
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether the keys of its workspaces are denied.
    #[serde(skip_serializing_if = "is_false")]
    pub keys_denied: bool,
    /// Limits over all tiers together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitEntry>,
    /// Tiers whose limits it sets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<PlanTierEntry>,
    /// How far its workspaces may grow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quotas: Option<QuotasEntry>,
}

/// The limits of a tier on a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanTierEntry {
    /// The tier.
    pub tier: String,
    /// Its limits.
    pub limits: Vec<LimitEntry>,
}

/// A role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoleEntry {
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it has every declared scope.
    #[serde(skip_serializing_if = "is_false")]
    pub all_scopes: bool,
    /// Its scopes and wildcards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

/// What holders' keys must be like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyRulesEntry {
    /// Whether each needs an expiry.
    #[serde(skip_serializing_if = "is_false")]
    pub require_expiry: bool,
    /// The longest time from issue to expiry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<String>,
    /// What the whole of each name matches.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_pattern: String,
    /// Plans whose workspaces may not issue.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub barred_plans: Vec<String>,
    /// Roles on whose behalf no key may be issued.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub barred_roles: Vec<String>,
}

/// What a request needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouteEntry {
    /// Its host; empty is any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Its method; empty is any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// Its path template.
    pub path: String,
    /// The scopes needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The resource touched; empty is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource: String,
    /// Units that it costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
    /// `scopes`, `public` or `denied`; empty is `scopes`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub access: String,
}

/// Quotas as they are written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotasEntry {
    /// [`Quota::Keys`](super::Quota::Keys).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// [`Quota::KeptKeys`](super::Quota::KeptKeys).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_keys: Option<u64>,
    /// [`Quota::KeyBytes`](super::Quota::KeyBytes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_bytes: Option<u64>,
    /// [`Quota::Members`](super::Quota::Members).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<u64>,
    /// [`Quota::LogBytesPerDay`](super::Quota::LogBytesPerDay).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes_per_day: Option<u64>,
    /// [`Quota::Workspaces`](super::Quota::Workspaces).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspaces: Option<u64>,
    /// [`Quota::ImportSchemes`](super::Quota::ImportSchemes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import_schemes: Option<u64>,
}

/// Limits of one's own, as they are written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitOverridesEntry {
    /// Over all tiers, in place of the plan's; empty leaves those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitEntry>,
    /// Tiers whose limits are set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<PlanTierEntry>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
const fn is_false(value: &bool) -> bool {
    !*value
}
