//! How long a start takes; run by hand: `cargo test --release --test store_speed -- --ignored --nocapture`.

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
    ports::KeyStore,
};
use store_support::{Place, Seeded, key, put};

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
    let creator = Arc::new(Creator::Admin { key: first.id, owner: None, workspace: first.workspace });
    let started = Instant::now();
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
    println!("{KEYS} keys committed in groups: {:?}", started.elapsed());
    store.close().await.unwrap();
    drop(store);

    let started = Instant::now();
    let store = place.open();
    println!("open: {:?}", started.elapsed());
    for _ in 0..3 {
        let started = Instant::now();
        let view = store.load().await.unwrap();
        println!("load of {} keys, {} damaged: {:?}", view.keys.len(), view.damaged.len(), started.elapsed());
    }
    let started = Instant::now();
    let found = store.verify_log().await.unwrap();
    println!("verify of {} records: {:?} {:?}", found.records, started.elapsed(), found.fault);
    let started = Instant::now();
    let changes = store.changes_after(keyward::domain::audit::Revision(found.head.0 - 10)).await.unwrap();
    println!("changes after the last ten, {}: {:?}", changes.keys.len(), started.elapsed());
    println!("database: {} bytes", std::fs::metadata(place.database()).unwrap().len());
}
