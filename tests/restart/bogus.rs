//! Keys that nobody ever issued, as many as somebody cares to send.

use std::{fs, path::Path};

use futures_util::future::try_join_all;
use keyward::{
    domain::secret::{Prefix, SecretKey},
    wire::v1::{self, DenialReason, key_service_client::KeyServiceClient},
};
use ring::digest;
use tonic::transport::Channel;

use crate::{
    Client,
    process::Server,
    support::{SeededEntropy, check, reason},
};

const CONNECTIONS: u64 = 4;
const BATCH: u64 = 100;

/// Batches of each connection before memory is looked at, until every buffer is as large as it gets, and after that.
const WARM_UP: u64 = 250;
const FLOOD: u64 = 750;

/// Less than a hash of each key of the flood would take.
const SLACK: u64 = CONNECTIONS * FLOOD * BATCH * 16;

/// How many bytes the files of a folder take.
fn stored(folder: &Path) -> u64 {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

/// A batch of questions about keys that no other batch has: half look like Keyward's own, half like another system's.
fn bogus(batch: u64) -> v1::BatchCheckRequest {
    let (entropy, prefix) = (SeededEntropy::new(0xB0605 + (batch << 32)), Prefix::parse("kw_live_").unwrap());
    let one = |place: u64| match place % 2 {
        0 => SecretKey::generate(&prefix, &entropy).unwrap().reveal(),
        _ => format!("sk_live_{batch}_{place}_bogus"),
    };
    let requests = (0..BATCH).map(|place| check(&one(place), &["messaging:send"])).collect();
    v1::BatchCheckRequest { requests, ..v1::BatchCheckRequest::default() }
}

/// Sends batches on connections of their own, and answers what revision the last one was decided by.
async fn flood(channels: &[Channel], batches: std::ops::Range<u64>) -> u64 {
    let senders = (0_u64..).zip(channels).map(|(place, channel)| {
        let (mut keys, batches) = (KeyServiceClient::new(channel.clone()), batches.clone());
        tokio::spawn(async move {
            let mut revision = 0;
            for batch in batches {
                let request = bogus(batch * CONNECTIONS + place);
                let answers = keys.batch_check(request).await.unwrap().into_inner().responses;
                assert_eq!(answers.len(), usize::try_from(BATCH).unwrap());
                assert!(answers.iter().all(|answer| reason(answer) == Some(DenialReason::KeyUnknown)));
                revision = answers[0].revision;
            }
            revision
        })
    });
    try_join_all(senders).await.unwrap().into_iter().max().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_thousands_of_bogus_keys_leave_memory_and_disk_where_they_were() {
    // X6
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    // While nothing was imported, what is not Keyward's own is not even hashed.
    let hash = digest::digest(&digest::SHA256, b"another-systems-token").as_ref().to_vec();
    let row = v1::ImportRow {
        name: "moved".to_owned(),
        scopes: vec!["messaging:send".to_owned()],
        secret_bits: 160,
        hash: Some(v1::import_row::Hash::Sha256(hash)),
        ..v1::ImportRow::default()
    };
    let request = v1::ImportKeysRequest { rows: vec![row], ..v1::ImportKeysRequest::default() };
    assert_eq!(client.keys().import_keys(client.signed(request)).await.unwrap().into_inner().good, 1);
    let connect = (0..CONNECTIONS).map(async |_| Channel::from_shared(server.url()).unwrap().connect().await);
    let channels = try_join_all(connect).await.unwrap();

    let revision = flood(&channels, 0..WARM_UP).await;
    let before = (server.resident_bytes(), stored(&data_dir));
    assert_eq!(flood(&channels, WARM_UP..WARM_UP + FLOOD).await, revision, "nothing was written about them");
    let after = (server.resident_bytes(), stored(&data_dir));
    assert!(after.0 < before.0 + SLACK, "memory: {before:?}, then {after:?}");
    assert!(after.1 < before.1 + SLACK, "disk: {before:?}, then {after:?}");
    assert!(server.stop().len() < 100_000, "no line of the log for each either");
}
