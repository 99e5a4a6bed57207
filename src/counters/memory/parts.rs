//! Which counts that the process before has kept are in memory: they are read part by part, and what is asked for comes first.

use std::{
    collections::BTreeSet,
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

/// Parts that are read at once where nobody asks for one, at first: a Check that asks waits for no more than these.
const AT_ONCE: usize = 8;

/// Where so few counts came of a step, the next one reads twice as many parts.
const FEW: usize = 256;

/// How the reading stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeptReading {
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
    asked: Mutex<BTreeSet<PayerPart>>,
    /// How many parts the next step reads where nobody asks.
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
            reading: watch::Sender::new(KeptReading::UnderWay),
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
        self.lock().extend(unread);
        self.wanted.notify_one();
        false
    }

    fn has(&self, part: PayerPart) -> bool {
        let place = usize::from(part.number());
        self.read.get(place).is_some_and(|read| read.load(Ordering::Acquire))
    }

    /// What is to be read next: what is asked for, or else what comes next. Nothing where all is read.
    pub(super) fn next(&self) -> Vec<PayerPart> {
        let asked: Vec<_> =
            std::mem::take(&mut *self.lock()).into_iter().filter(|part| !self.has(*part)).collect();
        if !asked.is_empty() {
            return asked;
        }
        PayerPart::all().filter(|part| !self.has(*part)).take(self.step.load(Ordering::Relaxed)).collect()
    }

    /// Waits until a part is asked for.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// These are in memory, whole: so many counts.
    pub(super) fn took(&self, parts: &[PayerPart], counts: usize) {
        let step = self.step.load(Ordering::Relaxed);
        let next = if counts < FEW { step.saturating_mul(2) } else { AT_ONCE };
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

    /// Waits until every part is read; whether they are, or could not be.
    pub(super) async fn complete(&self) -> bool {
        let mut reading = self.reading.subscribe();
        let ended = reading.wait_for(|reading| *reading != KeptReading::UnderWay).await;
        ended.is_ok_and(|reading| *reading == KeptReading::Complete)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<PayerPart>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
