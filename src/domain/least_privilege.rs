//! Least privilege: what a key's grants come to if they hold no more than was used.

use super::{
    grant::{Grant, Grants},
    parse::ParseError,
    policy::Policy,
    scope::ScopePattern,
};

/// These grants without what was not used: wildcards spelled out into what was, resources kept. Never more than before:
/// each scope that is left is one that its grant reaches under `policy`.
///
/// # Errors
/// Spelled out, they are more than a key may hold.
pub fn narrowed(grants: &Grants, policy: &Policy, used: impl Fn(&str) -> bool) -> Result<Grants, ParseError> {
    let mut kept = Vec::new();
    for grant in grants {
        for scope in policy.reached(grant.scope()).filter(|scope| used(scope)) {
            let scope = ScopePattern::parse(scope)?;
            kept.push(match grant.resources() {
                None => Grant::unbound(scope),
                Some(resources) => Grant::bound(scope, resources.to_vec())?,
            });
        }
    }
    Grants::new(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{grant::tests::grant, rights::Rights};

    #[test]
    fn what_is_left_is_what_was_used_and_never_more() {
        // X9
        let mut document = Policy::default_document().unwrap().document().clone();
        let entry = document.scopes[0].clone();
        let named = |name: &str| crate::domain::policy::ScopeEntry { name: name.to_owned(), ..entry.clone() };
        document.scopes = ["storage:read", "storage:upload", "storage:wipe", "a:b"].map(named).to_vec();
        document.tiers.truncate(1);
        document.tiers[0].scopes.clear();
        document.plans.iter_mut().for_each(|plan| plan.tiers.clear());
        document.roles.clear();
        document.routes.clear();
        let policy = Policy::new(document).unwrap();
        let grants = [
            grant("storage:*", &["space/a"]),
            grant("storage:read", &[]),
            grant("a:b", &[]),
            grant("x:y", &[]),
        ];
        let before = Grants::new(grants.to_vec()).unwrap();
        for used in [&["storage:read"][..], &["storage:upload", "a:b"], &["storage:wipe", "never:held"], &[]]
        {
            let after = narrowed(&before, &policy, |scope| used.contains(&scope)).unwrap();
            let (held, left) = (Rights::new(&before, &policy), Rights::new(&after, &policy));
            for scope in left.scopes() {
                assert!(used.contains(&scope) && held.scopes().any(|held| held == scope), "{scope}");
            }
            assert!(
                left.unbound().all(|scope| held.unbound().any(|held| held == scope)),
                "resources are kept"
            );
            let expected = held.scopes().filter(|scope| used.contains(scope)).count();
            assert_eq!(left.scopes().count(), expected, "{used:?}");
        }
    }
}
