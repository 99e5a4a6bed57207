//! What holders' keys must be like (K7, S6).

use std::{sync::Arc, time::Duration};

use super::{
    Fault, KeyRulesEntry, NamePattern, duration, faults::Faults, name_pattern::is_cheap, show_duration,
};
use crate::domain::text::{Label, Plan};

/// What holders' keys must be like when they are issued, and when what a rule is about is changed.
#[derive(Debug, Default)]
pub struct KeyRules {
    /// Whether each needs an expiry.
    pub require_expiry: bool,
    /// The longest time from issue to expiry.
    pub max_lifetime: Option<Duration>,
    /// What the whole of each name matches.
    pub name_pattern: Option<NamePattern>,
    /// Plans whose workspaces may not issue.
    pub barred_plans: Vec<Plan>,
    /// Roles that no new key may follow, and on whose behalf none may be issued.
    pub barred_roles: Vec<Label>,
}

/// Whether rules have been looked at before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// A caller sends them now.
    New,
    /// They were looked at when they were stored.
    Stored,
}

/// The rules of an entry that are about the keys themselves; its durations are put in their shortest form.
pub(super) fn of_keys(entry: &mut KeyRulesEntry, trust: Trust, faults: &mut Faults) -> KeyRules {
    let mut rules = KeyRules { require_expiry: entry.require_expiry, ..KeyRules::default() };
    if let Some(text) = &mut entry.max_lifetime {
        rules.max_lifetime = faults.take("key_rules.max_lifetime", duration(text));
        *text = rules.max_lifetime.map(show_duration).unwrap_or_default();
    }
    if !entry.name_pattern.is_empty() {
        rules.name_pattern = match trust {
            Trust::New => NamePattern::new(&entry.name_pattern),
            Trust::Stored => Some(NamePattern::stored(&entry.name_pattern)),
        };
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
    /// Checks a workspace's own rules; `None` where the entry has no rule.
    ///
    /// # Errors
    /// Everything that is wrong with them. Only the policy says who is barred from issuing.
    pub fn new(entry: KeyRulesEntry) -> Result<Option<Self>, Vec<Fault>> {
        if !is_cheap(&entry.name_pattern) {
            let mut faults = Faults::default();
            faults.must(
                "key_rules.name_pattern",
                "with at most 16 classes of characters beyond ASCII (such as \\w, \\p{L} or é), or 2 where it ignores case",
            );
            return Err(faults.into_found());
        }
        Self::read(entry, Trust::New)
    }

    /// Takes rules that were looked at when they were stored.
    ///
    /// # Errors
    /// Everything that is wrong with them. A pattern is not looked at again: it would be for each change of the workspace.
    pub fn stored(entry: KeyRulesEntry) -> Result<Option<Self>, Vec<Fault>> {
        Self::read(entry, Trust::Stored)
    }

    fn read(mut entry: KeyRulesEntry, trust: Trust) -> Result<Option<Self>, Vec<Fault>> {
        let mut faults = Faults::default();
        if !entry.barred_plans.is_empty() || !entry.barred_roles.is_empty() {
            faults.must("key_rules", "without barred plans and roles, which the policy has");
        }
        let rules = Arc::new(of_keys(&mut entry, trust, &mut faults));
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
