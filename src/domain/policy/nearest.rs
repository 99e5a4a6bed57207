//! A scope that no policy declares, told apart from one that a key lacks, and the declared name that was probably meant.

use std::{fmt, ops::Bound};

use super::Policy;
use crate::domain::scope::ScopePattern;

/// Declared names that are compared, on either side of where the wrong one would stand: words with the same beginning stand
/// together. So what a wrong name costs does not grow with the policy.
const COMPARED: usize = 64;
/// A name that differs more in length is another name, and is not worth comparing.
const LENGTHS_APART: usize = 16;
/// How alike two names must be, from 0 to 1, for one to be a typing error of the other.
const ALIKE: f64 = 0.8;

/// A scope that the policy does not declare: no key can have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undeclared {
    /// What was asked for.
    pub scope: String,
    /// The declared scope that is nearest to it, if one is near.
    pub nearest: Option<String>,
}

impl fmt::Display for Undeclared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the policy declares no {}, so that no key can have it", self.scope)?;
        match &self.nearest {
            Some(nearest) => write!(formatter, "; the nearest that it declares is {nearest}"),
            None => Ok(()),
        }
    }
}

impl Policy {
    /// The first of these scopes that is not declared.
    #[must_use]
    pub fn first_undeclared(&self, scopes: &[String]) -> Option<Undeclared> {
        let scope = scopes.iter().find(|scope| !self.scopes.contains_key(scope.as_str()))?;
        Some(Undeclared { scope: scope.clone(), nearest: self.nearest(scope).map(str::to_owned) })
    }

    /// The pattern that reaches something and is nearest to one that reaches nothing: a wildcard for a wildcard.
    #[must_use]
    pub fn nearest_pattern(&self, inert: &ScopePattern) -> Option<String> {
        let near = self.nearest(inert.as_str())?;
        let Some(_) = inert.wildcard() else { return Some(near.to_owned()) };
        let wildcard = ScopePattern::parse(&format!("{}:*", near.split_once(':')?.0)).ok()?;
        self.reached(&wildcard).next()?;
        Some(wildcard.to_string())
    }

    fn nearest(&self, wrong: &str) -> Option<&str> {
        let before = self.scopes.range::<str, _>((Bound::Unbounded, Bound::Excluded(wrong))).rev();
        let after = self.scopes.range::<str, _>((Bound::Excluded(wrong), Bound::Unbounded));
        let names = before.take(COMPARED).chain(after.take(COMPARED)).map(|(name, _)| &**name);
        let is_near = |name: &&str| name.len().abs_diff(wrong.len()) <= LENGTHS_APART;
        let likeness = names.filter(is_near).map(|name| (strsim::jaro_winkler(wrong, name), name));
        let (alike, name) = likeness.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
        (alike >= ALIKE).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undeclared(scope: &str) -> Option<String> {
        let policy = Policy::default_document().unwrap();
        policy
            .first_undeclared(&["messaging:send".to_owned(), scope.to_owned()])
            .map(|found| found.to_string())
    }

    #[test]
    fn an_undeclared_scope_is_told_with_the_nearest_declared_one() {
        // S2
        assert_eq!(undeclared("storage:upload"), None);
        for (wrong, nearest) in [
            ("storage:uplaod", Some("storage:upload")),
            ("storages:upload", Some("storage:upload")),
            ("template:read", Some("templates:read")),
            ("message:send", Some("messaging:send")),
            ("zz:zz", None),
        ] {
            let said = undeclared(wrong).unwrap();
            assert!(said.starts_with(&format!("the policy declares no {wrong}, so that no key can have it")));
            let found = said.split_once("is ").map(|(_, nearest)| nearest);
            assert_eq!(found, nearest, "{said}");
        }
    }

    #[test]
    fn a_wildcard_that_reaches_nothing_is_told_with_a_wildcard() {
        let policy = Policy::default_document().unwrap();
        let near = |text| policy.nearest_pattern(&ScopePattern::parse(text).unwrap());
        assert_eq!(near("storages:*").as_deref(), Some("storage:*"));
        assert_eq!(near("storage:raed").as_deref(), Some("storage:read"));
        assert_eq!(near("zz:*"), None);
    }
}
