//! Least privilege: a key's grants, reduced to what the key has used.

use super::{
    grant::{Grants, MAX_GRANTS},
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
    for same in grants.by_scope() {
        let Some(first) = same.first() else { continue };
        for scope in policy.reached(first.scope()).filter(|scope| used(scope)) {
            let scope = ScopePattern::parse(scope)?;
            kept.extend(same.iter().map(|grant| grant.of(scope.clone())));
            if kept.len() > MAX_GRANTS {
                // What is refused need not be made.
                return Grants::new(kept);
            }
        }
    }
    Grants::new(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{grant::tests::grant, rights::Rights};

    /// A key and a policy that are as wide as they can be: every grant reaches every scope.
    fn widest() -> (Grants, Policy) {
        let scopes: Vec<_> = (0..512).map(|number| format!("{{ name = 'a:s{number}' }}")).collect();
        let text = format!(
            "scopes = [{}]\nenvironments = [{{ name = 'live', prefix = 'kw_live_' }}]\nplans = [{{ name = 'one' }}]\n\
             tiers = [{{ name = 'default', limits = [{{ name = 'h', limit = 1, calendar = 'hour' }}] }}]",
            scopes.join(", ")
        );
        let grants = (0..MAX_GRANTS).map(|number| grant("a:*", &[&format!("p/{number}"), "q/*"]));
        (Grants::new(grants.collect()).unwrap(), Policy::from_toml(&text).unwrap())
    }

    #[test]
    fn the_widest_key_is_looked_at_once_for_each_scope_and_no_more_is_made_than_a_key_can_hold() {
        // X5
        let (grants, policy) = widest();
        let looked_at = std::cell::Cell::new(0);
        let never = |_: &str| {
            looked_at.set(looked_at.get() + 1);
            false
        };
        assert!(narrowed(&grants, &policy, never).unwrap().is_empty());
        assert_eq!(looked_at.get(), 512);
        let seen = std::cell::Cell::new(0);
        let all = |_: &str| {
            seen.set(seen.get() + 1);
            true
        };
        assert!(narrowed(&grants, &policy, all).is_err());
        assert!(seen.get() <= 2, "{} were made before they were too many", seen.get());
        let one = narrowed(&grants, &policy, |scope| scope == "a:s7").unwrap();
        assert_eq!(one.iter().len(), MAX_GRANTS);
    }

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
