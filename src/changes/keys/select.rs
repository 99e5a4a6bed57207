//! Which keys are meant: what lists, reviews and bulk changes pick keys out by.

use crate::{
    domain::{
        grant::Coverage,
        id::WorkspaceId,
        key::{KeyView, Standing},
        rights::Rights,
        scope::Scope,
        tag::Tag,
        text::{EnvironmentName, Owner},
        time::Timestamp,
        workspace::Within,
    },
    ports::KeyFilter,
};

/// Keys that satisfy everything that is said here.
#[derive(Debug, Clone)]
pub struct KeySelection {
    /// Of these workspaces.
    pub within: Within,
    /// Of this owner.
    pub owner: Option<Owner>,
    /// Of this environment.
    pub environment: Option<EnvironmentName>,
    /// With this label.
    pub tag: Option<Tag>,
    /// Issued at or after this time.
    pub issued_from: Option<Timestamp>,
    /// Issued before this time.
    pub issued_before: Option<Timestamp>,
}

impl KeySelection {
    /// Every key of a workspace.
    #[must_use]
    pub const fn all_of(workspace: WorkspaceId) -> Self {
        let within = Within::One(workspace);
        Self { within, owner: None, environment: None, tag: None, issued_from: None, issued_before: None }
    }

    /// Whether a key is meant.
    #[must_use]
    pub fn matches(&self, key: &KeyView<'_>) -> bool {
        self.within.has(key.workspace)
            && (self.owner.is_none() || self.owner.as_ref() == key.owner)
            && self.environment.as_ref().is_none_or(|name| name == key.environment)
            && self.tag.as_ref().is_none_or(|tag| tag.marks(key.metadata))
            && self.issued_from.is_none_or(|from| key.created >= from)
            && self.issued_before.is_none_or(|before| key.created < before)
    }

    /// What of this the store can pick out by its indexes: they are within one workspace, and of all of them the store would look
    /// at so many more keys than it finds.
    pub(in crate::changes) fn filter(&self) -> KeyFilter {
        let within = self.within;
        match within {
            Within::One(_) => {
                let (from, before) = (self.issued_from, self.issued_before);
                KeyFilter { within, owner: self.owner.clone(), from, before }
            }
            Within::All => KeyFilter { within, owner: None, from: None, before: None },
        }
    }
}

/// What else a list asks of keys (K7).
#[derive(Debug, Clone, Default)]
pub struct KeyTraits {
    /// Standing in one of these ways; an empty list stands for any.
    pub standings: Vec<Standing>,
    /// With this scope, for every resource or for some.
    pub scope: Option<Box<str>>,
    /// With at least so many scopes.
    pub min_scopes: usize,
    /// With a wildcard among its grants.
    pub wildcard: bool,
    /// That end before this time.
    pub expire_before: Option<Timestamp>,
    /// That never end.
    pub without_expiry: bool,
    /// Issued before this time, and not used since.
    pub unused_since: Option<Timestamp>,
    /// Never used.
    pub never_used: bool,
}

impl KeyTraits {
    /// Whether a key has these traits, except those that are about its use.
    #[must_use]
    pub fn matches(&self, key: &KeyView<'_>, rights: &Rights, now: Timestamp) -> bool {
        let has = |scope: &str| {
            Scope::parse(scope).is_ok_and(|scope| rights.verdict(scope, None) != Coverage::Missing)
        };
        (self.standings.is_empty() || self.standings.contains(&key.standing(now)))
            && self.scope.as_deref().is_none_or(has)
            && rights.scopes().count() >= self.min_scopes
            && (!self.wildcard || key.grants.iter().any(|grant| grant.scope().wildcard().is_some()))
            && self.expire_before.is_none_or(|end| key.expires.is_some_and(|expires| expires < end))
            && (!self.without_expiry || key.expires.is_none())
    }

    /// Whether its use is in question.
    pub(in crate::changes) const fn ask_for_use(&self) -> bool {
        self.unused_since.is_some() || self.never_used
    }

    /// Whether a key was used, or not, as is asked.
    #[must_use]
    pub fn matches_use(&self, key: &KeyView<'_>, last_use: Option<Timestamp>) -> bool {
        let unused = |since| key.created < since && last_use.is_none_or(|last| last < since);
        self.unused_since.is_none_or(unused) && (!self.never_used || last_use.is_none())
    }
}
