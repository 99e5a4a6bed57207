//! Tests of what becomes of denials that could not be written.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex as Lock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::*;
use crate::{
    domain::{
        denial_sums::{DenialLabel, DenialSeen, DeniedCredential},
        time::{Clock, Timestamp},
        usage::start_of_minute,
    },
    ports::{DenialSheet, Pending, SheetKind, double::StoreDouble},
};

const BEGIN: u32 = 1_000_020;

/// Keeps sheets, and fails in between as it is told to.
#[derive(Default)]
struct Failing {
    failures: Lock<VecDeque<StoreError>>,
    kept: Lock<BTreeMap<DenialPlace, DenialSums>>,
}

impl StoreDouble for Failing {
    fn note(&self, notes: Vec<Note>) -> Pending<'_, ()> {
        Box::pin(async move {
            let failure = self.failures.lock().unwrap().pop_front();
            if let Some(error) =
                failure.clone().filter(|error| !matches!(error, StoreError::OutcomeUnknown(_)))
            {
                return Err(error);
            }
            for note in notes {
                let Note::Denials(sheets) = note else { panic!("{note:?}") };
                self.kept.lock().unwrap().extend(sheets.into_iter().map(|sheet| (sheet.place, sheet.sums)));
            }
            failure.map_or(Ok(()), Err)
        })
    }

    fn denials(&self, filter: DenialFilter, limit: usize) -> Pending<'_, Vec<DenialSheet>> {
        let kept = self.kept.lock().unwrap();
        let matches = |place: &DenialPlace| {
            place.kind == filter.kind && (filter.from..filter.before).contains(&place.start)
        };
        let found = kept.iter().filter(|(place, _)| matches(place)).take(limit);
        let found = found.map(|(place, sums)| DenialSheet { place: *place, sums: sums.clone() }).collect();
        Box::pin(async move { Ok(found) })
    }
}

/// It shows the minute that it is set to.
struct MinuteClock(AtomicU32);

impl Clock for MinuteClock {
    fn wall(&self) -> Timestamp {
        start_of_minute(self.0.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Duration {
        Duration::from_secs(u64::from(self.0.load(Ordering::SeqCst)) * 60)
    }
}

struct Desk {
    store: Arc<Failing>,
    clock: Arc<MinuteClock>,
    ledger: DenialLedger,
}

impl Desk {
    fn new(failures: Vec<StoreError>) -> Self {
        let store = Arc::new(Failing { failures: Lock::new(failures.into()), ..Failing::default() });
        let clock = Arc::new(MinuteClock(AtomicU32::new(BEGIN)));
        let told: Arc<dyn Clock> = Arc::<MinuteClock>::clone(&clock);
        let time = Arc::new(TrustedClock::new(told, None));
        let ledger = DenialLedger::new(Arc::default(), Arc::<Failing>::clone(&store), time);
        Self { store, clock, ledger }
    }

    /// The ledger of another process on the same store.
    fn restarted(&self) -> Self {
        let mut next = Self::new(Vec::new());
        next.store = Arc::clone(&self.store);
        next.ledger.store = Arc::<Failing>::clone(&self.store);
        next
    }

    fn deny(&self, minute: u32, count: usize) {
        for _ in 0..count {
            let label = DenialLabel { door: "grpc".into(), call: "".into(), reason: "KEY_UNKNOWN".into() };
            let credential = DeniedCredential::Unnamed;
            let seen = DenialSeen { label, workspace: None, source: None, credential };
            self.ledger.book.note(start_of_minute(minute), seen);
        }
    }

    /// The minutes that are kept, each with its count.
    fn kept(&self, kind: SheetKind) -> Vec<(u32, u64)> {
        let kept = self.store.kept.lock().unwrap();
        let of_kind = kept.iter().filter(|(place, _)| place.kind == kind);
        of_kind.map(|(place, sums)| (place.start - BEGIN, sums.count())).collect()
    }
}

#[tokio::test]
async fn what_could_not_be_written_is_written_later_and_nothing_counts_twice() {
    // A4
    let unavailable = || StoreError::Unavailable("full".to_owned());
    let unknown = || StoreError::OutcomeUnknown("died".to_owned());
    let desk = Desk::new(vec![unavailable(), unknown(), unknown()]);
    for (minute, is_written) in [(0, false), (1, false), (1, false), (2, true), (2, true)] {
        desk.clock.0.store(BEGIN + minute, Ordering::SeqCst);
        desk.deny(BEGIN + minute, 3);
        assert_eq!(desk.ledger.flush().await.is_ok(), is_written);
    }
    assert_eq!(desk.kept(SheetKind::MinuteTotals), [(0, 3), (1, 6), (2, 6)]);
    assert_eq!(desk.kept(SheetKind::HourNames), [(0, 15)]);

    // One comes late for a minute that is over, and another process goes on with the hour.
    desk.deny(BEGIN, 1);
    desk.ledger.flush().await.unwrap();
    let next = desk.restarted();
    next.deny(BEGIN + 2, 4);
    next.ledger.flush().await.unwrap();
    assert_eq!(next.kept(SheetKind::MinuteTotals), [(0, 4), (1, 6), (2, 10)]);
    assert_eq!(next.kept(SheetKind::HourNames), [(0, 20)]);
}

#[tokio::test]
async fn while_the_store_takes_nothing_denials_wait_and_are_told_and_the_oldest_go_first() {
    // A4, D7
    let minutes = 1_500;
    let desk = Desk::new(vec![StoreError::Unavailable("full".to_owned()); 1_500]);
    for minute in 0..minutes {
        desk.clock.0.store(BEGIN + minute, Ordering::SeqCst);
        desk.deny(BEGIN + minute, 2);
        desk.ledger.flush().await.unwrap_err();
    }
    let all = DenialFilter { kind: SheetKind::MinuteTotals, from: 0, before: u32::MAX, newest_first: true };
    let told = desk.ledger.sheets(all, 10).await.unwrap();
    assert_eq!(told.len(), 1_440, "a day");
    assert_eq!(told[0].0.start, BEGIN + minutes - 1);
    desk.ledger.flush().await.unwrap();
    let kept = desk.kept(SheetKind::MinuteTotals);
    assert_eq!((kept.len(), kept[0]), (1_440, (60, 2)), "the oldest are given up");
    assert_eq!(desk.kept(SheetKind::HourNames).len(), 24);
}
