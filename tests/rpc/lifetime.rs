//! Lifetimes: durations that the server counts from its own time, in every request that can say when a key ends.

use std::time::Duration;

use keyward::{
    domain::policy::KeyRulesEntry,
    wire::v1::{self, ChangeKeysRequest, ImportKeysRequest, ImportRow, change_keys_request::Action},
};
use prost::Message as _;
use ring::digest;
use rusqlite::Connection;
use tonic::{Code, Response, Status};

use crate::{
    import::{row, rows, sha256},
    support::{
        Keyward, admin_rights, holder_key, policy,
        verbs::{DAY, MS, assert_field, metadata, refusal, strings, update, wire},
    },
};

const LONGEST: Duration = Duration::from_secs(36_525 * 24 * 60 * 60);

fn living(lifetime: Duration) -> v1::IssueRequest {
    v1::IssueRequest { lifetime: Some(wire(lifetime)), ..holder_key(&["messaging:send"]) }
}

fn moving(id: &str, mask: &[&str], lifetime: Option<prost_types::Duration>) -> v1::UpdateKeyRequest {
    let key = v1::Key { id: id.to_owned(), name: "renamed".to_owned(), ..v1::Key::default() };
    v1::UpdateKeyRequest { lifetime, ..update(key, mask) }
}

fn retiring(lifetime: Duration) -> ChangeKeysRequest {
    let retire = v1::RetireKeys { expire_time: None, lifetime: Some(wire(lifetime)) };
    ChangeKeysRequest {
        owner: "ann".to_owned(),
        action: Some(Action::Retire(retire)),
        expected_count: 1,
        ..ChangeKeysRequest::default()
    }
}

fn registering(key: v1::IssueRequest) -> v1::RegisterWorkspaceRequest {
    let name = "Acme".to_owned();
    v1::RegisterWorkspaceRequest { name, key: Some(key), ..v1::RegisterWorkspaceRequest::default() }
}

impl Keyward {
    async fn try_move(
        &self,
        id: &str,
        mask: &[&str],
        lifetime: Option<prost_types::Duration>,
    ) -> Result<Response<v1::UpdateKeyResponse>, Status> {
        self.keys().update_key(self.as_root(moving(id, mask, lifetime))).await
    }

    async fn try_register(
        &self,
        key: v1::IssueRequest,
    ) -> Result<Response<v1::RegisterWorkspaceResponse>, Status> {
        self.workspaces().register_workspace(self.as_root(registering(key))).await
    }

    async fn try_retire(
        &self,
        request: ChangeKeysRequest,
    ) -> Result<Response<v1::ChangeKeysResponse>, Status> {
        self.keys().change_keys(self.as_root(request)).await
    }

    async fn cap_lifetimes(&self, longest: &str) {
        let mut document = policy().document().clone();
        let longest = Some(longest.to_owned());
        document.key_rules = Some(KeyRulesEntry { max_lifetime: longest, ..KeyRulesEntry::default() });
        self.apply(&document).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifetime_is_counted_from_the_servers_time_at_each_change() {
    // K11
    let keyward = Keyward::start().await;
    let issued = keyward.issue(living(90 * DAY)).await.key;
    assert_eq!(issued.expire_time, Some(keyward.clock.after(90 * DAY)), "a day has 24 hours");

    keyward.clock.advance(DAY);
    let moved = keyward.try_move(&issued.id, &["lifetime"], Some(wire(2 * DAY))).await.unwrap();
    assert_eq!(moved.into_inner().key.unwrap().expire_time, Some(keyward.clock.after(2 * DAY)));
    let endless = keyward.try_move(&issued.id, &["expire_time"], None).await.unwrap();
    assert_eq!(endless.into_inner().key.unwrap().expire_time, None);

    let registered = keyward.try_register(living(3 * DAY)).await.unwrap().into_inner();
    assert_eq!(registered.key.clone().unwrap().expire_time, Some(keyward.clock.after(3 * DAY)));

    let imported = ImportRow { lifetime: Some(wire(4 * DAY)), ..row(1, sha256("a-token-of-theirs")) };
    let imported = keyward.import(imported).await;
    assert_eq!(keyward.show(&imported).await.expire_time, Some(keyward.clock.after(4 * DAY)));

    let anns = keyward.issue(v1::IssueRequest { owner: "ann".to_owned(), ..holder_key(&["a:b"]) }).await;
    keyward.clock.advance(DAY);
    keyward.try_retire(retiring(5 * DAY)).await.unwrap();
    assert_eq!(keyward.show(&anns.key.id).await.expire_time, Some(keyward.clock.after(5 * DAY)));

    // A machine whose clock is set back reckons from the time that is trusted, not from what the clock shows.
    let trusted = keyward.clock.after(DAY);
    keyward.clock.leap(-60_000);
    assert_eq!(keyward.issue(living(DAY)).await.key.expire_time, Some(trusted));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_lifetime_under_the_same_request_id_is_the_same_request_whenever_it_is_sent() {
    // K10, K11
    let keyward = Keyward::start().await;
    let request = |id: &str| v1::IssueRequest { request_id: id.to_owned(), ..living(90 * DAY) };
    let first = keyward.issue(request("issue")).await.key;
    let registered = keyward.try_register(request("register")).await.unwrap().into_inner();
    let anns = v1::IssueRequest { owner: "ann".to_owned(), ..holder_key(&["a:b"]) };
    keyward.issue(anns).await;
    let retire = ChangeKeysRequest { request_id: "retire".to_owned(), ..retiring(90 * DAY) };
    keyward.try_retire(retire.clone()).await.unwrap();
    let revision = keyward.revision().await;

    let keyward = keyward.restart().await;
    keyward.clock.advance(2_000 * MS);
    let shown = |status: Status, id: &str| assert_eq!(metadata(&status, "key_id").as_deref(), Some(id));
    let again = keyward.try_issue(&keyward.root, request("issue")).await;
    shown(refusal(again, Code::AlreadyExists, "SECRET_ALREADY_SHOWN"), &first.id);
    let again = keyward.try_register(request("register")).await;
    shown(refusal(again, Code::AlreadyExists, "SECRET_ALREADY_SHOWN"), &registered.key.clone().unwrap().id);
    refusal(keyward.try_retire(retire).await, Code::AlreadyExists, "GROUP_DONE");

    let longer = v1::IssueRequest { lifetime: Some(wire(91 * DAY)), ..request("issue") };
    let other = keyward.try_issue(&keyward.root, longer).await;
    refusal(other, Code::AlreadyExists, "REQUEST_ID_REUSED");
    assert_eq!(keyward.revision().await, revision, "nothing was written");
    keyward.stop().await;
}

/// `90 × 24 h` from the start of tests, as protobuf writes it, tag by tag: what versions without lifetimes sent and stored.
fn issue_of_old(expire_ms: i64) -> Vec<u8> {
    let mut seconds = Vec::new();
    prost::encoding::encode_varint(u64::try_from(expire_ms / 1_000).unwrap(), &mut seconds);
    let mut bytes = b"\x12\x03old\x3a\x0emessaging:send\x52".to_vec();
    bytes.push(u8::try_from(seconds.len() + 1).unwrap());
    bytes.push(0x08);
    bytes.extend(seconds);
    bytes.extend(b"\x72\x05old-1");
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_that_an_earlier_version_stored_is_still_known() {
    // K10, K11
    let keyward = Keyward::start().await;
    let expire_time = keyward.clock.after(90 * DAY);
    let request = v1::IssueRequest {
        name: "old".to_owned(),
        scopes: strings(&["messaging:send"]),
        expire_time: Some(expire_time),
        request_id: "old-1".to_owned(),
        ..v1::IssueRequest::default()
    };
    let first = keyward.issue(request.clone()).await.key;
    let old = issue_of_old(expire_time.seconds * 1_000);
    assert_eq!(request.encode_to_vec(), old, "the bytes that an earlier version took the fingerprint of");
    let folder = keyward.data_dir();
    let stored = Connection::open(folder.join("keyward.db")).unwrap();
    let sql = "SELECT fingerprint FROM requests WHERE request_id = 'old-1'";
    let stored: Vec<u8> = stored.query_row(sql, [], |found| found.get(0)).unwrap();
    let of_old = digest::digest(&digest::SHA256, &[b"Issue\0".as_slice(), &old].concat());
    assert_eq!(stored, of_old.as_ref());

    keyward.clock.advance(DAY);
    let again = keyward.try_issue(&keyward.root, request).await;
    let status = refusal(again, Code::AlreadyExists, "SECRET_ALREADY_SHOWN");
    assert_eq!(metadata(&status, "key_id"), Some(first.id));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_lifetime_that_a_rule_or_a_ceiling_allows_can_be_had() {
    // K7, K11, X9
    let keyward = Keyward::start().await;
    keyward.cap_lifetimes("90d").await;
    let rights = v1::AdminRights {
        ceiling: Some(v1::Ceiling {
            any_grant: true,
            any_environment: true,
            max_lifetime: Some(wire(30 * DAY)),
            ..v1::Ceiling::default()
        }),
        ..admin_rights(&["keys:issue"], true)
    };
    let tenant = keyward.issue_admin("", rights).await;

    // By a moment, a client two seconds ahead is over the rule; by a duration it cannot be.
    let ahead = v1::IssueRequest {
        expire_time: Some(keyward.clock.after(90 * DAY + 2_000 * MS)),
        ..holder_key(&["messaging:send"])
    };
    assert_field(keyward.try_issue(&keyward.root, ahead).await, "expire_time");
    let key = keyward.issue(living(90 * DAY)).await.key;
    let why = assert_field(keyward.try_issue(&keyward.root, living(90 * DAY + MS)).await, "lifetime");
    assert!(why.contains("90d"), "{why}");
    let why = assert_field(keyward.try_register(living(90 * DAY + MS)).await, "key.lifetime");
    assert!(why.contains("90d"), "{why}");
    let longer = keyward.try_move(&key.id, &["lifetime"], Some(wire(90 * DAY + MS))).await;
    assert!(assert_field(longer, "lifetime").contains("90d"));
    let bad = keyward.bad(ImportRow { lifetime: Some(wire(91 * DAY)), ..row(1, sha256("some-token")) }).await;
    assert_eq!(bad.field, "lifetime");

    keyward.try_issue(&tenant.api_key, living(30 * DAY)).await.unwrap();
    let beyond = keyward.try_issue(&tenant.api_key, living(30 * DAY + MS)).await;
    refusal(beyond, Code::PermissionDenied, "CEILING_EXCEEDED");

    // A weak secret's ninety days are those of its import.
    let weak = |length| ImportKeysRequest {
        allow_weak: true,
        ..rows(vec![ImportRow {
            secret_bits: 80,
            lifetime: Some(wire(length)),
            ..row(1, sha256("a-weak-token"))
        }])
    };
    let answer = keyward.import_all(weak(90 * DAY + MS)).await;
    assert_eq!(answer.results[0].error.clone().unwrap().field, "lifetime");
    assert_eq!(keyward.import_all(weak(90 * DAY)).await.good, 1);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_lifetime_or_comes_beside_a_time_is_named_and_changes_nothing() {
    // K11
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.key;
    let revision = keyward.revision().await;
    let length = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    let too_long = i64::try_from(LONGEST.as_secs()).unwrap();
    for lifetime in [
        length(0, 0),
        length(-1, 0),
        length(0, -1),
        length(1, -1),
        length(0, 999_999),
        length(1, 1_000_000_000),
        length(too_long, 1_000_000),
        length(i64::MAX, 999_999_999),
        length(i64::MIN, 0),
    ] {
        let issue = v1::IssueRequest { lifetime, ..holder_key(&["messaging:send"]) };
        let why = assert_field(keyward.try_issue(&keyward.root, issue.clone()).await, "lifetime");
        assert!(why.contains("36,525 days") && why.contains("24 hours"), "{why}");
        assert_field(keyward.try_register(issue).await, "key.lifetime");
        assert_field(keyward.try_move(&key.id, &["lifetime"], lifetime).await, "lifetime");
        let import = ImportRow { lifetime, ..row(1, sha256("some-token")) };
        assert_eq!(keyward.bad(import).await.field, "lifetime");
        let retire = Action::Retire(v1::RetireKeys { expire_time: None, lifetime });
        let retire = ChangeKeysRequest { action: Some(retire), ..retiring(DAY) };
        assert_field(keyward.try_retire(retire).await, "retire.lifetime");
    }

    let both = v1::IssueRequest { expire_time: Some(keyward.clock.after(DAY)), ..living(DAY) };
    let why = assert_field(keyward.try_issue(&keyward.root, both.clone()).await, "lifetime");
    assert!(why.contains("`expire_time`"), "{why}");
    let why = assert_field(keyward.try_register(both).await, "key.lifetime");
    assert!(why.contains("`key.expire_time`"), "{why}");
    let both = keyward.try_move(&key.id, &["expire_time", "lifetime"], Some(wire(DAY))).await;
    let why = assert_field(both, "update_mask");
    assert!(why.contains("`expire_time`") && why.contains("`lifetime`"), "{why}");
    for (mask, lifetime) in [("name", Some(wire(DAY))), ("expire_time", Some(wire(DAY))), ("lifetime", None)]
    {
        let why = assert_field(keyward.try_move(&key.id, &[mask], lifetime).await, "lifetime");
        assert!(why.contains("update_mask"), "a lifetime is neither dropped nor guessed: {why}");
    }
    let retire = v1::RetireKeys { expire_time: Some(keyward.clock.after(DAY)), lifetime: Some(wire(DAY)) };
    let retire = ChangeKeysRequest { action: Some(Action::Retire(retire)), ..retiring(DAY) };
    let why = assert_field(keyward.try_retire(retire).await, "retire.lifetime");
    assert!(why.contains("`retire.expire_time`"), "{why}");
    assert_eq!(keyward.revision().await, revision);

    let longest = keyward.issue(living(LONGEST)).await.key;
    assert_eq!(longest.expire_time, Some(keyward.clock.after(LONGEST)));
    keyward.stop().await;
}
