//! Rights: what a key's grants permit under a policy. Worked out when the key or the policy changes, so that a Check
//! looks at neither wildcards nor the registry.

mod role;

use std::{collections::BTreeMap, sync::Arc};

use super::{
    grant::{Coverage, Grant, Grants},
    policy::{Policy, TierSet},
    resource::{Resource, ResourcePattern},
    scope::{Scope, ScopePattern},
};

/// What a key may do: declared scopes only, wildcards spelled out (S2, S4). The empty set permits nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Sorted by scope.
    scopes: Box<[Right]>,
    /// The grants that are bound to resources and reach something, as they were granted.
    bound: Box<[Grant]>,
    inert: Box<[ScopePattern]>,
    /// What the role that the key follows takes from its grants.
    withheld: Withheld,
}

/// What a role takes from the grants of a key that follows it.
#[derive(Debug, Default, PartialEq, Eq)]
enum Withheld {
    /// Nothing, or the key follows none.
    #[default]
    Nothing,
    /// These scopes, sorted.
    These(Box<[Box<str>]>),
    /// Every scope that the role lacks: the key has no grants of its own.
    AllElse,
}

/// One scope that a key has.
#[derive(Debug, PartialEq, Eq)]
struct Right {
    scope: Box<str>,
    reach: Reach,
    /// What it is charged to.
    tier: TierSet,
}

/// For which resources a scope holds.
#[derive(Debug, PartialEq, Eq)]
enum Reach {
    /// For every one, and for requests that name none.
    Everywhere,
    /// For those that one of these matches: the lists of the grants of a scope pattern, which all scopes that it reaches share.
    Within(Box<[Lists]>),
}

/// The resources of each of several grants.
type Lists = Arc<[Arc<[ResourcePattern]>]>;

impl Reach {
    /// Whether this holds wherever `other` does.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everywhere, _) => true,
            (Self::Within(_), Self::Everywhere) => false,
            (Self::Within(mine), Self::Within(theirs)) => theirs
                .iter()
                .all(|theirs| mine.iter().any(|mine| are_same(mine, theirs)) || cover(mine, theirs)),
        }
    }
}

/// Whether these are the lists of the same grants.
fn are_same(mine: &Lists, theirs: &Lists) -> bool {
    mine.len() == theirs.len()
        && mine.iter().zip(theirs.iter()).all(|(mine, theirs)| Arc::ptr_eq(mine, theirs))
}

/// Whether `mine` together hold wherever each of `theirs` does.
fn cover(mine: &[Lists], theirs: &Lists) -> bool {
    let mine = || mine.iter().flat_map(|lists| lists.iter());
    theirs.iter().all(|theirs| {
        let covered = |theirs| mine().any(|mine| ResourcePattern::any_covers(mine, theirs));
        mine().any(|mine| Arc::ptr_eq(mine, theirs)) || theirs.iter().all(covered)
    })
}

impl Rights {
    /// What `grants` permit under `policy`.
    #[must_use]
    pub fn new(grants: &Grants, policy: &Policy) -> Self {
        let mut scopes: BTreeMap<&str, Option<Vec<Lists>>> = BTreeMap::new();
        let (mut bound, mut inert) = (Vec::new(), Vec::new());
        for same in grants.by_scope() {
            let Some(first) = same.first() else { continue };
            // None where one of them holds for every resource.
            let lists: Option<Lists> = same.iter().map(Grant::shared_resources).collect();
            let mut reaches = false;
            for scope in policy.reached(first.scope()) {
                reaches = true;
                let reach = scopes.entry(scope).or_insert_with(|| Some(Vec::new()));
                match (reach.as_mut(), &lists) {
                    (Some(all), Some(lists)) => all.push(Arc::clone(lists)),
                    (_, None) => *reach = None,
                    (None, Some(_)) => {}
                }
            }
            if reaches {
                bound.extend(same.iter().filter(|grant| grant.resources().is_some()).cloned());
            } else {
                inert.push(first.scope().clone());
            }
        }
        let scopes = scopes.into_iter().map(|(scope, reach)| Right {
            scope: scope.into(),
            reach: reach.map_or(Reach::Everywhere, |lists| Reach::Within(lists.into())),
            tier: policy.tier_of(scope),
        });
        Self {
            scopes: scopes.collect(),
            bound: bound.into(),
            inert: inert.into(),
            withheld: Withheld::Nothing,
        }
    }

    /// Whether these permit `required` on `resource`.
    #[must_use]
    pub fn verdict(&self, required: Scope<'_>, resource: Option<Resource<'_>>) -> Coverage {
        let Some(right) = self.find(required) else { return Coverage::Missing };
        let granted = match (&right.reach, resource) {
            (Reach::Everywhere, _) => true,
            (Reach::Within(_), None) => false,
            (Reach::Within(lists), Some(resource)) => {
                let mut patterns = lists.iter().flat_map(|lists| lists.iter()).flat_map(|list| list.iter());
                patterns.any(|pattern| pattern.matches(resource))
            }
        };
        if granted { Coverage::Granted(right.tier) } else { Coverage::OtherResources }
    }

    fn find(&self, scope: Scope<'_>) -> Option<&Right> {
        let found = self.scopes.binary_search_by(|right| (*right.scope).cmp(scope.as_str()));
        self.scopes.get(found.ok()?)
    }

    /// Every scope, for every resource or for some.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(|right| &*right.scope)
    }

    /// The scopes that hold for every resource.
    pub fn unbound(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().filter(|right| right.reach == Reach::Everywhere).map(|right| &*right.scope)
    }

    /// The grants that hold for some resources only, as they were granted.
    #[must_use]
    pub fn bound(&self) -> &[Grant] {
        &self.bound
    }

    /// What was granted and permits nothing, because the policy does not declare it.
    #[must_use]
    pub fn inert(&self) -> &[ScopePattern] {
        &self.inert
    }

    /// The scopes that `other` does not have, or has for fewer resources, sorted.
    pub fn not_in<'a>(&'a self, other: &Self) -> impl Iterator<Item = &'a str> {
        let kept = |mine: &Right| {
            let found = other.scopes.binary_search_by(|theirs| theirs.scope.cmp(&mine.scope));
            found
                .ok()
                .and_then(|place| other.scopes.get(place))
                .is_some_and(|it| it.reach.covers(&mine.reach))
        };
        self.scopes.iter().filter(move |mine| !kept(mine)).map(|mine| &*mine.scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grant::tests::grant;

    fn policy() -> Policy {
        let scopes =
            ["storage:read", "storage:upload", "storage:wipe", "storages:read", "storage-x:read", "a:b"];
        let entries = scopes
            .map(|name| format!("{{ name = \"{name}\", not_by_wildcard = {} }}", name == "storage:wipe"));
        let text = format!(
            "scopes = [{}]\nenvironments = [{{ name = \"live\", prefix = \"kw_live_\" }}]\n\
             plans = [{{ name = \"one\" }}]\n\
             tiers = [{{ name = \"default\", limits = [{{ name = \"h\", limit = 1, calendar = \"hour\" }}] }}]",
            entries.join(", ")
        );
        Policy::from_toml(&text).unwrap()
    }

    fn rights(grants: &[Grant]) -> Rights {
        Rights::new(&Grants::new(grants.to_vec()).unwrap(), &policy())
    }

    /// In the first tier, which is the only one.
    const GRANTED: Coverage = Coverage::Granted(TierSet::only(0));

    fn ask(rights: &Rights, scope: &str, resource: Option<&str>) -> Coverage {
        rights.verdict(Scope::parse(scope).unwrap(), resource.map(|text| Resource::parse(text).unwrap()))
    }

    #[test]
    fn a_bound_grant_holds_for_its_resources_only() {
        // S3
        let rights = rights(&[grant("storage:upload", &["space/a"]), grant("storage:read", &[])]);
        assert_eq!(ask(&rights, "storage:upload", Some("space/a")), GRANTED);
        assert_eq!(ask(&rights, "storage:upload", Some("space/b")), Coverage::OtherResources);
        assert_eq!(ask(&rights, "storage:upload", None), Coverage::OtherResources);
        assert_eq!(ask(&rights, "storage:read", None), GRANTED);
        assert_eq!(ask(&rights, "storage:read", Some("space/b")), GRANTED);
        assert_eq!(ask(&rights, "storage:wipe", Some("space/a")), Coverage::Missing);
    }

    #[test]
    fn a_wildcard_reaches_what_is_declared_and_not_marked() {
        // S1, S4
        let wide = rights(&[grant("storage:*", &[])]);
        assert_eq!(wide.scopes().collect::<Vec<_>>(), ["storage:read", "storage:upload"]);
        for other in ["storage:wipe", "storage:delete", "storages:read", "storage-x:read", "a:b"] {
            assert_eq!(ask(&wide, other, None), Coverage::Missing, "{other}");
        }
        let named = rights(&[grant("storage:*", &[]), grant("storage:wipe", &[])]);
        assert_eq!(ask(&named, "storage:wipe", None), GRANTED, "by its own name");
    }

    #[test]
    fn what_one_has_beyond_another_is_its_scopes_and_its_resources() {
        // S3, S10
        let beyond = |one: &[Grant], other: &[Grant]| -> Vec<String> {
            rights(one).not_in(&rights(other)).map(ToOwned::to_owned).collect()
        };
        let (all, some) = (grant("storage:read", &[]), grant("storage:read", &["space/a"]));
        let wide = grant("storage:read", &["space/*"]);
        for (less, more) in [(&some, &all), (&some, &wide), (&wide, &all)] {
            let (less, more) = ([less.clone()], [more.clone()]);
            assert_eq!(beyond(&more, &less), ["storage:read"], "{more:?} {less:?}");
            assert_eq!(beyond(&less, &more), [""; 0], "{less:?} {more:?}");
            assert_eq!(beyond(&less, &less), [""; 0]);
        }
        let two = [some.clone(), grant("storage:read", &["space/b"])];
        assert_eq!(beyond(&two, std::slice::from_ref(&some)), ["storage:read"]);
        assert_eq!(beyond(&two, &[grant("storage:read", &["space/a", "space/b", "space/c"])]), [""; 0]);
        assert_eq!(beyond(&[all, grant("a:b", &[])], &[some]), ["a:b", "storage:read"]);
    }

    #[test]
    fn several_grants_of_a_scope_add_up() {
        let both = rights(&[grant("storage:*", &["space/a"]), grant("storage:read", &["space/b"])]);
        assert_eq!(ask(&both, "storage:read", Some("space/a")), GRANTED);
        assert_eq!(ask(&both, "storage:read", Some("space/b")), GRANTED);
        assert_eq!(ask(&both, "storage:upload", Some("space/b")), Coverage::OtherResources);
        let open = rights(&[grant("storage:*", &["space/a"]), grant("storage:read", &[])]);
        assert_eq!(ask(&open, "storage:read", None), GRANTED);
        assert_eq!(open.unbound().collect::<Vec<_>>(), ["storage:read"]);
    }

    #[test]
    fn what_is_not_declared_is_inert() {
        // S2
        let rights = rights(&[grant("x:y", &[]), grant("z:*", &["space/a"]), grant("a:b", &[])]);
        let inert: Vec<_> = rights.inert().iter().map(ScopePattern::as_str).collect();
        assert_eq!(inert, ["x:y", "z:*"]);
        assert!(rights.bound().is_empty());
        assert_eq!(ask(&rights, "x:y", None), Coverage::Missing);
        assert_eq!(Rights::default().verdict(Scope::parse("a:b").unwrap(), None), Coverage::Missing);
    }

    #[test]
    fn scopes_that_a_wildcard_reaches_share_its_resources() {
        // X6, S3: else a key takes as much for each scope as for its grants
        let grants = (0..200).map(|number| grant("storage:*", &[&format!("space/{number}")]));
        let own = [grant("storage:read", &["own"])];
        let rights = Rights::new(&Grants::new(grants.chain(own).collect()).unwrap(), &policy());
        let lists = |scope: &str| match &rights.find(Scope::parse(scope).unwrap()).unwrap().reach {
            Reach::Within(lists) => lists.to_vec(),
            Reach::Everywhere => Vec::new(),
        };
        let (read, upload) = (lists("storage:read"), lists("storage:upload"));
        assert_eq!((read.len(), upload.len()), (2, 1));
        assert!(read.iter().any(|list| Arc::ptr_eq(list, &upload[0])));
        let asks = |scope: &str, resource| {
            rights.verdict(Scope::parse(scope).unwrap(), Some(Resource::parse(resource).unwrap()))
        };
        assert!(matches!(asks("storage:upload", "space/199"), Coverage::Granted(_)));
        assert!(matches!(asks("storage:read", "own"), Coverage::Granted(_)));
        assert_eq!(asks("storage:upload", "own"), Coverage::OtherResources);
    }
}
