//! A disk that is full, in earnest: a small file system of its own. What takes rights away is taken, and nothing else is.

use std::process::Stdio;

use keyward::wire::v1::{self, IssueRequest, IssueResponse, RevokeResponse};
use tonic::{Code, Response, Status};

use crate::{
    Client,
    mounts::{Disk, NOT_HERE},
    process::{PATIENCE, Server, keyward, run},
    read_key,
    support::{
        admin_rights, holder_key, skip,
        verbs::{by_id, by_possession, disabling, enabling, refusal},
    },
};

const MIB: u32 = 64;

/// As many as the document says: for whoever may, and behind these for operators alone.
const FOR_ALL: usize = 80;
const FOR_OPERATORS: usize = 80;

const FULL: &str = "the disk is full: what takes rights away is taken";
const ROOM_AGAIN: &str = "there is room on the disk again";

/// A disk of its own with a data directory on it.
struct Place {
    disk: Disk,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let disk = Disk::in_memory(folder.path(), MIB);
        if disk.is_none() {
            skip::say(NOT_HERE);
        }
        Some(Self { disk: disk?, _folder: folder })
    }

    fn start(&self) -> Server {
        let mut program = keyward();
        program.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(self.disk.place().join("data"));
        Server::start_by(self.disk.on(&program))
    }

    fn data(&self) -> std::path::PathBuf {
        self.disk.path().join("data")
    }

    async fn client(&self, server: &Server) -> Client {
        Client::with(server, &read_key(&self.data().join("root-key"))).await
    }

    /// What the doctor says of it.
    fn doctor(&self) -> String {
        let mut command = keyward();
        command.args(["doctor", "--data-dir"]).arg(self.disk.place().join("data"));
        let mut command = self.disk.on(&command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let ended = run(command, "");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.out
    }

    /// The log on it holds.
    fn verify(&self) {
        let mut command = keyward();
        command.args(["audit", "verify", "--data-dir"]).arg(self.disk.place().join("data"));
        let ended = run(self.disk.on(&command), "");
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

impl Client {
    pub(crate) async fn issue(&self, request: IssueRequest) -> Result<Response<IssueResponse>, Status> {
        self.keys().issue(self.signed(request)).await
    }

    pub(crate) async fn issued(&self) -> (String, String) {
        let issued = self.issue(holder_key(&["messaging:send"])).await.unwrap().into_inner();
        (issued.key.as_ref().unwrap().id.clone(), issued.api_key.clone())
    }

    pub(crate) async fn several(&self, count: usize) -> Vec<(String, String)> {
        let mut keys = Vec::new();
        for _ in 0..count {
            keys.push(self.issued().await);
        }
        keys
    }

    pub(crate) async fn end(&self, id: &str) -> Result<Response<RevokeResponse>, Status> {
        self.keys().revoke(self.signed(by_id(id))).await
    }

    /// What a Check of it says: `ALLOWED`, or the reason of the denial; and whether it is degraded.
    pub(crate) async fn asked(&self, api_key: &str) -> (String, bool) {
        let request = v1::CheckRequest {
            subject: Some(v1::check_request::Subject::ApiKey(api_key.to_owned())),
            ..v1::CheckRequest::default()
        };
        let answer = self.keys().check(request).await.unwrap().into_inner();
        let denial = answer.denial.map(|denial| denial.reason().as_str_name().replace("DENIAL_REASON_", ""));
        (denial.unwrap_or_else(|| "ALLOWED".to_owned()), answer.degraded)
    }

    pub(crate) async fn denied_for(&self, api_key: &str, reason: &str) {
        assert_eq!(self.asked(api_key).await.0, reason);
    }

    /// Waits until an ordinary change is taken.
    pub(crate) async fn until_it_takes_changes(&self) {
        for _ in 0..PATIENCE.as_millis() / 20 {
            if self.issue(holder_key(&["messaging:send"])).await.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no change is taken");
    }
}

fn times(log: &str, said: &str) -> usize {
    log.lines().filter(|line| line.contains(said)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_keys_are_ended_and_nothing_else_is_changed() {
    // D4, D1, V1, V2, V3
    let Some(place) = Place::new() else { return };
    let server = place.start();
    let client = place.client(&server).await;
    let keys = client.several(9).await;
    place.disk.fill();

    let refused = client.issue(holder_key(&["messaging:send"])).await;
    let refused = refusal(refused, Code::Unavailable, "STORE_UNAVAILABLE");
    assert!(refused.message().contains("is full: make room there"), "{refused:?}");
    let shown = place.disk.place().join("data").display().to_string();
    assert!(refused.message().contains(&shown), "it says where: {refused:?}");
    client.end(&keys[0].0).await.unwrap();
    client.keys().disable_key(client.signed(disabling(&keys[1].0))).await.unwrap();
    client.keys().revoke(by_possession(&keys[2].1)).await.unwrap();
    client.keys().revoke(by_possession("nobody's")).await.unwrap();
    let enabled = client.keys().enable_key(client.signed(enabling(&keys[1].0))).await;
    refusal(enabled, Code::Unavailable, "STORE_UNAVAILABLE");
    let holds = async |client: &Client| {
        for (key, reason) in [(0, "KEY_REVOKED"), (1, "KEY_DISABLED"), (2, "KEY_REVOKED"), (8, "ALLOWED")] {
            client.denied_for(&keys[key].1, reason).await;
        }
    };
    holds(&client).await;
    server.until_logged(FULL);
    assert_eq!(times(&server.log(), FULL), 1, "{}", server.log());

    server.kill();
    let server = place.start();
    let client = place.client(&server).await;
    holds(&client).await;
    assert!(client.asked(&keys[8].1).await.1, "counting goes on in memory, and answers say so");
    client.end(&keys[3].0).await.unwrap();
    client.denied_for(&keys[3].1, "KEY_REVOKED").await;
    server.kill();

    let server = place.start();
    let client = place.client(&server).await;
    client.denied_for(&keys[3].1, "KEY_REVOKED").await;
    place.disk.make_room();
    client.until_it_takes_changes().await;
    server.until_logged("counts are written again");
    assert!(!client.asked(&keys[8].1).await.1);
    holds(&client).await;
    server.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_stopped_in_order_starts_on_a_full_disk_with_all_its_room() {
    // D12, D4
    let Some(place) = Place::new() else { return };
    let server = place.start();
    let client = place.client(&server).await;
    let keys = client.several(3).await;
    server.stop();
    place.disk.fill();
    place.verify();

    let server = place.start();
    let client = place.client(&server).await;
    client.denied_for(&keys[0].1, "ALLOWED").await;
    client.end(&keys[0].0).await.unwrap();
    client.denied_for(&keys[0].1, "KEY_REVOKED").await;
    server.kill();
    let server = place.start();
    let client = place.client(&server).await;
    client.denied_for(&keys[0].1, "KEY_REVOKED").await;
    client.denied_for(&keys[1].1, "ALLOWED").await;
    place.disk.make_room();
    client.until_it_takes_changes().await;
    server.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_room_that_is_kept_lasts_for_so_many_revocations_and_no_tenant_takes_the_operators() {
    // D4, D7, T1
    let Some(place) = Place::new() else { return };
    let server = place.start();
    let client = place.client(&server).await;
    let tenant = client
        .issue(IssueRequest {
            admin: Some(admin_rights(&["keys:revoke"], false)),
            scopes: Vec::new(),
            ..holder_key(&[])
        })
        .await
        .unwrap()
        .into_inner()
        .api_key
        .clone();
    let tenant = Client::with(&server, &tenant).await;
    let keys = client.several(520).await;
    place.disk.fill();
    // What the WAL had grown by before is used up first.
    while client.issue(holder_key(&["messaging:send"])).await.is_ok() {}

    let mut left = keys.iter();
    let mut by_tenant = 0;
    for (id, _) in left.by_ref() {
        if tenant.end(id).await.is_err() {
            break;
        }
        by_tenant += 1;
    }
    let mut by_operator = 0;
    for (id, _) in left.by_ref() {
        if client.end(id).await.is_err() {
            break;
        }
        by_operator += 1;
    }
    skip::say(&format!("{by_tenant} revocations by a tenant, then {by_operator} by an operator"));
    assert!(by_tenant >= FOR_ALL && by_operator >= FOR_OPERATORS, "{by_tenant}, {by_operator}");
    let last = left.next().expect("there was an end to it");
    client.denied_for(&last.1, "ALLOWED").await;
    place.disk.make_room();
    client.until_it_takes_changes().await;
    server.until_logged(ROOM_AGAIN);
    server.stop();
    place.verify();
}

/// A store as a version left it that kept no room, on a disk that is full.
async fn without_room(place: &Place, keys: usize) -> (Server, Client, Vec<(String, String)>) {
    let server = place.start();
    let client = place.client(&server).await;
    let keys = client.several(keys).await;
    server.stop();
    let found = place.doctor();
    assert!(found.contains("are for revocations on a full disk"), "{found}");
    for file in ["keyward.db-wal", "keyward.db-shm"] {
        std::fs::remove_file(place.data().join(file)).unwrap();
    }
    let found = place.doctor();
    assert!(found.contains("kept room   0 bytes"), "{found}");
    place.disk.fill();
    let server = place.start();
    let client = place.client(&server).await;
    (server, client, keys)
}

pub(crate) fn not_durable<T>(answer: Result<Response<T>, Status>) {
    refusal(answer, Code::Unavailable, "DENIED_NOT_DURABLE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_denied_at_once_and_written_with_one_record_when_there_is_room() {
    // D4, V1, V3, A1, D12
    let Some(place) = Place::new() else { return };
    let (server, client, keys) = without_room(&place, 6).await;
    client.denied_for(&keys[0].1, "ALLOWED").await;
    let comment = "ticket 4711".to_owned();
    let reason = v1::RevokeReason::Compromised.into();
    let revoke = v1::RevokeRequest { reason, comment, ..by_id(&keys[0].0) };
    for _again in 0..2 {
        not_durable(client.keys().revoke(client.signed(revoke.clone())).await);
    }
    not_durable(client.keys().disable_key(client.signed(disabling(&keys[1].0))).await);
    not_durable(client.keys().revoke(by_possession(&keys[2].1)).await);
    not_durable(client.keys().revoke(by_possession("nobody's")).await);
    let denied = async |client: &Client| {
        for (key, reason) in [(0, "KEY_REVOKED"), (1, "KEY_DISABLED"), (2, "KEY_REVOKED"), (3, "ALLOWED")] {
            client.denied_for(&keys[key].1, reason).await;
        }
    };
    denied(&client).await;
    refusal(
        client.keys().enable_key(client.signed(enabling(&keys[1].0))).await,
        Code::Unavailable,
        "STORE_UNAVAILABLE",
    );
    let status = client.status().await;
    assert_eq!(status.changes_taken(), v1::ChangesTaken::Ends);
    assert!(status.why.contains("is full"), "{status:?}");
    let shown: Vec<_> =
        status.denied.iter().map(|it| (it.key_ids[0].as_str(), it.becomes.as_str())).collect();
    let expected = [(0, "revoked"), (1, "disabled"), (2, "revoked")];
    assert_eq!(shown, expected.map(|(key, becomes)| (keys[key].0.as_str(), becomes)));
    let before = client.log().await.len();

    place.disk.make_room();
    client.until_it_takes_changes().await;
    server.until_logged("what was denied in memory only is written, and lasts");
    denied(&client).await;
    assert_eq!(client.status().await.denied, []);
    let log = client.log().await;
    let of = |key: usize| log.iter().skip(before).filter(|it| it.key_id == keys[key].0).collect::<Vec<_>>();
    let revoked = of(0);
    assert_eq!(revoked.len(), 1, "one record, though it was asked twice");
    assert_eq!((revoked[0].reason.as_str(), revoked[0].comment.as_str()), ("compromised", "ticket 4711"));
    assert_eq!(revoked[0].actor.as_ref().unwrap().kind(), v1::ActorKind::Admin);
    assert_eq!(of(1)[0].action(), v1::AuditAction::KeyDisable);
    assert_eq!(of(2)[0].actor.as_ref().unwrap().kind(), v1::ActorKind::Holder);
    assert_eq!((of(1).len(), of(2).len(), of(3).len()), (1, 1, 0));
    client.keys().revoke(client.signed(revoke)).await.unwrap();
    client.keys().enable_key(client.signed(enabling(&keys[1].0))).await.unwrap();
    client.denied_for(&keys[1].1, "ALLOWED").await;
    server.kill();

    let server = place.start();
    let client = place.client(&server).await;
    for (key, reason) in [(0, "KEY_REVOKED"), (1, "ALLOWED"), (2, "KEY_REVOKED")] {
        client.denied_for(&keys[key].1, reason).await;
    }
    server.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_forgets_what_is_denied_in_memory_only_and_an_end_in_order_names_it() {
    // D4: what is acknowledged as not durable may go, and somebody is told
    let Some(place) = Place::new() else { return };
    let (server, client, keys) = without_room(&place, 2).await;
    not_durable(client.end(&keys[0].0).await);
    client.denied_for(&keys[0].1, "KEY_REVOKED").await;
    server.kill();

    let server = place.start();
    let client = place.client(&server).await;
    client.denied_for(&keys[0].1, "ALLOWED").await;
    not_durable(client.end(&keys[0].0).await);
    server.terminate();
    let (_, log) = server.wait();
    let told = log.lines().find(|line| line.contains("are good again after a restart")).unwrap();
    assert!(told.contains(&keys[0].0), "{told}");

    let server = place.start();
    let client = place.client(&server).await;
    client.denied_for(&keys[0].1, "ALLOWED").await;
    place.disk.make_room();
    client.until_it_takes_changes().await;
    client.end(&keys[0].0).await.unwrap();
    client.denied_for(&keys[0].1, "KEY_REVOKED").await;
    server.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_are_denied_in_memory_and_written_under_their_own_request_id() {
    // V4, A1, K10, D4
    let Some(place) = Place::new() else { return };
    let (server, client, keys) = without_room(&place, 5).await;
    let request = v1::ChangeKeysRequest {
        environment: "live".to_owned(),
        action: Some(v1::change_keys_request::Action::Disable(v1::DisableKeys {})),
        expected_count: 5,
        request_id: "4711".to_owned(),
        comment: "all of them".to_owned(),
        ..v1::ChangeKeysRequest::default()
    };
    for _again in 0..2 {
        not_durable(client.keys().change_keys(client.signed(request.clone())).await);
    }
    for (_, api_key) in &keys {
        client.denied_for(api_key, "KEY_DISABLED").await;
    }
    assert_eq!(client.status().await.denied_key_count, 5);
    place.disk.make_room();
    server.until_logged("what was denied in memory only is written, and lasts");
    let again = client.keys().change_keys(client.signed(request)).await;
    refusal(again, Code::AlreadyExists, "GROUP_DONE");
    let log = client.log().await;
    let records: Vec<_> = log.iter().filter(|record| record.request_id == "4711").collect();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].key_count, records[0].comment.as_str()), (5, "all of them"));
    for (_, api_key) in &keys {
        client.denied_for(api_key, "KEY_DISABLED").await;
    }
    server.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_what_denied_and_not_durable_means() {
    // M4, D4
    let Some(place) = Place::new() else { return };
    let (server, _client, keys) = without_room(&place, 2).await;
    let key_file = place.data().join("root-key");
    let say = |words: &[&str], input: &str| {
        let mut command = keyward();
        command.args(words).args(["--server", &server.url(), "--admin-key-file"]).arg(&key_file);
        run(command, input)
    };
    let revoked = say(&["revoke", &keys[0].0], "");
    assert_eq!(revoked.code, Some(7), "{revoked:?}");
    assert!(
        revoked.err.contains("denied here from now on") && revoked.err.contains("keep it running"),
        "{revoked:?}"
    );
    assert_eq!(say(&["disable", &keys[1].0], "").code, Some(7));
    for text in [&*keys[1].1, "nobody's"] {
        let presented = say(&["revoke", "--presented"], text);
        assert_eq!(presented.code, Some(7), "{presented:?}");
        assert!(!presented.out.contains("dead"), "{presented:?}");
    }
    let status = say(&["status"], "");
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(status.out.contains(&keys[0].0) && status.out.contains("a restart forgets it"), "{status:?}");
    let json: serde_json::Value = serde_json::from_str(&say(&["status", "--json"], "").out).unwrap();
    assert_eq!((&json["changes_taken"], &json["denied_key_count"]), (&"ENDS".into(), &3.into()));
    drop(server);
}
