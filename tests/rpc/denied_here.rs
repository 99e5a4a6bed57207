//! What is ended while the store takes no changes: denied in memory, and told so.

use futures_util::future::join_all;
use keyward::wire::v1::{self, KeyState};
use tonic::{Code, Response, Status};

use crate::{
    import::{row, rows, sha256},
    support::{
        Keyward, admin_rights, check, holder_key, signed,
        verbs::{HOUR, by_id, by_possession, disabling, enabling, refusal, renaming},
    },
};

/// As many as one workspace may have denied so.
const OF_ONE_TENANT: usize = 1_024;

/// As many as may be denied so for whoever presents them.
const OF_PRESENTERS: u64 = 4_096;

/// Takes the database away under the server, which notices with the next change.
fn seal(keyward: &Keyward) {
    let database = keyward.data_dir().join("keyward.db");
    std::fs::rename(&database, database.with_extension("away")).unwrap();
}

fn not_durable<T>(answer: Result<Response<T>, Status>) -> Status {
    refusal(answer, Code::Unavailable, "DENIED_NOT_DURABLE")
}

async fn denied_for(keyward: &Keyward, api_key: &str, reason: &str) {
    let answer = keyward.ask(check(api_key, &[])).await;
    let denial = answer.denial.as_ref().map(|denial| denial.reason().as_str_name());
    assert_eq!(denial, Some(format!("DENIAL_REASON_{reason}").as_str()));
}

async fn status(keyward: &Keyward, caller: &str) -> v1::GetStatusResponse {
    keyward.audit().get_status(signed(caller, v1::GetStatusRequest {})).await.unwrap().into_inner()
}

async fn status_for_root(keyward: &Keyward) -> v1::GetStatusResponse {
    let asked = keyward.as_root(v1::GetStatusRequest {});
    keyward.audit().get_status(asked).await.unwrap().into_inner()
}

/// An administration key bound to the default workspace.
async fn tenant(keyward: &Keyward) -> String {
    let rights = admin_rights(&["keys:revoke", "keys:update", "audit:read"], false);
    keyward.issue(v1::IssueRequest { admin: Some(rights), ..holder_key(&[]) }).await.api_key.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_store_denies_what_is_revoked_and_says_that_it_does_not_last() {
    // D3, V1, V3, M2
    let keyward = Keyward::start().await;
    let revoked = keyward.issue_scopes(&["messaging:send"]).await;
    let disabled = keyward.issue_scopes(&["messaging:send"]).await;
    let presented = keyward.issue_scopes(&["messaging:send"]).await;
    let old = keyward.issue_scopes(&["messaging:send"]).await;
    let new = keyward.rotate(&old.key.id, Some(HOUR)).await;
    let dead = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.revoke(&dead.key.id).await;
    seal(&keyward);

    not_durable(keyward.keys().revoke(keyward.as_root(by_id(&revoked.key.id))).await);
    not_durable(keyward.keys().disable_key(keyward.as_root(disabling(&disabled.key.id))).await);
    let texts = [&*presented.api_key, &*old.api_key, &*dead.api_key, "nobody's"];
    let mut answers = Vec::new();
    for text in texts {
        let status = not_durable(keyward.keys().revoke(by_possession(text)).await);
        answers.push((status.message().to_owned(), status.details().to_vec()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "whoever presents a text hears the same");
    denied_for(&keyward, &revoked.api_key, "KEY_REVOKED").await;
    denied_for(&keyward, &disabled.api_key, "KEY_DISABLED").await;
    denied_for(&keyward, &presented.api_key, "KEY_REVOKED").await;
    denied_for(&keyward, &old.api_key, "KEY_EXPIRED").await;
    let answer = keyward.ask(check(&new.api_key, &[])).await;
    assert!(answer.allowed && answer.degraded, "a retiring secret ends itself alone: {answer:?}");

    let enabled = keyward.keys().enable_key(keyward.as_root(enabling(&disabled.key.id))).await;
    refusal(enabled, Code::Unavailable, "STORE_UNAVAILABLE");
    let renamed = keyward.keys().update_key(keyward.as_root(renaming(&disabled.key.id, "other"))).await;
    refusal(renamed, Code::Unavailable, "STORE_UNAVAILABLE");
    assert_eq!(keyward.show(&disabled.key.id).await.state(), KeyState::Disabled);
    not_durable(keyward.keys().revoke(keyward.as_root(by_id(&disabled.key.id))).await);
    denied_for(&keyward, &disabled.api_key, "KEY_REVOKED").await;

    let status = status_for_root(&keyward).await;
    assert_eq!(status.changes_taken(), v1::ChangesTaken::None);
    assert!(!status.why.is_empty());
    let becomes: Vec<_> = status.denied.iter().map(|denied| denied.becomes.as_str()).collect();
    assert_eq!(becomes, ["revoked", "disabled", "revoked", "secret ended", "revoked"]);
    let denied = &status.denied[3];
    assert_eq!(
        (denied.key_ids.as_slice(), denied.actor.as_ref().unwrap().kind()),
        ([old.key.id.clone()].as_slice(), v1::ActorKind::Holder)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administration_key_that_is_denied_in_memory_administers_nothing() {
    // X9, V1
    let keyward = Keyward::start().await;
    let rights = admin_rights(&["keys:revoke", "keys:read"], true);
    let admin = keyward.issue(v1::IssueRequest { admin: Some(rights), ..holder_key(&[]) }).await;
    let root = keyward.root_id().await;
    seal(&keyward);
    not_durable(keyward.keys().revoke(keyward.as_root(by_id(&admin.key.id))).await);
    let looked = keyward.keys().list_keys(signed(&admin.api_key, v1::ListKeysRequest::default())).await;
    refusal(looked, Code::Unauthenticated, "CALLER_INVALID");
    let last = keyward.keys().revoke(keyward.as_root(by_id(&root))).await;
    refusal(last, Code::FailedPrecondition, "LAST_ROOT_KEY");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_bounded_for_each_tenant_and_shows_nobody_anothers() {
    // D7, T1
    let keyward = Keyward::start().await;
    let tenant = tenant(&keyward).await;
    let (other, _) = keyward.register("other").await;
    let other = keyward.issue_admin(&other.id, admin_rights(&["audit:read"], false)).await;
    for _ in 0..=OF_ONE_TENANT {
        keyward.issue_scopes(&["messaging:send"]).await;
    }
    let some = keyward.issue_scopes(&["messaging:send"]).await;
    seal(&keyward);
    let all = |count: usize| v1::ChangeKeysRequest {
        action: Some(v1::change_keys_request::Action::Disable(v1::DisableKeys {})),
        expected_count: u64::try_from(count).unwrap(),
        ..v1::ChangeKeysRequest::default()
    };
    let too_many = keyward.keys().change_keys(signed(&tenant, all(OF_ONE_TENANT + 2))).await;
    refusal(too_many, Code::Unavailable, "DENIALS_FULL");
    assert!(keyward.ask(check(&some.api_key, &[])).await.allowed, "all or none");
    not_durable(keyward.keys().change_keys(keyward.as_root(all(OF_ONE_TENANT + 2))).await);
    denied_for(&keyward, &some.api_key, "KEY_DISABLED").await;
    let seen = status(&keyward, &tenant).await;
    assert_eq!((seen.denied_key_count, seen.why.as_str()), (1_026, ""));
    assert_eq!(seen.denied[0].actor.as_ref().unwrap().key_id, "", "operators are nameless to tenants");
    assert_eq!(status(&keyward, &other.api_key).await.denied, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_full_list_whoever_presents_a_text_hears_the_same_but_who_has_ended_it() {
    // D7, V3, X7
    let keyward = Keyward::start().await;
    let token = |number: u64| format!("sk_live_{number}");
    let all: Vec<_> = (1..=OF_PRESENTERS + 2).map(|number| row(number, sha256(&token(number)))).collect();
    for some in all.chunks(1_000) {
        let taken_in = keyward.import_all(rows(some.to_vec())).await;
        assert_eq!(usize::try_from(taken_in.good).unwrap(), some.len(), "{:?}", taken_in.results[0]);
    }
    let last = keyward.issue_scopes(&["messaging:send"]).await;
    seal(&keyward);
    let numbers: Vec<_> = (1..=OF_PRESENTERS).collect();
    for some in numbers.chunks(32) {
        let revoked = some.iter().map(async |number| {
            not_durable(keyward.keys().revoke(by_possession(&token(*number))).await);
        });
        join_all(revoked).await;
    }
    denied_for(&keyward, &token(OF_PRESENTERS), "KEY_REVOKED").await;
    let mut answers = Vec::new();
    for text in [&*token(OF_PRESENTERS + 1), &*last.api_key, "sk_live_nobody", "nobody's"] {
        let status = keyward.keys().revoke(by_possession(text)).await;
        let status = refusal(status, Code::Unavailable, "DENIALS_FULL");
        answers.push((status.message().to_owned(), status.details().to_vec()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(keyward.ask(check(&last.api_key, &[])).await.allowed, "nothing is denied by that");
    not_durable(keyward.keys().revoke(by_possession(&token(1))).await);
    not_durable(keyward.keys().revoke(keyward.as_root(by_id(&last.key.id))).await);
    denied_for(&keyward, &last.api_key, "KEY_REVOKED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_every_workspace_are_denied_in_one_step() {
    // V4, T1
    let keyward = Keyward::start().await;
    let tenant = tenant(&keyward).await;
    let one = keyward.issue_scopes(&["messaging:send"]).await;
    let (_, other) = keyward.register("other").await;
    seal(&keyward);
    let request = v1::ChangeKeysRequest {
        all_workspaces: true,
        environment: "live".to_owned(),
        action: Some(v1::change_keys_request::Action::Disable(v1::DisableKeys {})),
        expected_count: 2,
        request_id: "4711".to_owned(),
        ..v1::ChangeKeysRequest::default()
    };
    for _again in 0..2 {
        not_durable(keyward.keys().change_keys(keyward.as_root(request.clone())).await);
    }
    denied_for(&keyward, &one.api_key, "KEY_DISABLED").await;
    denied_for(&keyward, &other.api_key, "KEY_DISABLED").await;
    let seen = status_for_root(&keyward).await;
    assert_eq!((seen.denied_key_count, seen.denied.len()), (2, 1));
    assert_eq!(status(&keyward, &tenant).await.denied, [], "what is of all workspaces is operators'");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_suspends_or_closes_a_workspace_or_removes_a_member_is_refused_and_denies_nothing() {
    // D3, T1: as the document says, with what denies the keys all the same
    let keyward = Keyward::start().await;
    let (workspace, key) = keyward.register("other").await;
    let member = v1::AddMemberRequest {
        workspace_id: workspace.id.clone(),
        subject: "alice".to_owned(),
        role: "viewer".to_owned(),
        ..v1::AddMemberRequest::default()
    };
    keyward.workspaces().add_member(keyward.as_root(member)).await.unwrap();
    seal(&keyward);
    not_durable(keyward.keys().disable_key(keyward.as_root(disabling(&key.key.id))).await);
    let id = || workspace.id.clone();
    let suspend = v1::SuspendWorkspaceRequest { workspace_id: id(), ..Default::default() };
    let suspended = keyward.workspaces().suspend_workspace(keyward.as_root(suspend)).await;
    refusal(suspended, Code::Unavailable, "STORE_UNAVAILABLE");
    let close = v1::CloseWorkspaceRequest { workspace_id: id(), ..Default::default() };
    let closed = keyward.workspaces().close_workspace(keyward.as_root(close)).await;
    refusal(closed, Code::Unavailable, "STORE_UNAVAILABLE");
    let remove = v1::RemoveMemberRequest {
        workspace_id: id(),
        subject: "alice".to_owned(),
        ..v1::RemoveMemberRequest::default()
    };
    let removed = keyward.workspaces().remove_member(keyward.as_root(remove)).await;
    refusal(removed, Code::Unavailable, "STORE_UNAVAILABLE");
    denied_for(&keyward, &key.api_key, "KEY_DISABLED").await;
    assert_eq!(status_for_root(&keyward).await.denied_key_count, 1, "nothing but the key");
    let all = v1::ChangeKeysRequest {
        workspace_id: id(),
        action: Some(v1::change_keys_request::Action::Revoke(v1::RevokeKeys::default())),
        expected_count: 1,
        ..v1::ChangeKeysRequest::default()
    };
    not_durable(keyward.keys().change_keys(keyward.as_root(all)).await);
    denied_for(&keyward, &key.api_key, "KEY_REVOKED").await;
}
