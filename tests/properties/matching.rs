//! Every small set of grants against every small question, compared with an oracle that splits at `:` and `/`.

use std::collections::BTreeSet;

use keyward::domain::{
    grant::{Grant, Grants, Verdict},
    policy::{Policy, ScopeEntry},
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
                        Verdict::Granted(policy.default_tier())
                    } else if held.is_empty() {
                        Verdict::Missing
                    } else {
                        Verdict::OtherResources
                    };
                    let asked = resource.map(|text| Resource::parse(text).unwrap());
                    let found = rights.verdict(Scope::parse(need).unwrap(), asked);
                    assert_eq!(found, expected, "{set:?} asked for {need} on {resource:?}");
                    seen[usize::from(expected == Verdict::Missing)
                        + 2 * usize::from(expected == Verdict::OtherResources)] += 1;
                }
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 1_000), "each verdict is tried: {seen:?}");
}
