//! Limits of a workspace's or a key's own, in place of those of the plan.

use std::hash::{Hash, Hasher};

use super::{
    Fault, Limit, LimitEntry, LimitOverridesEntry, PlanTierEntry, Policy, Subject, check, time_zones,
};
use crate::domain::text::Label;

/// Limits of one's own.
#[derive(Debug, Clone)]
pub struct LimitOverrides {
    entry: LimitOverridesEntry,
    limits: Vec<Limit>,
    tiers: Vec<(Label, Vec<Limit>)>,
}

/// Whose own the limits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverridesOf {
    /// A key's: they cannot be shared.
    Key,
    /// A workspace's.
    Workspace,
}

impl LimitOverrides {
    /// Looks at limits of one's own, as they are to apply under `policy`.
    ///
    /// # Errors
    /// Everything that is wrong with them, tiers that the policy does not declare among it.
    pub fn new(entry: LimitOverridesEntry, holder: OverridesOf, policy: &Policy) -> Result<Self, Vec<Fault>> {
        let unusable = time_zones::unusable_zones_of("", &entry.limits, &entry.tiers);
        if !unusable.is_empty() {
            return Err(unusable);
        }
        let declared = |tier: &str| policy.tiers().iter().any(|declared| declared.name.as_str() == tier);
        check::overrides(entry, holder == OverridesOf::Key, declared).map(|(entry, limits, tiers)| Self {
            entry,
            limits,
            tiers,
        })
    }

    /// The same as they were kept; tiers that are not declared any more apply to nothing.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn kept(entry: LimitOverridesEntry) -> Result<Self, Vec<Fault>> {
        check::overrides(entry, false, |_| true).map(|(entry, limits, tiers)| Self { entry, limits, tiers })
    }

    /// What applies to a key now, as limits of its own: so that it keeps them when its plan changes (L5).
    #[must_use]
    pub fn stamped(
        policy: &Policy,
        plan: Option<&super::PlanLimits>,
        own: [Option<&Self>; 2],
    ) -> LimitOverridesEntry {
        let document = policy.document();
        let of_plan =
            plan.and_then(|plan| document.plans.iter().find(|entry| entry.name == plan.name.as_str()));
        let own = || own.into_iter().flatten();
        let only_per_key = |limits: &[LimitEntry]| -> Vec<LimitEntry> {
            limits.iter().filter(|limit| matches!(limit.per.as_str(), "" | "key")).cloned().collect()
        };
        let limits = own().map(|own| &own.entry.limits).find(|limits| !limits.is_empty());
        let limits = limits.or_else(|| of_plan.map(|plan| &plan.limits));
        let tiers = document.tiers.iter().map(|tier| {
            let find = |tiers: &'_ [PlanTierEntry]| {
                tiers.iter().find(|entry| entry.tier == tier.name).map(|entry| entry.limits.clone())
            };
            let of_own = own().find_map(|own| find(&own.entry.tiers));
            let limits = of_own.or_else(|| find(&of_plan?.tiers)).unwrap_or_else(|| tier.limits.clone());
            PlanTierEntry { tier: tier.name.clone(), limits: only_per_key(&limits) }
        });
        LimitOverridesEntry {
            limits: limits.map(|limits| only_per_key(limits)).unwrap_or_default(),
            tiers: tiers.filter(|tier| !tier.limits.is_empty()).collect(),
        }
    }

    /// As they are written down, durations in their shortest form.
    #[must_use]
    pub const fn entry(&self) -> &LimitOverridesEntry {
        &self.entry
    }

    /// Those over all tiers, if there are any.
    #[must_use]
    pub fn over_all(&self) -> Option<&[Limit]> {
        (!self.limits.is_empty()).then_some(&self.limits)
    }

    /// Those of a tier, if it has its own.
    #[must_use]
    pub fn of_tier(&self, tier: &Label) -> Option<&[Limit]> {
        self.tiers.iter().find(|(name, _)| name == tier).map(|(_, limits)| limits.as_slice())
    }

    /// Every limit, with the place where it stands in the entry.
    pub fn iter(&self) -> impl Iterator<Item = &Limit> {
        self.limits.iter().chain(self.tiers.iter().flat_map(|(_, limits)| limits))
    }

    /// Whether each is counted for each key by itself.
    #[must_use]
    pub fn is_per_key(&self) -> bool {
        self.iter().all(|limit| limit.per == Subject::Key)
    }
}

impl PartialEq for LimitOverrides {
    fn eq(&self, other: &Self) -> bool {
        self.entry == other.entry
    }
}

impl Eq for LimitOverrides {}

impl Hash for LimitOverrides {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entry.hash(state);
    }
}
