//! What grants cover. Grants are compared here only, and under a policy only: the policy says what a wildcard
//! covers (S4).

use super::Policy;
use crate::domain::{
    grant::{Grant, Grants},
    scope::ScopePattern,
};

/// Grants as they hold under a policy.
///
/// A wildcard covers the same wildcard and the scopes that it reaches, never one that the policy keeps from wildcards or
/// does not declare. Without a policy that can be trusted it covers itself and nothing else, which holds under any.
#[derive(Debug, Clone, Copy)]
pub struct GrantsUnder<'a> {
    grants: &'a Grants,
    policy: Option<&'a Policy>,
}

impl Grants {
    /// These, to be compared with others.
    #[must_use]
    pub const fn under<'a>(&'a self, policy: Option<&'a Policy>) -> GrantsUnder<'a> {
        GrantsUnder { grants: self, policy }
    }
}

impl<'a> GrantsUnder<'a> {
    /// Whether a key that holds these holds all of `others` too.
    #[must_use]
    pub fn cover(self, others: &'a Grants) -> bool {
        self.beyond(others).next().is_none()
    }

    /// Those of `others` that go beyond these.
    pub fn beyond(self, others: &'a Grants) -> impl Iterator<Item = &'a Grant> {
        others.iter().filter(move |other| !self.grants.iter().any(|mine| self.covers(mine, other)))
    }

    fn covers(self, mine: &Grant, other: &Grant) -> bool {
        self.covers_scope(mine.scope(), other.scope()) && mine.covers_resources_of(other)
    }

    fn covers_scope(self, mine: &ScopePattern, other: &ScopePattern) -> bool {
        mine == other || self.policy.is_some_and(|policy| policy.reaches(mine, other.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{
        prelude::{Just, Strategy, any, proptest},
        prop_assert, prop_assert_eq,
        sample::{select, subsequence},
    };

    use super::*;
    use crate::domain::{
        admin::AdminRights,
        ceiling::{Ceiling, GrantCeiling},
        grant::{Coverage, tests::grant},
        resource::Resource,
        rights::Rights,
        scope::Scope,
        text::Label,
    };

    /// Some of these are declared, and some of those are kept from wildcards.
    const SCOPES: [&str; 7] = ["a:read", "a:write", "a:kept", "ab:read", "ab:kept", "b:read", "b:kept"];
    const PATTERNS: [&str; 11] = [
        "a:read", "a:write", "a:kept", "ab:read", "ab:kept", "b:read", "b:kept", "a:*", "ab:*", "b:*", "c:*",
    ];
    const RESOURCES: [&str; 4] = ["s/1", "s/2", "s/*", "*"];
    const ASKED: [Option<&str>; 5] = [None, Some("s/1"), Some("s/2"), Some("s/3"), Some("t")];

    fn policy(declared: &[(&str, bool)], role: Option<&[&str]>) -> Policy {
        let scopes = declared
            .iter()
            .map(|(name, kept)| format!("{{ name = '{name}', not_by_wildcard = {kept} }}"))
            .collect::<Vec<_>>();
        let role = role.map_or("all_scopes = true".to_owned(), |scopes| format!("scopes = {scopes:?}"));
        let text = format!(
            "scopes = [{}]\nenvironments = [{{ name = 'live', prefix = 'kw_live_' }}]\n\
             plans = [{{ name = 'one' }}]\nroles = [{{ name = 'some', {role} }}]\n\
             tiers = [{{ name = 'default', limits = [{{ name = 'h', limit = 1, calendar = 'hour' }}] }}]",
            scopes.join(", ")
        );
        Policy::from_toml(&text).unwrap()
    }

    fn policies() -> impl Strategy<Value = Policy> {
        let declared = subsequence(SCOPES.to_vec(), 1..=SCOPES.len());
        declared
            .prop_flat_map(|names| {
                let kept = proptest::collection::vec(any::<bool>(), names.len());
                (Just(names), kept)
            })
            .prop_map(|(names, kept)| policy(&names.into_iter().zip(kept).collect::<Vec<_>>(), None))
    }

    fn grants() -> impl Strategy<Value = Grants> {
        let one = (select(&PATTERNS[..]), subsequence(RESOURCES.to_vec(), 0..=2))
            .prop_map(|(scope, resources)| grant(scope, &resources));
        proptest::collection::vec(one, 0..5).prop_map(|all| Grants::new(all).unwrap())
    }

    /// Every scope and resource that grants cover under a policy: what a Check would say.
    fn come_to(grants: &Grants, policy: &Policy) -> Vec<(&'static str, Option<&'static str>)> {
        let rights = Rights::new(grants, policy);
        let every = SCOPES.iter().flat_map(|scope| ASKED.iter().map(move |resource| (*scope, *resource)));
        let granted = |scope: &str, resource: Option<&str>| {
            let resource = resource.map(|text| Resource::parse(text).unwrap());
            matches!(rights.verdict(Scope::parse(scope).unwrap(), resource), Coverage::Granted(_))
        };
        every.filter(|(scope, resource)| granted(scope, *resource)).collect()
    }

    fn ceiling(grants: &Grants) -> Ceiling {
        Ceiling { grants: GrantCeiling::Within(grants.clone()), ..Ceiling::EVERYTHING }
    }

    proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, cases: 2_000, ..Default::default() })]

        #[test]
        fn what_is_covered_comes_to_nothing_that_the_cover_does_not(
            policy in policies(), mine in grants(), theirs in grants(), later in policies(),
        ) {
            // S4, S6, X9
            let model = come_to(&mine, &policy);
            if mine.under(Some(&policy)).cover(&theirs) {
                for right in come_to(&theirs, &policy) {
                    prop_assert!(model.contains(&right), "{right:?}");
                }
            }
            // What holds without a policy holds under any.
            if mine.under(None).cover(&theirs) {
                prop_assert!(mine.under(Some(&policy)).cover(&theirs) && mine.under(Some(&later)).cover(&theirs));
            }
            prop_assert!(mine.under(None).cover(&mine) && mine.under(Some(&policy)).cover(&mine));
        }

        #[test]
        fn a_ceiling_that_is_covered_hands_out_nothing_that_the_other_does_not(
            policy in policies(), mine in grants(), theirs in grants(), key in grants(),
        ) {
            // S6, X9
            let (mine, theirs) = (ceiling(&mine), ceiling(&theirs));
            if mine.covers(&theirs, Some(&policy)) && theirs.permits_grants(&key, Some(&policy)) {
                prop_assert!(mine.permits_grants(&key, Some(&policy)));
            }
        }

        #[test]
        fn whatever_is_reached_is_reached_one_by_one(policy in policies(), pattern in select(&PATTERNS[..])) {
            // S4
            let pattern = ScopePattern::parse(pattern).unwrap();
            let reached: Vec<_> = policy.reached(&pattern).collect();
            let one_by_one: Vec<_> = policy.scopes().filter(|scope| policy.reaches(&pattern, scope)).collect();
            prop_assert_eq!(reached, one_by_one);
        }

        #[test]
        fn what_is_within_a_role_comes_to_nothing_beyond_it(
            kept in proptest::collection::vec(any::<bool>(), SCOPES.len()),
            of_role in subsequence(PATTERNS[..10].to_vec(), 1..4),
            theirs in grants(),
        ) {
            // S4, S6
            let declared: Vec<_> = SCOPES.into_iter().zip(kept).collect();
            let reaches = |pattern: &&str| pattern.strip_suffix('*').is_none_or(|resource| {
                declared.iter().any(|(name, kept)| name.starts_with(resource) && !kept)
            });
            let of_role: Vec<_> = of_role.into_iter().filter(reaches).collect();
            if of_role.is_empty() {
                return Ok(());
            }
            let policy = policy(&declared, Some(&of_role));
            let role = policy.role(&Label::parse("some").unwrap()).unwrap();
            let has = come_to(role.grants.as_ref().unwrap(), &policy);
            if role.exceeded_by(&theirs, &policy).is_empty() {
                prop_assert!(come_to(&theirs, &policy).iter().all(|right| has.contains(right)));
            }
            let mine = AdminRights { ceiling: ceiling(&theirs), ..AdminRights::everything() }.ceiling;
            if mine.permits_role(role, Some(&policy)) {
                let model = come_to(&theirs, &policy);
                prop_assert!(has.iter().all(|right| model.contains(right)));
            }
        }
    }

    #[test]
    fn a_wildcard_covers_itself_and_what_it_reaches() {
        // S4
        let policy = policy(&[("a:read", false), ("a:kept", true), ("ab:read", false)], None);
        let all =
            |scopes: &[&str]| Grants::new(scopes.iter().map(|scope| grant(scope, &[])).collect()).unwrap();
        let covers = |mine: &[&str], theirs: &str| all(mine).under(Some(&policy)).cover(&all(&[theirs]));
        assert!(covers(&["a:*"], "a:*") && covers(&["a:*"], "a:read") && covers(&["c:*"], "c:*"));
        for kept in ["a:kept", "a:undeclared", "ab:read", "ab:*"] {
            assert!(!covers(&["a:*"], kept), "{kept}");
        }
        assert!(covers(&["a:*", "a:kept"], "a:kept") && covers(&["a:kept"], "a:kept"), "by its own name");
        assert!(!covers(&["a:read", "a:kept"], "a:*"), "a wildcard reaches what is declared later too");
        let none = |mine: &[&str], theirs: &str| all(mine).under(None).cover(&all(&[theirs]));
        assert!(none(&["a:*"], "a:*") && none(&["a:read"], "a:read") && !none(&["a:*"], "a:read"));
    }

    #[test]
    fn a_grant_covers_what_is_bound_no_less() {
        // S3
        let policy = policy(&[("a:read", false)], None);
        let covers = |mine: Grant, theirs: Grant| {
            let (mine, theirs) = (Grants::new(vec![mine]).unwrap(), Grants::new(vec![theirs]).unwrap());
            mine.under(Some(&policy)).cover(&theirs)
        };
        let bound = || grant("a:*", &["space/*"]);
        assert!(covers(bound(), grant("a:read", &["space/a", "space/b"])));
        assert!(covers(bound(), bound()));
        assert!(!covers(bound(), grant("a:read", &[])));
        assert!(!covers(bound(), grant("a:read", &["space/a", "project/b"])));
        assert!(!covers(bound(), grant("other:read", &["space/a"])));
        assert!(covers(grant("a:read", &[]), grant("a:read", &["space/a"])));
    }
}
