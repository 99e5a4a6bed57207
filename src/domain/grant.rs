//! Grants: the scopes that a key holds, each for every resource or for some.

use std::sync::Arc;

use super::{parse::ParseError, policy::TierSet, resource::ResourcePattern, scope::ScopePattern};

/// The most grants one key may hold.
pub const MAX_GRANTS: usize = 256;
/// The most resource patterns that one key may hold, over all its grants: it bounds the work of a Check.
const MAX_PATTERNS: usize = 1_024;
/// The most bytes of resource patterns: it bounds the answer of a Check.
const MAX_PATTERN_BYTES: usize = 16 << 10;

/// A scope, perhaps bound to resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    scope: ScopePattern,
    /// `None` is every resource; a list is never empty, and sorted.
    resources: Option<Arc<[ResourcePattern]>>,
}

impl Grant {
    /// A scope for every resource, and for requests that name none.
    #[must_use]
    pub const fn unbound(scope: ScopePattern) -> Self {
        Self { scope, resources: None }
    }

    /// A scope for the named resources only.
    ///
    /// # Errors
    /// No resource, or more than 1,024.
    pub fn bound(scope: ScopePattern, mut resources: Vec<ResourcePattern>) -> Result<Self, ParseError> {
        if resources.is_empty() || resources.len() > MAX_PATTERNS {
            return Err(ParseError::new(
                "1 to 1,024 resource patterns; a scope for every resource goes into `scopes`",
            ));
        }
        resources.sort();
        resources.dedup();
        Ok(Self { scope, resources: Some(resources.into()) })
    }

    /// The scope.
    #[must_use]
    pub const fn scope(&self) -> &ScopePattern {
        &self.scope
    }

    /// The resources that it is bound to, or `None` for every one.
    #[must_use]
    pub fn resources(&self) -> Option<&[ResourcePattern]> {
        self.resources.as_deref()
    }

    /// Whether this holds for every resource that `other` holds for. Whether it covers the other's scope too is for a policy
    /// to say: [`Grants::under`].
    pub(super) fn covers_resources_of(&self, other: &Self) -> bool {
        match (&self.resources, &other.resources) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => {
                theirs.iter().all(|theirs| ResourcePattern::any_covers(mine, theirs))
            }
        }
    }

    /// Another scope for the same resources.
    pub(super) fn of(&self, scope: ScopePattern) -> Self {
        Self { scope, resources: self.resources.clone() }
    }

    /// The same, to be kept.
    pub(super) fn shared_resources(&self) -> Option<Arc<[ResourcePattern]>> {
        self.resources.clone()
    }
}

/// How a set of grants answers one requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Some grant permits the scope on the resource; this is charged to that tier.
    Granted(TierSet),
    /// Some grant permits the scope, but none on this resource.
    OtherResources,
    /// No grant permits the scope.
    Missing,
}

/// Everything that a key may do. The empty set permits nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Grants(Box<[Grant]>);

impl Grants {
    /// A set of grants, in one order: the order in which they came does not matter.
    ///
    /// # Errors
    /// More than [`MAX_GRANTS`], or more than 1,024 resource patterns or 16 KiB of them in all.
    pub fn new(mut grants: Vec<Grant>) -> Result<Self, ParseError> {
        let patterns = || grants.iter().filter_map(Grant::resources).flatten();
        let bytes: usize = patterns().map(|pattern| pattern.as_str().len()).sum();
        if grants.len() > MAX_GRANTS || patterns().count() > MAX_PATTERNS || bytes > MAX_PATTERN_BYTES {
            return Err(ParseError::new(
                "at most 256 scopes and grants with at most 1,024 resource patterns of 16 KiB, together",
            ));
        }
        grants.sort();
        grants.dedup();
        Ok(Self(grants.into()))
    }

    /// The grants, sorted.
    pub fn iter(&self) -> std::slice::Iter<'_, Grant> {
        self.0.iter()
    }

    /// The same by scope: one list of those that name the same, so that what a wildcard reaches is looked up once.
    pub(super) fn by_scope(&self) -> impl Iterator<Item = &[Grant]> {
        self.0.chunk_by(|one, other| one.scope == other.scope)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Grants {
    type Item = &'a Grant;
    type IntoIter = std::slice::Iter<'a, Grant>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A grant for these resources; without any, for every one.
    pub(crate) fn grant(scope: &str, resources: &[&str]) -> Grant {
        let scope = ScopePattern::parse(scope).unwrap();
        if resources.is_empty() {
            return Grant::unbound(scope);
        }
        Grant::bound(scope, resources.iter().map(|text| ResourcePattern::parse(text).unwrap()).collect())
            .unwrap()
    }
}
