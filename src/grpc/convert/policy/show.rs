//! The document of a policy as a message. It is one that was looked at: every text in it is one that can be read.

use crate::{
    domain::policy::{self, Document, LimitEntry, PlanEntry, RouteEntry},
    wire::v1::{self, PolicyCalendar, PolicyLimitSubject, PolicyRouteAccess, policy_limit::Window},
};

/// A document for the wire.
pub(in crate::grpc) fn to_wire(document: &Document) -> v1::Policy {
    v1::Policy {
        environments: each(&document.environments, |entry| v1::PolicyEnvironment {
            name: entry.name.clone(),
            prefix: entry.prefix.clone(),
            billable: entry.billable,
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
        routes: each(&document.routes, route),
    }
}

fn each<T, U>(items: &[T], show: impl Fn(&T) -> U) -> Vec<U> {
    items.iter().map(show).collect()
}

fn plan(entry: &PlanEntry) -> v1::PolicyPlan {
    v1::PolicyPlan {
        name: entry.name.clone(),
        description: entry.description.clone(),
        limits: each(&entry.limits, limit),
        tiers: each(&entry.tiers, |tier| v1::PolicyPlanTier {
            tier: tier.tier.clone(),
            limits: each(&tier.limits, limit),
        }),
    }
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

fn route(entry: &RouteEntry) -> v1::PolicyRoute {
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

fn duration(text: &str) -> Option<prost_types::Duration> {
    let length = policy::duration(text).ok()?;
    Some(prost_types::Duration { seconds: i64::try_from(length.as_secs()).ok()?, nanos: 0 })
}
