//! Last uses that are not written yet, in the order in which they came: what is noted costs the next write, and no look at
//! keys that nobody used.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{domain::id::KeyId, ports::LastUse};

const PARTS: usize = 64;

/// The most that wait, some 64 MiB (D7).
const MOST: usize = 1 << 20;

/// From so many on, each user waits once: they pile up, because they cannot be written.
const MANY: usize = MOST / 4;

/// What waits to be written.
pub(super) struct Journal {
    /// By key, so that Checks on several cores seldom wait for each other.
    parts: Box<[JournalPart]>,
    /// What was taken out of the parts and is not known to be written. Taken before the lock of a part.
    taken: Mutex<VecDeque<LastUse>>,
    /// How many wait in all.
    count: AtomicUsize,
}

/// A part with cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct JournalPart(Mutex<Vec<LastUse>>);

impl Default for Journal {
    fn default() -> Self {
        let parts = (0..PARTS).map(|_| JournalPart::default()).collect();
        Self { parts, taken: Mutex::default(), count: AtomicUsize::new(0) }
    }
}

impl Journal {
    /// Whether nothing more can wait.
    pub(super) fn is_full(&self) -> bool {
        self.count.load(Ordering::Relaxed) >= MOST
    }

    pub(super) fn note(&self, last: LastUse) {
        let [.., byte] = last.key.to_bytes();
        let Some(part) = self.parts.get(usize::from(byte) % PARTS) else { return };
        part.lock().push(last);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The oldest that wait, so many at the most.
    pub(super) fn first(&self, most: usize) -> Vec<LastUse> {
        let mut taken = self.taken();
        for part in &self.parts {
            let news = std::mem::take(&mut *part.lock());
            taken.extend(news);
        }
        if taken.len() >= MANY {
            self.bring_together(&mut taken);
        }
        taken.iter().take(most).copied().collect()
    }

    /// So many of the oldest are written.
    pub(super) fn wrote(&self, count: usize) {
        let mut taken = self.taken();
        let gone = count.min(taken.len());
        drop(taken.drain(..gone));
        if taken.is_empty() {
            *taken = VecDeque::new();
        }
        self.count.fetch_sub(gone, Ordering::Relaxed);
    }

    /// What waits of these keys.
    pub(super) fn of(&self, keys: &HashSet<KeyId>) -> Vec<LastUse> {
        // Held throughout: what is taken out meanwhile would be seen nowhere.
        let taken = self.taken();
        let is_asked = |last: &&LastUse| keys.contains(&last.key);
        let mut found: Vec<_> = taken.iter().filter(is_asked).copied().collect();
        for part in &self.parts {
            found.extend(part.lock().iter().filter(is_asked));
        }
        found
    }

    /// Of several uses by one user the newest alone.
    fn bring_together(&self, taken: &mut VecDeque<LastUse>) {
        let mut all = Vec::from(std::mem::take(taken));
        let before = all.len();
        let user = |last: &LastUse| (last.key, last.generation, last.caller, last.address);
        all.sort_unstable_by_key(|last| (user(last), std::cmp::Reverse(last.time)));
        all.dedup_by_key(|last| user(last));
        self.count.fetch_sub(before.saturating_sub(all.len()), Ordering::Relaxed);
        *taken = all.into();
    }

    fn taken(&self) -> MutexGuard<'_, VecDeque<LastUse>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JournalPart {
    fn lock(&self) -> MutexGuard<'_, Vec<LastUse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{key::tests::at, time::Timestamp};

    fn last(key: u8, time: i64) -> LastUse {
        let key = KeyId::from_bytes([key; 16]);
        LastUse { key, generation: 1, caller: None, address: None, time: at(time) }
    }

    fn seen(journal: &Journal, key: u8) -> Vec<Timestamp> {
        let of = journal.of(&[KeyId::from_bytes([key; 16])].into());
        of.into_iter().map(|last| last.time).collect()
    }

    #[test]
    fn what_waits_is_seen_until_it_is_written() {
        let journal = Journal::default();
        for (key, time) in [(1, 1), (2, 2), (1, 3)] {
            journal.note(last(key, time));
        }
        assert_eq!((seen(&journal, 1), seen(&journal, 3)), (vec![at(1), at(3)], vec![]));
        assert_eq!(journal.first(2).len(), 2);
        assert_eq!(seen(&journal, 1).len(), 2, "what was taken is not written yet");
        journal.wrote(2);
        assert_eq!(seen(&journal, 1).len() + seen(&journal, 2).len(), 1);
        journal.wrote(journal.first(usize::MAX).len());
        assert_eq!((journal.first(1).len(), journal.is_full()), (0, false));
    }

    #[test]
    fn while_nothing_is_written_each_user_waits_once_and_no_more_than_there_is_room_for() {
        // D7
        let journal = Journal::default();
        for time in 1..=3 {
            (0..MANY).for_each(|_| journal.note(last(7, time)));
            journal.note(last(8, time));
            assert_eq!(journal.first(usize::MAX).len(), 2);
        }
        assert_eq!((seen(&journal, 7), seen(&journal, 8)), (vec![at(3)], vec![at(3)]));
        assert_eq!(journal.count.load(Ordering::Relaxed), 2);
        (2..MOST).for_each(|_| journal.note(last(0, 6)));
        assert!(journal.is_full());
        journal.wrote(journal.first(usize::MAX).len());
        assert!(!journal.is_full());
    }
}
