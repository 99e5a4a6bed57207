//! Sums of denials in a real store: how they are put together with time, how much of them is kept, and what becomes of a row that
//! somebody edits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod store_support;

use std::collections::BTreeMap;

use keyward::{
    changes::denials::{MOST_BYTES, tend},
    domain::{
        denial_sums::{DenialLabel, DenialNames, DenialSeen, DenialTotals, DeniedCredential, MOST_NAMES},
        id::WorkspaceId,
        time::Timestamp,
    },
    ports::{
        DenialFilter, DenialPlace, DenialSheet, DenialSums, KeyStore, Lifecycle as _, Note, SheetKind,
        Verification,
    },
    store::{
        settings::StoreSettings,
        sqlite::{SqliteStore, verify_offline},
    },
};
use store_support::{Place, Seeded};

const HOUR: u32 = 60;
const DAY: u32 = 24 * HOUR;

/// Some time in 2027: the first minute of a day.
const BEGIN: u32 = 20_820 * DAY;

fn time(minute: u32) -> Timestamp {
    Timestamp::from_ms(i64::from(minute) * 60_000).unwrap()
}

fn label(reason: &'static str) -> DenialLabel {
    DenialLabel { door: "grpc".into(), call: "".into(), reason: reason.into() }
}

fn totals(minute: u32, counts: &[(&'static str, u64)]) -> DenialSheet {
    let totals: DenialTotals = counts.iter().map(|(reason, count)| (label(reason), *count)).collect();
    let place = DenialPlace { kind: SheetKind::MinuteTotals, start: minute };
    DenialSheet { place, sums: DenialSums::Totals(totals) }
}

/// The names of an hour in which so many senders came once, and one, the same each time, this often.
fn names(hour: u32, many: u32, often: u64, entropy: &Seeded) -> DenialSheet {
    let mut names = DenialNames::of(MOST_NAMES);
    let seen = |source: u32, hint: String| DenialSeen {
        label: label("KEY_UNKNOWN"),
        workspace: Some(WorkspaceId::generate(entropy).unwrap()),
        source: Some(std::net::Ipv4Addr::from_bits(source).into()),
        credential: DeniedCredential::Hint(hint.into()),
    };
    for place in 0..many {
        names.count(seen(hour + place, format!("a_rather_long_prefix_…{place:04}")));
    }
    for _ in 0..often {
        names.count(DenialSeen { workspace: None, ..seen(7, "kw_live_…seven".to_owned()) });
    }
    let place = DenialPlace { kind: SheetKind::HourNames, start: hour };
    DenialSheet { place, sums: DenialSums::Names(Box::new(names.to_stored())) }
}

async fn put(store: &dyn KeyStore, sheets: Vec<DenialSheet>) {
    store.note(vec![Note::Denials(sheets)]).await.unwrap();
}

async fn all(store: &dyn KeyStore, kind: SheetKind) -> Vec<DenialSheet> {
    let filter = DenialFilter { kind, from: 0, before: u32::MAX, newest_first: false };
    store.denials(filter, usize::MAX).await.unwrap()
}

async fn starts(store: &dyn KeyStore, kind: SheetKind) -> Vec<u32> {
    all(store, kind).await.into_iter().map(|sheet| sheet.place.start).collect()
}

/// All totals that are kept, by reason.
async fn sums(store: &dyn KeyStore) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for kind in [SheetKind::MinuteTotals, SheetKind::HourTotals] {
        for sheet in all(store, kind).await {
            let DenialSums::Totals(totals) = sheet.sums else { panic!("{:?}", sheet.place) };
            for (label, count) in totals {
                *sums.entry(label.reason.into_owned()).or_default() += count;
            }
        }
    }
    sums
}

/// How often the one came that comes often.
fn often(sheet: &DenialSheet) -> u64 {
    let DenialSums::Names(names) = &sheet.sums else { panic!("{:?}", sheet.place) };
    let seven = Some(std::net::Ipv4Addr::from_bits(7).into());
    let sevens = names.sources.named().filter(|(name, _)| name.name == seven);
    sevens.map(|(_, seen)| seen.count).sum()
}

async fn closed(store: SqliteStore) {
    store.close().await.unwrap();
}

#[tokio::test]
async fn minutes_become_hours_after_seven_days_and_all_go_after_thirty() {
    // A4
    let place = Place::new();
    let (store, _) = place.initialized().await;
    let entropy = Seeded::new(1);
    // Each hour of 32 days two minutes, one of them its last.
    for day in 0..32 {
        let hours = (0..24).map(|hour| BEGIN + day * DAY + hour * HOUR);
        let sheets = hours.flat_map(|first| {
            [
                totals(first + 5, &[("KEY_UNKNOWN", 2), ("KEY_REVOKED", 1)]),
                totals(first + 59, &[("KEY_UNKNOWN", 3)]),
                names(first, 2, 4, &entropy),
            ]
        });
        put(&store, sheets.collect()).await;
    }
    let all_of_it = BTreeMap::from([("KEY_REVOKED".into(), 32 * 24), ("KEY_UNKNOWN".into(), 5 * 32 * 24)]);
    assert_eq!(sums(&store).await, all_of_it);
    let now = BEGIN + 32 * DAY;
    for _call in 0..15 {
        tend(&store, time(now)).await.unwrap();
    }
    let week = now - 7 * DAY;
    let (minutes, hours) =
        (starts(&store, SheetKind::MinuteTotals).await, starts(&store, SheetKind::HourTotals).await);
    let whole_hour = week - week % HOUR;
    assert!(minutes.iter().all(|minute| *minute >= whole_hour), "{minutes:?} from {whole_hour}");
    assert_eq!(minutes.len(), 2 * 7 * 24);
    assert!(hours.iter().all(|hour| hour % HOUR == 0 && *hour < whole_hour));
    let kept = now - 30 * DAY;
    assert!(hours.iter().all(|hour| hour + HOUR > kept), "{hours:?} from {kept}");
    assert_eq!(hours.len(), 23 * 24);
    // Five and one in each hour that is kept, and not one more or less.
    let hours = u64::try_from(hours.len() + minutes.len() / 2).unwrap();
    assert_eq!(
        sums(&store).await,
        BTreeMap::from([("KEY_REVOKED".into(), hours), ("KEY_UNKNOWN".into(), 5 * hours)])
    );
    let (hours, days) = (all(&store, SheetKind::HourNames).await, all(&store, SheetKind::DayNames).await);
    let whole_day = week - week % DAY;
    assert!(hours.iter().all(|sheet| sheet.place.start >= whole_day && often(sheet) == 4));
    assert!(days.iter().all(|sheet| sheet.place.start % DAY == 0 && often(sheet) == 4 * 24));
    assert_eq!((hours.len(), days.len()), (7 * 24, 23));
    closed(store).await;
    let found: Verification = verify_offline(&place.path(), &StoreSettings::default()).unwrap();
    assert_eq!(found.fault, None);
}

#[tokio::test]
async fn the_oldest_names_go_before_their_time_where_there_are_too_many_and_no_total_does() {
    // A4
    let place = Place::new();
    let (store, _) = place.initialized().await;
    // An hour has no more of them; so many hours are more than 7 days have.
    let DenialSheet { sums: full, .. } =
        names(BEGIN, 2 * u32::try_from(MOST_NAMES).unwrap(), 9, &Seeded::new(2));
    let sheet = |hour: u32| {
        let place = DenialPlace { kind: SheetKind::HourNames, start: BEGIN + hour * HOUR };
        [DenialSheet { place, sums: full.clone() }, totals(place.start, &[("KEY_UNKNOWN", 1)])]
    };
    let mut hours = 0;
    while store.denial_bytes().await.unwrap() <= MOST_BYTES {
        put(&store, (hours..hours + 20).flat_map(sheet).collect()).await;
        hours += 20;
    }
    assert!(hours > 7 * 24, "{hours} hours are beyond the bound, and no more than 7 days are kept");
    tend(&store, time(BEGIN + 6 * DAY)).await.unwrap();
    assert!(store.denial_bytes().await.unwrap() <= MOST_BYTES);
    let after = starts(&store, SheetKind::HourNames).await;
    let last = BEGIN + (hours - 1) * HOUR;
    assert!((u32::try_from(after.len()).unwrap()) < hours && after.last() == Some(&last), "{after:?}");
    let gone = hours - u32::try_from(after.len()).unwrap();
    assert_eq!(after[0], BEGIN + gone * HOUR, "the oldest have gone");
    assert_eq!(sums(&store).await, BTreeMap::from([("KEY_UNKNOWN".into(), u64::from(hours))]));
    closed(store).await;
}

#[tokio::test]
async fn a_row_that_was_edited_is_left_out_and_no_other_with_it() {
    // A4
    let place = Place::new();
    let (store, _) = place.initialized().await;
    for minute in 0..5 {
        put(&store, vec![totals(BEGIN + minute, &[("KEY_UNKNOWN", 10 + u64::from(minute))])]).await;
    }
    closed(store).await;
    let (second, fourth) = (BEGIN + 1, BEGIN + 3);
    place.tamper(&format!(
        "UPDATE denials SET body = (SELECT body FROM denials WHERE start = {BEGIN}) WHERE start = {second};
         DELETE FROM denials WHERE start = {fourth};"
    ));
    let store = place.open();
    assert_eq!(starts(&store, SheetKind::MinuteTotals).await, [BEGIN, BEGIN + 2, BEGIN + 4]);
    assert_eq!(sums(&store).await, BTreeMap::from([("KEY_UNKNOWN".into(), 10 + 12 + 14)]));
    tend(&store, time(BEGIN + 8 * DAY)).await.unwrap();
    assert_eq!(
        sums(&store).await,
        BTreeMap::from([("KEY_UNKNOWN".into(), 36)]),
        "and no other is held up by it"
    );
    assert_eq!(starts(&store, SheetKind::HourTotals).await, [BEGIN]);
    tend(&store, time(BEGIN + 40 * DAY)).await.unwrap();
    assert_eq!(store.denial_bytes().await.unwrap(), 0, "in the end it goes like all others");
    closed(store).await;
    let found = verify_offline(&place.path(), &StoreSettings::default()).unwrap();
    assert_eq!(found.fault, None, "no right hangs on them");
}
