//! `DisableKey` and `EnableKey`.

use keyward::wire::v1::{self, AuditAction, DenialReason, KeyState};
use tonic::Code;

use crate::support::{
    Keyward, START_MS, admin_rights, holder_key, signed,
    verbs::{HOUR, MS, disabling, enabling, ms, refusal},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_off_until_it_is_switched_on() {
    // K9, V1
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let channel = keyward.new_channel().await;
    let mut other = v1::key_service_client::KeyServiceClient::new(channel);
    let question = || crate::support::check(&issued.api_key, &["messaging:send"]);
    assert!(other.check(question()).await.unwrap().into_inner().allowed);
    keyward.clock.advance(HOUR);
    let request = v1::DisableKeyRequest { comment: "holiday".to_owned(), ..disabling(&issued.key.id) };
    let answer = keyward.keys().disable_key(keyward.as_root(request)).await.unwrap().into_inner();
    let key = answer.key.unwrap();
    assert_eq!((key.state(), key.revision), (KeyState::Disabled, answer.revision));
    assert_eq!(ms(key.update_time), Some(START_MS + 3_600_000));
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.comment.as_str()), (AuditAction::KeyDisable, "holiday"));
    let change = &record.changes[0];
    assert_eq!(
        (change.field.as_str(), change.from.as_str(), change.to.as_str()),
        ("state", "\"active\"", "\"disabled\"")
    );
    assert!(!other.check(question()).await.unwrap().into_inner().allowed, "on every connection");

    let keyward = keyward.restart().await;
    assert_eq!(keyward.denied(&issued.api_key, &[]).await, Some(DenialReason::KeyDisabled));
    let request = v1::EnableKeyRequest { comment: "back".to_owned(), ..enabling(&issued.key.id) };
    let answer = keyward.keys().enable_key(keyward.as_root(request)).await.unwrap().into_inner();
    assert_eq!(answer.key.unwrap().state(), KeyState::Active);
    assert_eq!(keyward.denied(&issued.api_key, &["messaging:send"]).await, None);
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.comment.as_str()), (AuditAction::KeyEnable, "back"));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switching_to_where_a_key_stands_changes_nothing() {
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let same = keyward.enable(&issued.key.id).await;
    assert_eq!((same.revision, same.key.unwrap()), (issued.key.revision, issued.key.clone()));
    let first = keyward.disable(&issued.key.id).await;
    keyward.clock.advance(HOUR);
    assert_eq!(keyward.disable(&issued.key.id).await, first);
    assert_eq!(keyward.revision().await, first.revision);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_and_expired_are_final() {
    // K9
    let keyward = Keyward::start().await;
    let revoked = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.revoke(&revoked.key.id).await;
    let expiring = v1::IssueRequest { expire_time: Some(keyward.clock.after(MS)), ..holder_key(&["a:a"]) };
    let expired = keyward.issue(expiring).await;
    keyward.clock.advance(MS);
    let revision = keyward.revision().await;
    for (issued, why) in [(&revoked, "KEY_REVOKED"), (&expired, "KEY_EXPIRED")] {
        let enabled = keyward.keys().enable_key(keyward.as_root(enabling(&issued.key.id))).await;
        refusal(enabled, Code::FailedPrecondition, why);
        let disabled = keyward.keys().disable_key(keyward.as_root(disabling(&issued.key.id))).await;
        refusal(disabled, Code::FailedPrecondition, why);
    }
    assert_eq!(keyward.revision().await, revision);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_root_key_is_not_switched_off() {
    // X9
    let keyward = Keyward::start().await;
    let root = keyward.root_id().await;
    let off = keyward.keys().disable_key(keyward.as_root(disabling(&root))).await;
    refusal(off, Code::FailedPrecondition, "LAST_ROOT_KEY");
    let second = keyward.issue_admin("", admin_rights(&["admin:grant", "keys:update"], true)).await;
    keyward.disable(&second.key.id).await;
    let off = keyward.keys().disable_key(keyward.as_root(disabling(&root))).await;
    refusal(off, Code::FailedPrecondition, "LAST_ROOT_KEY");
    keyward.enable(&second.key.id).await;
    keyward.disable(&root).await;
    let dead = keyward.keys().enable_key(keyward.as_root(enabling(&root))).await;
    refusal(dead, Code::Unauthenticated, "CALLER_INVALID");
    let above = keyward.keys().enable_key(signed(&second.api_key, enabling(&root))).await;
    refusal(above, Code::PermissionDenied, "CEILING_EXCEEDED");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_out_of_reach_is_not_found() {
    // T1
    let keyward = Keyward::start().await;
    let (mine, my_key) = keyward.register("mine").await;
    let (_, theirs) = keyward.register("theirs").await;
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["keys:update"], false)).await.api_key;
    for id in [&theirs.key.id, "key_00000000000000000000000000"] {
        let off = keyward.keys().disable_key(signed(&admin, disabling(id))).await;
        refusal(off, Code::NotFound, "KEY_NOT_FOUND");
        let on = keyward.keys().enable_key(signed(&admin, enabling(id))).await;
        refusal(on, Code::NotFound, "KEY_NOT_FOUND");
    }
    keyward.keys().disable_key(signed(&admin, disabling(&my_key.key.id))).await.unwrap();
    keyward.stop().await;
}
