//! Looks at a document as a whole, and finds everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ALL_TIERS, Declared, Document, KeyRules, Limit, LimitEntry, LimitOverridesEntry, PlanLimits, Policy,
    Role, Subject, Tier,
    faults::{Fault, Faults},
    key_rules::{Trust, of_keys},
    routes::routes,
    scope_set::MAX_DECLARED,
    tier_set::MAX_TIERS,
    time_zones::unusable_zones,
};
use crate::domain::{
    environment::{BrowserRule, Environment, Environments},
    grant::{Grant, Grants},
    parse::ParseError,
    scope::{Scope, ScopePattern},
    secret::Prefix,
    text::{EnvironmentName, Label, Plan},
};

const ADMIN_PREFIX: &str = "kw_admin_";
/// The tier of all scopes that no other lists.
const DEFAULT_TIER: &str = "default";
/// A Check takes at most so many cells.
const MAX_LIMITS: usize = 8;
const MAX_PLAN_LIMITS: usize = 4;

impl Policy {
    /// Looks at a document as a whole.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(document: Document) -> Result<Self, Vec<Fault>> {
        let unusable = unusable_zones(&document);
        match policy(document) {
            Ok(policy) if unusable.is_empty() => Ok(policy),
            Ok(_) => Err(unusable),
            Err(mut faults) => {
                let is_new = |fault: &Fault| !faults.iter().any(|known| known.field == fault.field);
                let more: Vec<_> = unusable.into_iter().filter(is_new).collect();
                faults.extend(more);
                Err(faults)
            }
        }
    }

    /// The same as it was stored; zones that no new document may name are taken as [`zones::kept`](crate::domain::zones::kept) says.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn kept(document: Document) -> Result<Self, Vec<Fault>> {
        policy(document)
    }
}

fn policy(mut document: Document) -> Result<Policy, Vec<Fault>> {
    let mut faults = Faults::default();
    let environments = environments(&document, &mut faults);
    let mut scopes = scopes(&document, &mut faults);
    let tiers = tiers(&mut document, &mut scopes, &mut faults);
    let plans = plans(&mut document, &tiers, &mut faults);
    let first_plan = plans.first().map(|plan| plan.name.clone());
    let routes = routes(&document, |scope| scopes.contains_key(scope), &mut faults);
    route_costs(&document, &scopes, &tiers, &plans, &mut faults);
    let default_tier = default_place(&tiers).unwrap_or_default();
    let mut policy = Policy {
        document,
        environments: environments.unwrap_or_default(),
        scope_names: scopes.keys().cloned().collect(),
        scopes,
        tiers,
        default_tier,
        // Missing only beside a fault.
        first_plan: first_plan.unwrap_or_else(|| Plan::literal("none")),
        plans,
        roles: Vec::new(),
        key_rules: KeyRules::default(),
        routes,
    };
    policy.roles = roles(&policy, &mut faults);
    policy.key_rules = key_rules(&mut policy, &mut faults);
    quotas(&policy.document, &mut faults);
    if faults.is_empty() { Ok(policy) } else { Err(faults.into_found()) }
}

fn environments(document: &Document, faults: &mut Faults) -> Option<Environments> {
    let entries = &document.environments;
    if !faults.count("environments", entries.len(), 1, 16) {
        return None;
    }
    let prefix = if document.admin_prefix.is_empty() { ADMIN_PREFIX } else { &document.admin_prefix };
    let admin = faults.take("admin_prefix", Prefix::parse(prefix));
    let mut holders = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let at = format!("environments[{place}]");
        let name = faults.take(format!("{at}.name"), EnvironmentName::parse(&entry.name));
        let prefix = faults.take(format!("{at}.prefix"), Prefix::parse(&entry.prefix));
        let browsers = faults.take(format!("{at}.browsers"), BrowserRule::parse(&entry.browsers));
        if let (Some(name), Some(prefix), Some(browsers)) = (name, prefix, browsers) {
            holders.push(Environment { name, prefix, browsers });
        }
    }
    if holders.len() < entries.len() {
        return None;
    }
    faults.take("environments", Environments::new(holders, admin?))
}

fn scopes(document: &Document, faults: &mut Faults) -> BTreeMap<Box<str>, Declared> {
    let mut scopes = BTreeMap::new();
    if !faults.count("scopes", document.scopes.len(), 1, MAX_DECLARED) {
        return scopes;
    }
    for (place, entry) in document.scopes.iter().enumerate() {
        let at = format!("scopes[{place}]");
        faults.description(&at, &entry.description);
        let name = format!("{at}.name");
        if faults.take(&name, Scope::parse(&entry.name)).is_none() {
            continue;
        }
        let declared = Declared { by_wildcard: !entry.not_by_wildcard, tier: 0, place: 0 };
        if scopes.insert(entry.name.as_str().into(), declared).is_some() {
            faults.must(name, "declared once");
        }
    }
    scopes.values_mut().enumerate().for_each(|(place, declared)| declared.place = place);
    scopes
}

/// Reads the tiers, and puts each scope into its own.
fn tiers(
    document: &mut Document,
    scopes: &mut BTreeMap<Box<str>, Declared>,
    faults: &mut Faults,
) -> Vec<Tier> {
    let mut tiers = Vec::new();
    if !faults.count("tiers", document.tiers.len(), 1, MAX_TIERS) {
        return tiers;
    }
    let mut taken = BTreeSet::new();
    for (place, entry) in document.tiers.iter_mut().enumerate() {
        let at = format!("tiers[{place}]");
        faults.description(&at, &entry.description);
        let name = faults.take(format!("{at}.name"), Label::parse(&entry.name));
        if entry.name == ALL_TIERS {
            faults.must(format!("{at}.name"), "another than `all`, which stands for all tiers together");
        }
        let is_default = entry.name == DEFAULT_TIER;
        if is_default != entry.scopes.is_empty() {
            let allowed = "empty for the tier `default`, which holds all scopes that no other tier lists, and for no other";
            faults.must(format!("{at}.scopes"), allowed);
        }
        for (index, scope) in entry.scopes.iter().enumerate() {
            let at = format!("{at}.scopes[{index}]");
            match scopes.get_mut(scope.as_str()) {
                None => faults.must(at, "a declared scope"),
                Some(_) if !taken.insert(scope.clone()) => faults.must(at, "in one tier only"),
                Some(declared) => declared.tier = place,
            }
        }
        let limits = limits(&format!("{at}.limits"), &mut entry.limits, 1, MAX_LIMITS, faults);
        tiers.push(Tier { name: name.unwrap_or_else(|| Label::literal("invalid")), limits });
    }
    match default_place(&tiers) {
        None => faults.must("tiers", "such that one of them is named `default`"),
        Some(default) => {
            let rest = scopes.iter_mut().filter(|(name, _)| !taken.contains(&***name));
            rest.for_each(|(_, declared)| declared.tier = default);
        }
    }
    unique("tiers", tiers.iter().map(|tier| &tier.name), faults);
    tiers
}

fn default_place(tiers: &[Tier]) -> Option<usize> {
    tiers.iter().position(|tier| tier.name.as_str() == DEFAULT_TIER)
}

fn limits(
    at: &str,
    entries: &mut [LimitEntry],
    least: usize,
    most: usize,
    faults: &mut Faults,
) -> Vec<Limit> {
    if !faults.count(at, entries.len(), least, most) {
        return Vec::new();
    }
    let mut limits = Vec::new();
    for (place, entry) in entries.iter_mut().enumerate() {
        let read = Limit::read(entry, &mut |field, why| faults.add(format!("{at}[{place}].{field}"), &why));
        limits.extend(read);
    }
    unique(at, limits.iter().map(|limit| &limit.name), faults);
    limits
}

/// Looks at limits of a workspace's or a key's own.
#[expect(clippy::type_complexity, reason = "one use")]
pub(super) fn overrides(
    mut entry: LimitOverridesEntry,
    per_key_only: bool,
    declared: impl Fn(&str) -> bool,
) -> Result<(LimitOverridesEntry, Vec<Limit>, Vec<(Label, Vec<Limit>)>), Vec<Fault>> {
    let mut faults = Faults::default();
    let faults_of_sharing = |at: &str, limits: &[Limit], faults: &mut Faults| {
        let shared = |limit: &Limit| per_key_only && limit.per != Subject::Key;
        for place in limits.iter().enumerate().filter(|(_, limit)| shared(limit)).map(|(place, _)| place) {
            faults.must(format!("{at}[{place}].per"), "`key`: a key cannot set what it shares with others");
        }
    };
    let over_all = limits("limits", &mut entry.limits, 0, MAX_PLAN_LIMITS, &mut faults);
    faults_of_sharing("limits", &over_all, &mut faults);
    let mut own: Vec<(Label, Vec<Limit>)> = Vec::new();
    faults.count("tiers", entry.tiers.len(), 0, MAX_TIERS);
    for (place, entry) in entry.tiers.iter_mut().enumerate().take(MAX_TIERS) {
        let at = format!("tiers[{place}]");
        let limits = limits(&format!("{at}.limits"), &mut entry.limits, 1, MAX_LIMITS, &mut faults);
        faults_of_sharing(&format!("{at}.limits"), &limits, &mut faults);
        let at = format!("{at}.tier");
        let Some(tier) = faults.take(&at, Label::parse(&entry.tier)) else { continue };
        if !declared(&entry.tier) {
            faults.must(at, "a tier of the policy");
        } else if own.iter().any(|(known, _)| *known == tier) {
            faults.must(at, "named once");
        } else {
            own.push((tier, limits));
        }
    }
    if faults.is_empty() { Ok((entry, over_all, own)) } else { Err(faults.into_found()) }
}

fn plans(document: &mut Document, tiers: &[Tier], faults: &mut Faults) -> Vec<PlanLimits> {
    let mut plans: Vec<PlanLimits> = Vec::new();
    if !faults.count("plans", document.plans.len(), 1, 64) {
        return plans;
    }
    for (place, entry) in document.plans.iter_mut().enumerate() {
        let at = format!("plans[{place}]");
        faults.description(&at, &entry.description);
        let name = faults.take(format!("{at}.name"), Plan::parse(&entry.name));
        let over_all = limits(&format!("{at}.limits"), &mut entry.limits, 0, MAX_PLAN_LIMITS, faults);
        let mut own = BTreeMap::new();
        for (index, entry) in entry.tiers.iter_mut().enumerate().take(tiers.len().saturating_add(1)) {
            let at = format!("{at}.tiers[{index}]");
            let limits = limits(&format!("{at}.limits"), &mut entry.limits, 1, MAX_LIMITS, faults);
            match tiers.iter().position(|tier| tier.name.as_str() == entry.tier) {
                None => faults.must(format!("{at}.tier"), "a tier of this document"),
                Some(tier) if own.insert(tier, limits).is_some() => {
                    faults.must(format!("{at}.tier"), "named once in a plan");
                }
                Some(_) => {}
            }
        }
        for (index, tier) in tiers.iter().enumerate() {
            let of_tier = own.get(&index).unwrap_or(&tier.limits);
            if over_all.len() + of_tier.len() > MAX_LIMITS {
                faults.must(
                    format!("{at}.limits"),
                    "such that no Check is under more than 8 limits, those of its tier with them",
                );
                break;
            }
        }
        let keys_denied = entry.keys_denied;
        plans.extend(name.map(|name| PlanLimits { name, keys_denied, limits: over_all, tiers: own }));
    }
    unique("plans", plans.iter().map(|plan| &plan.name), faults);
    plans
}

/// No route costs more than a limit admits that it would be charged to, on any plan: no request could ever pass it.
fn route_costs(
    document: &Document,
    scopes: &BTreeMap<Box<str>, Declared>,
    tiers: &[Tier],
    plans: &[PlanLimits],
    faults: &mut Faults,
) {
    // The tightest limit of each tier on any plan, and where it is.
    let tightest: Vec<_> = tiers
        .iter()
        .enumerate()
        .map(|(place, tier)| {
            let of_plan = |plan: &PlanLimits| {
                let of_tier = plan.tiers.get(&place).unwrap_or(&tier.limits);
                let of_tier =
                    of_tier.iter().map(|limit| (limit.limit, format!("{}/{}", tier.name, limit.name)));
                let over_all =
                    plan.limits.iter().map(|limit| (limit.limit, format!("{ALL_TIERS}/{}", limit.name)));
                let least = of_tier.chain(over_all).min();
                least.map(|(admits, name)| (admits, format!("{name} of the plan {}", plan.name)))
            };
            plans.iter().filter_map(of_plan).min()
        })
        .collect();
    for (place, route) in document.routes.iter().enumerate() {
        let Some(cost) = route.cost else { continue };
        let charged = route.scopes.iter().filter_map(|scope| scopes.get(scope.as_str()));
        let least = charged.filter_map(|declared| tightest.get(declared.tier)?.as_ref()).min();
        if let Some((admits, limit)) = least.filter(|(admits, _)| cost > *admits) {
            let why = ParseError::owned(format!("at most {admits}, which is what the limit {limit} admits"));
            faults.add(format!("routes[{place}].cost"), &why);
        }
    }
}

fn roles(policy: &Policy, faults: &mut Faults) -> Vec<Role> {
    let mut roles = Vec::new();
    let entries = &policy.document.roles;
    if !faults.count("roles", entries.len(), 0, 64) {
        return roles;
    }
    for (place, entry) in entries.iter().enumerate() {
        let at = format!("roles[{place}]");
        faults.description(&at, &entry.description);
        let name = faults.take(format!("{at}.name"), Label::parse(&entry.name));
        if entry.all_scopes != entry.scopes.is_empty() {
            faults.must(format!("{at}.scopes"), "empty where `all_scopes` is true, and only there");
        }
        let mut grants = Vec::new();
        for (index, scope) in entry.scopes.iter().enumerate() {
            let at = format!("{at}.scopes[{index}]");
            let Some(pattern) = faults.take(&at, ScopePattern::parse(scope)) else { continue };
            if policy.reached(&pattern).next().is_none() {
                faults.must(at, "a declared scope, or a wildcard that reaches one");
            }
            grants.push(Grant::unbound(pattern));
        }
        let grants = faults.take(format!("{at}.scopes"), Grants::new(grants));
        roles.extend(
            name.zip(grants)
                .map(|(name, grants)| Role { name, grants: (!entry.all_scopes).then_some(grants) }),
        );
    }
    unique("roles", roles.iter().map(|role| &role.name), faults);
    roles
}

fn quotas(document: &Document, faults: &mut Faults) {
    if let Some(quotas) = &document.quotas {
        quotas.check("quotas", false, faults);
    }
    for (place, plan) in document.plans.iter().enumerate() {
        if let Some(quotas) = &plan.quotas {
            quotas.check(&format!("plans[{place}].quotas"), true, faults);
        }
    }
}

fn key_rules(policy: &mut Policy, faults: &mut Faults) -> KeyRules {
    let Some(mut entry) = policy.document.key_rules.take() else { return KeyRules::default() };
    let mut rules = of_keys(&mut entry, Trust::New, faults);
    for (place, text) in entry.barred_plans.iter().enumerate() {
        match Plan::parse(text).ok().filter(|plan| policy.has_plan(plan)) {
            Some(plan) => rules.barred_plans.push(plan),
            None => faults.must(format!("key_rules.barred_plans[{place}]"), "a plan of this document"),
        }
    }
    for (place, text) in entry.barred_roles.iter().enumerate() {
        match policy.roles.iter().find(|role| role.name.as_str() == text) {
            Some(role) => rules.barred_roles.push(role.name.clone()),
            None => faults.must(format!("key_rules.barred_roles[{place}]"), "a role of this document"),
        }
    }
    policy.document.key_rules = Some(entry);
    rules
}

/// Each name stands once in its list.
fn unique<'a, T: Ord + 'a>(field: &str, names: impl Iterator<Item = &'a T>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    let mut twice = false;
    names.for_each(|name| twice |= !seen.insert(name));
    if twice {
        faults.must(field, "such that each name stands in it once");
    }
}
