//! The policy: what may exist. One document, looked at as a whole: a [`Policy`] that exists is one that can be in force.

mod check;
mod cover;
mod document;
mod effect;
mod effective;
mod faults;
mod in_force;
mod key_rules;
mod limits;
mod name_pattern;
mod nearest;
mod overrides;
mod quotas;
mod role;
mod routes;
mod rule_broken;
mod scope_set;
mod text;
mod tier_set;
mod time_zones;

pub use self::{
    cover::GrantsUnder,
    document::{
        BucketEntry, Document, EnvironmentEntry, KeyRulesEntry, LimitEntry, LimitOverridesEntry, PlanEntry,
        PlanTierEntry, QuotasEntry, RoleEntry, RouteEntry, ScopeEntry, TierEntry,
    },
    effect::{Change, changes},
    effective::{Effective, LimitsOf, Origin, effective, lists, no_wider},
    faults::Fault,
    in_force::{Declared, PlanLimits, Policy, Tier},
    key_rules::{KeyRules, OwnKeyRules},
    limits::{ALL_TIERS, Calendar, Limit, Subject, Window, duration, show_duration},
    name_pattern::NamePattern,
    nearest::Undeclared,
    overrides::{LimitOverrides, OverridesOf},
    quotas::{Quota, daily},
    role::Role,
    rule_broken::RuleBroken,
    scope_set::ScopeSet,
    text::MAX_TOML,
    tier_set::TierSet,
};

#[cfg(test)]
mod tests;
