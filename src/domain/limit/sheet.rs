//! Everything that one subject has used.

use super::{Bound, LimitId, Measure, Reading, Slot, Snapshot, bound, marks::Marks};
use crate::domain::time::Now;

/// The counts of one subject, one for each limit that it has used and that is not over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet(Counts);

/// Most keys are under one limit or two: these stand here itself, side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Counts {
    /// The first that is free is behind all others.
    Few([Option<Slot>; 2]),
    /// Exactly as many as there are.
    Many(Box<[Slot]>),
}

impl Default for Counts {
    fn default() -> Self {
        Self::Few([None, None])
    }
}

impl FromIterator<Slot> for Counts {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut slots = slots.into_iter();
        let few = [slots.next(), slots.next()];
        match slots.next() {
            None => Self::Few(few),
            Some(third) => Self::Many(few.into_iter().flatten().chain([third]).chain(slots).collect()),
        }
    }
}

impl Counts {
    fn iter(&self) -> impl Iterator<Item = &Slot> {
        let (few, many) = match self {
            Self::Few(few) => (few.as_slice(), [].as_slice()),
            Self::Many(many) => ([].as_slice(), &**many),
        };
        few.iter().flatten().chain(many)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        let (few, many) = match self {
            Self::Few(few) => (few.as_mut_slice(), [].as_mut_slice()),
            Self::Many(many) => ([].as_mut_slice(), &mut **many),
        };
        few.iter_mut().flatten().chain(many)
    }

    fn into_iter(self) -> impl Iterator<Item = Slot> {
        let (few, many) = match self {
            Self::Few(few) => (few, Vec::new()),
            Self::Many(many) => ([None, None], many.into_vec()),
        };
        few.into_iter().flatten().chain(many)
    }

    /// Puts a count behind the others.
    fn push(&mut self, slot: Slot) {
        if let Self::Few(few) = self
            && let Some(free) = few.iter_mut().find(|place| place.is_none())
        {
            *free = Some(slot);
            return;
        }
        *self = std::mem::take(self).into_iter().chain([slot]).collect();
    }
}

/// What a limit has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Units.
    pub units: u64,
    /// Milliseconds until everything has come back.
    pub whole_in: i64,
}

impl Sheet {
    /// How a limit stands for a request of `cost` units. Changes nothing.
    #[must_use]
    pub fn measure(&self, bound: &Bound, cost: u64, reading: &Reading) -> Measure {
        self.with(bound, reading, |slot| slot.measure(bound, cost, &reading.now))
    }

    /// What a limit has left.
    #[must_use]
    pub fn left(&self, bound: &Bound, reading: &Reading) -> Left {
        self.with(bound, reading, |slot| Left {
            units: slot.remaining(bound, &reading.now),
            whole_in: slot.until_whole(bound, &reading.now),
        })
    }

    /// Milliseconds until a request of `cost` units passes; `None` if it never does.
    #[must_use]
    pub fn until_passes(&self, bound: &Bound, cost: u64, reading: &Reading) -> Option<i64> {
        self.with(bound, reading, |slot| slot.until_passes(bound, cost, &reading.now))
    }

    /// Counts units as used, whether or not the limit allows it: that is for [`Sheet::measure`] to tell, under the same
    /// lock. Says whether a write is to be asked for, once.
    pub fn charge(&mut self, bound: &Bound, cost: u64, reading: &Reading) -> bool {
        if cost == 0 {
            return false;
        }
        self.change(bound, reading, |slot| {
            let low = slot.charge(bound, cost, reading);
            low && Self::ask(slot)
        })
    }

    /// Takes note that a write that was asked for is not on its way.
    pub fn forget_ask(&mut self, id: LimitId) {
        if let Some(slot) = self.0.iter_mut().find(|slot| slot.id() == id) {
            slot.marks().clear(Marks::ASKED);
        }
    }

    /// Notes that a write is asked for; whether that is news.
    pub fn ask_for(&mut self, bound: &Bound, reading: &Reading) -> bool {
        self.change(bound, reading, Self::ask)
    }

    fn ask(slot: &mut Slot) -> bool {
        slot.marks().set(Marks::ASKED)
    }

    /// What is to be written of a count so that `more` units may be used after it.
    #[must_use]
    pub fn snapshot(&self, id: LimitId, more: u64) -> Option<Snapshot> {
        self.0.iter().find(|slot| slot.id() == id).map(|slot| slot.snapshot(more))
    }

    /// Whether something is counted of which the disk says something else.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.0.iter().any(|slot| slot.has(Marks::NEWS))
    }

    /// What is to be written of every count that is news, as it is; from now on it is none. Where it is not written in the end,
    /// [`Sheet::renew`] is to be told.
    pub fn take_news(&mut self) -> impl Iterator<Item = Snapshot> {
        let news = self.0.iter_mut().filter(|slot| slot.has(Marks::NEWS));
        news.map(|slot| {
            slot.marks().clear(Marks::NEWS);
            slot.as_it_is()
        })
    }

    /// Takes note that a count was written as it was.
    pub fn noted(&mut self, snapshot: &Snapshot) {
        if let Some(slot) = self.0.iter_mut().find(|slot| slot.id() == snapshot.id) {
            slot.wrote(snapshot);
        }
    }

    /// Makes every count news, because it is not known what of it is on disk.
    pub fn renew(&mut self) {
        for slot in self.0.iter_mut() {
            slot.marks().set(Marks::NEWS);
        }
    }

    /// Takes note of what became of a write.
    pub fn wrote(&mut self, snapshot: &Snapshot, done: bool) {
        let Some(slot) = self.0.iter_mut().find(|slot| slot.id() == snapshot.id) else { return };
        slot.marks().clear(Marks::ASKED);
        if done {
            slot.wrote(snapshot);
        }
    }

    /// Puts a count in that was written under `limit`, the text of `id`; `None` where nothing of it counts any more (see
    /// [`Slot::read`]).
    pub fn restore(
        &mut self,
        (id, limit): (LimitId, &str),
        state: &[u8],
        complete: bool,
        now: &Now,
    ) -> Option<()> {
        let slot = Slot::read(id, state, complete, now)?;
        if slot.is_of_the_future(bound::calendar_length(limit), now) {
            return None;
        }
        self.0.push(slot);
        Some(())
    }

    /// Whether something is counted of a limit.
    #[must_use]
    pub fn counts(&self, limit: LimitId) -> bool {
        self.0.iter().any(|slot| slot.id() == limit)
    }

    /// Drops what counts no more, and names those of it that were written.
    pub fn sweep(&mut self, now: &Now) -> Vec<LimitId> {
        let over = |slot: &&Slot| slot.is_over(now);
        if self.0.iter().all(|slot| !over(&slot)) {
            return Vec::new();
        }
        let written =
            self.0.iter().filter(over).filter(|slot| slot.has(Marks::WRITTEN)).map(Slot::id).collect();
        self.0 = std::mem::take(&mut self.0).into_iter().filter(|slot| !slot.is_over(now)).collect();
        written
    }

    /// What something is counted of.
    pub fn ids(&self) -> impl Iterator<Item = LimitId> {
        self.0.iter().map(Slot::id)
    }

    /// Whether nothing is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().next().is_none()
    }

    fn with<T>(&self, bound: &Bound, reading: &Reading, look: impl FnOnce(&Slot) -> T) -> T {
        let slot = self.0.iter().find(|slot| slot.id() == bound.id);
        match slot.filter(|slot| slot.serves(bound, &reading.now)) {
            Some(slot) => look(slot),
            None => look(&Slot::open(bound, reading)),
        }
    }

    /// Changes the count of a limit; it is begun if there is none, or another window has begun.
    fn change<T>(&mut self, bound: &Bound, reading: &Reading, change: impl FnOnce(&mut Slot) -> T) -> T {
        let known = self.0.iter_mut().find(|slot| slot.id() == bound.id);
        if let Some(slot) = known {
            if !slot.serves(bound, &reading.now) {
                *slot = Slot::open(bound, reading);
            }
            return change(slot);
        }
        let mut slot = Slot::open(bound, reading);
        let changed = change(&mut slot);
        self.0.push(slot);
        changed
    }
}
