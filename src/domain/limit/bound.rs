//! Limits as they apply to a key: worked out when the key, its workspace or the policy changes, so that a Check looks
//! nothing up.

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;

use super::{LimitId, LimitIds, Replicas, block, bucket::Flow, unwritten};
use crate::domain::policy::{self, Calendar, Limit, LimitsOf, Origin, Policy, Subject, TierSet, Window};

const DAY: Duration = Duration::from_secs(86_400);

/// One limit as it applies to a key.
#[derive(Debug)]
pub struct Bound {
    /// What it is counted under.
    pub id: LimitId,
    /// Its tier and its name: `default/hour`; `all/day` for one over all tiers.
    pub name: Box<str>,
    /// Units that are admitted; never zero.
    pub limit: u64,
    /// Who shares the count.
    pub per: Subject,
    /// Where it comes from.
    pub origin: Origin,
    /// The length of its window; of a month 31 days, of a bucket the time in which it fills.
    pub length: Duration,
    /// Whether it is a quota, whose window is a day or more, and not a rate.
    pub is_quota: bool,
    pub(super) shape: Shape,
    /// Where one process counts.
    block_alone: u64,
    /// Where one process counts.
    unwritten_alone: u64,
    /// What it is stored under; while this text is referenced, no other limit gets `id`.
    text: Arc<str>,
}

/// How units come back, in milliseconds.
#[derive(Debug)]
pub(super) enum Shape {
    Calendar(Calendar, TimeZone),
    Rolling(i64),
    Bucket(Flow),
}

/// Every limit of a key.
#[derive(Debug, Default)]
pub struct KeyLimits {
    over_all: Box<[Bound]>,
    /// By the tier's place in the policy.
    tiers: Box<[Box<[Bound]>]>,
    default_tier: TierSet,
    by_owner: bool,
    by_workspace: bool,
}

impl KeyLimits {
    /// The limits of a key under `policy`, as [`policy::lists`] finds them.
    #[must_use]
    pub fn resolve(policy: &Policy, of: LimitsOf<'_>, ids: &LimitIds) -> Self {
        let mut lists = policy::lists(policy, of).map(|limits| -> Box<[Bound]> {
            limits.map(|it| Bound::new(it.tier, it.limit, it.origin, ids)).collect()
        });
        let over_all = lists.next().unwrap_or_default();
        let tiers: Box<[Box<[Bound]>]> = lists.collect();
        let by = |per| over_all.iter().chain(tiers.iter().flatten()).any(|bound| bound.per == per);
        let (by_owner, by_workspace) = (by(Subject::Owner), by(Subject::Workspace));
        Self { over_all, tiers, default_tier: policy.default_tier(), by_owner, by_workspace }
    }

    /// One limit for every tier.
    #[must_use]
    pub fn only(tier: &str, limit: &Limit, ids: &LimitIds) -> Self {
        Self { over_all: [Bound::new(tier, limit, Origin::Plan, ids)].into(), ..Self::default() }
    }

    /// The limits that a Check of these tiers is under, always in the same order.
    pub fn of(&self, tiers: TierSet) -> impl Iterator<Item = &Bound> + Clone {
        let of_tiers = tiers.iter().filter_map(|place| self.tiers.get(place)).flatten();
        self.over_all.iter().chain(of_tiers)
    }

    /// The tier of Checks that need no scope, under the policy that these limits come from. Another policy may have it in
    /// another place.
    #[must_use]
    pub const fn default_tier(&self) -> TierSet {
        self.default_tier
    }

    /// Every limit.
    pub fn iter(&self) -> impl Iterator<Item = &Bound> {
        self.over_all.iter().chain(self.tiers.iter().flatten())
    }

    /// Whether some limit is counted by these.
    #[must_use]
    pub const fn has(&self, per: Subject) -> bool {
        match per {
            Subject::Key => true,
            Subject::Owner => self.by_owner,
            Subject::Workspace => self.by_workspace,
        }
    }
}

impl Bound {
    /// What it is stored under; while this text is referenced, no other limit gets its id.
    #[must_use]
    pub fn text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// How many units are to be covered by a write for a request that needs so many, where so many processes count.
    #[must_use]
    pub fn reach(&self, need: u64, replicas: Replicas) -> u64 {
        need.max(self.block(replicas)).saturating_add(self.unwritten(replicas))
    }

    /// How many units are taken ahead at a time.
    pub(super) fn block(&self, replicas: Replicas) -> u64 {
        if replicas.is_alone() { self.block_alone } else { block(self.limit, replicas) }
    }

    /// How many units of a window may be used before anything of it is written.
    pub(super) fn unwritten(&self, replicas: Replicas) -> u64 {
        if replicas.is_alone() { self.unwritten_alone } else { unwritten(self.limit, replicas) }
    }

    fn new(tier: &str, limit: &Limit, origin: Origin, ids: &LimitIds) -> Self {
        let ms = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let (shape, text, length, long) = match &limit.window {
            Window::Calendar(unit, zone) => {
                let (name, seconds) = calendar(*unit);
                let length = Duration::from_secs(seconds);
                (Shape::Calendar(*unit, zone.clone()), name.to_owned(), length, length)
            }
            Window::Rolling(length) => {
                (Shape::Rolling(ms(*length)), format!("rolling-{}s", length.as_secs()), *length, *length)
            }
            Window::Bucket { refill, every } => {
                let flow = Flow { refill: *refill, every: u64::try_from(ms(*every)).unwrap_or(u64::MAX) };
                let fills_in = u128::from(limit.limit).saturating_mul(u128::from(flow.every));
                let fills_in =
                    u64::try_from(fills_in.div_ceil(u128::from(*refill).max(1))).unwrap_or(u64::MAX);
                let text = format!("bucket-{}s", every.as_secs());
                (Shape::Bucket(flow), text, Duration::from_millis(fills_in), *every)
            }
        };
        let per = match limit.per {
            Subject::Key => "key",
            Subject::Owner => "owner",
            Subject::Workspace => "workspace",
        };
        let (id, text) = ids.named(&format!("{tier}/{}/{per}/{text}", limit.name));
        Self {
            id,
            text,
            name: format!("{tier}/{}", limit.name).into(),
            limit: limit.limit,
            per: limit.per,
            origin,
            length,
            is_quota: long >= DAY,
            shape,
            block_alone: block(limit.limit, Replicas::ALONE),
            unwritten_alone: unwritten(limit.limit, Replicas::ALONE),
        }
    }
}

/// A window of the calendar: its name in the text of a limit, and its length in seconds.
const fn calendar(unit: Calendar) -> (&'static str, u64) {
    match unit {
        Calendar::Minute => ("minute", 60),
        Calendar::Hour => ("hour", 3_600),
        Calendar::Day => ("day", 86_400),
        Calendar::Month => ("month", 31 * 86_400),
    }
}

/// The length of the window that the text of a limit names, in milliseconds; of other windows than those of the calendar
/// there is no end.
pub(super) fn calendar_length(text: &str) -> i64 {
    let window = text.rsplit('/').next().unwrap_or_default();
    let units = [Calendar::Minute, Calendar::Hour, Calendar::Day, Calendar::Month].map(calendar);
    let named = units.into_iter().find(|(name, _)| *name == window);
    named.map_or(i64::MAX, |(_, seconds)| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000))
}
