//! Whether a key keeps the rules (K7).

use std::time::Duration;

use super::{KeyRules, NamePattern};
use crate::domain::{key::KeyView, text::Name};

/// A rule that a key does not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleBroken {
    /// It has no expiry.
    ExpiryMissing,
    /// It lives longer than this.
    LifetimeTooLong(Duration),
    /// Its name does not match this.
    NameUnfit(String),
}

impl RuleBroken {
    /// The rule's name in the document.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::ExpiryMissing => "require_expiry",
            Self::LifetimeTooLong(_) => "max_lifetime",
            Self::NameUnfit(_) => "name_pattern",
        }
    }
}

impl KeyRules {
    /// The pattern that names must match, if there is one.
    #[must_use]
    pub fn name_pattern(&self) -> Option<&str> {
        self.name_pattern.as_ref().map(NamePattern::as_str)
    }

    /// Every rule that a holder's key of this name does not keep; without a name, that for names is left out.
    /// Administration keys have ceilings instead.
    #[must_use]
    pub fn broken_by(&self, key: &KeyView<'_>, name: Option<&Name>) -> Vec<RuleBroken> {
        let lifetime = key.expires.map(|expires| expires.saturating_since(key.created));
        let missing = lifetime.is_none() && (self.require_expiry || self.max_lifetime.is_some());
        let too_long = self.max_lifetime.filter(|longest| lifetime.is_some_and(|life| life > *longest));
        let unfit = self
            .name_pattern
            .as_ref()
            .filter(|pattern| name.is_some_and(|name| !pattern.is_match(name.as_str())));
        let all = [
            missing.then_some(RuleBroken::ExpiryMissing),
            too_long.map(RuleBroken::LifetimeTooLong),
            unfit.map(|pattern| RuleBroken::NameUnfit(pattern.as_str().to_owned())),
        ];
        if key.admin.is_some() { Vec::new() } else { all.into_iter().flatten().collect() }
    }
}
