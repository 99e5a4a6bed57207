//! Ceilings: the most that an administration key may hand out (S6, X9). What is absent is not allowed.

use std::{collections::BTreeSet, time::Duration};

use super::{
    grant::Grants,
    policy::{Policy, Role},
    text::EnvironmentName,
};

/// The most that keys issued or changed by an administration key may have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ceiling {
    /// Which grants.
    pub grants: GrantCeiling,
    /// In which environments.
    pub environments: EnvironmentCeiling,
    /// For how long.
    pub lifetime: LifetimeCeiling,
    /// Whether own limits may be wider than those of the plan.
    pub raise_limits: bool,
}

/// Which grants may be handed out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GrantCeiling {
    /// Any.
    Any,
    /// Those that one of these covers.
    Within(Grants),
}

/// In which environments keys may be issued.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EnvironmentCeiling {
    /// Any.
    Any,
    /// These.
    Within(BTreeSet<EnvironmentName>),
}

/// For how long keys may be issued.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LifetimeCeiling {
    /// Any time, or without an end.
    Any,
    /// At most so long from issue to expiry.
    AtMost(Duration),
}

/// The part of a ceiling that would be passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CeilingPart {
    /// A grant is not covered.
    Grants,
    /// A role has more than may be handed out.
    Role,
    /// The environment is not listed.
    Environment,
    /// The expiry is absent or too far.
    Lifetime,
    /// Own limits are wider than those that would apply without them.
    Limits,
    /// An admin scope that the caller lacks.
    AdminScopes,
    /// Every workspace, where the caller has one.
    Global,
    /// The ceiling of an administration key above the caller's own.
    Ceiling,
    /// An administration key for more networks than the caller's own.
    Networks,
    /// An administration key that outlives the caller's own.
    Expiry,
}

impl Ceiling {
    /// Everything: the ceiling of the first administration key.
    pub const EVERYTHING: Self = Self {
        grants: GrantCeiling::Any,
        environments: EnvironmentCeiling::Any,
        lifetime: LifetimeCeiling::Any,
        raise_limits: true,
    };

    /// Nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            grants: GrantCeiling::Within(Grants::default()),
            environments: EnvironmentCeiling::Within(BTreeSet::new()),
            lifetime: LifetimeCeiling::AtMost(Duration::ZERO),
            raise_limits: false,
        }
    }

    /// Whether a caller who may hand out this may hand out all that `other` allows, under this policy
    /// ([`GrantsUnder`](super::policy::GrantsUnder) says what that is where there is none).
    #[must_use]
    pub fn covers(&self, other: &Self, policy: Option<&Policy>) -> bool {
        let grants = match &other.grants {
            GrantCeiling::Any => self.grants == GrantCeiling::Any,
            GrantCeiling::Within(grants) => self.permits_grants(grants, policy),
        };
        let environments = match &other.environments {
            EnvironmentCeiling::Any => self.environments == EnvironmentCeiling::Any,
            EnvironmentCeiling::Within(names) => names.iter().all(|name| self.permits_environment(name)),
        };
        let lifetime = match other.lifetime {
            LifetimeCeiling::Any => self.lifetime == LifetimeCeiling::Any,
            LifetimeCeiling::AtMost(longest) => self.permits_lifetime(Some(longest)),
        };
        let limits = self.raise_limits || !other.raise_limits;
        grants && environments && lifetime && limits
    }

    /// Whether these grants may be handed out.
    #[must_use]
    pub fn permits_grants(&self, grants: &Grants, policy: Option<&Policy>) -> bool {
        match &self.grants {
            GrantCeiling::Any => true,
            GrantCeiling::Within(mine) => mine.under(policy).cover(grants),
        }
    }

    /// Whether all that a role has may be handed out.
    #[must_use]
    pub fn permits_role(&self, role: &Role, policy: Option<&Policy>) -> bool {
        match &role.grants {
            Some(grants) => self.permits_grants(grants, policy),
            // Every scope that is declared, and those that will be.
            None => self.permits_every_role(),
        }
    }

    /// Whether all that any role can have may be handed out.
    #[must_use]
    pub fn permits_every_role(&self) -> bool {
        self.grants == GrantCeiling::Any
    }

    /// Whether keys may be issued there.
    #[must_use]
    pub fn permits_environment(&self, name: &EnvironmentName) -> bool {
        match &self.environments {
            EnvironmentCeiling::Any => true,
            EnvironmentCeiling::Within(names) => names.contains(name),
        }
    }

    /// Whether a key may live so long from issue to expiry; `None` is without an end.
    #[must_use]
    pub fn permits_lifetime(&self, lifetime: Option<Duration>) -> bool {
        match self.lifetime {
            LifetimeCeiling::Any => true,
            LifetimeCeiling::AtMost(longest) => lifetime.is_some_and(|lifetime| lifetime <= longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{grant::Grant, scope::ScopePattern};

    #[test]
    fn nobody_hands_out_beyond_their_ceiling() {
        // X9
        let grants = |scope| Grants::new(vec![Grant::unbound(ScopePattern::parse(scope).unwrap())]).unwrap();
        let day = Duration::from_secs(86_400);
        let narrow = Ceiling {
            grants: GrantCeiling::Within(grants("storage:*")),
            environments: EnvironmentCeiling::Within([EnvironmentName::parse("test").unwrap()].into()),
            lifetime: LifetimeCeiling::AtMost(day),
            raise_limits: false,
        };
        assert!(
            Ceiling::EVERYTHING.covers(&narrow, None)
                && narrow.covers(&narrow, None)
                && narrow.covers(&Ceiling::nothing(), None)
        );
        assert!(!narrow.covers(&Ceiling::EVERYTHING, None) && !Ceiling::nothing().covers(&narrow, None));
        for broader in [
            Ceiling { grants: GrantCeiling::Any, ..narrow.clone() },
            Ceiling { grants: GrantCeiling::Within(grants("project:read")), ..narrow.clone() },
            Ceiling { environments: EnvironmentCeiling::Any, ..narrow.clone() },
            Ceiling { lifetime: LifetimeCeiling::Any, ..narrow.clone() },
            Ceiling { lifetime: LifetimeCeiling::AtMost(day * 2), ..narrow.clone() },
            Ceiling { raise_limits: true, ..narrow.clone() },
        ] {
            assert!(!narrow.covers(&broader, None), "{broader:?}");
        }
        assert!(!narrow.permits_lifetime(None));
    }
}
