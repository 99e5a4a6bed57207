//! What is known of usage after a crash.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use keyward::wire::v1;

use crate::{
    Client, start_roomy,
    support::{Issued, check, holder_key},
};

const ROUNDS: u64 = 3;
const CALLERS: usize = 4;
const SCOPE: &str = "messaging:send";
const COST: u64 = 3;

/// Checks that were allowed, as `GetUsage` tells it: each counted with its cost, and no other.
async fn counted(client: &Client, key: &Issued) -> u64 {
    let request = v1::GetUsageRequest { key_id: key.key.id.clone(), ..v1::GetUsageRequest::default() };
    let usage = client.keys().get_usage(client.signed(request)).await.unwrap().into_inner().usage;
    assert!(usage.iter().all(|usage| usage.denied.is_empty() && usage.cost == COST * usage.allowed));
    usage.iter().map(|usage| usage.allowed).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_that_was_told_is_there_after_kill_9_and_nothing_counts_twice() {
    // A4, D1
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut server = start_roomy(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let issued = client.keys().issue(client.signed(holder_key(&[SCOPE]))).await.unwrap().into_inner();
    let key = Issued::from(issued);
    let sent = Arc::new(AtomicU64::new(0));
    let mut told = 0;
    for round in 1..=ROUNDS {
        let gone = Arc::new(AtomicBool::new(false));
        let mut callers = Vec::new();
        for _caller in 0..CALLERS {
            let client = Client::of(&server, &data_dir).await;
            let (sent, gone, api_key) = (Arc::clone(&sent), Arc::clone(&gone), key.api_key.clone());
            callers.push(tokio::spawn(async move {
                let mut keys = client.keys();
                while !gone.load(Ordering::SeqCst) {
                    sent.fetch_add(1, Ordering::SeqCst);
                    let request = v1::CheckRequest { cost: Some(COST), ..check(&api_key, &[SCOPE]) };
                    // A slow disk makes errors too; only the end of the server ends the asking.
                    drop(keys.check(request).await);
                }
            }));
        }
        let client = Client::of(&server, &data_dir).await;
        let before = told;
        while told < before + 200 * round {
            let now = counted(&client, &key).await;
            assert!(now >= told, "{now} after {told}");
            told = now;
        }
        server.kill();
        gone.store(true, Ordering::SeqCst);
        for caller in callers {
            caller.await.unwrap();
        }
        server = start_roomy(&data_dir);
        let client = Client::of(&server, &data_dir).await;
        let kept = counted(&client, &key).await;
        let sent = sent.load(Ordering::SeqCst);
        assert!((told..=sent).contains(&kept), "{told} were told, {kept} are there, {sent} were sent");
        told = kept;
    }
    server.stop();
    let server = start_roomy(&data_dir);
    assert_eq!(counted(&Client::of(&server, &data_dir).await, &key).await, told);
    server.stop();
}
