//! Limits calls by where they come from: ten at once, then one a second.
//!
//! It is of one process, in its memory alone. Where several processes serve one store, each gives its Nth part, so that together
//! they give no more than one would; a source that always comes to the same process has only that part.
//!
//! Bounded: it remembers 4,096 sources; those beyond share one allowance, so that many sources cannot fill memory.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use crate::domain::{limit::Replicas, network::source_of, time::Timestamp};

/// Calls at once, of all processes together.
const BURST: u64 = 10;
/// After how long a call comes back, of all processes together.
const REFILL_MS: u64 = 1_000;
const SOURCES: usize = 4_096;

/// What one process lets each source do.
pub(crate) struct ProcessSourceLimit {
    allowances: Mutex<HashMap<Option<IpAddr>, SourceAllowance>>,
    burst: u64,
    refill_ms: u64,
}

impl Default for ProcessSourceLimit {
    /// That of the only process.
    fn default() -> Self {
        Self::of_one_of(Replicas::ALONE)
    }
}

/// When the allowance is whole again; it is spent by moving that ahead (GCRA, ITU-T I.371).
#[derive(Clone, Copy)]
struct SourceAllowance {
    whole_ms: u64,
    /// How many calls there were.
    calls: u64,
}

impl ProcessSourceLimit {
    /// That of one process of so many: its part of the calls, but at least one.
    pub(crate) fn of_one_of(replicas: Replicas) -> Self {
        let count = u64::from(replicas.count().get());
        let burst = (BURST / count).max(1);
        Self { allowances: Mutex::default(), burst, refill_ms: REFILL_MS.saturating_mul(count) }
    }

    /// The sources with most calls, `most` of them, and how many each had, the busiest first.
    pub(crate) fn busiest(&self, most: usize) -> Vec<(Option<IpAddr>, u64)> {
        let allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        let mut busiest: Vec<_> = allowances.iter().map(|(source, known)| (*source, known.calls)).collect();
        drop(allowances);
        busiest.sort_unstable_by_key(|(source, calls)| (Reverse(*calls), *source));
        busiest.truncate(most);
        busiest
    }

    /// Spends one call of a source.
    ///
    /// # Errors
    /// The source has no call left; the seconds to wait for one.
    pub(crate) fn spend(&self, source: Option<IpAddr>, now: Timestamp) -> Result<(), u64> {
        self.count(source, now).1
    }

    /// The same, and how many calls of the source there were since it was remembered, this one and those that were refused too.
    pub(crate) fn count(&self, source: Option<IpAddr>, now: Timestamp) -> (u64, Result<(), u64>) {
        let now = u64::try_from(now.as_ms()).unwrap_or(0);
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        let source = source.map(source_of);
        if allowances.len() >= SOURCES && !allowances.contains_key(&source) {
            allowances.retain(|_, allowance| allowance.whole_ms > now);
        }
        let full = allowances.len() >= SOURCES && !allowances.contains_key(&source);
        let allowance = allowances
            .entry(if full { None } else { source })
            .or_insert(SourceAllowance { whole_ms: now, calls: 0 });
        // A clock that was set back must not lock a source out for longer than a whole refill.
        let all_refilled = now.saturating_add(self.burst.saturating_mul(self.refill_ms));
        let whole = allowance.whole_ms.clamp(now, all_refilled);
        let wait = whole.saturating_add(self.refill_ms).saturating_sub(all_refilled);
        allowance.calls = allowance.calls.saturating_add(1);
        if wait > 0 {
            return (allowance.calls, Err(wait.div_ceil(1_000)));
        }
        allowance.whole_ms = whole.saturating_add(self.refill_ms);
        (allowance.calls, Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_000_000 + ms).unwrap()
    }

    #[test]
    fn a_source_has_ten_calls_and_one_more_each_second() {
        // V3
        let limit = ProcessSourceLimit::default();
        let one = Some("192.0.2.1".parse().unwrap());
        for _ in 0..10 {
            assert_eq!(limit.spend(one, at(0)), Ok(()));
        }
        assert_eq!(limit.spend(one, at(0)), Err(1));
        assert_eq!(limit.spend(one, at(999)), Err(1));
        assert_eq!(limit.spend(one, at(1_000)), Ok(()));
        assert_eq!(limit.spend(one, at(1_000)), Err(1));
        assert_eq!(limit.spend(Some("192.0.2.2".parse().unwrap()), at(0)), Ok(()), "others have their own");
    }

    #[test]
    fn several_processes_give_together_what_one_would() {
        // V3
        let source = Some("192.0.2.1".parse().unwrap());
        for (count, at_once) in [(1, 10), (2, 10), (3, 9), (10, 10)] {
            let replicas = Replicas::new(count.try_into().unwrap());
            let limits: Vec<_> = (0..count).map(|_| ProcessSourceLimit::of_one_of(replicas)).collect();
            let passed = |ms| {
                limits
                    .iter()
                    .map(move |limit| (0..20).filter(|_| limit.spend(source, at(ms)).is_ok()).count())
            };
            assert_eq!(passed(0).sum::<usize>(), at_once, "{count} at once");
            let refill = i64::from(count) * 1_000;
            assert_eq!(passed(refill - 1).sum::<usize>(), 0, "{count}");
            assert_eq!(
                passed(refill).sum::<usize>(),
                usize::try_from(count).unwrap(),
                "one a second of {count}"
            );
        }
        let many = ProcessSourceLimit::of_one_of(Replicas::new(1_000.try_into().unwrap()));
        assert_eq!((0..20).filter(|_| many.spend(source, at(0)).is_ok()).count(), 1, "one at the least");
        assert_eq!(many.spend(source, at(0)), Err(1_000));
    }

    #[test]
    fn many_sources_fill_no_memory_and_share_what_is_left() {
        // V3
        let limit = ProcessSourceLimit::default();
        let source = |number: u32| Some(IpAddr::V4(number.into()));
        let passed = (0..100_000).filter(|number| limit.spend(source(*number), at(0)).is_ok()).count();
        assert_eq!(passed, SOURCES + 10);
        assert!(limit.allowances.lock().unwrap().len() <= SOURCES + 1);
        let neighbours = ["2001:db8::1", "2001:db8::2"].map(|text| source_of(text.parse().unwrap()));
        assert_eq!(neighbours[0], neighbours[1]);
    }
}
