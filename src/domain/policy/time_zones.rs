//! Time zones that no new document may name.

use super::{Document, Fault, LimitEntry, PlanTierEntry, limits::ZONE};
use crate::domain::zones;

/// The limits of a document whose zone no new document may name: a placeholder, or one that the database in force lacks.
///
/// A name that is in no database at all, [`Limit::read`](super::Limit) finds.
pub(super) fn unusable_zones(document: &Document) -> Vec<Fault> {
    let of_tiers = document.tiers.iter().enumerate().flat_map(|(place, tier)| {
        let at = format!("tiers[{place}].limits");
        unusable_in(&at, &tier.limits)
    });
    let of_plans = document.plans.iter().enumerate().flat_map(|(place, plan)| {
        let at = format!("plans[{place}].");
        unusable_zones_of(&at, &plan.limits, &plan.tiers)
    });
    of_tiers.chain(of_plans).collect()
}

/// The same, of limits over all tiers and of those of some, which stand at `prefix`.
pub(super) fn unusable_zones_of(prefix: &str, limits: &[LimitEntry], tiers: &[PlanTierEntry]) -> Vec<Fault> {
    let over_all = unusable_in(&format!("{prefix}limits"), limits);
    let of_tiers = tiers.iter().enumerate().flat_map(|(place, tier)| {
        let at = format!("{prefix}tiers[{place}].limits");
        unusable_in(&at, &tier.limits)
    });
    over_all.into_iter().chain(of_tiers).collect()
}

fn unusable_in(at: &str, limits: &[LimitEntry]) -> Vec<Fault> {
    let is_unusable =
        |limit: &LimitEntry| !limit.time_zone.is_empty() && zones::find(&limit.time_zone).is_none();
    let unusable = limits.iter().enumerate().filter(|(_, limit)| is_unusable(limit));
    unusable.map(|(place, _)| Fault::new(format!("{at}[{place}].time_zone"), ZONE.to_string())).collect()
}
