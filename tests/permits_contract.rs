//! What everything that permits are taken of must do. A back end takes part by a [`Backend`] and a line at the end.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod store_support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use keyward::{
    domain::{
        id::KeyId,
        time::{Now, Steady},
    },
    ports::{
        CountName, CountSink, GiveBack, PackedCounts, Payer, PayerPart, Permits, PermitsFound, ReplicaId,
        StoreError, Take,
    },
};
use store_support::{BACK_TO_SCHEMA_8, Place, at};

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
    what_is_kept_stands_in_the_place_of_what_was_kept_of_the_same_count,
    counts_are_read_by_part,
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

/// Each count, by its name, with its state.
type Counts = Vec<(CountName, Vec<u8>)>;

fn kept(payer: &str, limit: &str, state: &[u8]) -> (CountName, Vec<u8>) {
    (name(payer, limit), state.to_vec())
}

/// Keeps every count that it is shown, each once.
#[derive(Default)]
struct Shown(Mutex<BTreeMap<CountName, Vec<u8>>>);

impl CountSink for Shown {
    fn take(&self, payer: &Payer<'_>, limit: &str, state: &[u8]) {
        let twice = self.0.lock().unwrap().insert(name(&payer.text(), limit), state.to_vec());
        assert_eq!(twice, None, "{payer} {limit}");
    }
}

/// The counts of these parts, in their order.
async fn counts_in(permits: &dyn Permits, parts: impl IntoIterator<Item = PayerPart>) -> Counts {
    let shown = Arc::new(Shown::default());
    let sink: Arc<dyn CountSink> = Arc::<Shown>::clone(&shown);
    let kept = permits.kept(ONLY).await.unwrap();
    kept.show(parts.into_iter().collect(), sink).await.unwrap();
    let counts = std::mem::take(&mut *shown.0.lock().unwrap());
    counts.into_iter().collect()
}

/// Every count, and how the counting ended.
async fn taken(permits: &dyn Permits) -> (Counts, PermitsFound) {
    (counts_in(permits, PayerPart::all()).await, permits.taken(ONLY).await.unwrap())
}

async fn counts_are_kept_as_they_were_taken<B: Backend>() {
    // L10
    let place = B::new();
    let permits = place.open();
    let nothing = PermitsFound { in_order: true, crash: None };
    assert_eq!(taken(&*permits).await, (Vec::new(), nothing), "nothing was ever counted");
    let first = vec![take("a", "x", b"1", 16), take("a", "y", b"2", 1), take("b", "x", b"3", 7)];
    assert_eq!(permits.take(ONLY, first).await.unwrap(), [16, 1, 7], "in the order of the list");
    assert_eq!(permits.take(ONLY, vec![take("a", "x", b"4", 50)]).await.unwrap(), [50]);
    permits.give_back(ONLY, vec![back("b", "x", None), back("c", "x", None)]).await.unwrap();
    drop(permits);
    let permits = place.open();
    let counts = vec![kept("a", "x", b"4"), kept("a", "y", b"2")];
    assert_eq!(taken(&*permits).await.0, counts);
    permits.begin(ONLY).await.unwrap();
    assert!(!taken(&*permits).await.1.in_order);
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
        let after_a_crash = PermitsFound { in_order: false, crash: None };
        assert_eq!(taken(&*permits).await, (vec![kept("a", "x", b"1")], after_a_crash));
        permits.begin(ONLY).await.unwrap();
        permits.begin(ONLY).await.unwrap();
    }
    let permits = place.open();
    permits.end(ONLY, None).await.unwrap();
    assert!(taken(&*permits).await.1.in_order);
}

async fn the_start_after_a_crash_is_kept_beside_the_counts<B: Backend>() {
    // L10
    let place = B::new();
    let permits = place.open();
    let started = |ms| Now { time: at(ms), steady: Steady::from_ms(-ms) };
    permits.take(ONLY, vec![take("a", "x", b"1", 16)]).await.unwrap();
    permits.keep(ONLY, packed(&[("a", "x", b"1")])).await.unwrap();
    permits.end(ONLY, Some(started(1_767_225_600_000))).await.unwrap();
    drop(permits);
    let permits = place.open();
    let counts = vec![kept("a", "x", b"1")];
    let found = PermitsFound { in_order: true, crash: Some(started(1_767_225_600_000)) };
    assert_eq!(taken(&*permits).await, (counts.clone(), found.clone()));
    permits.end(ONLY, None).await.unwrap();
    assert_eq!(taken(&*permits).await, (counts, found), "until there is another");
    permits.end(ONLY, Some(started(1_767_225_700_000))).await.unwrap();
    assert_eq!(taken(&*permits).await.1.crash, Some(started(1_767_225_700_000)));
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
    assert_eq!(taken(&*permits).await.0, [kept("a", "x", b"used 3")]);
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
    let before = PermitsFound { in_order: false, crash: None };
    assert_eq!(taken(&*permits).await, (vec![kept("a", "x", b"1")], before));
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
        permits.kept(other).await.map(drop),
        permits.keep(other, packed(&[("a", "x", b"2")])).await,
        permits.begin(other).await,
        permits.take(other, vec![take("a", "x", b"2", 16)]).await.map(drop),
        permits.give_back(other, vec![back("a", "x", None)]).await,
        permits.end(other, Some(Now { time: at(1), steady: Steady::from_ms(1) })).await,
    ];
    for (call, refused) in refused.into_iter().enumerate() {
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{call}: {refused:?}");
    }
    let before = PermitsFound { in_order: true, crash: None };
    assert_eq!(taken(&*permits).await, (vec![kept("a", "x", b"1")], before));
}

fn packed(counts: &[(&str, &str, &[u8])]) -> PackedCounts {
    let mut packed = PackedCounts::default();
    for (payer, limit, state) in counts {
        packed.push(&Payer::stored_under(payer), &Arc::from(*limit), state);
    }
    packed
}

async fn what_is_kept_stands_in_the_place_of_what_was_kept_of_the_same_count<B: Backend>() {
    // L10
    let place = B::new();
    let permits = place.open();
    permits.begin(ONLY).await.unwrap();
    let key = KeyId::from_bytes([0xAB; 16]).to_text();
    assert_ne!(PayerPart::of(&Payer::stored_under("a")), PayerPart::of(&Payer::stored_under("b")));
    let list = vec![take("a", "x", b"1", 16), take("b", "x", b"over", 16), take(&key, "x", b"2", 16)];
    permits.take(ONLY, list).await.unwrap();
    permits.take(ONLY, vec![take(&key, "y", b"over too", 16)]).await.unwrap();
    permits
        .keep(ONLY, packed(&[("a", "x", b"as it is"), (&key, "x", b"3"), (&key, "z", b"4")]))
        .await
        .unwrap();
    drop(permits);
    let permits = place.open();
    let crashed = PermitsFound { in_order: false, crash: None };
    let (counts, found) = taken(&*permits).await;
    assert_eq!(found, crashed, "it was cut off before its end");
    assert!(counts.contains(&kept("b", "x", b"over")) && counts.contains(&kept("a", "x", b"as it is")));
    // What was taken since counts for itself.
    permits.take(ONLY, vec![take(&key, "x", b"5", 16)]).await.unwrap();
    let of_key = || counts_in(&*permits, [PayerPart::of(&Payer::stored_under(&key))]);
    assert_eq!(of_key().await, [kept(&key, "x", b"5"), kept(&key, "y", b"over too"), kept(&key, "z", b"4")]);
    permits.keep(ONLY, packed(&[("a", "x", b"as it is"), (&key, "x", b"6")])).await.unwrap();
    let over = |payer: &str, limit: &str| GiveBack {
        count: CountName { payer: payer.to_owned(), limit: limit.to_owned() },
        state: None,
    };
    let mut gone = vec![over("b", "x"), over(&key, "y")];
    gone.sort_by(|one, other| one.count.cmp(&other.count));
    permits.give_back(ONLY, gone).await.unwrap();
    permits.end(ONLY, None).await.unwrap();
    drop(permits);
    let permits = place.open();
    let ended = PermitsFound { in_order: true, crash: None };
    let mut counts = vec![kept("a", "x", b"as it is"), kept(&key, "x", b"6"), kept(&key, "z", b"4")];
    counts.sort();
    assert_eq!(taken(&*permits).await, (counts, ended), "what was not kept anew stays as it was");
}

async fn counts_are_read_by_part<B: Backend>() {
    let place = B::new();
    let permits = place.open();
    let payers: Vec<_> = (0..3_000_u32).map(|number| format!("ws_1/live/owner {number}")).collect();
    let mut list: Vec<_> = payers.iter().map(|payer| take(payer, "x", payer.as_bytes(), 1)).collect();
    list.sort_by(|one, other| one.count.cmp(&other.count));
    permits.take(ONLY, list).await.unwrap();
    let mut found = 0;
    for part in PayerPart::all() {
        let counts = counts_in(&*permits, [part]).await;
        assert!(counts.iter().all(|(name, state)| name.payer.as_bytes() == state.as_slice()));
        assert!(counts.iter().all(|(name, _)| PayerPart::of(&Payer::stored_under(&name.payer)) == part));
        found += counts.len();
    }
    assert_eq!(found, payers.len());
}

#[tokio::test]
async fn counts_of_older_schemas_are_taken_over() {
    // D8, L10: the rows that schema 8 had, and the start after a crash among them
    let place = Place::new();
    drop(place.open());
    let database = rusqlite::Connection::open(place.database()).unwrap();
    let start = [[4, 3, 2, 1, 0, 0, 0, 0], [254, 255, 255, 255, 255, 255, 255, 255]].concat();
    database.execute_batch(BACK_TO_SCHEMA_8).unwrap();
    let rows = "INSERT INTO counts VALUES ('ws_1/live/ann', 'all/day/owner/day', x'0102'), ('key_1', 'a/b/key/day', x'03')";
    database.execute_batch(rows).unwrap();
    let key = KeyId::from_bytes([0xAB; 16]).to_text();
    let insert = "INSERT INTO counts VALUES (?1, ?2, ?3)";
    database.execute(insert, ("", "unclean", &start)).unwrap();
    database.execute(insert, (&key, "a/b/key/day", b"state")).unwrap();
    drop(database);
    let permits = place.open();
    let mut counts = vec![
        kept("key_1", "a/b/key/day", &[3]),
        kept(&key, "a/b/key/day", b"state"),
        kept("ws_1/live/ann", "all/day/owner/day", &[1, 2]),
    ];
    counts.sort();
    let crash = Some(Now { time: at(0x0102_0304), steady: Steady::from_ms(-2) });
    assert_eq!(taken(&permits).await, (counts, PermitsFound { in_order: true, crash }));
}
