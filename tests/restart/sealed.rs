//! A write that fails while the server runs, as a quota or a disk that gives out makes it: the store is sealed, and opens by
//! itself once it can be written.

use std::path::Path;

use keyward::wire::v1;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt as _;

use crate::{
    Client,
    full_disk::not_durable,
    process::{Server, hardened, keyward},
    rotation::done,
    support::{
        holder_key,
        verbs::{by_id, by_possession, disabling, enabling, refusal},
    },
    verify_offline,
};

const SEALED: &str = "the store is sealed";
const OPEN_AGAIN: &str = "the store is open again";
const WRITTEN: &str = "what was denied in memory only is written, and lasts";
const FORGOTTEN: &str = "are good again after a restart";
const TRIED_AGAIN: &str = "tried again by itself";

fn start(data: &Path) -> Server {
    let mut program = keyward();
    program.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
    program.env("KEYWARD_LOG", "info,keyward=debug");
    Server::start_by(hardened(&program))
}

/// A server whose files take nothing more, and which knows that by the end of the first of these keys.
async fn start_sealed(data: &Path, keys: usize) -> (Server, Client, Vec<(String, String)>) {
    let server = start(data);
    let client = Client::of(&server, data).await;
    let keys = client.several(keys).await;
    server.limit_files(Some(1));
    not_durable(client.end(&keys[0].0).await);
    server.until_logged(SEALED);
    (server, client, keys)
}

async fn takes_changes(client: &Client) -> ServingStatus {
    let request = HealthCheckRequest { service: "keyward.changes".to_owned() };
    HealthClient::new(client.channel.clone()).check(request).await.unwrap().into_inner().status()
}

fn disable_all(count: u64) -> v1::ChangeKeysRequest {
    v1::ChangeKeysRequest {
        environment: "live".to_owned(),
        action: Some(v1::change_keys_request::Action::Disable(v1::DisableKeys {})),
        expected_count: count,
        request_id: "4711".to_owned(),
        ..v1::ChangeKeysRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_could_not_be_written_opens_by_itself_and_writes_what_was_denied() {
    // D3, D4, V1, V3, A1, M2
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (server, client, keys) = start_sealed(&data, 4).await;
    let before = client.log().await.len();
    let refused = client.issue(holder_key(&["messaging:send"])).await;
    let refused = refusal(refused, Code::Unavailable, "STORE_UNAVAILABLE");
    assert!(refused.message().contains(TRIED_AGAIN) && refused.get_details_retry_info().is_some());
    not_durable(client.keys().disable_key(client.signed(disabling(&keys[1].0))).await);
    not_durable(client.keys().revoke(by_possession(&keys[2].1)).await);
    not_durable(client.keys().change_keys(client.signed(disable_all(1))).await);
    let expected = ["KEY_REVOKED", "KEY_DISABLED", "KEY_REVOKED", "KEY_DISABLED"];
    let holds = async |client: &Client| {
        for ((_, api_key), reason) in keys.iter().zip(expected) {
            client.denied_for(api_key, reason).await;
        }
    };
    holds(&client).await;
    let status = client.status().await;
    assert_eq!((status.changes_taken(), status.denied.len()), (v1::ChangesTaken::None, 4));
    assert!(status.why.contains(TRIED_AGAIN), "{status:?}");
    assert_eq!(takes_changes(&client).await, ServingStatus::NotServing);

    server.limit_files(None);
    server.until_logged(OPEN_AGAIN);
    server.until_logged(WRITTEN);
    assert_eq!(takes_changes(&client).await, ServingStatus::Serving);
    assert_eq!(client.status().await.changes_taken(), v1::ChangesTaken::All);
    holds(&client).await;
    let log = client.log().await;
    let since: Vec<_> = log.iter().skip(before).map(v1::AuditRecord::action).collect();
    let (revoke, disable) = (v1::AuditAction::KeyRevoke, v1::AuditAction::KeyDisable);
    assert_eq!(since, [revoke, disable, revoke, disable], "each has one record");
    assert_eq!(log.last().unwrap().request_id, "4711");
    client.issued().await;
    client.keys().enable_key(client.signed(enabling(&keys[1].0))).await.unwrap();
    let told = server.log();
    assert_eq!((told.matches(SEALED).count(), told.matches(OPEN_AGAIN).count()), (1, 1), "{told}");
    server.kill();

    let server = start(&data);
    let client = Client::of(&server, &data).await;
    client.denied_for(&keys[0].1, "KEY_REVOKED").await;
    client.denied_for(&keys[1].1, "ALLOWED").await;
    client.denied_for(&keys[3].1, "KEY_DISABLED").await;
    server.stop();
    verify_offline(&data);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_in_order_tries_a_sealed_store_once_more_and_says_what_was_written() {
    // D3, D4, V1
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (server, _client, keys) = start_sealed(&data, 1).await;
    server.terminate();
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(1), "{log}");
    let told = log.lines().find(|line| line.contains(FORGOTTEN)).unwrap();
    assert!(told.contains(&keys[0].0) && told.contains("changes.written=0"), "{told}");

    let (server, client, more) = start_sealed(&data, 2).await;
    let reason = v1::RevokeReason::Compromised.into();
    let revoke = v1::RevokeRequest { reason, ..by_id(&more[1].0) };
    not_durable(client.keys().revoke(client.signed(revoke)).await);
    // The next try is four seconds away.
    server.until_logged(" tries=2");
    server.limit_files(None);
    let log = server.stop();
    assert!(log.contains(WRITTEN) && !log.contains(FORGOTTEN), "{log}");
    let server = start(&data);
    let client = Client::of(&server, &data).await;
    for (_, api_key) in &more {
        client.denied_for(api_key, "KEY_REVOKED").await;
    }
    assert_eq!(client.log().await.last().unwrap().reason, "compromised");
    server.stop();
    verify_offline(&data);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_a_sealed_store_leaves_it_whole() {
    // D1, D3: whether what was unknown is there or not, everything before it is
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (server, _client, keys) = start_sealed(&data, 2).await;
    server.kill();
    let server = start(&data);
    let client = Client::of(&server, &data).await;
    client.end(&keys[1].0).await.unwrap();
    server.stop();
    verify_offline(&data);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_quota_leaves_no_room_for_the_database_the_room_in_the_wal_is_used() {
    // D4, D7: a limit of files, as a quota, is an I/O error in the words of SQLite
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = start(&data);
    let client = Client::of(&server, &data).await;
    let keys = client.several(700).await;
    server.stop();
    let database = std::fs::metadata(data.join("keyward.db")).unwrap().len();
    for file in ["keyward.db-wal", "keyward.db-shm"] {
        std::fs::remove_file(data.join(file)).unwrap();
    }

    let server = start(&data);
    let client = Client::of(&server, &data).await;
    // Pages near the end of the database cannot be copied back, and the WAL has not come so far.
    server.limit_files(Some(database / 2));
    let mut ended = 0;
    for (id, _) in &keys {
        if client.end(id).await.is_err() {
            break;
        }
        ended += 1;
    }
    assert!((5..keys.len()).contains(&ended), "{ended} of a database of {database} bytes");
    let full = server.log();
    assert!(full.contains("the disk is full: what takes rights away is taken"), "{full}");
    server.until_logged("the commit failed");
    client.denied_for(&keys[ended].1, "KEY_REVOKED").await;
    server.limit_files(None);
    server.until_logged(WRITTEN);
    client.until_it_takes_changes().await;
    for (_, api_key) in &keys[..=ended] {
        client.denied_for(api_key, "KEY_REVOKED").await;
    }
    client.denied_for(&keys[ended + 1].1, "ALLOWED").await;
    server.stop();
    verify_offline(&data);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_store_takes_no_new_root_until_it_is_open_again() {
    // D3, D5
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (server, client, keys) = start_sealed(&data, 2).await;
    done(&["rotate"], &data);
    server.hang_up();
    server.until_logged("SIGHUP: the roots are refused; those in force stay");
    client.denied_for(&keys[0].1, "KEY_REVOKED").await;
    server.limit_files(None);
    server.until_logged(WRITTEN);
    server.hang_up();
    server.until_logged("SIGHUP: the roots at hand are in force");
    client.denied_for(&keys[0].1, "KEY_REVOKED").await;
    assert!(client.allows(&keys[1].1).await);
    server.stop();
    verify_offline(&data);
}
