//! What is known of denials after a flood, and after a crash.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use keyward::{
    domain::secret::{Prefix, SecretKey},
    wire::v1::{self, DenialGrouping, DenialReason},
};
use tokio::time::Instant;

use crate::{
    Client, start_roomy,
    support::{Issued, SeededEntropy, check, holder_key, reason},
};

const BOGUS: u64 = 60_000;
const BATCH: u64 = 1_000;

/// Each second is written, and a machine that is busy may take as long again to write it.
const WRITTEN_AFTER: Duration = Duration::from_secs(3);

/// How long is asked before the server is killed.
const ASKED_FOR: Duration = Duration::from_secs(5);

fn bytes(folder: &Path) -> u64 {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

async fn told(client: &Client, by: DenialGrouping) -> Vec<v1::DenialSum> {
    let request = v1::QueryDenialsRequest {
        group_by: by.into(),
        page_size: 1_000,
        ..v1::QueryDenialsRequest::default()
    };
    client.audit().query_denials(client.signed(request)).await.unwrap().into_inner().denials
}

/// How many were denied for this reason, by the totals.
async fn total(client: &Client, reason: &str) -> u64 {
    let told = told(client, DenialGrouping::Time).await;
    told.iter().filter(|sum| sum.reason == reason).map(|sum| sum.count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_thousand_bogus_keys_are_counted_exactly_and_leave_less_than_a_mebibyte() {
    // A4
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = start_roomy(&data_dir);
    server.stop();
    let before = bytes(&data_dir);
    let server = start_roomy(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let issued =
        client.keys().issue(client.signed(holder_key(&["messaging:send"]))).await.unwrap().into_inner();
    let key = Issued::from(issued);
    let (entropy, prefix) = (SeededEntropy::new(0xDE7), Prefix::parse("kw_live_").unwrap());
    let mut hints = BTreeSet::new();
    for _batch in 0..BOGUS / BATCH {
        let mut requests = Vec::new();
        for _one in 0..BATCH {
            let secret = SecretKey::generate(&prefix, &entropy).unwrap().reveal();
            hints.insert(format!("kw_live_…{}", &secret[secret.len() - 4..]));
            requests.push(check(&secret, &["messaging:send"]));
        }
        // One key among them is denied with each batch.
        requests.push(check(&key.api_key, &["links:read"]));
        let denied = requests.split_off(999);
        for requests in [requests, denied] {
            let request = v1::BatchCheckRequest { requests, ..v1::BatchCheckRequest::default() };
            let answers = client.keys().batch_check(request).await.unwrap().into_inner().responses;
            assert!(answers.iter().all(|answer| {
                matches!(reason(answer), Some(DenialReason::KeyUnknown | DenialReason::ScopeInsufficient))
            }));
        }
    }
    assert_eq!(total(&client, "KEY_UNKNOWN").await, BOGUS);
    assert_eq!(total(&client, "SCOPE_INSUFFICIENT").await, BOGUS / BATCH);
    let named = told(&client, DenialGrouping::Credential).await;
    let sum: u64 = named.iter().map(|sum| sum.count).sum();
    assert_eq!(sum, BOGUS + BOGUS / BATCH, "who is not named is among the others");
    assert!(named.len() <= 1_001 && named.last().unwrap().others);
    let honest = named.iter().find(|sum| sum.key_id == key.key.id).expect("who comes often is named");
    assert!(honest.count <= BOGUS / BATCH && honest.max_count >= BOGUS / BATCH, "{honest:?}");
    assert!(named.iter().filter(|sum| !sum.hint.is_empty()).all(|sum| hints.contains(&sum.hint)));

    server.stop();
    let after = bytes(&data_dir);
    assert!(after < before + (1 << 20), "{before} bytes, then {after}");
    let server = start_roomy(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    assert_eq!(total(&client, "KEY_UNKNOWN").await, BOGUS, "and they are there after a restart");
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_no_denial_but_those_of_the_last_moment() {
    // A4
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = start_roomy(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let began = Instant::now();
    let (mut answered, mut at) = (0_u64, Vec::new());
    let requests = vec![check("kw_live_none", &["messaging:send"]); 10];
    while began.elapsed() < ASKED_FOR {
        let request =
            v1::BatchCheckRequest { requests: requests.clone(), ..v1::BatchCheckRequest::default() };
        client.keys().batch_check(request).await.unwrap();
        answered += 10;
        at.push((Instant::now(), answered));
    }
    server.kill();
    let killed = Instant::now();
    let server = start_roomy(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let kept = total(&client, "CREDENTIALS_MALFORMED").await;
    let long_ago = at.iter().filter(|(time, _)| *time + WRITTEN_AFTER < killed).map(|(_, sum)| *sum).max();
    let least = long_ago.unwrap();
    assert!((least..=answered).contains(&kept), "{kept} of {answered} are there, and {least} were long ago");
    server.stop();
    let server = start_roomy(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    assert_eq!(total(&client, "CREDENTIALS_MALFORMED").await, kept, "nothing counts twice");
    server.stop();
}
