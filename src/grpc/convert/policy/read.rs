//! A policy as a message to the document that it says; what does not fit is found when the document is looked at.

use crate::{
    domain::policy::{
        BucketEntry, Document, EnvironmentEntry, KeyRulesEntry, LimitEntry, LimitOverridesEntry, PlanEntry,
        PlanTierEntry, QuotasEntry, RoleEntry, RouteEntry, ScopeEntry, TierEntry,
    },
    wire::v1::{
        self, PolicyBrowserRule, PolicyCalendar, PolicyLimitSubject, PolicyRouteAccess, policy_limit::Window,
    },
};

/// Stands where a value is not in its list: no document takes it.
const UNKNOWN: &str = "unknown";

pub(super) fn document(policy: v1::Policy) -> Document {
    Document {
        admin_prefix: policy.admin_prefix,
        environments: each(policy.environments, |entry| EnvironmentEntry {
            name: entry.name,
            prefix: entry.prefix,
            billable: entry.billable,
            browsers: browsers(entry.browsers).to_owned(),
        }),
        scopes: each(policy.scopes, |entry| ScopeEntry {
            name: entry.name,
            description: entry.description,
            not_by_wildcard: entry.not_by_wildcard,
        }),
        tiers: each(policy.tiers, |entry| TierEntry {
            name: entry.name,
            description: entry.description,
            scopes: entry.scopes,
            limits: each(entry.limits, limit),
        }),
        plans: each(policy.plans, plan),
        roles: each(policy.roles, |entry| RoleEntry {
            name: entry.name,
            description: entry.description,
            all_scopes: entry.all_scopes,
            scopes: entry.scopes,
        }),
        key_rules: policy.key_rules.map(|rules| KeyRulesEntry {
            require_expiry: rules.require_expiry,
            max_lifetime: rules.max_lifetime.map(duration),
            name_pattern: rules.name_pattern,
            barred_plans: rules.barred_plans,
            barred_roles: rules.barred_roles,
        }),
        quotas: policy.quotas.map(quotas),
        routes: each(policy.routes, route),
    }
}

fn quotas(entry: v1::PolicyQuotas) -> QuotasEntry {
    QuotasEntry {
        keys: entry.keys,
        kept_keys: entry.kept_keys,
        key_bytes: entry.key_bytes,
        members: entry.members,
        log_bytes_per_day: entry.log_bytes_per_day,
        workspaces: entry.workspaces,
        import_schemes: entry.import_schemes,
    }
}

/// Rules for keys of a workspace's own.
pub(in crate::grpc) fn own_rules(own: v1::WorkspaceKeyRules) -> KeyRulesEntry {
    KeyRulesEntry {
        require_expiry: own.require_expiry,
        max_lifetime: own.max_lifetime.map(duration),
        name_pattern: own.name_pattern,
        ..KeyRulesEntry::default()
    }
}

/// Limits of one's own.
pub(in crate::grpc) fn overrides(own: v1::LimitOverrides) -> LimitOverridesEntry {
    LimitOverridesEntry { limits: each(own.limits, limit), tiers: each(own.tiers, plan_tier) }
}

fn each<T, U>(items: Vec<T>, read: impl FnMut(T) -> U) -> Vec<U> {
    items.into_iter().map(read).collect()
}

fn plan(entry: v1::PolicyPlan) -> PlanEntry {
    PlanEntry {
        name: entry.name,
        description: entry.description,
        keys_denied: entry.keys_denied,
        limits: each(entry.limits, limit),
        tiers: each(entry.tiers, plan_tier),
        quotas: entry.quotas.map(quotas),
    }
}

fn plan_tier(entry: v1::PolicyPlanTier) -> PlanTierEntry {
    PlanTierEntry { tier: entry.tier, limits: each(entry.limits, limit) }
}

fn limit(entry: v1::PolicyLimit) -> LimitEntry {
    let mut limit = LimitEntry {
        name: entry.name,
        limit: entry.limit,
        time_zone: entry.time_zone,
        per: subject(entry.per).to_owned(),
        ..LimitEntry::default()
    };
    match entry.window {
        None => {}
        Some(Window::Calendar(unit)) => limit.calendar = Some(calendar(unit).to_owned()),
        Some(Window::Rolling(length)) => limit.rolling = Some(duration(length)),
        Some(Window::Bucket(bucket)) => {
            let every = bucket.every.map(duration).unwrap_or_default();
            limit.bucket = Some(BucketEntry { refill: bucket.refill, every });
        }
    }
    limit
}

fn calendar(value: i32) -> &'static str {
    match PolicyCalendar::try_from(value) {
        Ok(PolicyCalendar::Minute) => "minute",
        Ok(PolicyCalendar::Hour) => "hour",
        Ok(PolicyCalendar::Day) => "day",
        Ok(PolicyCalendar::Month) => "month",
        Ok(PolicyCalendar::Unspecified) | Err(_) => UNKNOWN,
    }
}

fn subject(value: i32) -> &'static str {
    match PolicyLimitSubject::try_from(value) {
        Ok(PolicyLimitSubject::Unspecified) => "",
        Ok(PolicyLimitSubject::Key) => "key",
        Ok(PolicyLimitSubject::Owner) => "owner",
        Ok(PolicyLimitSubject::Workspace) => "workspace",
        Err(_) => UNKNOWN,
    }
}

fn browsers(rule: i32) -> &'static str {
    match PolicyBrowserRule::try_from(rule) {
        Ok(PolicyBrowserRule::Unspecified) => "",
        Ok(PolicyBrowserRule::Allow) => "allow",
        Ok(PolicyBrowserRule::Log) => "log",
        Ok(PolicyBrowserRule::Deny) => "deny",
        Err(_) => UNKNOWN,
    }
}

fn route(entry: v1::PolicyRoute) -> RouteEntry {
    let access = match PolicyRouteAccess::try_from(entry.access) {
        Ok(PolicyRouteAccess::Unspecified) => "",
        Ok(PolicyRouteAccess::Scopes) => "scopes",
        Ok(PolicyRouteAccess::Public) => "public",
        Ok(PolicyRouteAccess::Denied) => "denied",
        Err(_) => UNKNOWN,
    };
    RouteEntry {
        host: entry.host,
        method: entry.method,
        path: entry.path,
        scopes: entry.scopes,
        resource: entry.resource,
        cost: entry.cost,
        access: access.to_owned(),
    }
}

/// Whole seconds as text; anything else as a text that is refused.
fn duration(length: prost_types::Duration) -> String {
    match length.nanos {
        0 => format!("{}s", length.seconds),
        _ => UNKNOWN.to_owned(),
    }
}
