//! How long a start takes; run by hand: `cargo test --release --test store_speed -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod store_support;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use futures_util::future::join_all;
use keyward::{
    domain::{
        grant::{Grant, Grants},
        key::{Creator, Key},
        scope::ScopePattern,
        text::{Metadata, Owner},
    },
    ports::{KeyStore, Lifecycle as _},
};
use store_support::{Place, Seeded, key, put};

/// Processor time of this process so far, in hundredths of a second: the machine may be busy with other things.
fn spent() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    stat.rsplit(')')
        .next()
        .unwrap()
        .split(' ')
        .skip(12)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; says nothing in a debug build"]
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement, run by hand")]
async fn loading_and_verifying() {
    const KEYS: usize = 100_000;
    let place = Place::new();
    let (store, first) = place.initialized().await;
    let entropy = Seeded::new(11);
    let scopes = ["project:read", "project:write", "storage:upload", "storage:read", "domains:manage"];
    let grants = Arc::new(
        Grants::new(scopes.iter().map(|scope| Grant::unbound(ScopePattern::parse(scope).unwrap())).collect())
            .unwrap(),
    );
    let creator = Arc::new(Creator::Admin {
        by: first.id.into(),
        owner: None,
        workspace: Some(first.workspace),
        on_behalf_of: None,
    });
    let (started, before) = (Instant::now(), spent());
    let keys: Vec<_> = (0..KEYS)
        .map(|turn| Key {
            owner: Some(Owner::parse(&format!("user-{}", turn / 10)).unwrap()),
            grants: Arc::clone(&grants),
            creator: Arc::clone(&creator),
            metadata: Arc::new(
                Metadata::parse(BTreeMap::from([("ticket".to_owned(), turn.to_string())])).unwrap(),
            ),
            ..key(&entropy, first.workspace)
        })
        .collect();
    for batch in keys.chunks(1024) {
        for answer in join_all(batch.iter().map(|key| store.commit(put(key)))).await {
            answer.unwrap();
        }
    }
    println!(
        "{KEYS} keys committed in groups: {:?}, {} cs of processor",
        started.elapsed(),
        spent() - before
    );
    store.close().await.unwrap();
    drop(store);

    let (started, before) = (Instant::now(), spent());
    let store = place.open();
    println!("open: {:?}, {} cs of processor", started.elapsed(), spent() - before);
    for _ in 0..3 {
        let (started, before) = (Instant::now(), spent());
        let view = store.whole().await.unwrap();
        println!(
            "load of {} keys, {} damaged: {:?}, {} cs of processor",
            view.keys.len(),
            view.damaged.len(),
            started.elapsed(),
            spent() - before
        );
    }
    let (started, before) = (Instant::now(), spent());
    let found = store.verify_log().await.unwrap();
    println!(
        "verify of {} records: {:?}, {} cs of processor",
        found.records,
        started.elapsed(),
        spent() - before
    );
    let (started, before) = (Instant::now(), spent());
    let changes = store.changes_after(keyward::domain::revision::Revision(found.head.0 - 10)).await.unwrap();
    println!(
        "changes after the last ten, {}: {:?}, {} cs of processor",
        changes.keys.len(),
        started.elapsed(),
        spent() - before
    );
    println!("database: {} bytes", std::fs::metadata(place.database()).unwrap().len());
}
