//! Every small set of grants against every small question, compared with an oracle that splits at `:` and `/`.

use std::collections::BTreeSet;

use keyward::domain::{
    grant::{Coverage, Grant, Grants},
    policy::{Policy, RoleEntry, ScopeEntry},
    resource::{Resource, ResourcePattern},
    rights::Rights,
    scope::{Scope, ScopePattern},
};

use crate::model::{permits, reaches};

const RIGHTS: [&str; 7] = ["a:x", "a:y", "a:*", "ab:x", "ab:*", "b:x", "a.b:x"];
const NEEDS: [&str; 8] = ["a:x", "a:y", "a:xy", "ab:x", "b:x", "aa:x", "a.b:x", "a-b:x"];
const PATTERNS: [&str; 7] = ["s", "s/1", "s/*", "s/1/2", "s/1/*", "*", "s/11"];
const RESOURCES: [&str; 9] = ["s", "s/1", "s/2", "s/11", "s/1/2", "s/1/1", "st/1", "t/1", "s/1/2/3"];

/// What a grant is bound to: nothing, one pattern, or two.
fn bindings() -> Vec<Option<BTreeSet<&'static str>>> {
    let one = PATTERNS.iter().map(|pattern| Some(BTreeSet::from([*pattern])));
    let two = PATTERNS.windows(2).map(|pair| Some(pair.iter().copied().collect()));
    std::iter::once(None).chain(one).chain(two).collect()
}

fn grant(right: &str, binding: Option<&BTreeSet<&str>>) -> Grant {
    let right = ScopePattern::parse(right).unwrap();
    match binding {
        None => Grant::unbound(right),
        Some(patterns) => {
            let patterns = patterns.iter().map(|text| ResourcePattern::parse(text).unwrap()).collect();
            Grant::bound(right, patterns).unwrap()
        }
    }
}

/// A policy that declares every scope that is asked for.
fn policy() -> Policy {
    let mut document = Policy::default_document().unwrap().document().clone();
    let declared = |name: &&str| ScopeEntry { name: (*name).to_owned(), ..ScopeEntry::default() };
    document.scopes.extend(NEEDS.iter().map(declared));
    Policy::new(document).unwrap()
}

#[test]
fn a_small_universe_of_grants_matches_as_the_words_say() {
    // S1, S3, S4
    let bindings = bindings();
    let one: Vec<_> =
        RIGHTS.iter().flat_map(|right| bindings.iter().map(move |binding| (*right, binding))).collect();
    let resources: Vec<Option<&str>> =
        std::iter::once(None).chain(RESOURCES.iter().map(|text| Some(*text))).collect();
    let policy = policy();
    let mut seen = [0_u32; 3];
    for first in &one {
        for second in &one {
            let set = [first, second];
            let grants =
                Grants::new(set.iter().map(|(right, to)| grant(right, to.as_ref())).collect()).unwrap();
            let rights = Rights::new(&grants, &policy);
            for need in NEEDS {
                for resource in &resources {
                    let held: Vec<_> = set.iter().filter(|(right, _)| permits(right, need)).collect();
                    let expected = if held.iter().any(|(_, to)| reaches(to.as_ref(), *resource)) {
                        Coverage::Granted(policy.default_tier())
                    } else if held.is_empty() {
                        Coverage::Missing
                    } else {
                        Coverage::OtherResources
                    };
                    let asked = resource.map(|text| Resource::parse(text).unwrap());
                    let found = rights.verdict(Scope::parse(need).unwrap(), asked);
                    assert_eq!(found, expected, "{set:?} asked for {need} on {resource:?}");
                    seen[usize::from(expected == Coverage::Missing)
                        + 2 * usize::from(expected == Coverage::OtherResources)] += 1;
                }
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 1_000), "each verdict is tried: {seen:?}");
}

/// Every role of one or two patterns, and that of every declared scope (`None`).
fn roles() -> Vec<Option<Vec<&'static str>>> {
    let pairs = RIGHTS.iter().flat_map(|one| RIGHTS.iter().map(move |two| Some(vec![*one, *two])));
    pairs.chain([None]).collect()
}

/// The same policy with these roles, each named by its place.
fn with_roles(roles: &[Option<Vec<&str>>]) -> Policy {
    let mut document = policy().document().clone();
    let entry = |(place, scopes): (usize, &Option<Vec<&str>>)| RoleEntry {
        name: format!("r{place}"),
        all_scopes: scopes.is_none(),
        scopes: scopes.iter().flatten().map(|scope| (*scope).to_owned()).collect(),
        ..RoleEntry::default()
    };
    document.roles = roles.iter().enumerate().map(entry).collect();
    Policy::new(document).unwrap()
}

#[test]
fn a_key_that_follows_a_role_has_what_both_its_grants_and_the_role_have() {
    // S5: of no grants at all, what the role has
    let roles = roles();
    let bindings = bindings();
    let resources: Vec<Option<&str>> =
        std::iter::once(None).chain(RESOURCES.iter().map(|text| Some(*text))).collect();
    let policy = with_roles(&roles);
    let mut seen = [0_u32; 4];
    let grants = RIGHTS.iter().flat_map(|right| bindings.iter().map(move |to| Some((*right, to))));
    for own in grants.chain([None]) {
        let set = Grants::new(own.iter().map(|(right, to)| grant(right, to.as_ref())).collect()).unwrap();
        for (role, declared) in roles.iter().zip(policy.roles()) {
            let rights = Rights::following(&set, Some(declared), &policy);
            for need in NEEDS {
                let of_role = role.as_ref().is_none_or(|role| role.iter().any(|right| permits(right, need)));
                let of_key = own.is_none_or(|(right, _)| permits(right, need));
                for resource in &resources {
                    let there = own.is_none_or(|(_, to)| reaches(to.as_ref(), *resource));
                    let expected = match (of_role && of_key, there) {
                        (true, true) => Coverage::Granted(policy.default_tier()),
                        (true, false) => Coverage::OtherResources,
                        (false, _) => Coverage::Missing,
                    };
                    let asked = resource.map(|text| Resource::parse(text).unwrap());
                    let need = Scope::parse(need).unwrap();
                    assert_eq!(
                        rights.verdict(need, asked),
                        expected,
                        "{own:?} under {role:?} asked for {need:?}"
                    );
                    assert_eq!(
                        rights.withholds(need),
                        of_key && !of_role,
                        "{own:?} under {role:?}: {need:?}"
                    );
                    seen[usize::from(of_role) + 2 * usize::from(of_key)] += 1;
                }
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 1_000), "each case is tried: {seen:?}");
}
