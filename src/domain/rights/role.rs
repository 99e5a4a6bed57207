//! Rights of keys that follow their owner's role: those of the role, narrowed by the key's own grants, never widened (S5);
//! and what goes beyond a role.

use std::collections::BTreeSet;

use super::{Reach, Right, Rights, Withheld};
use crate::domain::{
    grant::{Grant, Grants, MAX_GRANTS},
    policy::{Policy, Role},
    scope::{Scope, ScopePattern},
};

impl Rights {
    /// What a key that follows `role` may do; nothing where that is no role of the policy. A key without grants has all of
    /// the role's.
    #[must_use]
    pub fn following(grants: &Grants, role: Option<&Role>, policy: &Policy) -> Self {
        let of_role = role.map(|role| Self::of_role(role, policy)).unwrap_or_default();
        if grants.is_empty() {
            return Self { withheld: Withheld::AllElse, ..of_role };
        }
        Self::new(grants, policy).narrowed(&of_role, policy)
    }

    /// What a role permits.
    #[must_use]
    pub fn of_role(role: &Role, policy: &Policy) -> Self {
        if let Some(grants) = &role.grants {
            return Self::new(grants, policy);
        }
        let every = |scope: &str| Right {
            scope: scope.into(),
            reach: Reach::Everywhere,
            tier: policy.tier_of(scope),
        };
        Self { scopes: policy.scopes().map(every).collect(), ..Self::default() }
    }

    /// Whether the role that the key follows is what keeps this scope from it.
    #[must_use]
    pub fn withholds(&self, scope: Scope<'_>) -> bool {
        match &self.withheld {
            Withheld::Nothing => false,
            Withheld::These(scopes) => scopes.binary_search_by(|one| (**one).cmp(scope.as_str())).is_ok(),
            Withheld::AllElse => self.find(scope).is_none(),
        }
    }

    /// Whether the role that the key follows keeps anything from it.
    #[must_use]
    pub const fn is_narrowed(&self) -> bool {
        !matches!(self.withheld, Withheld::Nothing)
    }

    /// The scopes that the key was granted and that its role keeps from it.
    pub fn withheld(&self) -> impl Iterator<Item = &str> {
        let these = match &self.withheld {
            Withheld::These(scopes) => &**scopes,
            Withheld::Nothing | Withheld::AllElse => &[],
        };
        these.iter().map(|scope| &**scope)
    }

    /// The scopes of `self` that `other` has not, or not for every resource.
    pub fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        self.scopes().filter(|scope| !other.unbound().any(|has| has == *scope))
    }

    fn narrowed(self, role: &Self, policy: &Policy) -> Self {
        let has = |scope: &str| role.scopes.binary_search_by(|right| (*right.scope).cmp(scope)).is_ok();
        let (kept, taken): (Vec<_>, Vec<_>) =
            Vec::from(self.scopes).into_iter().partition(|right| has(&right.scope));
        if taken.is_empty() {
            return Self { scopes: kept.into(), ..self };
        }
        let bound = spelled_out(&self.bound, policy, has);
        let withheld = Withheld::These(taken.into_iter().map(|right| right.scope).collect());
        Self { scopes: kept.into(), bound, inert: self.inert, withheld }
    }
}

/// Bound grants without what the role has not: a wildcard would say too much. Where they become more than a key may hold,
/// those of wildcards are left out of what is shown; decisions do not read them.
fn spelled_out(bound: &[Grant], policy: &Policy, has: impl Fn(&str) -> bool) -> Box<[Grant]> {
    let exact =
        bound.iter().filter(|grant| grant.scope().wildcard().is_none() && has(grant.scope().as_str()));
    let exact: Vec<_> = exact.cloned().collect();
    let wide = bound.iter().filter(|grant| grant.scope().wildcard().is_some()).collect::<Vec<_>>();
    let of_wildcards = wide.chunk_by(|one, other| one.scope() == other.scope()).flat_map(|same| {
        let reached = same.first().into_iter().flat_map(|first| policy.reached(first.scope()));
        let reached = reached.filter(|scope| has(scope)).filter_map(|scope| ScopePattern::parse(scope).ok());
        reached.flat_map(move |scope| same.iter().map(move |grant| grant.of(scope.clone())))
    });
    // One more than a key may hold are too many already.
    let all = exact.iter().cloned().chain(of_wildcards).take(MAX_GRANTS + 1).collect();
    Grants::new(all).map_or_else(|_too_many| exact.into(), |all| all.iter().cloned().collect())
}

impl Role {
    /// What of `grants` goes beyond this role, as it was granted, for good: a wildcard is within a role that has the same
    /// wildcard or every scope, since one that spells its scopes out stays as it is when another is declared.
    #[must_use]
    pub fn exceeded_by(&self, grants: &Grants, policy: &Policy) -> Vec<String> {
        let Some(mine) = &self.grants else { return Vec::new() };
        names(mine.under(Some(policy)).beyond(grants))
    }

    /// The same for a key that follows the role, which narrows its wildcards from one Check to the next.
    #[must_use]
    pub fn exceeded_now_by(&self, grants: &Grants, policy: &Policy) -> Vec<String> {
        let rights = Rights::of_role(self, policy);
        let has: BTreeSet<&str> = rights.scopes().collect();
        let beyond = |grant: &&Grant| policy.reached(grant.scope()).any(|scope| !has.contains(scope));
        names(grants.iter().filter(beyond))
    }

    /// What of another role goes beyond this one.
    #[must_use]
    pub fn exceeded_by_role(&self, other: &Self, policy: &Policy) -> Vec<String> {
        if let Some(grants) = &other.grants {
            return self.exceeded_by(grants, policy);
        }
        if self.grants.is_none() {
            return Vec::new();
        }
        let rights = Rights::of_role(self, policy);
        let has: BTreeSet<&str> = rights.scopes().collect();
        let beyond: Vec<_> =
            policy.scopes().filter(|scope| !has.contains(scope)).map(ToOwned::to_owned).collect();
        // It has all that is declared today, and the other one all that ever will be.
        if beyond.is_empty() { vec![format!("all that the role `{}` has", other.name)] } else { beyond }
    }
}

fn names<'a>(grants: impl Iterator<Item = &'a Grant>) -> Vec<String> {
    let mut names: Vec<_> = grants.map(|grant| grant.scope().to_string()).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        grant::Coverage,
        resource::{Resource, ResourcePattern},
        text::Label,
    };

    fn policy() -> Policy {
        Policy::from_toml(
            "environments = [{ name = 'live', prefix = 'kw_live_' }]\n\
             scopes = [{ name = 'site:read' }, { name = 'site:write' }, { name = 'team:manage', not_by_wildcard = true }]\n\
             tiers = [{ name = 'default', limits = [{ name = 'h', limit = 1, calendar = 'hour' }] }]\n\
             plans = [{ name = 'one' }]\n\
             roles = [{ name = 'owner', all_scopes = true }, { name = 'editor', scopes = ['site:*'] },\n\
                      { name = 'viewer', scopes = ['site:read'] }]",
        )
        .unwrap()
    }

    fn grants(all: &[(&str, &[&str])]) -> Grants {
        let each = all.iter().map(|(scope, resources)| {
            let scope = ScopePattern::parse(scope).unwrap();
            let resources: Vec<_> =
                resources.iter().map(|text| ResourcePattern::parse(text).unwrap()).collect();
            if resources.is_empty() { Grant::unbound(scope) } else { Grant::bound(scope, resources).unwrap() }
        });
        Grants::new(each.collect()).unwrap()
    }

    fn following(all: &[(&str, &[&str])], role: &str) -> Rights {
        let policy = policy();
        Rights::following(&grants(all), policy.role(&Label::parse(role).unwrap()), &policy)
    }

    fn scopes(rights: &Rights) -> Vec<&str> {
        rights.scopes().collect()
    }

    #[test]
    fn no_grants_are_those_of_the_role() {
        // S5
        assert_eq!(scopes(&following(&[], "owner")), ["site:read", "site:write", "team:manage"]);
        assert_eq!(scopes(&following(&[], "editor")), ["site:read", "site:write"]);
        assert_eq!(scopes(&following(&[], "viewer")), ["site:read"]);
        assert_eq!(scopes(&following(&[], "nobody")), [""; 0]);
        assert!(following(&[], "viewer").withholds(Scope::parse("site:write").unwrap()));
        assert!(!following(&[], "viewer").withholds(Scope::parse("site:read").unwrap()));
    }

    #[test]
    fn own_grants_narrow_and_never_widen() {
        // S5
        let wide: &[(&str, &[&str])] = &[("site:*", &[]), ("team:manage", &[])];
        let viewer = following(wide, "viewer");
        assert_eq!(scopes(&viewer), ["site:read"]);
        assert_eq!(viewer.withheld().collect::<Vec<_>>(), ["site:write", "team:manage"]);
        assert_eq!(scopes(&following(wide, "editor")), ["site:read", "site:write"]);
        assert_eq!(scopes(&following(&[("site:read", &[])], "owner")), ["site:read"]);
        let none = following(&[("site:write", &[])], "viewer");
        assert_eq!(scopes(&none), [""; 0]);
        assert!(!none.withholds(Scope::parse("team:manage").unwrap()), "its own grants lack that");
    }

    #[test]
    fn resources_of_own_grants_stay_and_wildcards_are_spelled_out() {
        // S3, S4, S5
        let viewer = following(&[("site:*", &["site/a"])], "viewer");
        let ask = |scope, resource| {
            viewer.verdict(Scope::parse(scope).unwrap(), Some(Resource::parse(resource).unwrap()))
        };
        assert!(matches!(ask("site:read", "site/a"), Coverage::Granted(_)));
        assert_eq!(ask("site:read", "site/b"), Coverage::OtherResources);
        assert_eq!(ask("site:write", "site/a"), Coverage::Missing);
        let shown: Vec<_> = viewer.bound().iter().map(|grant| grant.scope().as_str()).collect();
        assert_eq!(shown, ["site:read"]);
    }
}
