//! The limits that a key is under, each as it was declared and with the place that it comes from (L5): the one algorithm by
//! which they are found, for those who charge and for those who show.

use super::{Limit, LimitOverrides, Policy, Subject, Window, limits::ALL_TIERS};
use crate::domain::text::Plan;

/// One limit that a key is under.
#[derive(Debug, Clone, Copy)]
pub struct Effective<'a> {
    /// Its tier, or [`ALL_TIERS`].
    pub tier: &'a str,
    /// The limit itself.
    pub limit: &'a Limit,
    /// Where it comes from.
    pub origin: Origin,
}

/// Whose limits are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct LimitsOf<'a> {
    /// The plan of the workspace.
    pub plan: Option<&'a Plan>,
    /// The workspace's own.
    pub workspace: Option<&'a LimitOverrides>,
    /// The key's own.
    pub key: Option<&'a LimitOverrides>,
}

/// Where a limit comes from (L5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The policy's tier.
    Tier,
    /// The workspace's plan.
    Plan,
    /// The workspace's own.
    Workspace,
    /// The key's own.
    Key,
}

/// The limits of a key: those over all tiers, then those of each tier in the order of the policy.
#[must_use]
pub fn effective<'a>(policy: &'a Policy, of: LimitsOf<'a>) -> Vec<Effective<'a>> {
    lists(policy, of).flatten().collect()
}

/// The same by tier: first the list over all tiers, then one for each tier, by its place in the policy.
///
/// For each of them the key's own limits apply, else its workspace's, else its plan's, else the tier's. A key's own take the
/// place of those that are counted by key; those that it shares with other keys are not its own to change, and stay.
pub fn lists<'a>(
    policy: &'a Policy,
    of: LimitsOf<'a>,
) -> impl Iterator<Item = impl Iterator<Item = Effective<'a>>> {
    let plan = of.plan.and_then(|plan| policy.plans().iter().find(|declared| declared.name == *plan));
    let of_workspace = of.workspace.and_then(LimitOverrides::over_all).map(|own| (Origin::Workspace, own));
    let of_plan = plan.map(|plan| (Origin::Plan, plan.limits.as_slice()));
    let over_all = (ALL_TIERS, of.key.and_then(LimitOverrides::over_all), of_workspace.or(of_plan));
    let tiers = policy.tiers().iter().enumerate().map(move |(place, tier)| {
        let of_workspace = || Some((Origin::Workspace, of.workspace?.of_tier(&tier.name)?));
        let of_plan = || Some((Origin::Plan, plan?.tiers.get(&place)?.as_slice()));
        let of_tier = (Origin::Tier, tier.limits.as_slice());
        let own = of.key.and_then(|own| own.of_tier(&tier.name));
        (tier.name.as_str(), own, Some(of_workspace().or_else(of_plan).unwrap_or(of_tier)))
    });
    std::iter::once(over_all).chain(tiers).map(|(tier, own, others)| {
        let (origin, others) = others.unwrap_or((Origin::Plan, &[]));
        let kept = others.iter().filter(move |limit| own.is_none() || limit.per != Subject::Key);
        let own = own.unwrap_or_default().iter().map(|limit| (Origin::Key, limit));
        let all = own.chain(kept.map(move |limit| (origin, limit)));
        all.map(move |(origin, limit)| Effective { tier, limit, origin })
    })
}

/// Whether a key can do no more under these limits than under `without`: each of `without` is among them, with the same
/// name and window, and admits as much or less. What there is beside only makes them tighter.
#[must_use]
pub fn no_wider(limits: &[Effective<'_>], without: &[Effective<'_>]) -> bool {
    let holds = |bound: &Effective<'_>| {
        limits.iter().any(|it| it.tier == bound.tier && is_within(it.limit, bound.limit))
    };
    without.iter().all(holds)
}

fn is_within(limit: &Limit, bound: &Limit) -> bool {
    let same = limit.name == bound.name && limit.per == bound.per && limit.limit <= bound.limit;
    same && match (&limit.window, &bound.window) {
        (Window::Calendar(unit, zone), Window::Calendar(of, there)) => unit == of && zone == there,
        (Window::Rolling(length), Window::Rolling(needed)) => length == needed,
        (Window::Bucket { refill, every }, Window::Bucket { refill: most, every: in_time }) => {
            refill <= most && every == in_time
        }
        (Window::Calendar(..) | Window::Rolling(_) | Window::Bucket { .. }, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        limit::{KeyLimits, LimitIds},
        policy::{LimitOverridesEntry, OverridesOf},
    };

    fn policy() -> Policy {
        Policy::from_toml(include_str!("tests/small.toml")).unwrap()
    }

    fn own(text: &str, holder: OverridesOf, policy: &Policy) -> LimitOverrides {
        let entry: LimitOverridesEntry = toml::from_str(text).unwrap();
        LimitOverrides::new(entry, holder, policy).unwrap()
    }

    #[test]
    fn what_is_shown_is_what_is_charged() {
        // L5
        let policy = policy();
        let day = "tiers = [{ tier = 'wide', limits = [{ name = 'day', limit = 2, calendar = 'day' }] }]";
        let month = "limits = [{ name = 'all', limit = 7, calendar = 'month', per = 'workspace' }]";
        let key = own(day, OverridesOf::Key, &policy);
        let workspace = own(month, OverridesOf::Workspace, &policy);
        for plan in ["starter", "pro", "gone"] {
            let plan = Plan::parse(plan).unwrap();
            for workspace in [None, Some(&workspace)] {
                for key in [None, Some(&key)] {
                    let of = LimitsOf { plan: Some(&plan), workspace, key };
                    let ids = LimitIds::default();
                    let charged = KeyLimits::resolve(&policy, of, &ids);
                    let charged: Vec<_> =
                        charged.iter().map(|it| (it.name.to_string(), it.limit, it.per, it.origin)).collect();
                    let shown = effective(&policy, of);
                    let shown: Vec<_> = shown
                        .iter()
                        .map(|it| {
                            let name = format!("{}/{}", it.tier, it.limit.name);
                            (name, it.limit.limit, it.limit.per, it.origin)
                        })
                        .collect();
                    assert_eq!(shown, charged, "{of:?}");
                }
            }
        }
    }

    #[test]
    fn each_list_is_the_keys_own_else_its_workspaces_else_its_plans_else_the_tiers() {
        // L5
        let policy = policy();
        let month = "limits = [{ name = 'ours', limit = 7, calendar = 'month', per = 'workspace' }]";
        let second = "limits = [{ name = 'mine', limit = 1, rolling = '1s' }]";
        let day = "tiers = [{ tier = 'wide', limits = [{ name = 'mine', limit = 2, calendar = 'day' }] }]";
        let (month, second) =
            (own(month, OverridesOf::Workspace, &policy), own(second, OverridesOf::Key, &policy));
        let day = own(day, OverridesOf::Key, &policy);
        let of_tiers = "Tier default/hour, Tier wide/day, Tier wide/week, Tier wide/burst";
        for (plan, workspace, key, expected) in [
            ("gone", None, None, of_tiers.to_owned()),
            ("starter", None, None, of_tiers.to_owned()),
            ("pro", None, None, "Plan all/all, Tier default/hour, Plan wide/pro-day".to_owned()),
            (
                "pro",
                Some(&month),
                None,
                "Workspace all/ours, Tier default/hour, Plan wide/pro-day".to_owned(),
            ),
            ("gone", Some(&month), Some(&second), format!("Key all/mine, Workspace all/ours, {of_tiers}")),
            ("gone", None, Some(&day), "Tier default/hour, Key wide/mine, Tier wide/week".to_owned()),
        ] {
            let plan = Plan::parse(plan).unwrap();
            let found = effective(&policy, LimitsOf { plan: Some(&plan), workspace, key });
            let found: Vec<_> =
                found.iter().map(|it| format!("{:?} {}/{}", it.origin, it.tier, it.limit.name)).collect();
            assert_eq!(found.join(", "), expected);
        }
    }

    #[test]
    fn limits_know_where_the_default_tier_is_under_their_own_policy() {
        // L1, L2: while another policy is put in force, a Check may read that of one and the limits of the other
        let policy = policy();
        let mut document = policy.document().clone();
        document.tiers.reverse();
        let reversed = Policy::new(document).unwrap();
        assert_ne!(reversed.default_tier(), policy.default_tier());
        for policy in [&policy, &reversed] {
            let limits = KeyLimits::resolve(policy, LimitsOf::default(), &LimitIds::default());
            assert_eq!(limits.default_tier(), policy.default_tier());
            assert!(limits.of(limits.default_tier()).all(|bound| bound.name.starts_with("default/")));
        }
    }

    #[test]
    fn own_limits_are_wider_unless_each_that_would_apply_is_there_and_admits_no_more() {
        // S6
        let policy = policy();
        let plan = Plan::parse("starter").unwrap();
        let without = LimitsOf { plan: Some(&plan), ..LimitsOf::default() };
        let wide = |limits: &str| format!("tiers = [{{ tier = 'wide', limits = [{limits}] }}]");
        let berlin = "{ name = 'day', limit = 5, calendar = 'day', time_zone = 'Europe/Berlin' }";
        let burst = "{ name = 'burst', limit = 3, bucket = { refill = 1, every = '10s' } }";
        for (own_limits, narrow) in [
            (wide(&[berlin, burst].join(",")), true),
            (wide(&[&berlin.replace('5', "4"), burst].join(",")), true),
            (wide(&[berlin, burst, "{ name = 'more', limit = 1, rolling = '9s' }"].join(",")), true),
            (wide(&[berlin, &burst.replace("limit = 3", "limit = 2")].join(",")), true),
            (wide(&[&berlin.replace("limit = 5", "limit = 6"), burst].join(",")), false),
            (wide(berlin), false),
            (wide(&[&berlin.replace("'day', limit", "'days', limit"), burst].join(",")), false),
            (wide(&[&berlin.replace("Berlin", "Paris"), burst].join(",")), false),
            (wide(&[berlin, &burst.replace("refill = 1", "refill = 2")].join(",")), false),
            (wide(&[berlin, &burst.replace("10s", "1s")].join(",")), false),
            (wide(&[berlin, "{ name = 'burst', limit = 3, rolling = '10s' }"].join(",")), false),
        ] {
            let key = own(&own_limits, OverridesOf::Key, &policy);
            let with = effective(&policy, LimitsOf { key: Some(&key), ..without });
            assert_eq!(no_wider(&with, &effective(&policy, without)), narrow, "{own_limits}");
        }
    }
}
