//! `UpdateKey`.

use keyward::wire::v1::{self, AuditAction, DenialReason};
use tonic::Code;

use crate::support::{
    Issued, Keyward, START_MS, admin_rights, holder_key, signed,
    verbs::{DAY, HOUR, MS, assert_field, bound, ms, named, refusal, renaming, strings, update},
};

async fn full(keyward: &Keyward) -> Issued {
    let request = v1::IssueRequest {
        description: "before".to_owned(),
        owner: "user:1".to_owned(),
        grants: vec![bound("storage:read", &["space/a"])],
        expire_time: Some(keyward.clock.after(DAY)),
        allowed_cidrs: strings(&["10.0.0.0/8"]),
        metadata: [("a".to_owned(), "b".to_owned())].into(),
        ..holder_key(&["messaging:send"])
    };
    keyward.issue(request).await
}

fn blank(issued: &Issued) -> v1::Key {
    v1::Key { id: issued.key.id.clone(), ..v1::Key::default() }
}

const ALL: [&str; 7] =
    ["name", "description", "scopes", "grants", "expire_time", "allowed_cidrs", "metadata"];

#[tokio::test(flavor = "multi_thread")]
async fn the_named_fields_change_and_no_others() {
    // K1
    let keyward = Keyward::start().await;
    let issued = full(&keyward).await;
    keyward.clock.advance(HOUR);
    let wanted = v1::Key {
        name: "after".to_owned(),
        description: "after".to_owned(),
        owner: "user:2".to_owned(),
        environment: "test".to_owned(),
        scopes: strings(&["b:b", "a:a"]),
        grants: vec![bound("storage:upload", &["space/b"])],
        expire_time: Some(keyward.clock.after(DAY * 2)),
        allowed_cidrs: strings(&["192.0.2.0/24"]),
        metadata: [("c".to_owned(), "d".to_owned())].into(),
        state: v1::KeyState::Revoked.into(),
        revision: 99,
        ..blank(&issued)
    };
    let mut expected = issued.key.clone();
    for (place, field) in ALL.into_iter().enumerate() {
        let key = keyward.update(wanted.clone(), &[field]).await;
        match field {
            "name" => expected.name.clone_from(&wanted.name),
            "description" => expected.description.clone_from(&wanted.description),
            "scopes" => expected.scopes = strings(&["a:a", "b:b"]),
            "grants" => expected.grants.clone_from(&wanted.grants),
            "expire_time" => expected.expire_time = wanted.expire_time,
            "allowed_cidrs" => expected.allowed_cidrs.clone_from(&wanted.allowed_cidrs),
            _ => expected.metadata.clone_from(&wanted.metadata),
        }
        // What these are is for the tests of the policy.
        expected.effective_scopes.clone_from(&key.effective_scopes);
        expected.revision = issued.key.revision + 1 + u64::try_from(place).unwrap();
        expected.update_time = Some(keyward.clock.after(std::time::Duration::ZERO));
        assert_eq!(key, expected, "{field}");
        let record = keyward.newest_record().await;
        assert_eq!((record.action(), record.changes.len()), (AuditAction::KeyUpdate, 1));
        assert!(!record.changes[0].from.is_empty() && !record.changes[0].to.is_empty());
    }
    let keyward = keyward.restart().await;
    assert_eq!(keyward.show(&issued.key.id).await, expected);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_holds_from_the_next_check_on() {
    // S1, S3, S8
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let wanted = v1::Key {
        scopes: strings(&["storage:read"]),
        allowed_cidrs: strings(&["10.0.0.0/8"]),
        ..blank(&issued)
    };
    keyward.update(wanted.clone(), &["scopes"]).await;
    let denied = keyward.denied(&issued.api_key, &["messaging:send"]).await;
    assert_eq!(denied, Some(DenialReason::ScopeInsufficient));
    assert_eq!(keyward.denied(&issued.api_key, &["storage:read"]).await, None);
    keyward.update(wanted, &["allowed_cidrs"]).await;
    let denied = keyward.denied(&issued.api_key, &["storage:read"]).await;
    assert_eq!(denied, Some(DenialReason::AddressNotAllowed));
    let ends = v1::Key { expire_time: Some(keyward.clock.after(MS)), ..blank(&issued) };
    keyward.update(ends, &["expire_time", "allowed_cidrs"]).await;
    assert_eq!(keyward.denied(&issued.api_key, &["storage:read"]).await, None, "cleared networks");
    keyward.clock.advance(MS);
    assert_eq!(keyward.denied(&issued.api_key, &[]).await, Some(DenialReason::KeyExpired));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_field_that_is_absent_is_cleared() {
    let keyward = Keyward::start().await;
    let issued = full(&keyward).await;
    let mask = ["description", "grants", "expire_time", "allowed_cidrs", "metadata"];
    let key = keyward.update(blank(&issued), &mask).await;
    assert_eq!((key.description.as_str(), key.grants.len(), key.expire_time), ("", 0, None));
    assert!(key.allowed_cidrs.is_empty() && key.metadata.is_empty());
    assert_eq!((key.name, key.scopes), (issued.key.name, issued.key.scopes));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_names_what_can_change_and_something() {
    let keyward = Keyward::start().await;
    let issued = full(&keyward).await;
    let revision = keyward.revision().await;
    let wanted = || v1::Key { name: "after".to_owned(), ..blank(&issued) };
    let mut bad: Vec<Vec<&str>> = [
        "*",
        "",
        " name",
        "Name",
        "name ",
        "name,description",
        "key.name",
        "metadata.a",
        "grants.scope",
        "id",
        "workspace_id",
        "owner",
        "creator",
        "environment",
        "hint",
        "state",
        "create_time",
        "update_time",
        "last_use_time",
        "revocation",
        "secrets",
        "admin",
        "revision",
        "unknown",
        "expireTime",
    ]
    .into_iter()
    .map(|path| vec!["name", path])
    .collect();
    bad.push(Vec::new());
    bad.push(vec!["name"; 33]);
    for mask in bad {
        let answer = keyward.keys().update_key(keyward.as_root(update(wanted(), &mask))).await;
        assert_field(answer, "update_mask");
    }
    let absent = v1::UpdateKeyRequest { key: Some(wanted()), ..v1::UpdateKeyRequest::default() };
    assert_field(keyward.keys().update_key(keyward.as_root(absent)).await, "update_mask");
    assert_eq!(keyward.revision().await, revision);
    assert_eq!(keyward.show(&issued.key.id).await, issued.key);
    let twice = keyward.update(wanted(), &["name", "name"]).await;
    assert_eq!(twice.name, "after", "naming a field twice names it");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_writes_nothing() {
    let keyward = Keyward::start().await;
    let issued = full(&keyward).await;
    keyward.clock.advance(HOUR);
    let same = keyward.update(issued.key.clone(), &ALL).await;
    assert_eq!(same, issued.key);
    assert_eq!(keyward.revision().await, issued.key.revision);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_keeps_some_right_and_an_end_that_lies_ahead() {
    // K1, K8
    let keyward = Keyward::start().await;
    let issued = full(&keyward).await;
    let attempt = async |key: v1::Key, mask: &[&str]| {
        keyward.keys().update_key(keyward.as_root(update(key, mask))).await
    };
    assert_field(attempt(blank(&issued), &["scopes", "grants"]).await, "key.scopes");
    keyward.update(blank(&issued), &["scopes"]).await;
    assert_field(attempt(blank(&issued), &["grants"]).await, "key.grants");
    let now = keyward.clock.after(std::time::Duration::ZERO);
    for time in [now, prost_types::Timestamp { nanos: 999_999, ..now }, prost_types::Timestamp::default()] {
        let key = v1::Key { expire_time: Some(time), ..blank(&issued) };
        assert_field(attempt(key, &["expire_time"]).await, "key.expire_time");
    }
    assert_eq!(ms(keyward.show(&issued.key.id).await.expire_time), Some(START_MS + 86_400_000));
    let many = (0..256).map(|place| format!("a:s{place}")).collect();
    let key = v1::Key { scopes: many, ..blank(&issued) };
    assert_field(attempt(key, &["scopes"]).await, "key.scopes");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_and_expired_are_final() {
    // K9
    let keyward = Keyward::start().await;
    let revoked = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.revoke(&revoked.key.id).await;
    let expired = full(&keyward).await;
    keyward.clock.advance(DAY);
    for (issued, why) in [(&revoked, "KEY_REVOKED"), (&expired, "KEY_EXPIRED")] {
        for mask in [&["expire_time"][..], &["name"], &ALL] {
            let key = v1::Key {
                name: "after".to_owned(),
                scopes: strings(&["a:a"]),
                expire_time: Some(keyward.clock.after(DAY)),
                ..blank(issued)
            };
            let answer = keyward.keys().update_key(keyward.as_root(update(key, mask))).await;
            refusal(answer, Code::FailedPrecondition, why);
        }
        assert_ne!(keyward.denied(&issued.api_key, &[]).await, None);
        assert_eq!(keyward.show(&issued.key.id).await.name, "test key");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administration_key_gets_no_grants() {
    let keyward = Keyward::start().await;
    let admin = keyward.issue_admin("", admin_rights(&["keys:read"], true)).await;
    let key = v1::Key { scopes: strings(&["a:a"]), ..blank(&admin) };
    let answer = keyward.keys().update_key(keyward.as_root(update(key, &["scopes"]))).await;
    assert_field(answer, "update_mask");
    let renamed = v1::Key { name: "reader".to_owned(), ..blank(&admin) };
    assert_eq!(keyward.update(renamed, &["name"]).await.name, "reader");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_root_key_is_given_no_end() {
    // X9
    let keyward = Keyward::start().await;
    let root = keyward.root_id().await;
    let ending = || {
        let expire_time = Some(keyward.clock.after(DAY));
        update(v1::Key { id: root.clone(), expire_time, ..v1::Key::default() }, &["expire_time"])
    };
    let refused = keyward.keys().update_key(keyward.as_root(ending())).await;
    refusal(refused, Code::FailedPrecondition, "LAST_ROOT_KEY");
    assert_eq!(keyward.show(&root).await.expire_time, None);
    keyward.keys().update_key(keyward.as_root(renaming(&root, "first"))).await.unwrap();
    keyward.issue_admin("", admin_rights(&["admin:grant"], true)).await;
    keyward.keys().update_key(keyward.as_root(ending())).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_root_key_is_bound_to_networks_only_from_within_them() {
    // X9, M4: a slip would lock everybody out
    let keyward = Keyward::start().await;
    let root = keyward.root_id().await;
    let within = |id: &str, networks: &[&str]| {
        let key = v1::Key { id: id.to_owned(), allowed_cidrs: strings(networks), ..v1::Key::default() };
        update(key, &["allowed_cidrs"])
    };
    for networks in [&["192.0.2.0/24"][..], &["192.0.2.0/24", "2001:db8::/32"]] {
        let refused = keyward.keys().update_key(keyward.as_root(within(&root, networks))).await;
        refusal(refused, Code::FailedPrecondition, "ROOT_KEY_UNREACHABLE");
    }
    assert!(keyward.show(&root).await.allowed_cidrs.is_empty());
    let second = keyward.issue_admin("", admin_rights(&["admin:grant", "keys:read"], true)).await;
    keyward.keys().update_key(keyward.as_root(within(&second.key.id, &["192.0.2.0/24"]))).await.unwrap();
    // One that cannot be used from here is no other.
    let refused = keyward.keys().update_key(keyward.as_root(within(&root, &["192.0.2.0/24"]))).await;
    refusal(refused, Code::FailedPrecondition, "ROOT_KEY_UNREACHABLE");
    let by_id = v1::RevokeRequest {
        target: Some(v1::revoke_request::Target::KeyId(root.clone())),
        ..v1::RevokeRequest::default()
    };
    let refused = keyward.keys().revoke(keyward.as_root(by_id)).await;
    refusal(refused, Code::FailedPrecondition, "LAST_ROOT_KEY");
    let third =
        keyward.issue_admin("", admin_rights(&["admin:grant", "keys:read", "keys:update"], true)).await;
    keyward.keys().update_key(keyward.as_root(within(&root, &["192.0.2.0/24"]))).await.unwrap();
    keyward.keys().get_key(signed(&third.api_key, named(&root))).await.unwrap();
    let reached = within(&third.key.id, &["192.0.2.0/24", "127.0.0.0/8"]);
    keyward.keys().update_key(signed(&third.api_key, reached)).await.unwrap();
    keyward.keys().get_key(signed(&third.api_key, named(&root))).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_out_of_reach_is_not_found() {
    // T1
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let (_, theirs) = keyward.register("theirs").await;
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["keys:update"], false)).await;
    for id in [&theirs.key.id, "key_00000000000000000000000000"] {
        let answer = keyward.keys().update_key(signed(&admin.api_key, renaming(id, "after"))).await;
        refusal(answer, Code::NotFound, "KEY_NOT_FOUND");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_key_at_the_same_time_are_all_there() {
    // A1
    let keyward = Keyward::start().await;
    let issued = full(&keyward).await;
    let one = keyward.update(v1::Key { name: "after".to_owned(), ..blank(&issued) }, &["name"]);
    let two = keyward.update(v1::Key { description: "after".to_owned(), ..blank(&issued) }, &["description"]);
    let three = keyward.update(v1::Key { scopes: strings(&["z:z"]), ..blank(&issued) }, &["scopes"]);
    let before = issued.key.revision;
    tokio::join!(one, two, three);
    let key = keyward.show(&issued.key.id).await;
    assert_eq!((key.name.as_str(), key.description.as_str()), ("after", "after"));
    assert_eq!((key.scopes, key.revision), (strings(&["z:z"]), before + 3));
    keyward.stop().await;
}
