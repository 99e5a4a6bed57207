//! `GetRotation` and `UpdateGrace`.

use std::sync::atomic::{AtomicBool, Ordering};

use keyward::wire::v1::{self, AuditAction, DenialReason, SecretState};
use prost_types::Duration as WireDuration;
use tonic::{Code, Status};

use crate::support::{
    Issued, Keyward, admin_rights, check, holder_key, signed,
    verbs::{DAY, HOUR, MS, assert_field, metadata, ms, refusal, wire},
};

const EXPIRED: Option<DenialReason> = Some(DenialReason::KeyExpired);
const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

fn of(key: &Issued) -> v1::GetRotationRequest {
    v1::GetRotationRequest { key_id: key.key.id.clone(), ..v1::GetRotationRequest::default() }
}

fn regrace(key: &Issued, generation: Option<u32>, grace: std::time::Duration) -> v1::UpdateGraceRequest {
    v1::UpdateGraceRequest { key_id: key.key.id.clone(), generation, grace: Some(wire(grace)) }
}

impl Keyward {
    async fn rotation(&self, key: &Issued) -> Vec<v1::RotationSecret> {
        self.keys().get_rotation(self.as_root(of(key))).await.unwrap().into_inner().secrets
    }

    async fn regrace(&self, request: v1::UpdateGraceRequest) -> Result<v1::Key, Status> {
        let answer = self.keys().update_grace(self.as_root(request)).await?;
        Ok(answer.into_inner().key.unwrap())
    }

    /// A Check with this secret by a caller, for a holder at this address.
    async fn used(&self, api_key: &str, caller: Option<&str>, address: &str) {
        let context = v1::CheckContext { source_address: address.to_owned(), ..v1::CheckContext::default() };
        let request = v1::CheckRequest { context: Some(context), ..check(api_key, &["messaging:send"]) };
        let request = match caller {
            Some(caller) => signed(caller, request),
            None => tonic::Request::new(request),
        };
        assert!(self.keys().check(request).await.unwrap().into_inner().allowed);
    }
}

fn users(secret: &v1::RotationSecret) -> Vec<(&str, &str)> {
    secret.users.iter().map(|user| (user.caller_key_id.as_str(), user.source_address.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_who_still_uses_the_old_secret_and_when_it_can_be_ended() {
    // R5
    let mut keyward = Keyward::start().await;
    let old = keyward.issue_scopes(&["messaging:send"]).await;
    let checker = v1::IssueRequest {
        name: "gateway".to_owned(),
        owner: "gateway:eu".to_owned(),
        admin: Some(admin_rights(&["keys:check"], true)),
        ..v1::IssueRequest::default()
    };
    let checker = keyward.issue(checker).await;
    let only = keyward.rotation(&old).await;
    assert_eq!((only.len(), only[0].state(), only[0].why.as_str()), (1, SecretState::Current, ""));
    let new = keyward.rotate(&old.key.id, Some(DAY * 7)).await;
    keyward.clock.advance(MINUTE);
    let why = async |keyward: &Keyward| {
        let secret = keyward.rotation(&old).await.remove(1);
        (secret.safe_to_end, secret.why)
    };
    let (safe, said) = why(&keyward).await;
    assert!(!safe && said.starts_with("the current secret was never used"), "{said}");
    keyward.used(&new.api_key, None, "10.0.0.9").await;
    let (safe, said) = why(&keyward).await;
    assert!(safe && said.starts_with("never used since it was replaced"), "{said}");

    keyward.used(&old.api_key, Some(&checker.api_key), "10.0.0.1").await;
    keyward.used(&old.api_key, None, "10.0.0.1").await;
    keyward.used(&old.api_key, None, "").await;
    keyward.clock.advance(MINUTE);
    keyward.used(&old.api_key, None, "::ffff:10.0.0.1").await;
    for _ in 0..2 {
        let secrets = keyward.rotation(&old).await;
        assert_eq!((secrets[0].generation, secrets[1].generation), (2, 1));
        assert_eq!(users(&secrets[0]), [("", "10.0.0.9")]);
        let mut known = users(&secrets[1]);
        assert_eq!(known[0], ("", "10.0.0.1"), "the newest first");
        known.sort_unstable();
        assert_eq!(known, [("", ""), ("", "10.0.0.1"), (checker.key.id.as_str(), "10.0.0.1")]);
        let gateway = secrets[1].users.iter().find(|user| !user.caller_key_id.is_empty()).unwrap();
        assert_eq!(gateway.caller_owner, "gateway:eu");
        assert_eq!(ms(gateway.last_use_time), Some(crate::support::START_MS + 60_000));
        assert_eq!(ms(secrets[1].last_use_time), Some(crate::support::START_MS + 120_000));
        assert!(secrets[1].why.starts_with("still used by 3 callers"), "{}", secrets[1].why);
        assert!(!secrets[1].safe_to_end);
        let shown = keyward.show(&old.key.id).await;
        assert_eq!(shown.secrets[1].last_use_time, secrets[1].last_use_time);
        assert_eq!(shown.last_use_time, secrets[1].last_use_time, "the newest of its secrets");
        // What a clean stop writes, a start shows.
        keyward = keyward.restart().await;
    }
    keyward.clock.advance(DAY);
    let (safe, said) = why(&keyward).await;
    assert!(!safe && said.starts_with("the current secret was last used"), "{said}");
    keyward.used(&new.api_key, None, "10.0.0.9").await;
    let (safe, said) = why(&keyward).await;
    assert!(safe && said.starts_with("last used at"), "{said}");
    let longer = v1::GetRotationRequest { quiet_period: Some(wire(DAY * 2)), ..of(&old) };
    let longer = keyward.keys().get_rotation(keyward.as_root(longer)).await.unwrap().into_inner();
    assert!(!longer.secrets[1].safe_to_end, "two days are not over");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_users_of_a_secret_are_kept_and_no_more() {
    // R5
    let keyward = Keyward::start().await;
    let old = keyward.issue_scopes(&["messaging:send"]).await;
    let _new = keyward.rotate(&old.key.id, Some(DAY)).await;
    for place in 0..20 {
        keyward.clock.advance(MINUTE);
        keyward.used(&old.api_key, None, &format!("10.0.0.{place}")).await;
    }
    let keyward = keyward.restart().await;
    let secrets = keyward.rotation(&old).await;
    let newest: Vec<_> = (12..20).rev().map(|place| format!("10.0.0.{place}")).collect();
    assert_eq!(users(&secrets[1]), newest.iter().map(|address| ("", address.as_str())).collect::<Vec<_>>());
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grace_that_is_extended_or_ended_early_ends_at_its_millisecond() {
    // R2, R5
    let mut keyward = Keyward::start().await;
    let first = keyward.issue_scopes(&["messaging:send"]).await;
    let second = keyward.rotate(&first.key.id, Some(HOUR)).await;
    let third = keyward.rotate(&first.key.id, Some(HOUR)).await;
    let denied = async |keyward: &Keyward| {
        let mut denied = Vec::new();
        for issued in [&first, &second, &third] {
            denied.push(keyward.denied(&issued.api_key, &["messaging:send"]).await);
        }
        denied
    };
    keyward.clock.advance(HOUR.saturating_sub(MS));
    let key = keyward.regrace(regrace(&first, Some(1), DAY)).await.unwrap();
    let end = keyward.clock.now_ms() + 86_400_000;
    assert_eq!(ms(key.secrets[2].end_time), Some(end));
    assert_eq!(denied(&keyward).await, [None, None, None]);
    keyward.clock.advance(MS);
    assert_eq!(denied(&keyward).await, [None, EXPIRED, None], "the other keeps its end");
    keyward.clock.advance(DAY.saturating_sub(MS * 2));
    for _ in 0..2 {
        assert_eq!(denied(&keyward).await, [None, EXPIRED, None]);
        keyward = keyward.restart().await;
    }
    keyward.clock.advance(MS);
    assert_eq!(denied(&keyward).await, [EXPIRED, EXPIRED, None]);

    let fourth = keyward.rotate(&first.key.id, Some(DAY)).await;
    assert_eq!(keyward.denied(&third.api_key, &[]).await, None);
    let ended = keyward.regrace(regrace(&first, None, std::time::Duration::ZERO)).await.unwrap();
    assert_eq!(ended.secrets[1].state(), SecretState::Ended);
    assert_eq!(ms(ended.secrets[1].end_time), Some(keyward.clock.now_ms()));
    assert_eq!(keyward.denied(&third.api_key, &[]).await, EXPIRED, "the first Check after the answer");
    assert_eq!(keyward.denied(&fourth.api_key, &[]).await, None);
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.revision), (AuditAction::SecretGrace, ended.revision));
    assert_eq!(record.changes[0].field, "retiring");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_revives_a_secret_and_no_grace_passes_the_keys_expiry() {
    // R2, K8, K9
    let keyward = Keyward::start().await;
    let request =
        v1::IssueRequest { expire_time: Some(keyward.clock.after(DAY)), ..holder_key(&["messaging:send"]) };
    let key = keyward.issue(request).await;
    let none = keyward.regrace(regrace(&key, None, HOUR)).await;
    refusal(none.map(tonic::Response::new), Code::FailedPrecondition, "NO_RETIRING_SECRET");
    let _second = keyward.rotate(&key.key.id, Some(HOUR)).await;
    let longest = keyward.regrace(regrace(&key, None, DAY * 366)).await.unwrap();
    assert_eq!(longest.secrets[1].end_time, key.key.expire_time);
    keyward.regrace(regrace(&key, Some(1), MS)).await.unwrap();
    keyward.clock.advance(MS);
    let revision = keyward.revision().await;
    let revived = keyward.regrace(regrace(&key, Some(1), HOUR)).await;
    let status = refusal(revived.map(tonic::Response::new), Code::FailedPrecondition, "SECRET_ENDED");
    assert_eq!(metadata(&status, "generation").as_deref(), Some("1"));
    let none = keyward.regrace(regrace(&key, None, HOUR)).await;
    refusal(none.map(tonic::Response::new), Code::FailedPrecondition, "NO_RETIRING_SECRET");
    for wrong in [0, 2, 3] {
        let current = keyward.regrace(regrace(&key, Some(wrong), HOUR)).await;
        assert_field(current.map(tonic::Response::new), "generation");
    }
    for wrong in [None, Some(WireDuration { seconds: -1, nanos: 0 }), Some(wire(DAY * 366 + MS))] {
        let request = v1::UpdateGraceRequest { grace: wrong, ..regrace(&key, None, HOUR) };
        assert_field(keyward.regrace(request).await.map(tonic::Response::new), "grace");
    }
    assert_eq!(keyward.revision().await, revision, "nothing was changed");
    assert_eq!(keyward.denied(&key.api_key, &[]).await, EXPIRED);
    keyward.revoke(&key.key.id).await;
    let revoked = keyward.regrace(regrace(&key, None, HOUR)).await;
    refusal(revoked.map(tonic::Response::new), Code::FailedPrecondition, "KEY_REVOKED");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_stays_under_the_ceiling_and_an_early_end_needs_none() {
    // S6, X9
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await;
    let _new = keyward.rotate(&key.key.id, Some(HOUR)).await;
    let mut rights = admin_rights(&["keys:rotate"], true);
    rights.ceiling = None;
    let operator = keyward.issue_admin("", rights).await;
    let as_operator = async |grace| {
        keyward.keys().update_grace(signed(&operator.api_key, regrace(&key, None, grace))).await
    };
    refusal(as_operator(DAY).await, Code::PermissionDenied, "CEILING_EXCEEDED");
    as_operator(MINUTE).await.unwrap();
    refusal(as_operator(HOUR).await, Code::PermissionDenied, "CEILING_EXCEEDED");
    as_operator(std::time::Duration::ZERO).await.unwrap();
    assert_eq!(keyward.denied(&key.api_key, &[]).await, EXPIRED);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_denied_while_a_grace_is_changed() {
    // R3
    let keyward = Keyward::start().await;
    let old = keyward.issue_scopes(&["messaging:send"]).await;
    let new = keyward.rotate(&old.key.id, Some(HOUR)).await;
    let done = AtomicBool::new(false);
    let asking = async {
        let mut asked = 0;
        while !done.load(Ordering::Relaxed) || asked < 50 {
            for issued in [&old, &new] {
                assert_eq!(keyward.denied(&issued.api_key, &["messaging:send"]).await, None);
            }
            asked += 1;
        }
    };
    let changing = async {
        for minutes in (1..20).rev() {
            keyward.regrace(regrace(&old, None, MINUTE * minutes)).await.unwrap();
            keyward.regrace(regrace(&old, Some(1), HOUR * minutes)).await.unwrap();
        }
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(asking, changing);
    keyward.regrace(regrace(&old, None, std::time::Duration::ZERO)).await.unwrap();
    assert_eq!(keyward.denied(&old.api_key, &[]).await, EXPIRED);
    assert_eq!(keyward.denied(&new.api_key, &[]).await, None);
    keyward.stop().await;
}
