//! Everything that one subject has used.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{Bound, LimitId, Measure, Reading, Slot, Snapshot, bound, counts::Counts, marks::Marks};
use crate::domain::time::Now;

/// The counts of one subject, one for each limit that it has used and that is not over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet(Counts);

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
        self.0.change(id, |slot| slot.marks().clear(Marks::ASKED));
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
        self.0.of(id).map(|slot| slot.snapshot(more))
    }

    /// Whether something is counted of which the disk says something else.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.0.any_has(Marks::NEWS)
    }

    /// What is to be written of every count that is news, as it is; from now on it is none. Where it is not written in the end,
    /// [`Sheet::renew`] is to be told.
    pub fn take_news(&mut self) -> impl Iterator<Item = Snapshot> + use<> {
        let mut news = SmallVec::<[Snapshot; 2]>::new();
        self.0.change_each(|slot| {
            if slot.has(Marks::NEWS) {
                slot.marks().clear(Marks::NEWS);
                news.push(slot.as_it_is());
            }
        });
        news.into_iter()
    }

    /// Takes note that a count was written as it was.
    pub fn noted(&mut self, snapshot: &Snapshot) {
        self.0.change(snapshot.id, |slot| slot.wrote(snapshot));
    }

    /// Makes every count news, because it is not known what of it is on disk.
    pub fn renew(&mut self) {
        self.0.change_each(|slot| {
            slot.marks().set(Marks::NEWS);
        });
    }

    /// Takes note of what became of a write.
    pub fn wrote(&mut self, snapshot: &Snapshot, done: bool) {
        self.0.change(snapshot.id, |slot| {
            slot.marks().clear(Marks::ASKED);
            if done {
                slot.wrote(snapshot);
            }
        });
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
        self.0.put(slot);
        Some(())
    }

    /// Whether something is counted of a limit.
    #[must_use]
    pub fn counts(&self, limit: LimitId) -> bool {
        self.0.of(limit).is_some()
    }

    /// Drops what counts no more, and names those of it that were written.
    pub fn sweep(&mut self, now: &Now) -> Vec<LimitId> {
        if self.0.iter().all(|slot| !slot.is_over(now)) {
            return Vec::new();
        }
        let over = self.0.iter().filter(|slot| slot.is_over(now));
        let written = over.filter(|slot| slot.has(Marks::WRITTEN)).map(|slot| slot.id()).collect();
        self.0 = self.0.iter().filter(|slot| !slot.is_over(now)).map(Cow::into_owned).collect();
        written
    }

    /// What something is counted of.
    pub fn ids(&self) -> impl Iterator<Item = LimitId> {
        self.0.iter().map(|slot| slot.id())
    }

    /// Whether nothing is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().next().is_none()
    }

    fn with<T>(&self, bound: &Bound, reading: &Reading, look: impl FnOnce(&Slot) -> T) -> T {
        match self.0.of(bound.id).filter(|slot| slot.serves(bound, &reading.now)) {
            Some(slot) => look(&slot),
            None => look(&Slot::open(bound, reading)),
        }
    }

    /// Changes the count of a limit; it is begun if there is none, or another window has begun.
    fn change<T>(&mut self, bound: &Bound, reading: &Reading, change: impl FnOnce(&mut Slot) -> T) -> T {
        let open = || Slot::open(bound, reading);
        self.0.change_or_open(bound.id, open, |slot| {
            if !slot.serves(bound, &reading.now) {
                *slot = open();
            }
            change(slot)
        })
    }
}
