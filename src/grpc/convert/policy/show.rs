//! The document of a policy as a message. It is one that was looked at: every text in it is one that can be read.

use std::time::Duration;

use crate::{
    domain::policy::{
        self, Calendar, Document, Effective, Limit, LimitEntry, LimitOverrides, Origin, OwnKeyRules,
        PlanEntry, PlanTierEntry, QuotasEntry, RouteEntry, Subject,
    },
    wire::v1::{
        self, PolicyBrowserRule, PolicyCalendar, PolicyLimitSubject, PolicyRouteAccess, policy_limit::Window,
    },
};

/// A document for the wire.
pub(in crate::grpc) fn to_wire(document: &Document) -> v1::Policy {
    v1::Policy {
        environments: each(&document.environments, |entry| v1::PolicyEnvironment {
            name: entry.name.clone(),
            prefix: entry.prefix.clone(),
            billable: entry.billable,
            browsers: browsers(&entry.browsers).into(),
        }),
        admin_prefix: document.admin_prefix.clone(),
        scopes: each(&document.scopes, |entry| v1::PolicyScope {
            name: entry.name.clone(),
            description: entry.description.clone(),
            not_by_wildcard: entry.not_by_wildcard,
        }),
        tiers: each(&document.tiers, |entry| v1::PolicyTier {
            name: entry.name.clone(),
            description: entry.description.clone(),
            scopes: entry.scopes.clone(),
            limits: each(&entry.limits, limit),
        }),
        plans: each(&document.plans, plan),
        roles: each(&document.roles, |entry| v1::PolicyRole {
            name: entry.name.clone(),
            description: entry.description.clone(),
            all_scopes: entry.all_scopes,
            scopes: entry.scopes.clone(),
        }),
        key_rules: document.key_rules.as_ref().map(|rules| v1::PolicyKeyRules {
            require_expiry: rules.require_expiry,
            max_lifetime: rules.max_lifetime.as_deref().and_then(duration),
            name_pattern: rules.name_pattern.clone(),
            barred_plans: rules.barred_plans.clone(),
            barred_roles: rules.barred_roles.clone(),
        }),
        quotas: document.quotas.as_ref().map(quotas),
        routes: each(&document.routes, route),
    }
}

const fn quotas(entry: &QuotasEntry) -> v1::PolicyQuotas {
    v1::PolicyQuotas {
        keys: entry.keys,
        kept_keys: entry.kept_keys,
        key_bytes: entry.key_bytes,
        members: entry.members,
        log_bytes_per_day: entry.log_bytes_per_day,
        workspaces: entry.workspaces,
        import_schemes: entry.import_schemes,
    }
}

/// Limits of one's own for the wire.
pub(in crate::grpc) fn overrides_to_wire(own: &LimitOverrides) -> v1::LimitOverrides {
    let entry = own.entry();
    v1::LimitOverrides { limits: each(&entry.limits, limit), tiers: each(&entry.tiers, plan_tier) }
}

/// A limit that a key is under, for the wire.
pub(in crate::grpc) fn effective_to_wire(effective: &Effective<'_>) -> v1::EffectiveLimit {
    let Effective { tier, limit, origin } = effective;
    let origin = match origin {
        Origin::Tier => v1::LimitOrigin::Tier,
        Origin::Plan => v1::LimitOrigin::Plan,
        Origin::Workspace => v1::LimitOrigin::Workspace,
        Origin::Key => v1::LimitOrigin::Key,
    };
    v1::EffectiveLimit {
        name: format!("{tier}/{}", limit.name),
        limit: Some(read_limit(limit)),
        origin: origin.into(),
    }
}

fn read_limit(limit: &Limit) -> v1::PolicyLimit {
    let length = |length: &Duration| prost_types::Duration {
        seconds: i64::try_from(length.as_secs()).unwrap_or(i64::MAX),
        nanos: 0,
    };
    let (window, zone) = match &limit.window {
        policy::Window::Calendar(unit, zone) => {
            (Window::Calendar(unit_to_wire(*unit).into()), zone.iana_name())
        }
        policy::Window::Rolling(window) => (Window::Rolling(length(window)), None),
        policy::Window::Bucket { refill, every } => {
            (Window::Bucket(v1::PolicyBucket { refill: *refill, every: Some(length(every)) }), None)
        }
    };
    let per = match limit.per {
        Subject::Key => PolicyLimitSubject::Key,
        Subject::Owner => PolicyLimitSubject::Owner,
        Subject::Workspace => PolicyLimitSubject::Workspace,
    };
    v1::PolicyLimit {
        name: limit.name.to_string(),
        limit: limit.limit,
        window: Some(window),
        // As in a document, where empty is UTC.
        time_zone: zone.filter(|name| *name != "UTC").unwrap_or_default().to_owned(),
        per: per.into(),
    }
}

const fn unit_to_wire(unit: Calendar) -> PolicyCalendar {
    match unit {
        Calendar::Minute => PolicyCalendar::Minute,
        Calendar::Hour => PolicyCalendar::Hour,
        Calendar::Day => PolicyCalendar::Day,
        Calendar::Month => PolicyCalendar::Month,
    }
}

fn each<T, U>(items: &[T], show: impl Fn(&T) -> U) -> Vec<U> {
    items.iter().map(show).collect()
}

fn plan(entry: &PlanEntry) -> v1::PolicyPlan {
    v1::PolicyPlan {
        name: entry.name.clone(),
        description: entry.description.clone(),
        keys_denied: entry.keys_denied,
        limits: each(&entry.limits, limit),
        tiers: each(&entry.tiers, plan_tier),
        quotas: entry.quotas.as_ref().map(quotas),
    }
}

fn plan_tier(entry: &PlanTierEntry) -> v1::PolicyPlanTier {
    v1::PolicyPlanTier { tier: entry.tier.clone(), limits: each(&entry.limits, limit) }
}

fn limit(entry: &LimitEntry) -> v1::PolicyLimit {
    let calendar = entry.calendar.as_deref().map(|unit| Window::Calendar(calendar(unit).into()));
    let rolling = entry.rolling.as_deref().and_then(duration).map(Window::Rolling);
    let bucket = entry.bucket.as_ref().map(|bucket| {
        Window::Bucket(v1::PolicyBucket { refill: bucket.refill, every: duration(&bucket.every) })
    });
    v1::PolicyLimit {
        name: entry.name.clone(),
        limit: entry.limit,
        window: calendar.or(rolling).or(bucket),
        time_zone: entry.time_zone.clone(),
        per: subject(&entry.per).into(),
    }
}

fn calendar(text: &str) -> PolicyCalendar {
    match text {
        "minute" => PolicyCalendar::Minute,
        "hour" => PolicyCalendar::Hour,
        "day" => PolicyCalendar::Day,
        "month" => PolicyCalendar::Month,
        _ => PolicyCalendar::Unspecified,
    }
}

fn subject(text: &str) -> PolicyLimitSubject {
    match text {
        "owner" => PolicyLimitSubject::Owner,
        "workspace" => PolicyLimitSubject::Workspace,
        "key" => PolicyLimitSubject::Key,
        _ => PolicyLimitSubject::Unspecified,
    }
}

fn browsers(text: &str) -> PolicyBrowserRule {
    match text {
        "allow" => PolicyBrowserRule::Allow,
        "log" => PolicyBrowserRule::Log,
        "deny" => PolicyBrowserRule::Deny,
        _ => PolicyBrowserRule::Unspecified,
    }
}

/// A route for the wire.
pub(in crate::grpc) fn route(entry: &RouteEntry) -> v1::PolicyRoute {
    let access = match entry.access.as_str() {
        "scopes" => PolicyRouteAccess::Scopes,
        "public" => PolicyRouteAccess::Public,
        "denied" => PolicyRouteAccess::Denied,
        _ => PolicyRouteAccess::Unspecified,
    };
    v1::PolicyRoute {
        host: entry.host.clone(),
        method: entry.method.clone(),
        path: entry.path.clone(),
        scopes: entry.scopes.clone(),
        resource: entry.resource.clone(),
        cost: entry.cost,
        access: access.into(),
    }
}

/// Rules for keys of a workspace's own, for the wire.
pub(in crate::grpc) fn own_rules_to_wire(own: &OwnKeyRules) -> v1::WorkspaceKeyRules {
    v1::WorkspaceKeyRules {
        require_expiry: own.entry().require_expiry,
        max_lifetime: own.entry().max_lifetime.as_deref().and_then(duration),
        name_pattern: own.entry().name_pattern.clone(),
    }
}

fn duration(text: &str) -> Option<prost_types::Duration> {
    let length = policy::duration(text).ok()?;
    Some(prost_types::Duration { seconds: i64::try_from(length.as_secs()).ok()?, nanos: 0 })
}
