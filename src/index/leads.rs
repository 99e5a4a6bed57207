//! A table of what leads to a place, in as many cells as it needs and a few more: a table that doubles would be half empty most
//! of the time, for millions of keys.
//!
//! Each entry stands at its home, or in the first free cell behind it, around the end. What goes leaves no gap: those behind
//! it move up.

/// Of so many cells some are kept free, so that a look ends soon.
const OF: usize = 16;
/// That many of them are taken at the most.
const TAKEN: usize = 13;

/// What leads to a place. It says by itself where it belongs, so that a table grows without a look at what it leads to.
pub(super) trait Lead: Copy + Eq {
    /// In the place of an entry where there is none.
    const NONE: Self;

    /// A number that is as good as random, the same for all entries that are looked for together.
    fn spread(self) -> u32;
}

/// The table.
pub(super) struct Leads<L> {
    cells: Vec<L>,
    taken: usize,
}

impl<L> Default for Leads<L> {
    fn default() -> Self {
        Self { cells: Vec::new(), taken: 0 }
    }
}

impl<L: Lead> Leads<L> {
    /// How many entries there are.
    pub(super) const fn len(&self) -> usize {
        self.taken
    }

    /// Makes room for as many entries in all at once, so that none of them is copied later.
    pub(super) fn expect(&mut self, entries: usize) {
        let cells = entries.saturating_mul(OF).div_ceil(TAKEN);
        if cells > self.cells.len() {
            self.take_cells(cells);
        }
    }

    /// Every entry that can be one that is looked for, and perhaps others.
    pub(super) fn of(&self, spread: u32) -> impl Iterator<Item = L> {
        let (before, from) = self.cells.split_at_checked(self.home(spread)).unwrap_or_default();
        from.iter().chain(before).copied().take_while(|entry| *entry != L::NONE)
    }

    /// Puts an entry in, unless it is there.
    pub(super) fn put(&mut self, entry: L) {
        if self.of(entry.spread()).any(|known| known == entry) {
            return;
        }
        let taken = self.taken.saturating_add(1);
        if taken.saturating_mul(OF) > self.cells.len().saturating_mul(TAKEN) {
            self.grow();
        }
        self.taken = taken;
        self.place(entry);
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, entry: L) {
        let count = self.cells.len();
        let home = self.home(entry.spread());
        let Some(steps) = self.of(entry.spread()).position(|known| known == entry) else { return };
        self.taken = self.taken.saturating_sub(1);
        let start = around(home, steps, count);
        let mut gap = start;
        // Each one behind it moves up if the gap lies between its home and its cell.
        for step in 1..count {
            let at = around(start, step, count);
            let Some(next) = self.cells.get(at).copied().filter(|next| *next != L::NONE) else { break };
            let from_home = distance(self.home(next.spread()), at, count);
            if from_home >= distance(gap, at, count) {
                self.set(gap, next);
                gap = at;
            }
        }
        self.set(gap, L::NONE);
    }

    /// By three sixteenths: what is copied of a part at once is little, and an entry is copied some five times until a table is large.
    fn grow(&mut self) {
        let more = self.cells.len().saturating_mul(3) / OF;
        self.take_cells(self.cells.len().saturating_add(more).saturating_add(8));
    }

    /// Moves all entries into so many cells.
    fn take_cells(&mut self, count: usize) {
        let before = std::mem::replace(&mut self.cells, vec![L::NONE; count]);
        before.into_iter().filter(|entry| *entry != L::NONE).for_each(|entry| self.place(entry));
    }

    /// Puts an entry in the first free cell.
    fn place(&mut self, entry: L) {
        let home = self.home(entry.spread());
        let home = home.min(self.cells.len());
        let (before, from) = self.cells.split_at_mut(home);
        if let Some(free) = from.iter_mut().chain(before).find(|cell| **cell == L::NONE) {
            *free = entry;
        }
    }

    fn set(&mut self, at: usize, entry: L) {
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = entry;
        }
    }

    fn home(&self, spread: u32) -> usize {
        let count = u64::try_from(self.cells.len()).unwrap_or(u64::MAX);
        usize::try_from((u64::from(spread).saturating_mul(count)) >> 32).unwrap_or_default()
    }
}

/// How many of `all` a part can have at the most, but for one part in thousands: entries go to parts at random, so that their number
/// in one is its mean and a few times the root of that.
pub(super) fn share(all: usize, parts: usize) -> usize {
    let mean = all / parts.max(1);
    mean.saturating_add(mean.isqrt().saturating_mul(4))
}

/// So many cells further on, around the end.
const fn around(from: usize, steps: usize, count: usize) -> usize {
    let at = from.saturating_add(steps);
    if at >= count { at.saturating_sub(count) } else { at }
}

/// How far it is from one cell to another, around the end.
const fn distance(from: usize, to: usize, count: usize) -> usize {
    if to >= from { to.saturating_sub(from) } else { to.saturating_add(count).saturating_sub(from) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    impl Lead for (u32, u32) {
        const NONE: Self = (u32::MAX, u32::MAX);

        fn spread(self) -> u32 {
            self.0
        }
    }

    proptest! {
        #[test]
        fn what_is_put_in_is_found_until_it_is_taken_out(
            steps in prop::collection::vec((any::<bool>(), 0_u32..40, 0_u32..3), 1..400),
            apart in prop::sample::select(vec![1_u32, 1 << 20, 0x0800_0000]),
        ) {
            let (mut leads, mut known) = (Leads::default(), HashSet::new());
            for (put, spread, which) in steps {
                let entry = (spread.saturating_mul(apart), which);
                if put {
                    leads.put(entry);
                    known.insert(entry);
                } else {
                    leads.remove(entry);
                    known.remove(&entry);
                }
                for entry in (0..40).flat_map(|spread: u32| (0..3).map(move |which| (spread.saturating_mul(apart), which))) {
                    prop_assert_eq!(leads.of(entry.0).any(|found| found == entry), known.contains(&entry));
                }
                prop_assert_eq!(leads.taken, known.len());
            }
        }
    }

    #[test]
    fn a_table_that_has_room_for_what_comes_copies_none_of_it_and_takes_no_more_than_it_must() {
        let mut leads = Leads::default();
        leads.put((7, 7));
        leads.expect(5_000);
        let cells = leads.cells.len();
        for entry in 0..4_999_u32 {
            leads.put((entry.wrapping_mul(0x9E37_79B9), entry));
        }
        assert_eq!((leads.cells.len(), cells), (cells, 6_154));
        assert!(leads.of(7).any(|known| known == (7, 7)), "what was there before is there");
        leads.expect(10);
        assert_eq!(leads.cells.len(), cells, "no table becomes smaller");
    }

    #[test]
    fn a_table_is_never_half_empty_once_it_is_large() {
        let mut leads = Leads::default();
        for entry in 0..100_000_u32 {
            leads.put((entry.wrapping_mul(0x9E37_79B9), entry));
            if entry > 1_000 {
                assert!(leads.cells.len() * 2 < leads.taken * 3, "{} of {}", leads.taken, leads.cells.len());
            }
        }
    }
}
