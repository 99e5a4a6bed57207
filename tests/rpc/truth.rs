//! What answers say is so: last uses, what a close would deny, whose a string is, whom a wrong key concerns, and one's own plans.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use keyward::wire::v1::{self, AuditAction, DenialReason, WorkspaceState, get_key_request::Presented};
use tonic::{Code, Response, Status};
use tonic_health::pb::HealthCheckRequest;

use crate::support::{
    Keyward, admin_rights, holder_key, policy, signed,
    verbs::{DAY, HOUR, MS, assert_field, by_id, metadata, named, refusal, toml},
};

const SEND: &[&str] = &["messaging:send"];
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_is_shown_with_its_last_use() {
    // K3
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(SEND).await;
    let id = &issued.key.id;
    assert_eq!(issued.key.last_use_time, None, "a new key was never used");
    assert!(keyward.check(&issued.api_key, SEND).await.allowed);
    let used = keyward.show(id).await.last_use_time;
    assert!(used.is_some());
    keyward.clock.advance(HOUR);
    let renamed = keyward.update(v1::Key { name: "n".to_owned(), ..issued.key.clone() }, &["name"]).await;
    assert_eq!(renamed, keyward.show(id).await, "as whoever asks for it is told");
    let rotated = keyward.rotate(id, None).await.key;
    assert_eq!((rotated.last_use_time, rotated.secrets[1].last_use_time), (used, used));
    let keyward = keyward.restart().await;
    for key in [keyward.disable(id).await.key, keyward.enable(id).await.key, keyward.revoke(id).await.key] {
        assert_eq!(key.unwrap().last_use_time, used);
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_workspace_is_previewed_and_confirmed_by_the_number_of_its_keys() {
    // V4, K10
    let keyward = Keyward::start().await;
    let (workspace, first) = keyward.register("mine").await;
    let in_it = || v1::IssueRequest { workspace_id: workspace.id.clone(), ..holder_key(SEND) };
    let second = keyward.issue(in_it()).await;
    keyward.disable(&second.key.id).await;
    let over = keyward.issue(in_it()).await;
    keyward.revoke(&over.key.id).await;
    let close = async |validate_only, expected_key_count| {
        let workspace_id = workspace.id.clone();
        let request = v1::CloseWorkspaceRequest {
            workspace_id,
            validate_only,
            expected_key_count,
            ..v1::CloseWorkspaceRequest::default()
        };
        keyward.workspaces().close_workspace(keyward.as_root(request)).await
    };
    let revision = keyward.revision().await;
    let seen = close(true, None).await.unwrap().into_inner();
    assert_eq!((seen.key_count, seen.workspace.unwrap().state()), (2, WorkspaceState::Active));
    let status = refusal(close(false, Some(1)).await, Code::FailedPrecondition, "COUNT_CHANGED");
    assert_eq!(metadata(&status, "count").as_deref(), Some("2"));
    assert_eq!(keyward.revision().await, revision, "nothing was changed");
    assert_eq!(keyward.denied(&first.api_key, SEND).await, None);

    let done = close(false, Some(2)).await.unwrap().into_inner();
    assert_eq!((done.key_count, done.revision), (2, revision + 1));
    assert_eq!(keyward.denied(&first.api_key, SEND).await, Some(DenialReason::WorkspaceSuspended));
    let again = close(false, Some(2)).await.unwrap().into_inner();
    assert_eq!(again.revision, done.revision, "twice is once");
    let default = v1::CloseWorkspaceRequest {
        workspace_id: keyward.default_workspace().await,
        validate_only: true,
        ..v1::CloseWorkspaceRequest::default()
    };
    assert_field(keyward.workspaces().close_workspace(keyward.as_root(default)).await, "workspace_id");
    keyward.stop().await;
}

async fn whose(
    keyward: &Keyward,
    caller: &str,
    secret: &str,
) -> Result<Response<v1::GetKeyResponse>, Status> {
    let presented = Some(Presented::ApiKey(secret.to_owned()));
    let request = v1::GetKeyRequest { key_id: String::new(), presented };
    keyward.keys().get_key(signed(caller, request)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_told_whose_a_found_secret_is_and_what_it_may() {
    // K3, T1, X7
    let keyward = Keyward::start().await;
    let (workspace, _) = keyward.register("mine").await;
    let leaked = keyward.issue_admin(&workspace.id, admin_rights(&["keys:read", "keys:issue"], false)).await;
    let operator = keyward.issue_admin("", admin_rights(&["keys:read"], true)).await.api_key;
    let found = whose(&keyward, &operator, &leaked.api_key).await.unwrap().into_inner();
    let key = found.key.unwrap();
    assert_eq!((&key.id, &key.workspace_id, found.presented_generation), (&leaked.key.id, &workspace.id, 1));
    assert_eq!(key.admin.unwrap().scopes, ["keys:read", "keys:issue"]);
    assert_eq!(key.last_use_time, None, "to be told of is no use");

    // Whatever has become of it.
    let rotated = keyward.rotate(&leaked.key.id, Some(Duration::ZERO)).await;
    keyward.keys().revoke(keyward.as_root(by_id(&leaked.key.id))).await.unwrap();
    for (secret, generation) in [(&leaked.api_key, 1), (&rotated.api_key, 2)] {
        let found = whose(&keyward, &operator, secret).await.unwrap().into_inner();
        assert_eq!((found.presented_generation, found.key.unwrap().id), (generation, leaked.key.id.clone()));
    }
    let holder = keyward.issue_scopes(SEND).await;
    let told = whose(&keyward, &operator, &holder.api_key).await.unwrap().into_inner();
    assert_eq!(told.key.unwrap().id, holder.key.id);

    let (last, text) = (holder.api_key.len() - 1, &holder.api_key);
    for nobodys in ["", "x", &text[..last]] {
        let status = refusal(whose(&keyward, &operator, nobodys).await, Code::NotFound, "SECRET_UNKNOWN");
        assert!(nobodys.len() < 2 || !status.message().contains(nobodys), "{status:?}");
    }
    let tenant = keyward.issue_admin(&workspace.id, admin_rights(&["keys:read"], false)).await.api_key;
    let bound = whose(&keyward, &tenant, &holder.api_key).await;
    refusal(bound, Code::PermissionDenied, "GLOBAL_CALLER_REQUIRED");
    let both =
        v1::GetKeyRequest { presented: Some(Presented::ApiKey(text.clone())), ..named(&holder.key.id) };
    assert_field(keyward.keys().get_key(keyward.as_root(both)).await, "key_id");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_administration_keys_wait_by_source_and_a_good_one_never_does() {
    // X6, X9
    let keyward = Keyward::start().await;
    let id = keyward.root_id().await;
    let holder = keyward.issue_scopes(SEND).await.api_key;
    let ask = async |caller: &str| keyward.keys().get_key(signed(caller, named(&id))).await;
    let wrong = [holder.as_str(), "kw_admin_no-key-at-all", "x"];
    for turn in 0..10 {
        refusal(ask(wrong[turn % 3]).await, Code::Unauthenticated, "CALLER_INVALID");
        ask(&keyward.root).await.unwrap();
    }
    for turn in 0..100 {
        let status = refusal(ask(wrong[turn % 3]).await, Code::ResourceExhausted, "CALLER_LIMITED");
        assert_eq!(metadata(&status, "retry_after_seconds").as_deref(), Some("1"));
        ask(&keyward.root).await.unwrap();
    }
    let check = v1::CheckRequest::default();
    keyward.keys().check(check.clone()).await.unwrap();
    refusal(keyward.keys().check(signed("x", check)).await, Code::ResourceExhausted, "CALLER_LIMITED");
    keyward.clock.advance(SECOND);
    refusal(ask("x").await, Code::Unauthenticated, "CALLER_INVALID");
    refusal(ask("x").await, Code::ResourceExhausted, "CALLER_LIMITED");
    keyward.clock.advance(DAY);
    for _ in 0..10 {
        refusal(ask("x").await, Code::Unauthenticated, "CALLER_INVALID");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_told_how_many_wrong_administration_keys_came_from_where() {
    // X6, M4
    let keyward = Keyward::start().await;
    let (workspace, _) = keyward.register("mine").await;
    let tenant = keyward.issue_admin(&workspace.id, admin_rights(&["audit:read"], false)).await.api_key;
    let id = keyward.root_id().await;
    let status = async |caller: &str| {
        let asked = signed(caller, v1::GetStatusRequest {});
        keyward.audit().get_status(asked).await.unwrap().into_inner().wrong_callers
    };
    assert_eq!(status(&keyward.root).await, Some(v1::WrongCallers::default()), "good ones are not counted");
    for _ in 0..25 {
        keyward.clock.advance(MS);
        keyward.keys().get_key(signed("x", named(&id))).await.unwrap_err();
    }
    let last_time = Some(keyward.clock.after(Duration::ZERO));
    let source = v1::WrongCallerSource { source: "127.0.0.1".to_owned(), count: 25 };
    let seen = v1::WrongCallers { count: 25, limited_count: 15, last_time, sources: vec![source] };
    assert_eq!(status(&keyward.root).await, Some(seen));
    assert_eq!(status(&tenant).await, None, "addresses of others are nothing for a tenant");
    let keyward = keyward.restart().await;
    let asked = keyward.as_root(v1::GetStatusRequest {});
    let after = keyward.audit().get_status(asked).await.unwrap().into_inner().wrong_callers;
    assert_eq!(after, Some(v1::WrongCallers::default()));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_told_the_time_by_which_everything_is_decided() {
    // M4
    let keyward = Keyward::start().await;
    let date = async || {
        let answer = keyward.health().check(HealthCheckRequest::default()).await.unwrap();
        let date = answer.metadata().get("date").unwrap().to_str().unwrap().to_owned();
        DateTimeParser::new().parse_timestamp(&date).unwrap().as_second()
    };
    assert_eq!(date().await, keyward.clock.after(Duration::ZERO).seconds);
    keyward.clock.advance(DAY);
    assert_eq!(date().await, keyward.clock.after(Duration::ZERO).seconds);
    // A clock that is set back is not believed.
    let trusted = keyward.clock.after(Duration::ZERO).seconds;
    keyward.clock.leap(-3_600_000);
    assert_eq!(date().await, trusted);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_plans_can_be_put_in_force_on_a_fresh_server() {
    // T2, A1
    let keyward = Keyward::start().await;
    let default = keyward.default_workspace().await;
    let mut own = policy().document().clone();
    assert!(own.plans.iter().any(|plan| plan.name == "starter"));
    own.plans.retain(|plan| plan.name == "starter");
    own.plans[0].name = "hobby".to_owned();
    keyward.judge(&toml(&own)).await.unwrap();
    let before = keyward.revision().await;
    keyward.apply(&own).await;
    assert_eq!(keyward.revision().await, before + 2, "the policy, and the plan of the default workspace");
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), &record.workspace_id), (AuditAction::WorkspaceUpdate, &default));
    assert_eq!(
        (record.changes[0].from.as_str(), record.changes[0].to.as_str()),
        ("\"starter\"", "\"hobby\"")
    );
    let keyward = keyward.restart().await;
    let shown = v1::GetWorkspaceRequest { workspace_id: default };
    let shown = keyward.workspaces().get_workspace(keyward.as_root(shown)).await.unwrap().into_inner();
    assert_eq!(shown.workspace.unwrap().plan, "hobby");
    let issued = keyward.issue_scopes(SEND).await;
    assert_eq!(keyward.denied(&issued.api_key, SEND).await, None);

    // With a key in it, its plan is somebody's: it is not changed by the way.
    own.plans[0].name = "other".to_owned();
    let revision = keyward.revision().await;
    let version = keyward.in_force().await.version.clone().unwrap().version;
    let refused = keyward.try_apply(&toml(&own), version, "").await;
    let status = refusal(refused, Code::InvalidArgument, "FIELD_INVALID");
    assert!(status.message().contains("must keep `hobby`"), "{status:?}");
    assert_eq!(keyward.revision().await, revision);
    keyward.stop().await;
}
