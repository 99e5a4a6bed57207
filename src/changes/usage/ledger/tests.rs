//! Tests of what becomes of counts that could not be written.

use std::{collections::VecDeque, sync::Mutex as Lock};

use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    domain::{
        policy::TierSet,
        time::{Clock, Timestamp},
        usage::ALLOWED,
    },
    judge::usage::book::tests::{hour, key, policy},
    ports::{Pending, double::StoreDouble},
};

/// Keeps what it is told to, and fails in between as it is told to.
#[derive(Default)]
struct Fickle {
    failures: Lock<VecDeque<StoreError>>,
    kept: Lock<Vec<Vec<Note>>>,
    news: Notify,
}

impl StoreDouble for Fickle {
    fn note(&self, notes: Vec<Note>) -> Pending<'_, ()> {
        Box::pin(async move {
            if let Some(error) = self.failures.lock().unwrap().pop_front() {
                return Err(error);
            }
            self.kept.lock().unwrap().push(notes);
            self.news.notify_one();
            Ok(())
        })
    }
}

struct Still;

impl Clock for Still {
    fn wall(&self) -> Timestamp {
        hour(i64::from(MAX_HOURS) + 7)
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

fn ledger(failures: Vec<StoreError>) -> (Arc<Fickle>, Arc<UsageLedger>) {
    let store = Arc::new(Fickle { failures: Lock::new(failures.into()), ..Fickle::default() });
    let port: Arc<dyn KeyStore> = Arc::<Fickle>::clone(&store);
    (
        store,
        Arc::new(UsageLedger::new(Arc::default(), port, Arc::new(TrustedClock::new(Arc::new(Still), None)))),
    )
}

fn count(ledger: &UsageLedger, hours: std::ops::Range<i64>) {
    let policy = policy(1, &["default"]);
    let key_of = |at| key(usize::try_from(at).unwrap());
    hours.for_each(|at| ledger.book.note(&policy, key_of(at), hour(at), TierSet::only(0), ALLOWED, 2));
}

/// The hours, Checks and costs that were kept, and the batches' lengths without the notes of what is too old.
fn kept(store: &Fickle) -> (Vec<(u32, u64, u64)>, Vec<usize>) {
    let batches = store.kept.lock().unwrap();
    let (mut rows, mut lengths) = (Vec::new(), Vec::new());
    for batch in &*batches {
        let [Note::Usage(usage), Note::UsageBefore(7)] = &batch[..] else { panic!("{batch:?}") };
        rows.extend(usage.iter().map(|row| (row.hour, row.checks, row.cost)));
        lengths.push(usage.len());
    }
    rows.sort_unstable();
    (rows, lengths)
}

fn refusal() -> StoreError {
    StoreError::Unavailable("the disk is full".to_owned())
}

#[tokio::test]
async fn what_could_not_be_written_is_kept_and_written_once() {
    // A4, D7
    let (store, ledger) = ledger(vec![refusal(), refusal()]);
    count(&ledger, 10..12);
    assert_eq!(ledger.flush().await, Err(refusal()));
    count(&ledger, 11..13);
    assert_eq!(ledger.flush().await, Err(refusal()));
    assert_eq!(kept(&store).0, []);
    ledger.flush().await.unwrap();
    ledger.flush().await.unwrap();
    assert_eq!(kept(&store), (vec![(10, 1, 2), (11, 2, 4), (12, 1, 2)], vec![3]));
}

#[tokio::test]
async fn what_may_be_written_is_not_written_again() {
    // A4
    let unknown = StoreError::OutcomeUnknown("the commit failed".to_owned());
    let (store, ledger) = ledger(vec![unknown.clone()]);
    count(&ledger, 0..6_000);
    assert_eq!(ledger.flush().await, Err(unknown));
    ledger.flush().await.unwrap();
    let (rows, batches) = kept(&store);
    assert_eq!((rows.first(), batches), (Some(&(4_096, 1, 2)), vec![1_904]));
}

#[tokio::test]
async fn a_write_is_short_so_that_no_change_waits_for_long() {
    // D7
    let (store, ledger) = ledger(Vec::new());
    count(&ledger, 0..10_000);
    ledger.flush().await.unwrap();
    assert_eq!(kept(&store).1, [4_096, 4_096, 1_808]);
}

#[tokio::test]
async fn counts_are_written_each_second_and_all_of_them_at_the_end() {
    // A4
    let (store, ledger) = ledger(vec![refusal()]);
    let (stop, stopped) = watch::channel(false);
    count(&ledger, 10..11);
    let running = tokio::spawn(Arc::clone(&ledger).run(stopped));
    store.news.notified().await;
    assert_eq!(kept(&store).0, [(10, 1, 2)]);
    count(&ledger, 10..11);
    stop.send_replace(true);
    running.await.unwrap();
    assert_eq!(kept(&store).0, [(10, 1, 2), (10, 1, 2)]);
}

#[tokio::test(start_paused = true)]
async fn however_many_rows_there_are_they_wait_for_a_second() {
    // A4
    let (store, ledger) = ledger(Vec::new());
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(Arc::clone(&ledger).run(stopped));
    sleep(Duration::from_millis(250)).await;
    let mut written = 0;
    for rows in [4_096, 4_097, 10_000, 1] {
        count(&ledger, 0..rows);
        sleep(Duration::from_millis(500)).await;
        assert_eq!(kept(&store).0.len(), written, "{rows} rows before their time");
        sleep(Duration::from_millis(500)).await;
        written += usize::try_from(rows).unwrap();
        assert_eq!(kept(&store).0.len(), written, "{rows} rows");
    }
}

#[tokio::test]
async fn a_shard_that_fills_up_does_not_wait_until_its_time_comes() {
    // D7
    let (store, ledger) = ledger(Vec::new());
    let policy = policy(1, &["default"]);
    let note = |number| ledger.book.note(&policy, key(number), hour(7), TierSet::only(0), ALLOWED, 1);
    (0..114_687).for_each(note);
    let soon = timeout(Duration::ZERO, ledger.book.filling()).await;
    assert!(soon.is_err());
    note(114_687);
    ledger.book.filling().await;
    ledger.flush().await.unwrap();
    assert_eq!(kept(&store).0.len(), 114_688);
}

#[tokio::test]
async fn old_usage_is_looked_for_where_nothing_is_written() {
    // D7
    let (store, ledger) = ledger(Vec::new());
    ledger.forget().await;
    assert_eq!(kept(&store), (Vec::new(), vec![0]));
}
