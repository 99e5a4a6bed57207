//! What everything that permits are taken of must do. A back end takes part by a [`Backend`] and a line at the end.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod store_support;

use std::sync::Arc;

use keyward::{
    domain::time::{Now, Steady},
    ports::{CountName, GiveBack, KeptCount, Permits, PermitsFound, ReplicaId, StoreError, Take},
};
use store_support::{Place, at};

const ONLY: ReplicaId = ReplicaId::ONLY;

/// A back end under test, in an empty place of its own.
trait Backend: Send + Sync {
    fn new() -> Self;

    /// A process begins to count; those before are gone, as after `kill -9` unless they said that they end.
    fn open(&self) -> Arc<dyn Permits>;

    /// Nothing can be written any more, until the place is opened anew.
    fn break_it(&self);

    /// What broke it is gone.
    fn mend(&self);
}

struct Sqlite(Place);

impl Backend for Sqlite {
    fn new() -> Self {
        Self(Place::new())
    }

    fn open(&self) -> Arc<dyn Permits> {
        Arc::new(self.0.open())
    }

    fn break_it(&self) {
        std::fs::rename(self.0.database(), self.0.database().with_extension("gone")).unwrap();
    }

    fn mend(&self) {
        std::fs::rename(self.0.database().with_extension("gone"), self.0.database()).unwrap();
    }
}

macro_rules! contract {
    ($backend:ident, $module:ident: $($name:ident,)*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name::<super::$backend>().await;
                }
            )*
        }
    };
}

contract! {
    Sqlite, sqlite:
    counts_are_kept_as_they_were_taken,
    who_stops_without_an_end_is_known_for_it,
    the_start_after_a_crash_is_kept_beside_the_counts,
    what_is_given_back_is_kept_without_the_rest,
    a_list_is_taken_as_a_whole_or_not_at_all,
    one_unit_or_all_of_a_limit_can_be_taken,
    a_replica_that_cannot_count_here_takes_nothing,
}

fn name(payer: &str, limit: &str) -> CountName {
    CountName { payer: payer.to_owned(), limit: limit.to_owned() }
}

fn take(payer: &str, limit: &str, state: &[u8], units: u64) -> Take {
    Take { count: name(payer, limit), state: state.to_vec(), units }
}

fn back(payer: &str, limit: &str, state: Option<&[u8]>) -> GiveBack {
    GiveBack { count: name(payer, limit), state: state.map(<[u8]>::to_vec) }
}

fn kept(payer: &str, limit: &str, state: &[u8]) -> KeptCount {
    KeptCount { count: name(payer, limit), state: state.to_vec() }
}

async fn taken(permits: &dyn Permits) -> PermitsFound {
    let mut taken = permits.taken(ONLY).await.unwrap();
    taken.counts.sort_by(|one, other| one.count.cmp(&other.count));
    taken
}

async fn counts_are_kept_as_they_were_taken<B: Backend>() {
    // L10
    let place = B::new();
    let permits = place.open();
    let nothing = PermitsFound { counts: Vec::new(), in_order: true, crash: None };
    assert_eq!(taken(&*permits).await, nothing, "nothing was ever counted");
    let first = vec![take("a", "x", b"1", 16), take("a", "y", b"2", 1), take("b", "x", b"3", 7)];
    assert_eq!(permits.take(ONLY, first).await.unwrap(), [16, 1, 7], "in the order of the list");
    assert_eq!(permits.take(ONLY, vec![take("a", "x", b"4", 50)]).await.unwrap(), [50]);
    permits.give_back(ONLY, vec![back("b", "x", None), back("c", "x", None)]).await.unwrap();
    permits.end(ONLY, None).await.unwrap();
    drop(permits);
    let permits = place.open();
    let counts = vec![kept("a", "x", b"4"), kept("a", "y", b"2")];
    assert_eq!(taken(&*permits).await, PermitsFound { counts, in_order: true, crash: None });
    permits.begin(ONLY).await.unwrap();
    assert!(!taken(&*permits).await.in_order);
}

async fn who_stops_without_an_end_is_known_for_it<B: Backend>() {
    // L10
    let place = B::new();
    let permits = place.open();
    permits.begin(ONLY).await.unwrap();
    permits.take(ONLY, vec![take("a", "x", b"1", 16)]).await.unwrap();
    drop(permits);
    for _process in 0..2 {
        let permits = place.open();
        let counts = vec![kept("a", "x", b"1")];
        let after_a_crash = PermitsFound { counts, in_order: false, crash: None };
        assert_eq!(taken(&*permits).await, after_a_crash);
        permits.begin(ONLY).await.unwrap();
        permits.begin(ONLY).await.unwrap();
    }
    let permits = place.open();
    permits.end(ONLY, None).await.unwrap();
    assert!(taken(&*permits).await.in_order);
}

async fn the_start_after_a_crash_is_kept_beside_the_counts<B: Backend>() {
    // L10
    let place = B::new();
    let permits = place.open();
    let started = |ms| Now { time: at(ms), steady: Steady::from_ms(-ms) };
    permits.take(ONLY, vec![take("a", "x", b"1", 16)]).await.unwrap();
    permits.end(ONLY, Some(started(1_767_225_600_000))).await.unwrap();
    drop(permits);
    let permits = place.open();
    let counts = vec![kept("a", "x", b"1")];
    let found = PermitsFound { counts, in_order: true, crash: Some(started(1_767_225_600_000)) };
    assert_eq!(taken(&*permits).await, found);
    permits.end(ONLY, None).await.unwrap();
    assert_eq!(taken(&*permits).await, found, "until there is another");
    permits.end(ONLY, Some(started(1_767_225_700_000))).await.unwrap();
    assert_eq!(taken(&*permits).await.crash, Some(started(1_767_225_700_000)));
}

async fn what_is_given_back_is_kept_without_the_rest<B: Backend>() {
    let place = B::new();
    let permits = place.open();
    permits.begin(ONLY).await.unwrap();
    let list = vec![take("a", "x", b"used 3, may use 13", 16), take("b", "x", b"all of it", 16)];
    permits.take(ONLY, list).await.unwrap();
    permits.give_back(ONLY, vec![back("a", "x", Some(b"used 3")), back("b", "x", None)]).await.unwrap();
    drop(permits);
    let permits = place.open();
    assert_eq!(taken(&*permits).await.counts, [kept("a", "x", b"used 3")]);
}

async fn a_list_is_taken_as_a_whole_or_not_at_all<B: Backend>() {
    // D1, D4
    let place = B::new();
    let permits = place.open();
    permits.begin(ONLY).await.unwrap();
    permits.take(ONLY, vec![take("a", "x", b"1", 16)]).await.unwrap();
    place.break_it();
    let list = || vec![take("a", "x", b"2", 16), take("b", "x", b"3", 16)];
    assert!(permits.take(ONLY, list()).await.is_err());
    assert!(permits.give_back(ONLY, vec![back("a", "x", None)]).await.is_err());
    assert!(permits.begin(ONLY).await.is_err() && permits.end(ONLY, None).await.is_err());
    drop(permits);
    place.mend();
    let permits = place.open();
    let before = PermitsFound { counts: vec![kept("a", "x", b"1")], in_order: false, crash: None };
    assert_eq!(taken(&*permits).await, before);
}

async fn one_unit_or_all_of_a_limit_can_be_taken<B: Backend>() {
    let place = B::new();
    let permits = place.open();
    assert_eq!(permits.take(ONLY, Vec::new()).await.unwrap(), Vec::<u64>::new());
    let list = vec![take("a", "x", b"", 0), take("b", "x", b"1", 1), take("c", "x", b"2", 1_000_000_000_000)];
    assert_eq!(permits.take(ONLY, list).await.unwrap(), [0, 1, 1_000_000_000_000]);
}

async fn a_replica_that_cannot_count_here_takes_nothing<B: Backend>() {
    let place = B::new();
    let permits = place.open();
    permits.take(ONLY, vec![take("a", "x", b"1", 16)]).await.unwrap();
    let other = ReplicaId::numbered(1);
    assert_ne!(other, ONLY);
    let refused = [
        permits.taken(other).await.map(drop),
        permits.begin(other).await,
        permits.take(other, vec![take("a", "x", b"2", 16)]).await.map(drop),
        permits.give_back(other, vec![back("a", "x", None)]).await,
        permits.end(other, Some(Now { time: at(1), steady: Steady::from_ms(1) })).await,
    ];
    for (call, refused) in refused.into_iter().enumerate() {
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{call}: {refused:?}");
    }
    let before = PermitsFound { counts: vec![kept("a", "x", b"1")], in_order: true, crash: None };
    assert_eq!(taken(&*permits).await, before);
}

#[tokio::test]
async fn permits_are_stored_as_they_ever_were() {
    // D8: what an older binary left is read, and the other way round
    let place = Place::new();
    let permits: Arc<dyn Permits> = Arc::new(place.open());
    permits.take(ONLY, vec![take("key_1", "all/day/key/day", &[1, 2, 3], 16)]).await.unwrap();
    let started = Now { time: at(0x0102_0304), steady: Steady::from_ms(-2) };
    permits.end(ONLY, Some(started)).await.unwrap();
    drop(permits);
    let database = rusqlite::Connection::open(place.database()).unwrap();
    let rows = || -> Vec<(String, String, Vec<u8>)> {
        let mut select = database.prepare("SELECT subject, limit_id, state FROM counts ORDER BY 1").unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let start = [[4, 3, 2, 1, 0, 0, 0, 0], [254, 255, 255, 255, 255, 255, 255, 255]].concat();
    let of =
        |subject: &str, limit: &str, state: &[u8]| (subject.to_owned(), limit.to_owned(), state.to_vec());
    assert_eq!(rows(), [of("", "unclean", &start), of("key_1", "all/day/key/day", &[1, 2, 3])]);
    let complete = "SELECT value FROM meta WHERE name = 'counts_complete'";
    assert_eq!(database.query_row(complete, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}
