//! A policy that can be in force: what it declares, and what else follows from its document alone.

use std::collections::BTreeMap;

use super::{Document, KeyRules, Limit, Role, TierSet};
use crate::domain::{
    environment::{Environment, Environments},
    route::RouteTable,
    scope::{Scope, ScopePattern},
    text::{Label, Plan},
};

/// A policy that can be in force.
#[derive(Debug)]
pub struct Policy {
    pub(super) document: Document,
    pub(super) environments: Environments,
    /// Every declared scope.
    pub(super) scopes: BTreeMap<Box<str>, Declared>,
    /// The same, each at its place.
    pub(super) scope_names: Vec<Box<str>>,
    pub(super) tiers: Vec<Tier>,
    /// The place of the tier that holds what no other lists.
    pub(super) default_tier: usize,
    pub(super) first_plan: Plan,
    pub(super) plans: Vec<PlanLimits>,
    pub(super) roles: Vec<Role>,
    pub(super) key_rules: KeyRules,
    pub(super) routes: RouteTable,
}

/// A scope that can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// Whether wildcards reach it (S4).
    pub by_wildcard: bool,
    /// Its tier's place in [`Policy::tiers`].
    pub tier: usize,
    /// Its own place in the order of names.
    pub place: usize,
}

/// A tier: scopes with limits of their own.
#[derive(Debug)]
pub struct Tier {
    /// Its name.
    pub name: Label,
    /// Its limits, unless the plan sets others.
    pub limits: Vec<Limit>,
}

/// What a plan sets.
#[derive(Debug)]
pub struct PlanLimits {
    /// Its name.
    pub name: Plan,
    /// Whether the keys of its workspaces are denied, and none is issued.
    pub keys_denied: bool,
    /// Over all tiers together.
    pub limits: Vec<Limit>,
    /// In place of a tier's own, by the tier's place in [`Policy::tiers`].
    pub tiers: BTreeMap<usize, Vec<Limit>>,
}

impl Policy {
    /// The document, its durations in their shortest form.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// The environments there are.
    #[must_use]
    pub const fn environments(&self) -> &Environments {
        &self.environments
    }

    /// Whether what keys of an environment use is billed.
    #[must_use]
    pub fn is_billable(&self, environment: &Environment) -> bool {
        let entry = self.document.environments.iter().find(|entry| entry.name == environment.name.as_str());
        entry.is_some_and(|entry| entry.billable)
    }

    /// What is declared of a scope; `None` if it is not.
    #[must_use]
    pub fn declared(&self, scope: Scope<'_>) -> Option<Declared> {
        self.scopes.get(scope.as_str()).copied()
    }

    /// The name of the tier of a declared scope; empty where it is not declared.
    #[must_use]
    pub fn tier_name(&self, scope: &str) -> &str {
        let tier = self.scopes.get(scope).and_then(|declared| self.tiers.get(declared.tier));
        tier.map_or("", |tier| tier.name.as_str())
    }

    /// The declared scope at a place.
    #[must_use]
    pub fn scope_at(&self, place: usize) -> Option<&str> {
        self.scope_names.get(place).map(|name| &**name)
    }

    /// The place of a declared scope.
    #[must_use]
    pub fn place_of(&self, scope: &str) -> Option<usize> {
        self.scopes.get(scope).map(|declared| declared.place)
    }

    /// The tier of a declared scope.
    pub(in crate::domain) fn tier_of(&self, scope: &str) -> TierSet {
        self.scopes.get(scope).map_or(TierSet::default(), |declared| TierSet::only(declared.tier))
    }

    /// The declared scopes that a pattern reaches, sorted: itself, or for a wildcard all that it may.
    pub fn reached<'a>(&'a self, pattern: &'a ScopePattern) -> impl Iterator<Item = &'a str> {
        let exact =
            pattern.wildcard().is_none().then(|| self.scopes.get_key_value(pattern.as_str())).flatten();
        let wide = pattern.wildcard().into_iter().flat_map(|resource| {
            let from = (std::ops::Bound::Excluded(resource), std::ops::Bound::Unbounded);
            let below = self.scopes.range::<str, _>(from);
            below.take_while(move |(name, _)| name.starts_with(resource)).filter(move |(name, declared)| {
                declared.by_wildcard && name.as_bytes().get(resource.len()) == Some(&b':')
            })
        });
        exact.into_iter().chain(wide).map(|(name, _)| &**name)
    }

    /// Whether a pattern reaches a scope: one of [`Policy::reached`].
    #[must_use]
    pub fn reaches(&self, pattern: &ScopePattern, scope: &str) -> bool {
        let Some(declared) = self.scopes.get(scope) else { return false };
        match pattern.wildcard() {
            None => pattern.as_str() == scope,
            Some(resource) => {
                declared.by_wildcard && scope.split_once(':').is_some_and(|(of, _)| of == resource)
            }
        }
    }

    /// The tiers, as they stand in the document.
    #[must_use]
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// The tier of scopes that no other lists, and of Checks that ask for none.
    #[must_use]
    pub const fn default_tier(&self) -> TierSet {
        TierSet::only(self.default_tier)
    }

    /// The plans, as they stand in the document.
    #[must_use]
    pub fn plans(&self) -> &[PlanLimits] {
        &self.plans
    }

    /// The roles, as they stand in the document.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// A role by its name; `None` if it is not declared.
    #[must_use]
    pub fn role(&self, name: &Label) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == *name)
    }

    /// Every declared scope, sorted.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.keys().map(|name| &**name)
    }

    /// The plan of workspaces that ask for none (T2).
    #[must_use]
    pub const fn first_plan(&self) -> &Plan {
        &self.first_plan
    }

    /// Whether a plan is declared.
    #[must_use]
    pub fn has_plan(&self, plan: &Plan) -> bool {
        self.plans.iter().any(|declared| declared.name == *plan)
    }

    /// Whether the keys of workspaces on a plan are denied. Of a plan that is not declared nothing is known, and its workspaces
    /// have the limits of the tiers.
    #[must_use]
    pub fn denies_keys_on(&self, plan: &Plan) -> bool {
        self.plans.iter().any(|declared| declared.name == *plan && declared.keys_denied)
    }

    /// Whether the workspaces on a plan get new keys (S6).
    #[must_use]
    pub fn may_issue_on(&self, plan: &Plan) -> bool {
        !self.denies_keys_on(plan) && !self.key_rules.barred_plans.contains(plan)
    }

    /// What requests through gateways need.
    #[must_use]
    pub const fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// What holders' keys must be like.
    #[must_use]
    pub const fn key_rules(&self) -> &KeyRules {
        &self.key_rules
    }
}
