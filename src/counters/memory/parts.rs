//! Which counts that the process before has kept are in memory: they are read part by part, and what is asked for comes first.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, watch};

use crate::{
    domain::policy::Subject,
    ports::{Bill, PayerPart},
};

/// Parts that are read at once, at first.
const AT_ONCE: usize = 8;

/// Where so few counts came of a step, the next one reads twice as many parts.
const FEW: usize = 256;

/// Where so many came of it, the next one reads half as many: a Check that asks for a part waits for the step that is under way, for
/// those who asked before, and for its own.
const MANY: usize = 2_048;

/// How the reading stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeptReading {
    /// No part is read yet.
    Unbegun,
    /// It goes on.
    UnderWay,
    /// It goes on, and failed the last time.
    Failing,
    /// Every part is read.
    Complete,
}

/// The parts, and whose turn it is.
pub(super) struct KeptParts {
    all: AtomicBool,
    read: Box<[AtomicBool]>,
    /// What is asked for, each once: who asked first comes first.
    asked: Mutex<VecDeque<PayerPart>>,
    /// How many parts the next step reads.
    step: AtomicUsize,
    wanted: Notify,
    reading: watch::Sender<KeptReading>,
}

impl KeptParts {
    /// None is read yet.
    pub(super) fn unread() -> Self {
        Self {
            all: AtomicBool::new(false),
            read: PayerPart::all().map(|_| AtomicBool::new(false)).collect(),
            asked: Mutex::default(),
            step: AtomicUsize::new(AT_ONCE),
            wanted: Notify::new(),
            reading: watch::Sender::new(KeptReading::Unbegun),
        }
    }

    /// Whether everything that was counted of what these bills name is in memory; what is not is read next.
    pub(super) fn cover(&self, bills: &[Bill<'_>]) -> bool {
        if self.all.load(Ordering::Acquire) {
            return true;
        }
        let mut unread = Vec::new();
        for bill in bills {
            for per in [Subject::Key, Subject::Owner, Subject::Workspace] {
                let part = PayerPart::of(&bill.account(per).payer);
                if bill.limits.has(per) && !self.has(part) {
                    unread.push(part);
                }
            }
        }
        if unread.is_empty() {
            return true;
        }
        self.ask(unread);
        false
    }

    /// What is to be read next, behind what others asked for.
    fn ask(&self, unread: Vec<PayerPart>) {
        let mut asked = self.lock();
        for part in unread {
            // Who asked already waits and asks again with each step: it keeps its place.
            if !asked.contains(&part) {
                asked.push_back(part);
            }
        }
        drop(asked);
        self.wanted.notify_one();
    }

    fn has(&self, part: PayerPart) -> bool {
        let place = usize::from(part.number());
        self.read.get(place).is_some_and(|read| read.load(Ordering::Acquire))
    }

    /// What is to be read next: what is asked for, or else what comes next. Nothing where all is read.
    pub(super) fn next(&self) -> Vec<PayerPart> {
        let step = self.step.load(Ordering::Relaxed);
        let mut asked = self.lock();
        asked.retain(|part| !self.has(*part));
        let first = step.min(asked.len());
        if first > 0 {
            return asked.drain(..first).collect();
        }
        drop(asked);
        PayerPart::all().filter(|part| !self.has(*part)).take(step).collect()
    }

    /// Waits until a part is asked for.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// These are in memory, whole: so many counts.
    pub(super) fn took(&self, parts: &[PayerPart], counts: usize) {
        let step = self.step.load(Ordering::Relaxed);
        let next = match counts {
            0..FEW => step.saturating_mul(2),
            FEW..MANY => step,
            MANY.. => step.div_ceil(2),
        };
        self.step.store(next, Ordering::Relaxed);
        for part in parts {
            if let Some(read) = self.read.get(usize::from(part.number())) {
                read.store(true, Ordering::Release);
            }
        }
        self.all.store(PayerPart::all().all(|part| self.has(part)), Ordering::Release);
    }

    /// Who waits for them was told.
    pub(super) fn told(&self) {
        let all = self.all.load(Ordering::Acquire);
        self.reading.send_replace(if all { KeptReading::Complete } else { KeptReading::UnderWay });
    }

    /// Some could not be read.
    pub(super) fn failed(&self) {
        self.reading.send_replace(KeptReading::Failing);
    }

    /// Waits until the first parts are read, or could not be: from then on what is asked for is there soon.
    pub(super) async fn begun(&self) {
        let mut reading = self.reading.subscribe();
        let _gone = reading.wait_for(|reading| *reading != KeptReading::Unbegun).await;
    }

    /// Waits until every part is read; whether they are, or could not be.
    pub(super) async fn complete(&self) -> bool {
        let mut reading = self.reading.subscribe();
        let ended = |reading: &KeptReading| match reading {
            KeptReading::Unbegun | KeptReading::UnderWay => false,
            KeptReading::Failing | KeptReading::Complete => true,
        };
        let ended = reading.wait_for(ended).await;
        ended.is_ok_and(|reading| *reading == KeptReading::Complete)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<PayerPart>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u16) -> PayerPart {
        PayerPart::numbered(number.into()).unwrap()
    }

    fn read(parts: &KeptParts, counts: usize) -> Vec<u16> {
        let next = parts.next();
        parts.took(&next, counts);
        next.into_iter().map(PayerPart::number).collect()
    }

    #[test]
    fn who_asks_first_is_served_first_and_a_step_takes_few_counts() {
        let parts = KeptParts::unread();
        assert_eq!(read(&parts, 16_000), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(read(&parts, 8_000), [8, 9, 10, 11]);
        assert_eq!(read(&parts, 4_000), [12, 13]);
        parts.ask(vec![part(900), part(800)]);
        parts.ask(vec![part(700), part(900), part(3)]);
        assert_eq!(read(&parts, 2_000), [900], "nobody waits for what others asked for later");
        parts.ask(vec![part(800)]);
        assert_eq!(read(&parts, 2_000), [800], "who asks again keeps the place");
        assert_eq!(read(&parts, 0), [700]);
        assert_eq!(read(&parts, 2_000), [14, 15], "what was read is not read again");
    }

    #[test]
    fn where_few_are_counted_all_is_read_in_some_steps() {
        let parts = KeptParts::unread();
        let steps = (1..100).find(|_| read(&parts, 10).is_empty()).unwrap();
        assert_eq!(steps, 9);
        parts.told();
        assert_eq!(*parts.reading.borrow(), KeptReading::Complete);
    }
}
