//! Revoke, by id and by presenting the key.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use keyward::wire::v1::{
    self, ActorKind, AuditAction, DenialReason, KeyState, RevokeReason, SecretState,
    key_service_client::KeyServiceClient,
};
use tokio::task::JoinHandle;
use tonic::{Code, Request, Status, transport::Channel};

use crate::support::{
    Issued, Keyward, START_MS, admin_rights, check, error_reason, holder_key, reason, signed,
    verbs::{
        DAY, HOUR, MS, assert_field, by_id, by_possession, disabling, enabling, ms, refusal, refused,
        renaming,
    },
};

const REVOKED: Option<DenialReason> = Some(DenialReason::KeyRevoked);

#[tokio::test(flavor = "multi_thread")]
async fn the_first_check_after_a_revocation_is_denied_on_every_connection() {
    // V1
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let mut connections = Vec::new();
    for _ in 0..8 {
        let channel = keyward.new_channel().await;
        let mut client = v1::key_service_client::KeyServiceClient::new(channel);
        let before = client.check(check(&issued.api_key, &[])).await.unwrap().into_inner();
        assert_eq!(reason(&before), None);
        connections.push(client);
    }
    keyward.revoke(&issued.key.id).await;
    for client in &mut connections {
        let after = client.check(check(&issued.api_key, &[])).await.unwrap().into_inner();
        assert_eq!(reason(&after), REVOKED);
    }
    let keyward = keyward.restart().await;
    assert_eq!(keyward.denied(&issued.api_key, &[]).await, REVOKED);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_secret_of_a_revoked_key_is_denied() {
    // V1, R2
    let keyward = Keyward::start().await;
    let old = keyward.issue_scopes(&["messaging:send"]).await;
    let new = keyward.rotate(&old.key.id, Some(DAY)).await;
    keyward.revoke(&old.key.id).await;
    assert_eq!(keyward.denied(&old.api_key, &[]).await, REVOKED);
    assert_eq!(keyward.denied(&new.api_key, &[]).await, REVOKED);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_revocation_changes_nothing_and_the_first_reason_stands() {
    // V2
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let request = |reason: RevokeReason, comment: &str| v1::RevokeRequest {
        reason: reason.into(),
        comment: comment.to_owned(),
        ..by_id(&issued.key.id)
    };
    let compromised = request(RevokeReason::Compromised, "found in a public repository");
    let first = keyward.keys().revoke(keyward.as_root(compromised)).await.unwrap().into_inner();
    keyward.clock.advance(HOUR);
    let unused = request(RevokeReason::Unused, "other words");
    let second = keyward.keys().revoke(keyward.as_root(unused)).await.unwrap().into_inner();
    assert_eq!(second, first);
    let key = second.key.unwrap();
    assert_eq!((key.state(), key.revision), (KeyState::Revoked, second.revision));
    let revocation = key.revocation.unwrap();
    assert_eq!(revocation.reason(), RevokeReason::Compromised);
    assert_eq!(revocation.comment, "found in a public repository");
    assert_eq!(ms(revocation.revoke_time), Some(START_MS));
    assert_eq!(revocation.revoked_by, keyward.root_id().await);
    let record = keyward.newest_record().await;
    assert_eq!((record.revision, record.action()), (first.revision, AuditAction::KeyRevoke));
    assert_eq!(
        (record.reason.as_str(), record.comment.as_str()),
        ("compromised", "found in a public repository")
    );

    keyward.end(&issued.api_key).await.unwrap();
    assert_eq!(keyward.revision().await, first.revision);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_is_kept() {
    // V2
    let keyward = Keyward::start().await;
    for reason in 0..=6 {
        let issued = keyward.issue_scopes(&["messaging:send"]).await;
        let request = v1::RevokeRequest { reason, ..by_id(&issued.key.id) };
        keyward.keys().revoke(keyward.as_root(request)).await.unwrap();
        assert_eq!(keyward.show(&issued.key.id).await.revocation.unwrap().reason, reason);
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_and_expired_keys_can_be_revoked() {
    // K9, V2
    let keyward = Keyward::start().await;
    let disabled = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.disable(&disabled.key.id).await;
    let expiring = v1::IssueRequest { expire_time: Some(keyward.clock.after(MS)), ..holder_key(&["a:a"]) };
    let expired = keyward.issue(expiring).await;
    keyward.clock.advance(MS);
    for issued in [&disabled, &expired] {
        assert_eq!(keyward.revoke(&issued.key.id).await.key.unwrap().state(), KeyState::Revoked);
        assert_eq!(keyward.denied(&issued.api_key, &[]).await, REVOKED);
        let again = keyward.keys().enable_key(keyward.as_root(enabling(&issued.key.id))).await;
        refusal(again, Code::FailedPrecondition, "KEY_REVOKED");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_a_secret_can_revoke_it() {
    // V3
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let request = v1::RevokeRequest {
        reason: RevokeReason::Compromised.into(),
        comment: "leaked".to_owned(),
        ..by_possession(&issued.api_key)
    };
    let answer = keyward.keys().revoke(request).await.unwrap().into_inner();
    assert_eq!(answer, v1::RevokeResponse::default(), "empty");
    assert_eq!(keyward.denied(&issued.api_key, &[]).await, REVOKED);
    let revocation = keyward.show(&issued.key.id).await.revocation.unwrap();
    assert_eq!((revocation.reason(), revocation.revoked_by.as_str()), (RevokeReason::Compromised, ""));
    let actor = keyward.newest_record().await.actor.unwrap();
    assert_eq!((actor.kind(), actor.key_id.as_str()), (ActorKind::Holder, issued.key.id.as_str()));
    assert_eq!(actor.address, "127.0.0.1");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_empty_whatever_was_presented() {
    // V3, X7
    let keyward = Keyward::start().await;
    let live = keyward.issue_scopes(&["messaging:send"]).await;
    let expiring = v1::IssueRequest { expire_time: Some(keyward.clock.after(MS)), ..holder_key(&["a:a"]) };
    let expired = keyward.issue(expiring).await;
    let disabled = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.disable(&disabled.key.id).await;
    let revoked = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.revoke(&revoked.key.id).await;
    let gone = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.rotate(&gone.key.id, Some(Duration::ZERO)).await;
    keyward.clock.advance(MS);
    let one_off = live.api_key[..live.api_key.len() - 1].to_owned();
    let before = keyward.revision().await;
    let garbage =
        ["", " ", "nobody", "ключ", "\0", "kw_live_", &one_off, &"a".repeat(100_000), "eyJhbGciOi.e30."];
    for presented in garbage.into_iter().chain([revoked.api_key.as_str(), &gone.api_key]) {
        keyward.clock.advance(Duration::from_secs(1));
        let answer = keyward.end(presented).await.unwrap();
        assert_eq!(answer, v1::RevokeResponse::default());
    }
    assert_eq!(keyward.revision().await, before, "nothing was there to end");
    assert_eq!(keyward.denied(&live.api_key, &[]).await, None);
    for issued in [&live, &expired, &disabled] {
        keyward.clock.advance(Duration::from_secs(1));
        assert_eq!(keyward.end(&issued.api_key).await.unwrap(), v1::RevokeResponse::default());
        assert_eq!(keyward.show(&issued.key.id).await.state(), KeyState::Revoked);
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retiring_secret_ends_only_itself() {
    // V3, R2
    let keyward = Keyward::start().await;
    let first = keyward.issue_scopes(&["messaging:send"]).await;
    let second = keyward.rotate(&first.key.id, Some(DAY)).await;
    let third = keyward.rotate(&first.key.id, Some(DAY)).await;
    keyward.clock.advance(HOUR);
    assert_eq!(keyward.end(&first.api_key).await.unwrap(), v1::RevokeResponse::default());
    assert_eq!(keyward.denied(&first.api_key, &[]).await, Some(DenialReason::KeyExpired), "past its end");
    assert_eq!(keyward.denied(&second.api_key, &[]).await, None);
    assert_eq!(keyward.denied(&third.api_key, &[]).await, None);
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.actor.unwrap().kind()), (AuditAction::SecretEnd, ActorKind::Holder));
    let key = keyward.show(&first.key.id).await;
    assert_eq!(key.state(), KeyState::Active);
    let states: Vec<_> = key.secrets.iter().map(|secret| (secret.generation, secret.state())).collect();
    assert_eq!(states, [(3, SecretState::Current), (2, SecretState::Retiring), (1, SecretState::Ended)]);
    assert_eq!(ms(key.secrets[2].end_time), Some(START_MS + 3_600_000));

    let revision = keyward.revision().await;
    keyward.end(&first.api_key).await.unwrap();
    assert_eq!(keyward.revision().await, revision, "an ended secret ends nothing");
    let keyward = keyward.restart().await;
    assert!(keyward.denied(&first.api_key, &[]).await.is_some());
    keyward.end(&third.api_key).await.unwrap();
    assert_eq!(keyward.denied(&second.api_key, &[]).await, REVOKED, "the current one ends the key");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_by_possession_are_limited_by_source() {
    // V3, X7
    let keyward = Keyward::start().await;
    let expiring = v1::IssueRequest { expire_time: Some(keyward.clock.after(MS)), ..holder_key(&["a:a"]) };
    let expired = keyward.issue(expiring).await;
    keyward.clock.advance(MS);
    let disabled = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.disable(&disabled.key.id).await;
    let revoked = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.revoke(&revoked.key.id).await;
    use_up(&keyward).await;
    for presented in ["nobody", "", &expired.api_key, &disabled.api_key, &revoked.api_key] {
        let status = keyward.end(presented).await.unwrap_err();
        assert_eq!(
            (status.code(), error_reason(&status).as_str()),
            (Code::ResourceExhausted, "SOURCE_LIMITED")
        );
        let retry = tonic_types::StatusExt::get_details_retry_info(&status).unwrap();
        assert_eq!(retry.retry_delay, Some(Duration::from_secs(1)));
    }
    assert_eq!(keyward.show(&disabled.key.id).await.state(), KeyState::Revoked, "nobody can enable it again");
    keyward.clock.advance(Duration::from_millis(999));
    keyward.end("nobody").await.unwrap_err();
    keyward.clock.advance(MS);
    keyward.end("nobody").await.unwrap();
    keyward.end("nobody").await.unwrap_err();
    keyward.stop().await;
}

/// Spends what this source may try.
async fn use_up(keyward: &Keyward) {
    for _ in 0..10 {
        keyward.end("nobody").await.unwrap();
    }
    keyward.end("nobody").await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_send_keeps_no_good_secret_from_being_ended() {
    // V3
    let keyward = Keyward::start().await;
    use_up(&keyward).await;
    let keys = [(); 12].map(|()| keyward.issue_scopes(&["messaging:send"]));
    for issued in join_all(keys).await {
        assert_eq!(keyward.end(&issued.api_key).await.unwrap(), v1::RevokeResponse::default());
        assert_eq!(keyward.denied(&issued.api_key, &[]).await, REVOKED);
    }
    let rotated = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.rotate(&rotated.key.id, Some(DAY)).await;
    keyward.end(&rotated.api_key).await.unwrap();
    assert_eq!(keyward.denied(&rotated.api_key, &[]).await, Some(DenialReason::KeyExpired));
    keyward.clock.advance(Duration::from_secs(1));
    keyward.end("nobody").await.unwrap();
    keyward.end("nobody").await.unwrap_err();

    // Who is known is not limited, and uses up nobody's allowance.
    let reader = keyward.issue_admin("", admin_rights(&["keys:read"], false)).await;
    for _ in 0..12 {
        keyward.keys().revoke(signed(&reader.api_key, by_possession("nobody"))).await.unwrap();
    }
    keyward.end("nobody").await.unwrap_err();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_not_good_is_refused_by_possession_too_and_changes_nothing() {
    // V3, X9
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let old = keyward.issue_admin("", admin_rights(&["keys:revoke"], true)).await;
    keyward.revoke(&old.key.id).await;
    let revision = keyward.revision().await;
    let bearers = ["Basic nonsense", "Bearer", "Bearer nobody"].map(str::to_owned);
    let others = [&old, &issued].map(|key| format!("Bearer {}", key.api_key));
    for sent in bearers.iter().chain(&others) {
        let mut request = Request::new(by_possession(&issued.api_key));
        request.metadata_mut().insert("authorization", sent.parse().unwrap());
        refusal(keyward.keys().revoke(request).await, Code::Unauthenticated, "CALLER_INVALID");
    }
    assert_eq!(keyward.revision().await, revision);
    assert_eq!(keyward.denied(&issued.api_key, &[]).await, None);
    keyward.end(&issued.api_key).await.unwrap();
    assert_eq!(keyward.denied(&issued.api_key, &[]).await, REVOKED, "with none it goes");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_nothing_tells_a_dead_secret_from_no_other() {
    // V3, X7, D3
    let keyward = Keyward::start().await;
    let live = keyward.issue_scopes(&["messaging:send"]).await;
    let dead = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.revoke(&dead.key.id).await;
    let database = keyward.data_dir().join("keyward.db");
    std::fs::rename(&database, database.with_extension("away")).unwrap();
    keyward.keys().disable_key(keyward.as_root(disabling(&live.key.id))).await.unwrap_err();
    let mut answers = Vec::new();
    for presented in [live.api_key.as_str(), &dead.api_key, "nobody", ""] {
        let status = keyward.end(presented).await.unwrap_err();
        answers.push((status.code(), error_reason(&status), status.message().to_owned()));
    }
    assert_eq!((answers[0].0, answers[0].1.as_str()), (Code::Unavailable, "DENIED_NOT_DURABLE"));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
#[allow(clippy::print_stderr, clippy::disallowed_methods, reason = "what it is run for")]
async fn how_long_a_revocation_by_possession_takes() {
    // X7
    let keyward = Keyward::start().await;
    let dead = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    keyward.end(&dead).await.unwrap();
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..400 {
        let live = keyward.issue_scopes(&["messaging:send"]).await.api_key;
        for (place, presented) in [live.as_str(), &dead, "nobody"].into_iter().enumerate() {
            keyward.clock.advance(Duration::from_secs(1));
            let begun = std::time::Instant::now();
            keyward.end(presented).await.unwrap();
            times[place].push(begun.elapsed());
        }
    }
    for (kind, mut times) in ["live", "dead", "unknown"].into_iter().zip(times) {
        times.sort();
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
        eprintln!("{kind}: p10 {:.3} ms, p50 {:.3}, p90 {:.3}, p99 {:.3}", at(10), at(50), at(90), at(99));
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_root_key_is_revoked_by_presenting_it_and_nobody_is_told_otherwise() {
    // V3: whoever holds it could do worse
    let keyward = Keyward::start().await;
    let holder = keyward.issue_scopes(&["messaging:send"]).await;
    assert_eq!(keyward.end(&keyward.root).await.unwrap(), v1::RevokeResponse::default());
    let read = keyward.keys().get_key(keyward.as_root(crate::support::verbs::named(&holder.key.id))).await;
    refusal(read, Code::Unauthenticated, "CALLER_INVALID");
    assert_eq!(keyward.denied(&holder.api_key, &[]).await, None, "Checks go on");
    assert_eq!(keyward.end(&keyward.root).await.unwrap(), v1::RevokeResponse::default(), "again");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_the_last_root_key_is_ended_by_a_rotation_in_one_step() {
    // V2, V3
    let keyward = Keyward::start().await;
    let root = keyward.root_id().await;
    let grace = Some(Duration::ZERO);
    let rotation = keyward.as_root(crate::support::verbs::rotation(&root, grace));
    let next = keyward.keys().rotate(rotation).await.unwrap().into_inner();
    let read = || crate::support::verbs::named(&root);
    refusal(keyward.keys().get_key(keyward.as_root(read())).await, Code::Unauthenticated, "CALLER_INVALID");
    keyward.keys().get_key(signed(&next.api_key, read())).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_root_key_is_not_revoked_by_its_id() {
    // V2, V3, X9
    let keyward = Keyward::start().await;
    let root = keyward.root_id().await;
    let revision = keyward.revision().await;
    let refused_ = keyward.keys().revoke(keyward.as_root(by_id(&root))).await;
    refusal(refused_, Code::FailedPrecondition, "LAST_ROOT_KEY");
    assert_eq!(keyward.revision().await, revision);
    assert_eq!(keyward.show(&root).await.state(), KeyState::Active);

    let lesser = keyward.issue_admin("", admin_rights(&["keys:read", "keys:revoke"], true)).await;
    let bound = keyward.issue_admin("", admin_rights(&["admin:grant", "keys:revoke"], false)).await;
    let still_last = keyward.keys().revoke(keyward.as_root(by_id(&root))).await;
    refusal(still_last, Code::FailedPrecondition, "LAST_ROOT_KEY");
    drop((lesser, bound));
    let rights = admin_rights(&["admin:grant", "keys:revoke", "keys:read", "audit:read"], true);
    let second = keyward.issue_admin("", rights).await;
    keyward.revoke(&root).await;
    let read = keyward.keys().get_key(keyward.as_root(crate::support::verbs::named(&root))).await;
    refusal(read, Code::Unauthenticated, "CALLER_INVALID");
    let own = keyward.keys().revoke(signed(&second.api_key, by_id(&second.key.id))).await;
    refusal(own, Code::FailedPrecondition, "LAST_ROOT_KEY");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_no_key_in_reach_is_refused() {
    // T1
    let keyward = Keyward::start().await;
    let (mine, my_key) = keyward.register("mine").await;
    let (_, theirs) = keyward.register("theirs").await;
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["keys:revoke"], false)).await;
    for id in [&theirs.key.id, "key_00000000000000000000000000", &keyward.root_id().await] {
        let answer = keyward.keys().revoke(signed(&admin.api_key, by_id(id))).await;
        refusal(answer, Code::NotFound, "KEY_NOT_FOUND");
    }
    assert_eq!(keyward.denied(&theirs.api_key, &[]).await, None);
    let nothing = keyward.keys().revoke(keyward.as_root(v1::RevokeRequest::default())).await;
    assert_field(nothing, "key_id");
    let anonymous = refused(keyward.keys().revoke(v1::RevokeRequest::default()).await);
    assert_eq!(anonymous.code(), Code::Unauthenticated);
    keyward.keys().revoke(signed(&admin.api_key, by_id(&my_key.key.id))).await.unwrap();
    assert_eq!(keyward.denied(&my_key.api_key, &[]).await, REVOKED);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_of_one_key_at_the_same_time_are_one_revocation() {
    // V2
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let before = keyward.revision().await;
    let calls = (0..16).map(|_| async { keyward.revoke(&issued.key.id).await });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.revision == before + 1));
    assert_eq!(keyward.revision().await, before + 1);
    keyward.stop().await;
}

/// Callers that send one request after another until one is refused.
struct Storm {
    answered: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<(u64, Status)>>,
}

impl Storm {
    /// `send` makes the request of the caller with this number and gives the revision of the change.
    async fn begin<F>(
        keyward: &Keyward,
        callers: usize,
        send: impl Fn(KeyServiceClient<Channel>, usize, usize) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<u64, Status>> + Send,
    {
        let answered = Arc::new(AtomicUsize::new(0));
        let mut storm = Self { answered: Arc::clone(&answered), callers: Vec::new() };
        let mut client = keyward.keys();
        for caller in 0..callers {
            if caller % 25 == 0 {
                client = KeyServiceClient::new(keyward.new_channel().await);
            }
            let (client, answered, send) = (client.clone(), Arc::clone(&answered), send.clone());
            storm.callers.push(tokio::spawn(async move {
                let mut newest = 0;
                for round in 0_usize.. {
                    match send(client.clone(), caller, round).await {
                        Ok(revision) => newest = newest.max(revision),
                        Err(refused) => return (newest, refused),
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                panic!("it is never refused");
            }));
        }
        storm
    }

    /// Waits until so many calls have been answered, so that it is at its full strength.
    async fn rage(&self, calls: usize) {
        while self.answered.load(Ordering::Relaxed) < calls {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until every caller was refused, and gives for each the newest revision it was told, and why it was refused.
    async fn abate(self) -> Vec<(u64, Status)> {
        join_all(self.callers).await.into_iter().map(Result::unwrap).collect()
    }
}

/// 100 callers rename a key without end; then it is revoked.
async fn revoke_in_a_storm(keyward: &Keyward, revoke: impl AsyncFnOnce(&Issued)) {
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let (root, id) = (keyward.root.clone(), issued.key.id.clone());
    let storm = Storm::begin(keyward, 100, move |mut client, caller, round| {
        let request = signed(&root, renaming(&id, &format!("{caller} {round}")));
        async move { Ok(client.update_key(request).await?.into_inner().revision) }
    })
    .await;
    storm.rage(200).await;
    assert_eq!(keyward.denied(&issued.api_key, &[]).await, None);
    revoke(&issued).await;
    assert_eq!(keyward.denied(&issued.api_key, &[]).await, REVOKED, "right after the answer");
    for (_, refused) in storm.abate().await {
        assert_eq!(error_reason(&refused), "KEY_REVOKED", "{refused:?}");
    }
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.key_id), (AuditAction::KeyRevoke, issued.key.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_updates_does_not_keep_a_key_from_being_revoked_by_id() {
    // V1
    let keyward = Keyward::start().await;
    let root = keyward.root_id().await;
    revoke_in_a_storm(&keyward, async |issued: &Issued| {
        let key = keyward.revoke(&issued.key.id).await.key.unwrap();
        assert_eq!((key.state(), key.revocation.unwrap().revoked_by), (KeyState::Revoked, root));
    })
    .await;
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_updates_does_not_keep_a_key_from_being_revoked_by_its_holder() {
    // V3
    let keyward = Keyward::start().await;
    revoke_in_a_storm(&keyward, async |issued: &Issued| {
        keyward.end(&issued.api_key).await.unwrap();
    })
    .await;
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_under_way_of_an_administration_key_that_is_revoked_do_not_commit_after_it() {
    // X9, V1
    let keyward = Keyward::start().await;
    let admin = keyward.issue_admin("", admin_rights(&["keys:update", "keys:issue"], true)).await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let (caller_key, id) = (admin.api_key.clone(), issued.key.id.clone());
    let storm = Storm::begin(&keyward, 100, move |mut client, caller, round| {
        let renaming = signed(&caller_key, renaming(&id, &format!("{caller} {round}")));
        let issuing = signed(&caller_key, holder_key(&["messaging:send"]));
        async move {
            if caller % 2 == 0 {
                Ok(client.update_key(renaming).await?.into_inner().revision)
            } else {
                Ok(client.issue(issuing).await?.into_inner().revision)
            }
        }
    })
    .await;
    storm.rage(200).await;
    let revoked = keyward.revoke(&admin.key.id).await.revision;
    for (newest, refused) in storm.abate().await {
        assert!(newest < revoked, "{newest} was acknowledged, the revocation is {revoked}");
        let why = error_reason(&refused);
        assert!(["CALLER_INVALID", "CALLER_LIMITED", "CONFLICT"].contains(&why.as_str()), "{refused:?}");
    }
    let by_admin = v1::QueryLogRequest {
        actor_key_id: admin.key.id.clone(),
        page_size: 1,
        ..v1::QueryLogRequest::default()
    };
    let log = keyward.audit().query_log(keyward.as_root(by_admin)).await.unwrap().into_inner();
    assert!(log.records[0].revision < revoked, "{:?} after the revocation, {revoked}", log.records[0]);
    assert_eq!(keyward.newest_record().await.revision, revoked);
    keyward.stop().await;
}
