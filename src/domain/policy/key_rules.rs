//! What holders' keys must be like (K7, S6).

use std::time::Duration;

use regex::Regex;

use crate::domain::{key::Key, text::Label, text::Plan};

/// What holders' keys must be like when they are issued, and when what a rule is about is changed.
#[derive(Debug, Default)]
pub struct KeyRules {
    /// Whether each needs an expiry.
    pub require_expiry: bool,
    /// The longest time from issue to expiry.
    pub max_lifetime: Option<Duration>,
    /// What the whole of each name matches.
    pub name_pattern: Option<Regex>,
    /// Plans whose workspaces may not issue.
    pub barred_plans: Vec<Plan>,
    /// Roles on whose behalf no key may be issued.
    pub barred_roles: Vec<Label>,
}

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
    /// Every rule that a holder's key does not keep. Administration keys have ceilings instead.
    #[must_use]
    pub fn broken_by(&self, key: &Key) -> Vec<RuleBroken> {
        let lifetime = key.expires.map(|expires| expires.saturating_since(key.created));
        let missing = lifetime.is_none() && (self.require_expiry || self.max_lifetime.is_some());
        let too_long = self.max_lifetime.filter(|longest| lifetime.is_some_and(|life| life > *longest));
        let unfit = self.name_pattern.as_ref().filter(|pattern| !pattern.is_match(key.name.as_str()));
        let all = [
            missing.then_some(RuleBroken::ExpiryMissing),
            too_long.map(RuleBroken::LifetimeTooLong),
            unfit.map(|pattern| RuleBroken::NameUnfit(as_written(pattern).to_owned())),
        ];
        if key.admin.is_some() { Vec::new() } else { all.into_iter().flatten().collect() }
    }
}

/// A pattern that must match the whole of a text.
pub(super) fn whole(pattern: &str) -> Option<Regex> {
    let whole = format!("^(?:{pattern})$");
    regex::RegexBuilder::new(&whole).size_limit(1 << 18).dfa_size_limit(1 << 20).build().ok()
}

fn as_written(pattern: &Regex) -> &str {
    let text = pattern.as_str();
    text.strip_prefix("^(?:").and_then(|text| text.strip_suffix(")$")).unwrap_or(text)
}
