//! Rotate.

use std::time::Duration;

use keyward::wire::v1::{self, AuditAction, DenialReason, SecretState};
use tonic::Code;

use crate::support::{
    Issued, Keyward, START_MS, admin_rights, holder_key, reason, signed,
    verbs::{DAY, HOUR, MS, assert_field, bound, metadata, ms, refusal, rotation, strings},
};

const EXPIRED: Option<DenialReason> = Some(DenialReason::KeyExpired);

async fn denials(keyward: &Keyward, keys: &[&Issued]) -> Vec<Option<DenialReason>> {
    let mut denials = Vec::new();
    for issued in keys {
        denials.push(keyward.denied(&issued.api_key, &["messaging:send"]).await);
    }
    denials
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_works_at_once_and_the_key_stays_the_same() {
    // R1, R4
    let keyward = Keyward::start().await;
    let request = v1::IssueRequest {
        owner: "user:1".to_owned(),
        description: "d".to_owned(),
        grants: vec![bound("storage:read", &["space/a"])],
        expire_time: Some(keyward.clock.after(DAY * 30)),
        metadata: [("a".to_owned(), "b".to_owned())].into(),
        ..holder_key(&["messaging:send"])
    };
    let old = keyward.issue(request).await;
    keyward.clock.advance(HOUR);
    let new = keyward.rotate(&old.key.id, None).await;
    assert_ne!(new.api_key, old.api_key);
    assert_eq!(denials(&keyward, &[&old, &new]).await, [None, None]);

    let expected = v1::Key {
        hint: new.key.hint.clone(),
        update_time: new.key.update_time,
        secrets: new.key.secrets.clone(),
        revision: new.key.revision,
        ..old.key.clone()
    };
    assert_eq!(new.key, expected, "nothing else has changed");
    assert_eq!(ms(new.key.update_time), Some(START_MS + 3_600_000));
    let end = START_MS + 25 * 3_600_000;
    let secrets: Vec<_> = new
        .key
        .secrets
        .iter()
        .map(|secret| (secret.generation, secret.state(), ms(secret.end_time)))
        .collect();
    assert_eq!(secrets, [(2, SecretState::Current, None), (1, SecretState::Retiring, Some(end))]);
    assert!(new.key.hint.ends_with(&new.api_key[new.api_key.len() - 4..]));

    let answer = keyward.check(&old.api_key, &[]).await;
    let secret = answer.key.unwrap().secret.unwrap();
    assert_eq!((secret.generation, ms(secret.retiring_at)), (1, Some(end)), "the old one's user is told");
    let secret = keyward.check(&new.api_key, &[]).await.key.unwrap().secret.unwrap();
    assert_eq!((secret.generation, secret.retiring_at), (2, None));
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.revision), (AuditAction::KeyRotate, new.key.revision));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_secret_is_good_to_the_last_millisecond_of_its_grace() {
    // R2
    let mut keyward = Keyward::start().await;
    let old = keyward.issue_scopes(&["messaging:send"]).await;
    let new = keyward.rotate(&old.key.id, None).await;
    keyward.clock.advance(DAY.saturating_sub(MS));
    for _ in 0..2 {
        assert_eq!(denials(&keyward, &[&old, &new]).await, [None, None], "+23:59:59.999");
        keyward = keyward.restart().await;
    }
    keyward.clock.advance(MS);
    for _ in 0..2 {
        assert_eq!(denials(&keyward, &[&old, &new]).await, [EXPIRED, None], "+24:00:00.000");
        keyward = keyward.restart().await;
    }
    assert_eq!(keyward.show(&old.key.id).await.secrets[1].state(), SecretState::Ended);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grace_never_passes_the_keys_expiry() {
    // R2, K8
    let keyward = Keyward::start().await;
    let request =
        v1::IssueRequest { expire_time: Some(keyward.clock.after(HOUR)), ..holder_key(&["messaging:send"]) };
    let old = keyward.issue(request).await;
    let new = keyward.rotate(&old.key.id, Some(DAY)).await;
    assert_eq!(ms(new.key.secrets[1].end_time), Some(START_MS + 3_600_000));
    let longer =
        v1::Key { id: old.key.id.clone(), expire_time: Some(keyward.clock.after(DAY)), ..v1::Key::default() };
    keyward.update(longer, &["expire_time"]).await;
    keyward.clock.advance(HOUR.saturating_sub(MS));
    assert_eq!(denials(&keyward, &[&old, &new]).await, [None, None]);
    keyward.clock.advance(MS);
    assert_eq!(
        denials(&keyward, &[&old, &new]).await,
        [EXPIRED, None],
        "a longer life is not a longer grace"
    );
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_grace_ends_all_earlier_secrets_now() {
    // R2
    let keyward = Keyward::start().await;
    let first = keyward.issue_scopes(&["messaging:send"]).await;
    let second = keyward.rotate(&first.key.id, Some(DAY)).await;
    let third = keyward.rotate(&first.key.id, Some(DAY)).await;
    assert_eq!(denials(&keyward, &[&first, &second, &third]).await, [None, None, None]);
    let fourth = keyward.rotate(&first.key.id, Some(Duration::ZERO)).await;
    let keyward = keyward.restart().await;
    let denied = denials(&keyward, &[&first, &second, &third, &fourth]).await;
    assert!(denied[..3].iter().all(Option::is_some) && denied[3].is_none(), "{denied:?}");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_three_secrets_live_at_once_and_each_keeps_its_end() {
    // R1, R2
    let keyward = Keyward::start().await;
    let first = keyward.issue_scopes(&["messaging:send"]).await;
    let second = keyward.rotate(&first.key.id, Some(HOUR)).await;
    let third = keyward.rotate(&first.key.id, Some(DAY)).await;
    let revision = keyward.revision().await;
    let status = refusal(
        keyward.keys().rotate(keyward.as_root(rotation(&first.key.id, Some(DAY)))).await,
        Code::FailedPrecondition,
        "TOO_MANY_LIVE_SECRETS",
    );
    assert_eq!(metadata(&status, "first_end_time").as_deref(), Some("2026-01-01T01:00:00.000Z"));
    assert_eq!(keyward.revision().await, revision);
    assert_eq!(denials(&keyward, &[&first, &second, &third]).await, [None, None, None]);
    keyward.clock.advance(HOUR);
    assert_eq!(denials(&keyward, &[&first, &second, &third]).await, [EXPIRED, None, None]);
    let fourth = keyward.rotate(&first.key.id, Some(DAY)).await;
    assert_eq!(denials(&keyward, &[&second, &third, &fourth]).await, [None, None, None]);
    assert_ne!(keyward.denied(&first.api_key, &[]).await, None);
    keyward.clock.advance(DAY.saturating_sub(HOUR));
    assert_eq!(denials(&keyward, &[&second, &third, &fourth]).await, [EXPIRED, None, None], "ends are kept");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grace_has_its_bounds() {
    // R2
    let keyward = Keyward::start().await;
    let old = keyward.issue_scopes(&["messaging:send"]).await;
    let year = prost_types::Duration { seconds: 366 * 86_400, nanos: 0 };
    for bad in [
        prost_types::Duration { seconds: -1, nanos: 0 },
        prost_types::Duration { seconds: 0, nanos: -1 },
        prost_types::Duration { seconds: 1, nanos: -1 },
        prost_types::Duration { seconds: 0, nanos: 1_000_000_000 },
        prost_types::Duration { nanos: 1, ..year },
        prost_types::Duration { seconds: i64::MAX, nanos: i32::MAX },
        prost_types::Duration { seconds: i64::MIN, nanos: i32::MIN },
    ] {
        let request = v1::RotateRequest { grace_period: Some(bad), ..rotation(&old.key.id, None) };
        assert_field(keyward.keys().rotate(keyward.as_root(request)).await, "grace_period");
    }
    let longest = v1::RotateRequest { grace_period: Some(year), ..rotation(&old.key.id, None) };
    let answer = keyward.keys().rotate(keyward.as_root(longest)).await.unwrap();
    let end = ms(answer.get_ref().key.as_ref().unwrap().secrets[1].end_time);
    assert_eq!(end, Some(START_MS + 366 * 86_400_000));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shortest_grace_is_a_millisecond_and_not_none() {
    // R2
    let keyward = Keyward::start().await;
    let first = keyward.issue_scopes(&["messaging:send"]).await;
    let second = keyward.rotate(&first.key.id, Some(HOUR)).await;
    let third = keyward.rotate(&first.key.id, Some(Duration::from_nanos(1))).await;
    assert_eq!(denials(&keyward, &[&first, &second, &third]).await, [None, None, None]);
    keyward.clock.advance(MS);
    assert_eq!(denials(&keyward, &[&first, &second, &third]).await, [None, EXPIRED, None]);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_or_expired_key_gets_no_new_secret() {
    // K9
    let keyward = Keyward::start().await;
    let revoked = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.revoke(&revoked.key.id).await;
    let expired = v1::IssueRequest { expire_time: Some(keyward.clock.after(MS)), ..holder_key(&["a:a"]) };
    let expired = keyward.issue(expired).await;
    keyward.clock.advance(MS);
    let keyward = keyward.restart().await;
    for (issued, why) in [(&revoked, "KEY_REVOKED"), (&expired, "KEY_EXPIRED")] {
        let answer = keyward.keys().rotate(keyward.as_root(rotation(&issued.key.id, None))).await;
        refusal(answer, Code::FailedPrecondition, why);
        assert_eq!(keyward.show(&issued.key.id).await.secrets.len(), 1);
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_key_can_be_rotated_and_stays_disabled() {
    // R1
    let keyward = Keyward::start().await;
    let old = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.disable(&old.key.id).await;
    let new = keyward.rotate(&old.key.id, None).await;
    assert_eq!(keyward.denied(&new.api_key, &[]).await, Some(DenialReason::KeyDisabled));
    keyward.enable(&old.key.id).await;
    assert_eq!(denials(&keyward, &[&old, &new]).await, [None, None]);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_the_same_request_id_makes_no_second_secret() {
    // K10
    let keyward = Keyward::start().await;
    let old = keyward.issue_scopes(&["messaging:send"]).await;
    let other = keyward.issue_scopes(&["messaging:send"]).await;
    let request = v1::RotateRequest { request_id: "r-1".to_owned(), ..rotation(&old.key.id, None) };
    let new = keyward.keys().rotate(keyward.as_root(request.clone())).await.unwrap().into_inner();
    let again = keyward.keys().rotate(keyward.as_root(request.clone())).await;
    let status = refusal(again, Code::AlreadyExists, "SECRET_ALREADY_SHOWN");
    assert_eq!(metadata(&status, "key_id"), Some(old.key.id.clone()));
    for different in [
        v1::RotateRequest { key_id: other.key.id.clone(), ..request.clone() },
        v1::RotateRequest { grace_period: Some(prost_types::Duration::default()), ..request.clone() },
    ] {
        let reused = keyward.keys().rotate(keyward.as_root(different)).await;
        refusal(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");
    }
    let issue = v1::IssueRequest { request_id: "r-1".to_owned(), ..holder_key(&["a:a"]) };
    let reused = keyward.try_issue(&keyward.root, issue).await;
    refusal(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");

    let keyward = keyward.restart().await;
    let again = keyward.keys().rotate(keyward.as_root(request.clone())).await;
    refusal(again, Code::AlreadyExists, "SECRET_ALREADY_SHOWN");
    keyward.revoke(&old.key.id).await;
    let again = keyward.keys().rotate(keyward.as_root(request.clone())).await;
    refusal(again, Code::AlreadyExists, "SECRET_ALREADY_SHOWN");
    assert_eq!(keyward.show(&old.key.id).await.secrets.len(), 2);

    let admin = keyward.issue_admin("", admin_rights(&["keys:rotate"], true)).await;
    let theirs = v1::RotateRequest { key_id: other.key.id, ..request };
    keyward.keys().rotate(signed(&admin.api_key, theirs)).await.unwrap();
    drop(new);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_denied_while_a_key_is_rotated() {
    // R3
    let keyward = Keyward::start().await;
    let first = keyward.issue_scopes(&["messaging:send"]).await;
    let done = std::sync::atomic::AtomicBool::new(false);
    let old = async {
        let mut asked = 0;
        while !done.load(std::sync::atomic::Ordering::Relaxed) || asked < 50 {
            assert_eq!(keyward.denied(&first.api_key, &["messaging:send"]).await, None);
            asked += 1;
        }
    };
    let rotating = async {
        for _ in 0..2 {
            let new = keyward.rotate(&first.key.id, Some(DAY)).await;
            assert_eq!(keyward.denied(&new.api_key, &["messaging:send"]).await, None);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    tokio::join!(old, rotating);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_at_the_same_time_leave_no_more_than_three_live_secrets() {
    // R1, R2
    let keyward = Keyward::start().await;
    let first = keyward.issue_scopes(&["messaging:send"]).await;
    let calls = (0..8)
        .map(|_| async { keyward.keys().rotate(keyward.as_root(rotation(&first.key.id, Some(DAY)))).await });
    let answers = futures_util::future::join_all(calls).await;
    let made: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(made.len(), 2, "the first secret and two more");
    let mut generations = Vec::new();
    for answer in made {
        let checked = keyward.check(&answer.get_ref().api_key, &["messaging:send"]).await;
        assert_eq!(reason(&checked), None);
        generations.push(checked.key.unwrap().secret.unwrap().generation);
    }
    generations.sort_unstable();
    assert_eq!(generations, [2, 3]);
    for status in answers.into_iter().filter_map(Result::err) {
        assert_eq!(crate::support::error_reason(&status), "TOO_MANY_LIVE_SECRETS");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administration_key_administers_with_both_secrets_within_the_grace() {
    // R2, X9
    let keyward = Keyward::start().await;
    let old = keyward.issue_admin("", admin_rights(&["keys:read"], true)).await;
    let new = keyward.rotate(&old.key.id, Some(HOUR)).await;
    assert!(new.api_key.starts_with("kw_admin_"));
    let list = || v1::ListKeysRequest::default();
    for api_key in [&old.api_key, &new.api_key] {
        keyward.keys().list_keys(signed(api_key, list())).await.unwrap();
    }
    keyward.clock.advance(HOUR);
    keyward.keys().list_keys(signed(&new.api_key, list())).await.unwrap();
    let late = keyward.keys().list_keys(signed(&old.api_key, list())).await;
    refusal(late, Code::Unauthenticated, "CALLER_INVALID");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_out_of_reach_is_not_found() {
    // T1
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let (_, theirs) = keyward.register("theirs").await;
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["keys:rotate"], false)).await;
    for id in strings(&[&theirs.key.id, "key_00000000000000000000000000", &keyward.root_id().await]) {
        let answer = keyward.keys().rotate(signed(&admin.api_key, rotation(&id, None))).await;
        refusal(answer, Code::NotFound, "KEY_NOT_FOUND");
    }
    keyward.stop().await;
}
