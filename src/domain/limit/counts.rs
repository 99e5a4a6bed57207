//! The counts of one subject, in as few bytes as they take: there are millions of subjects.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{LimitId, Slot, marks::Marks};

/// Most keys are under one limit or two of the calendar: these stand here itself, side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Counts {
    /// Those that are none stand behind the others.
    Few([SmallWindow; 2]),
    /// Exactly as many as there are.
    Many(Box<[Slot]>),
}

/// The count of a window of the calendar in 16 bytes, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SmallWindow {
    is: Presence,
    marks: Marks,
    id: u16,
    end: u32,
    used: u32,
    covered: u32,
}

/// Whether there is a count. No `bool`: the compiler is to find room here for what else there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    No,
    Yes,
}

impl SmallWindow {
    const NONE: Self = Self { is: Presence::No, marks: Marks::NONE, id: 0, end: 0, used: 0, covered: 0 };

    /// A count, if all of its numbers fit.
    #[inline]
    fn of(slot: &Slot) -> Option<Self> {
        let Slot::Calendar { id, marks, end, used, covered } = slot else { return None };
        let (id, end) = (u16::try_from(id.number()).ok()?, u32::try_from(*end).ok()?);
        let (used, covered) = (u32::try_from(*used).ok()?, u32::try_from(*covered).ok()?);
        Some(Self { is: Presence::Yes, marks: *marks, id, end, used, covered })
    }

    #[inline]
    fn slot(self) -> Option<Slot> {
        let Self { is, marks, id, end, used, covered } = self;
        let (id, end, used, covered) =
            (LimitId::numbered(id.into()), end.into(), used.into(), covered.into());
        (is == Presence::Yes).then_some(Slot::Calendar { id, marks, end, used, covered })
    }

    #[inline]
    fn is_of(self, id: LimitId) -> bool {
        self.is == Presence::Yes && u32::from(self.id) == id.number()
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self::Few([SmallWindow::NONE; 2])
    }
}

impl FromIterator<Slot> for Counts {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let slots: SmallVec<[Slot; 2]> = slots.into_iter().collect();
        let mut few = [SmallWindow::NONE; 2];
        let mut all_fit = slots.len() <= few.len();
        for (slot, place) in slots.iter().zip(&mut few) {
            let small = SmallWindow::of(slot);
            all_fit &= small.is_some();
            *place = small.unwrap_or(*place);
        }
        if all_fit { Self::Few(few) } else { Self::Many(slots.into_iter().collect()) }
    }
}

impl Counts {
    /// Each that there is.
    pub(super) fn iter(&self) -> impl Iterator<Item = Cow<'_, Slot>> {
        let (few, many) = match self {
            Self::Few(few) => (few.as_slice(), [].as_slice()),
            Self::Many(many) => ([].as_slice(), &**many),
        };
        few.iter().filter_map(|small| small.slot().map(Cow::Owned)).chain(many.iter().map(Cow::Borrowed))
    }

    /// That of a limit.
    #[inline]
    pub(super) fn of(&self, id: LimitId) -> Option<Cow<'_, Slot>> {
        match self {
            Self::Few(few) => few.iter().find(|small| small.is_of(id))?.slot().map(Cow::Owned),
            Self::Many(many) => many.iter().find(|slot| slot.id() == id).map(Cow::Borrowed),
        }
    }

    /// Whether one of them has a mark.
    pub(super) fn any_has(&self, mark: Marks) -> bool {
        match self {
            Self::Few(few) => few.iter().any(|small| small.marks.has(mark)),
            Self::Many(many) => many.iter().any(|slot| slot.has(mark)),
        }
    }

    /// Changes that of a limit, if there is one.
    pub(super) fn change<T>(&mut self, id: LimitId, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        if let Self::Many(many) = self {
            return many.iter_mut().find(|slot| slot.id() == id).map(change);
        }
        let mut slot = self.of(id)?.into_owned();
        let changed = change(&mut slot);
        self.put(slot);
        Some(changed)
    }

    /// Changes that of a limit, or the one that `open` makes.
    pub(super) fn change_or_open<T>(
        &mut self,
        id: LimitId,
        open: impl FnOnce() -> Slot,
        change: impl FnOnce(&mut Slot) -> T,
    ) -> T {
        if let Self::Many(many) = self
            && let Some(slot) = many.iter_mut().find(|slot| slot.id() == id)
        {
            return change(slot);
        }
        let mut slot = self.of(id).map_or_else(open, Cow::into_owned);
        let changed = change(&mut slot);
        self.put(slot);
        changed
    }

    /// Changes each.
    pub(super) fn change_each(&mut self, mut change: impl FnMut(&mut Slot)) {
        let ids: SmallVec<[LimitId; 2]> = self.iter().map(|slot| slot.id()).collect();
        for id in ids {
            self.change(id, &mut change);
        }
    }

    /// Puts a count in the place of that of the same limit, or behind the others.
    pub(super) fn put(&mut self, slot: Slot) {
        if let Self::Few(few) = self
            && let Some(small) = SmallWindow::of(&slot)
            && let Some(place) =
                few.iter_mut().find(|known| known.is == Presence::No || known.is_of(slot.id()))
        {
            *place = small;
            return;
        }
        let id = slot.id();
        let others = self.iter().filter(|known| known.id() != id).map(Cow::into_owned);
        *self = others.chain([slot]).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(id: u32, numbers: [u64; 3]) -> Slot {
        let [end, used, covered] = numbers;
        Slot::Calendar { id: LimitId::numbered(id), marks: Marks::NEWS, end, used, covered }
    }

    fn all(counts: &Counts) -> Vec<Slot> {
        counts.iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn counts_are_what_they_were_however_large_and_many() {
        // L6
        let most = u64::from(u32::MAX);
        let (small, largest) = (window(0, [0, 0, 0]), window(0xFFFF, [most; 3]));
        let few: Counts = [small.clone(), largest.clone()].into_iter().collect();
        assert!(matches!(few, Counts::Few(_)));
        assert_eq!(all(&few), [small.clone(), largest.clone()]);
        for large in [
            window(0x1_0000, [0; 3]),
            window(u32::MAX, [0; 3]),
            window(1, [most + 1, 0, 0]),
            window(1, [0, most + 1, 0]),
            window(1, [0, 0, u64::MAX]),
        ] {
            for first in [Vec::new(), vec![small.clone()], vec![small.clone(), largest.clone()]] {
                let mut counts: Counts = first.iter().cloned().collect();
                counts.put(large.clone());
                assert!(matches!(counts, Counts::Many(_)));
                let expected: Vec<_> = first.into_iter().chain([large.clone()]).collect();
                assert_eq!(all(&counts), expected);
            }
        }
    }

    #[test]
    fn a_count_that_grows_out_of_its_place_keeps_what_was_counted_and_its_neighbour() {
        // L6
        let mut counts: Counts = [window(1, [9, 1, 1]), window(2, [9, 2, 2])].into_iter().collect();
        let grow = |slot: &mut Slot| *slot = window(1, [9, 1 << 40, 1]);
        assert_eq!(counts.change(LimitId::numbered(3), grow), None);
        assert_eq!(counts.change(LimitId::numbered(1), grow), Some(()));
        let expected = [window(2, [9, 2, 2]), window(1, [9, 1 << 40, 1])];
        assert_eq!(all(&counts), expected);
        counts.change_or_open(LimitId::numbered(2), || panic!(), |slot| *slot = window(2, [9, 3, 2]));
        counts.change_or_open(
            LimitId::numbered(5),
            || window(5, [9, 0, 0]),
            |slot| *slot = window(5, [9, 5, 0]),
        );
        let of = |id| counts.of(LimitId::numbered(id)).map(Cow::into_owned);
        assert_eq!([of(1), of(5), of(7)], [Some(expected[1].clone()), Some(window(5, [9, 5, 0])), None]);
        assert_eq!(of(2), Some(window(2, [9, 3, 2])));
        assert!(counts.any_has(Marks::NEWS));
        counts.change_each(|slot| slot.marks().clear(Marks::NEWS));
        assert!(!counts.any_has(Marks::NEWS) && counts.iter().count() == 3);
    }
}
