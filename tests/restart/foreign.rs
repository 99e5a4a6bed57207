//! Another process writes into the database while Keyward runs: noticed, told, and nothing more is built upon it.

use std::path::Path;

use keyward::wire::v1::{self, DenialReason, RevokeRequest, revoke_request::Target};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt as _;

use crate::{
    Client,
    process::{Server, keyward, run},
    support::{error_reason, holder_key},
    verify_offline,
};

fn write(data: &Path, sql: &str) {
    let other = rusqlite::Connection::open(data.join("keyward.db")).unwrap();
    other.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
}

async fn issue(client: &Client) -> Result<(String, String), tonic::Status> {
    let issued = client.keys().issue(client.signed(holder_key(&["messaging:send"]))).await?.into_inner();
    Ok((issued.key.as_ref().unwrap().id.clone(), issued.api_key.clone()))
}

async fn allowed(client: &Client, api_key: &str) -> bool {
    let subject = Some(v1::check_request::Subject::ApiKey(api_key.to_owned()));
    let request = v1::CheckRequest { subject, ..v1::CheckRequest::default() };
    client.keys().check(client.signed(request)).await.unwrap().into_inner().allowed
}

async fn health(server: &Server, name: &str) -> ServingStatus {
    let channel = tonic::transport::Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
    let request = HealthCheckRequest { service: name.to_owned() };
    HealthClient::new(channel).check(request).await.unwrap().into_inner().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_writes_is_noticed_before_anything_is_built_upon_it() {
    // D5, M2
    for sql in [
        // The root's key is of another environment: what changes nothing is no write.
        "UPDATE keys SET body = CAST(replace(body, 'live', 'test') AS BLOB) WHERE instr(body, CAST('live' AS BLOB))",
        "UPDATE meta SET value = 1 WHERE name = 'created_ms'",
        "CREATE TABLE more (a)",
        "DELETE FROM log WHERE revision = 2",
        "INSERT INTO usage VALUES ('key', 1, 'tier', 'allowed', 1, 1)",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let server = Server::start(&data);
        let client = Client::of(&server, &data).await;
        let (id, _) = issue(&client).await.unwrap();
        assert_eq!(health(&server, "keyward.changes").await, ServingStatus::Serving);
        write(&data, sql);
        for _ in 0..3 {
            let refused = issue(&client).await.unwrap_err();
            assert_eq!(error_reason(&refused), "FOREIGN_WRITE", "{sql}: {refused:?}");
            assert_eq!(refused.code(), Code::FailedPrecondition);
            assert!(refused.get_details_retry_info().is_none(), "no retry helps: {refused:?}");
            assert!(refused.message().contains("another process has written into the database"));
        }
        let target = Some(Target::KeyId(id));
        let revoke = RevokeRequest { target, ..RevokeRequest::default() };
        client.keys().revoke(client.signed(revoke)).await.unwrap_err();
        assert_eq!(health(&server, "keyward.changes").await, ServingStatus::NotServing);
        assert_eq!(health(&server, "").await, ServingStatus::Serving, "Checks are answered");
        let status = client.status().await;
        assert!(status.why.contains("another process has written into the database"), "{status:?}");
        server.until_logged("the store is sealed");
        let told = server.log().matches("the store is sealed").count();
        assert_eq!(told, 1, "once: {}", server.log());
        server.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_stay_as_they_were_and_a_restart_reads_what_is_there() {
    // D5
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let client = Client::of(&server, &data).await;
    let (_, one) = issue(&client).await.unwrap();
    let (_, other) = issue(&client).await.unwrap();
    write(&data, "UPDATE keys SET body = CAST(body || ' ' AS BLOB) WHERE id = (SELECT min(id) FROM keys)");
    // The clock's mark is written each ten seconds: nobody need ask for a change.
    server.until_logged("another process has written into the database");
    assert!(allowed(&client, &one).await && allowed(&client, &other).await);
    server.terminate();
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(1), "not everything could be written: {log}");
    verify_offline(&data);
    let server = Server::start(&data);
    let client = Client::with(&server, &crate::read_key(&data.join("root-key"))).await;
    // One damaged row denies one key; where it is the root's, nobody administers with it.
    let left = usize::from(open(&client, &one).await) + usize::from(open(&client, &other).await);
    assert!(left >= 1, "{left}");
    server.stop();
}

/// A Check without a caller, which loopback needs none for.
async fn open(client: &Client, api_key: &str) -> bool {
    let subject = Some(v1::check_request::Subject::ApiKey(api_key.to_owned()));
    let request = v1::CheckRequest { subject, ..v1::CheckRequest::default() };
    client.keys().check(request).await.unwrap().into_inner().allowed
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_reads_is_no_writer() {
    // D5: doctor, audit verify, a shell; and Keyward's own checkpoints
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let client = Client::of(&server, &data).await;
    for words in [&["doctor"][..], &["audit", "verify"]] {
        let mut command = keyward();
        command.args(words).arg("--data-dir").arg(&data);
        assert_eq!(run(command, "").code, Some(0));
        issue(&client).await.unwrap();
    }
    write(&data, "SELECT count(*) FROM keys; BEGIN IMMEDIATE; ROLLBACK; PRAGMA wal_checkpoint(PASSIVE)");
    issue(&client).await.unwrap();
    server.stop();
}

async fn reason(client: &Client, api_key: &str) -> DenialReason {
    let subject = Some(v1::check_request::Subject::ApiKey(api_key.to_owned()));
    let request = v1::CheckRequest { subject, ..v1::CheckRequest::default() };
    let answer = client.keys().check(request).await.unwrap().into_inner();
    answer.denial.map_or(DenialReason::Unspecified, |denial| denial.reason())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_row_cannot_be_read_is_ended_in_memory_at_once_and_stays_denied() {
    // D3, D5, V1
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let client = Client::of(&server, &data).await;
    let (revoked_id, revoked) = issue(&client).await.unwrap();
    let (disabled_id, disabled) = issue(&client).await.unwrap();
    let (_, presented) = issue(&client).await.unwrap();
    let (_, other) = issue(&client).await.unwrap();
    // All but the root's.
    write(&data, "UPDATE keys SET code = zeroblob(length(code)) WHERE revision > 1");

    let revoke = |target| RevokeRequest { target: Some(target), ..RevokeRequest::default() };
    let disable = v1::DisableKeyRequest { key_id: disabled_id, ..v1::DisableKeyRequest::default() };
    let answers = [
        client.keys().revoke(client.signed(revoke(Target::KeyId(revoked_id)))).await.map(drop),
        client.keys().disable_key(client.signed(disable)).await.map(drop),
        client.keys().revoke(revoke(Target::ApiKey(presented.clone()))).await.map(drop),
    ];
    for answer in answers {
        let told = answer.unwrap_err();
        assert_eq!(error_reason(&told), "DENIED_NOT_DURABLE", "{told:?}");
    }
    let ended = [
        (&revoked, DenialReason::KeyRevoked),
        (&disabled, DenialReason::KeyDisabled),
        (&presented, DenialReason::KeyRevoked),
    ];
    for (api_key, expected) in ended {
        assert_eq!(reason(&client, api_key).await, expected);
    }
    assert_eq!(reason(&client, &other).await, DenialReason::Unspecified, "others go by what was read");
    server.kill();

    let server = Server::start(&data);
    let client = Client::of(&server, &data).await;
    for api_key in [&revoked, &disabled, &presented, &other] {
        assert_eq!(reason(&client, api_key).await, DenialReason::KeyUnknown, "its row is not trusted");
    }
    assert!(server.log().contains("its key is denied"), "{}", server.log());
    let (_, again) = issue(&client).await.unwrap();
    assert_eq!(reason(&client, &again).await, DenialReason::Unspecified);
    server.kill();
}
