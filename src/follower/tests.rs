//! Which errors of a store the follower outlives, and which end it.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

use super::*;
use crate::{
    domain::{revision::Revision, time::Steady},
    ports::{Lease, Pending, double::StoreDouble},
};

/// Answers one after the other: what is new, and everything.
struct Script {
    changes: Mutex<VecDeque<Result<View, StoreError>>>,
    loads: Mutex<VecDeque<Result<Revision, StoreError>>>,
    revisions: watch::Sender<Revision>,
    freshness: watch::Sender<Freshness>,
}

type Answers = Vec<Result<u64, StoreError>>;

fn view(answer: Result<u64, StoreError>) -> Result<View, StoreError> {
    answer.map(|revision| View { revision: Some(Revision(revision)), ..View::default() })
}

impl Script {
    fn new(changes: Answers, loads: Answers) -> Arc<Self> {
        Arc::new(Self {
            changes: Mutex::new(changes.into_iter().map(view).collect()),
            loads: Mutex::new(loads.into_iter().map(|answer| answer.map(Revision)).collect()),
            revisions: watch::Sender::new(Revision(9)),
            freshness: watch::Sender::new(Freshness::FOREVER),
        })
    }
}

fn next<T: Send + 'static>(answers: &Mutex<VecDeque<Result<T, StoreError>>>) -> Pending<'_, T> {
    let answer = answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    Box::pin(async move { answer.expect("it is asked no more than it has answers") })
}

impl StoreDouble for Script {
    fn load(&self, _: Arc<dyn ViewSink>) -> Pending<'_, Revision> {
        next(&self.loads)
    }

    fn changes_after(&self, _: Revision) -> Pending<'_, View> {
        next(&self.changes)
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.revisions.subscribe()
    }

    fn freshness(&self) -> watch::Receiver<Freshness> {
        self.freshness.subscribe()
    }
}

fn unreachable() -> StoreError {
    StoreError::Unreachable("it is failing over".to_owned())
}

fn busy() -> StoreError {
    StoreError::Unavailable("no reader is free".to_owned())
}

/// Follows to the end of the script, which must be an error.
async fn followed(changes: Answers, loads: Answers) -> (u64, StoreError) {
    let (script, index) = (Script::new(changes, loads), Arc::new(Index::default()));
    let follower = Follower::new(script, Arc::clone(&index), Handle::current());
    let ended = follower.run().await.unwrap_err();
    (index.revision().0, ended)
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_over_is_asked_until_it_answers() {
    // V1
    let corrupt = || StoreError::Corrupt("the log has a hole".to_owned());
    let changes = vec![Err(unreachable()), Ok(3), Err(busy()), Err(unreachable()), Ok(7), Err(corrupt())];
    assert_eq!(followed(changes, Vec::new()).await, (7, corrupt()));
    let (too_old, loads) = (|| Err(StoreError::TooOld), vec![Err(unreachable()), Ok(8)]);
    assert_eq!(followed(vec![too_old(), too_old(), Err(corrupt())], loads).await, (8, corrupt()));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_followed_ends_the_follower() {
    // V1
    for error in [
        StoreError::Conflict,
        StoreError::Sealed("the disk is gone".to_owned()),
        StoreError::WrittenByOthers("somebody else wrote"),
        StoreError::OutcomeUnknown("the commit failed".to_owned()),
        StoreError::Corrupt("the log has a hole".to_owned()),
    ] {
        assert_eq!(followed(vec![Ok(2), Err(error.clone())], Vec::new()).await, (2, error));
    }
    // What is here is too old, and there is nothing to take its place.
    for error in [busy(), StoreError::TooOld, StoreError::Corrupt("a row".to_owned())] {
        assert_eq!(followed(vec![Err(StoreError::TooOld)], vec![Err(error.clone())]).await, (0, error));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_held_once_the_view_has_what_it_is_of() {
    // V1
    let (script, index) = (Script::new(vec![Ok(9)], vec![Ok(5)]), Arc::new(Index::default()));
    let until = |ms| Lease::Until(Steady::from_ms(ms));
    let fresh = |revision, valid_until| Freshness { revision: Revision(revision), valid_until };
    script.freshness.send_replace(fresh(5, until(1_000)));
    let store: Arc<dyn KeyStore> = Arc::<Script>::clone(&script);
    let follower = Follower::new(store, Arc::clone(&index), Handle::current());
    assert_eq!(index.lease(), Lease::Forever);
    follower.load().await.unwrap();
    assert_eq!(index.lease(), until(1_000));
    let running = tokio::spawn(follower.run());
    index.reached(Revision(9)).await.unwrap();
    let settle = || tokio::time::sleep(RETRY_AFTER);
    for (revision, given, held) in [(9, 2_000, 2_000), (10, 3_000, 2_000), (9, 4_000, 4_000)] {
        script.freshness.send_replace(fresh(revision, until(given)));
        settle().await;
        assert_eq!(index.lease(), until(held), "{revision}");
    }
    running.abort();
}

#[test]
fn a_lease_ends_at_its_time_and_not_before() {
    let at = |ms| move || Steady::from_ms(ms);
    let lease = Lease::Until(Steady::from_ms(1_000));
    assert!(lease.holds(at(999)) && !lease.holds(at(1_000)) && !lease.holds(at(i64::MAX)));
    assert!(Lease::Forever.holds(|| panic!("no clock is read")));
}
