//! Roles: what the keys of their bearers can come to.

use std::collections::BTreeSet;

use super::Policy;
use crate::domain::{
    grant::{Grant, Grants},
    rights::Rights,
    text::Label,
};

/// A role.
#[derive(Debug)]
pub struct Role {
    /// Its name.
    pub name: Label,
    /// What it can do at most; `None` is every declared scope.
    pub grants: Option<Grants>,
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
