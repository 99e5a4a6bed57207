//! `GetLeastPrivilege` and `NarrowKey`.

use keyward::wire::v1::{self, AuditAction, DenialReason};
use tonic::{Code, Status};

use crate::support::{
    Issued, Keyward, START_MS, check, holder_key,
    verbs::{DAY, HOUR, MS, assert_field, bound, metadata, ms, refusal, strings},
};

fn of(key: &Issued) -> v1::GetLeastPrivilegeRequest {
    v1::GetLeastPrivilegeRequest { key_id: key.key.id.clone(), since: None }
}

fn narrow(key: &Issued) -> v1::NarrowKeyRequest {
    v1::NarrowKeyRequest { key_id: key.key.id.clone(), ..v1::NarrowKeyRequest::default() }
}

impl Keyward {
    async fn privilege(&self, request: v1::GetLeastPrivilegeRequest) -> v1::GetLeastPrivilegeResponse {
        self.keys().get_least_privilege(self.as_root(request)).await.unwrap().into_inner()
    }

    async fn narrow(&self, request: v1::NarrowKeyRequest) -> Result<v1::NarrowKeyResponse, Status> {
        self.keys().narrow_key(self.as_root(request)).await.map(tonic::Response::into_inner)
    }

    async fn allowed_on(&self, api_key: &str, scope: &str, resource: &str) -> bool {
        let request = v1::CheckRequest { resource: resource.to_owned(), ..check(api_key, &[scope]) };
        self.ask(request).await.allowed
    }
}

fn seen(seen: &[v1::SeenScope]) -> Vec<(&str, i64)> {
    let hours = |seen: &v1::SeenScope| (ms(seen.last_time).unwrap() - START_MS) / 3_600_000;
    seen.iter().map(|it| (it.scope.as_str(), hours(it))).collect()
}

fn wide() -> v1::IssueRequest {
    v1::IssueRequest {
        grants: vec![bound("storage:*", &["space/a", "space/b"])],
        ..holder_key(&["templates:*", "messaging:send", "events:read"])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_what_a_key_used_and_asked_for() {
    let mut keyward = Keyward::start().await;
    let key = keyward.issue(wide()).await;
    let before = keyward.privilege(of(&key)).await;
    assert_eq!((before.used.len(), before.denied.len(), before.scopes.len()), (0, 0, 0));
    assert_eq!(ms(before.watched_since), Some(START_MS));

    assert_eq!(keyward.denied(&key.api_key, &["templates:read"]).await, None);
    assert!(keyward.allowed_on(&key.api_key, "storage:read", "space/a").await);
    keyward.clock.advance(HOUR);
    let groups =
        vec![v1::ScopeGroup { scopes: strings(&["domains:manage", "events:read", "messaging:send"]) }];
    let group = v1::CheckRequest { any_scopes: groups, ..check(&key.api_key, &["templates:read"]) };
    assert!(keyward.ask(group.clone()).await.allowed);
    let peek =
        v1::CheckRequest { mode: v1::CheckMode::Peek.into(), ..check(&key.api_key, &["messaging:send"]) };
    assert!(keyward.ask(peek).await.allowed);
    let denied = keyward.denied(&key.api_key, &["domains:manage", "no:such", "messaging:send"]).await;
    assert_eq!(denied, Some(DenialReason::ScopeInsufficient));
    assert!(!keyward.allowed_on(&key.api_key, "storage:delete", "space/c").await);
    let elsewhere =
        v1::CheckRequest { environment: "test".to_owned(), ..check(&key.api_key, &["messaging:send"]) };
    assert!(!keyward.ask(elsewhere).await.allowed);

    for _ in 0..2 {
        let found = keyward.privilege(of(&key)).await;
        assert_eq!(seen(&found.used), [("events:read", 1), ("storage:read", 0), ("templates:read", 1)]);
        assert_eq!(
            seen(&found.denied),
            [("domains:manage", 1), ("storage:delete", 1)],
            "declared ones alone"
        );
        let never = ["messaging:send", "storage:delete", "storage:upload", "templates:write"];
        assert_eq!(found.never_used, never);
        assert_eq!(found.scopes, ["events:read", "templates:read"]);
        assert_eq!(found.grants, [bound("storage:read", &["space/a", "space/b"])], "resources are kept");
        keyward = keyward.restart().await;
    }
    let since = Some(keyward.clock.after(std::time::Duration::ZERO));
    let recent = keyward.privilege(v1::GetLeastPrivilegeRequest { since, ..of(&key) }).await;
    assert_eq!(seen(&recent.used), [("events:read", 1), ("templates:read", 1)]);
    let ahead = v1::GetLeastPrivilegeRequest { since: Some(keyward.clock.after(MS)), ..of(&key) };
    assert_field(keyward.keys().get_least_privilege(keyward.as_root(ahead)).await, "since");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_leaves_a_key_what_it_used_and_never_more() {
    // X9
    let keyward = Keyward::start().await;
    let key = keyward.issue(wide()).await;
    assert_eq!(keyward.denied(&key.api_key, &["templates:read"]).await, None);
    assert!(keyward.allowed_on(&key.api_key, "storage:read", "space/a").await);
    assert_eq!(
        keyward.denied(&key.api_key, &["domains:manage"]).await,
        Some(DenialReason::ScopeInsufficient)
    );

    let revision = keyward.revision().await;
    let dry = keyward.narrow(v1::NarrowKeyRequest { validate_only: true, ..narrow(&key) }).await.unwrap();
    assert_eq!(dry.key.unwrap().scopes, ["templates:read"]);
    assert_eq!(keyward.show(&key.key.id).await.scopes, key.key.scopes, "nothing was changed");
    let stale = keyward.narrow(v1::NarrowKeyRequest { expected_revision: 1, ..narrow(&key) }).await;
    refusal(stale.map(tonic::Response::new), Code::Aborted, "CONFLICT");
    assert_eq!(keyward.revision().await, revision);

    let right = v1::NarrowKeyRequest { expected_revision: key.key.revision, ..narrow(&key) };
    let narrowed = keyward.narrow(right).await.unwrap();
    let left = narrowed.key.unwrap();
    assert_eq!(
        (left.scopes.clone(), left.grants.clone()),
        (strings(&["templates:read"]), vec![bound("storage:read", &["space/a", "space/b"])])
    );
    assert_eq!(ms(narrowed.watched_since), Some(START_MS));
    for (scope, resource, allowed) in [
        ("templates:read", "", true),
        ("templates:write", "", false),
        ("storage:read", "space/b", true),
        ("storage:read", "space/c", false),
        ("storage:upload", "space/a", false),
        ("domains:manage", "", false),
        ("messaging:send", "", false),
    ] {
        assert_eq!(keyward.allowed_on(&key.api_key, scope, resource).await, allowed, "{scope} on {resource}");
    }
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.revision), (AuditAction::KeyUpdate, narrowed.revision));
    assert_eq!(record.changes[0].field, "grants");
    let again = keyward.narrow(narrow(&key)).await.unwrap();
    assert_eq!(again.revision, narrowed.revision, "there is nothing left to take");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_used_nothing_is_not_narrowed_to_nothing() {
    let keyward = Keyward::start().await;
    let key = keyward.issue(wide()).await;
    let nothing = keyward.narrow(narrow(&key)).await;
    let status = refusal(nothing.map(tonic::Response::new), Code::FailedPrecondition, "NOTHING_USED");
    assert_eq!(metadata(&status, "watched_since").as_deref(), Some("2026-01-01T00:00:00.000Z"));
    assert_eq!(keyward.denied(&key.api_key, &["templates:read"]).await, None);
    keyward.clock.advance(DAY);
    let since = Some(keyward.clock.after(std::time::Duration::ZERO));
    let long_ago = keyward.narrow(v1::NarrowKeyRequest { since, ..narrow(&key) }).await;
    refusal(long_ago.map(tonic::Response::new), Code::FailedPrecondition, "NOTHING_USED");
    let root = v1::NarrowKeyRequest { key_id: keyward.root_id().await, ..v1::NarrowKeyRequest::default() };
    let kept = keyward.narrow(root).await.unwrap();
    assert!(kept.key.unwrap().admin.is_some(), "an administration key has no grants to take");
    keyward.revoke(&key.key.id).await;
    let revoked = keyward.narrow(narrow(&key)).await;
    refusal(revoked.map(tonic::Response::new), Code::FailedPrecondition, "KEY_REVOKED");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_that_no_policy_declares_leave_no_trace() {
    // X6
    let keyward = Keyward::start().await;
    let key = keyward.issue(wide()).await;
    for number in 0..50 {
        let scope = format!("made-up:s{number}");
        assert!(keyward.denied(&key.api_key, &[&scope]).await.is_some());
    }
    assert_eq!(keyward.privilege(of(&key)).await.denied, []);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_key_of_a_batch_lacks_is_nothing_that_a_key_asked_for() {
    let keyward = Keyward::start().await;
    let good = keyward.issue_scopes(&["messaging:send"]).await;
    let lacking = keyward.issue_scopes(&["messaging:send"]).await;
    let requests =
        vec![check(&good.api_key, &["messaging:send"]), check(&lacking.api_key, &["domains:manage"])];
    let batch = v1::BatchCheckRequest { requests, all_or_nothing: true };
    let answers = keyward.keys().batch_check(batch).await.unwrap().into_inner().responses;
    assert!(answers.iter().all(|answer| !answer.allowed));
    assert_eq!(seen(&keyward.privilege(of(&good)).await.denied), []);
    assert_eq!(seen(&keyward.privilege(of(&lacking)).await.denied), [("domains:manage", 0)]);
    keyward.stop().await;
}
