//! The busiest of very many names, in bounded memory, and how often all others came together.
//!
//! A summary as that of "space saving" (Metwally, Agrawal, El Abbadi 2005), which forgets half of its names at a time. A name is
//! counted exactly from its first time on that is remembered; what may have come before is bounded, and told. Nothing is lost of the
//! sum of all.

use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
};

/// How often a name came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimesSeen {
    /// So often at least.
    pub count: u64,
    /// And so much more often at most.
    pub missed: u64,
}

impl TimesSeen {
    /// So often at most.
    #[must_use]
    pub const fn at_most(self) -> u64 {
        self.count.saturating_add(self.missed)
    }
}

/// The busiest names of those that came. Whoever came more often than one in so many is among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busiest<N: Eq + Hash> {
    /// How many are kept at the least; at most twice as many are.
    most: usize,
    named: HashMap<N, TimesSeen>,
    /// No name but those came more often.
    floor: u64,
    /// How often all names came together.
    sum: u64,
}

impl<N: Eq + Hash> Busiest<N> {
    /// None yet, and so many when there are.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self { most, named: HashMap::new(), floor: 0, sum: 0 }
    }

    /// As they were stored.
    #[must_use]
    pub fn stored(
        most: usize,
        (floor, sum): (u64, u64),
        named: impl IntoIterator<Item = (N, TimesSeen)>,
    ) -> Self {
        Self { most, named: named.into_iter().collect(), floor, sum }
    }

    /// Counts a name once.
    pub fn count(&mut self, name: N) {
        self.sum = self.sum.saturating_add(1);
        self.put(name, TimesSeen { count: 1, missed: 0 });
    }

    fn put(&mut self, name: N, seen: TimesSeen) {
        let is_full = self.named.len() >= self.most.saturating_mul(2);
        if is_full && !self.named.contains_key(&name) {
            self.forget();
        }
        let floor = self.floor;
        match self.named.entry(name) {
            Entry::Occupied(mut known) => known.get_mut().add(seen),
            Entry::Vacant(new) => {
                new.insert(TimesSeen { missed: seen.missed.saturating_add(floor), ..seen });
            }
        }
    }

    /// Adds what came elsewhere.
    pub fn merge(&mut self, other: Self) {
        let (mine, theirs) = (self.floor, other.floor);
        self.sum = self.sum.saturating_add(other.sum);
        if theirs > 0 {
            let unseen = self.named.iter_mut().filter(|(name, _)| !other.named.contains_key(name));
            for (_, seen) in unseen {
                seen.missed = seen.missed.saturating_add(theirs);
            }
        }
        for (name, seen) in other.named {
            match self.named.entry(name) {
                Entry::Occupied(mut known) => known.get_mut().add(seen),
                Entry::Vacant(new) => {
                    new.insert(TimesSeen { missed: seen.missed.saturating_add(mine), ..seen });
                }
            }
        }
        self.floor = mine.saturating_add(theirs);
        if self.named.len() > self.most.saturating_mul(2) {
            self.forget();
        }
    }

    /// Forgets all but the busiest.
    fn forget(&mut self) {
        let mut all: Vec<_> = std::mem::take(&mut self.named).into_iter().collect();
        let most = self.most.min(all.len());
        if most < all.len() {
            all.select_nth_unstable_by_key(most, |(_, seen)| Reverse(seen.at_most()));
        }
        let forgotten = all.drain(most..).map(|(_, seen)| seen.at_most());
        self.floor = forgotten.fold(self.floor, u64::max);
        self.named = all.into_iter().collect();
    }

    /// The names that are kept, at most as many as it is of.
    #[must_use]
    pub fn to_stored(&self) -> Self
    where
        N: Clone,
    {
        let mut kept = self.clone();
        if kept.named.len() > kept.most {
            kept.forget();
        }
        kept
    }

    /// Only those names that are wanted: how often others came is not known of what is left.
    pub fn retain(&mut self, is_wanted: impl Fn(&N) -> bool) {
        self.named.retain(|name, _| is_wanted(name));
    }

    /// The names, and how often each came, in no order.
    #[must_use]
    pub fn named(&self) -> impl ExactSizeIterator<Item = (&N, TimesSeen)> {
        self.named.iter().map(|(name, seen)| (name, *seen))
    }

    /// How often a name can have come that is not among them.
    #[must_use]
    pub const fn floor(&self) -> u64 {
        self.floor
    }

    /// How often all names came together.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// Whether nothing came.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sum == 0
    }
}

impl TimesSeen {
    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.missed = self.missed.saturating_add(other.missed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each of the names came, by a count that remembers all of them.
    fn exact(names: &[u32]) -> HashMap<u32, u64> {
        let mut all = HashMap::new();
        for name in names {
            *all.entry(*name).or_default() += 1;
        }
        all
    }

    /// Numbers that repeat the less the larger they are; the same each time.
    fn names(count: u64, seed: u64) -> Vec<u32> {
        let mut state = seed;
        let draw = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let drawn = u32::try_from(state >> 40).unwrap();
            drawn >> (state >> 33 & 0x17)
        };
        (0..count).map(draw).collect()
    }

    fn assert_is_of(busiest: &Busiest<u32>, all: &HashMap<u32, u64>, most: u64) {
        let came: u64 = all.values().sum();
        assert_eq!(busiest.sum(), came);
        let mut told = 0;
        for (name, seen) in busiest.named() {
            let count = all[name];
            assert!((seen.count..=seen.at_most()).contains(&count), "{name}: {count} and {seen:?}");
            told += seen.count;
        }
        assert!(told <= came);
        assert!(busiest.floor() <= 2 * came / most, "{} of {came}", busiest.floor());
        for (name, count) in all {
            let is_named = busiest.named().any(|(known, _)| known == name);
            assert!(is_named || *count <= busiest.floor(), "{name} came {count} times");
        }
    }

    #[test]
    fn who_comes_often_is_named_in_bounds_and_no_sum_is_lost() {
        // A4
        for (most, seed) in [(10, 1), (50, 2), (1_000, 3)] {
            let names = names(50_000, seed);
            let mut busiest = Busiest::of(most);
            for name in &names {
                busiest.count(*name);
                assert!(busiest.named().len() <= 2 * most);
            }
            assert_is_of(&busiest, &exact(&names), u64::try_from(most).unwrap());
            let stored = busiest.to_stored();
            assert!(stored.named().len() <= most);
            assert_is_of(&stored, &exact(&names), u64::try_from(most).unwrap());
        }
    }

    #[test]
    fn what_came_at_several_places_is_put_together_in_the_same_bounds() {
        // A4
        let names = names(60_000, 4);
        let (mut all, most) = (Busiest::of(100), 100);
        for part in names.chunks(7_000) {
            let mut here = Busiest::of(100);
            for name in part {
                here.count(*name);
            }
            all.merge(here);
            assert!(all.named().len() <= 2 * most);
        }
        assert_is_of(&all, &exact(&names), 25);
    }

    #[test]
    fn a_flood_of_names_that_come_once_hides_nobody_who_comes_often() {
        // A4
        let mut busiest = Busiest::of(1_000);
        for name in 0..60_000 {
            busiest.count(name);
            if name % 100 == 0 {
                busiest.count(u32::MAX);
            }
        }
        let seen = busiest.named().find(|(name, _)| **name == u32::MAX).unwrap().1;
        assert_eq!((seen.count, seen.missed, busiest.sum()), (600, 0, 60_600));
    }
}
