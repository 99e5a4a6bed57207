//! What holders' keys must be like (K7, S6).

use std::{sync::Arc, time::Duration};

use regex::Regex;

use super::{Fault, KeyRulesEntry, check::Faults, duration, show_duration};
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

/// The rules of an entry that are about the keys themselves; its durations are put in their shortest form.
pub(super) fn of_keys(entry: &mut KeyRulesEntry, faults: &mut Faults) -> KeyRules {
    let mut rules = KeyRules { require_expiry: entry.require_expiry, ..KeyRules::default() };
    if let Some(text) = &mut entry.max_lifetime {
        rules.max_lifetime = faults.take("key_rules.max_lifetime", duration(text));
        *text = rules.max_lifetime.map(show_duration).unwrap_or_default();
    }
    if !entry.name_pattern.is_empty() {
        // By itself first: one that closes our own bracket would not be bound to both ends.
        let fits = entry.name_pattern.len() <= 256 && Regex::new(&entry.name_pattern).is_ok();
        rules.name_pattern = fits.then(|| whole(&entry.name_pattern)).flatten();
        if rules.name_pattern.is_none() {
            faults.must("key_rules.name_pattern", "a regular expression of at most 256 characters");
        }
    }
    rules
}

/// Rules that a workspace has for its own keys, beside those of the policy.
#[derive(Debug, Clone)]
pub struct OwnKeyRules {
    entry: KeyRulesEntry,
    rules: Arc<KeyRules>,
}

impl OwnKeyRules {
    /// Looks at rules of a workspace's own; none of them is no rules.
    ///
    /// # Errors
    /// Everything that is wrong with them. Whom to bar from issuing is the policy's to say.
    pub fn new(mut entry: KeyRulesEntry) -> Result<Option<Self>, Vec<Fault>> {
        let mut faults = Faults::default();
        if !entry.barred_plans.is_empty() || !entry.barred_roles.is_empty() {
            faults.must("key_rules", "without barred plans and roles, which the policy has");
        }
        let rules = Arc::new(of_keys(&mut entry, &mut faults));
        match faults.into_found() {
            faults if faults.is_empty() => {
                Ok((entry != KeyRulesEntry::default()).then_some(Self { entry, rules }))
            }
            faults => Err(faults),
        }
    }

    /// As they are written down.
    #[must_use]
    pub const fn entry(&self) -> &KeyRulesEntry {
        &self.entry
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &KeyRules {
        &self.rules
    }
}

impl PartialEq for OwnKeyRules {
    fn eq(&self, other: &Self) -> bool {
        self.entry == other.entry
    }
}

impl Eq for OwnKeyRules {}

/// A pattern that must match the whole of a text.
fn whole(pattern: &str) -> Option<Regex> {
    let whole = format!("^(?:{pattern})$");
    regex::RegexBuilder::new(&whole).size_limit(1 << 18).dfa_size_limit(1 << 20).build().ok()
}

fn as_written(pattern: &Regex) -> &str {
    let text = pattern.as_str();
    text.strip_prefix("^(?:").and_then(|text| text.strip_suffix(")$")).unwrap_or(text)
}
