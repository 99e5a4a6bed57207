//! Issue.

use std::time::Duration;

use futures_util::future::join_all;
use keyward::{
    domain::policy::{EnvironmentEntry, Policy},
    wire::v1::{self, AuditAction, KeyState, SecretState},
};
use tonic::Code;

use crate::{
    overrides::update_workspace,
    support::{
        Keyward, START_MS, admin_rights, holder_key, policy,
        verbs::{DAY, MS, assert_field, bound, metadata, ms, refusal, strings},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn an_issued_key_survives_a_restart() {
    // K1, K2
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    assert_eq!(keyward.denied(&issued.api_key, &["messaging:send"]).await, None);
    let keyward = keyward.restart().await;
    assert_eq!(keyward.denied(&issued.api_key, &["messaging:send"]).await, None);
    keyward.stop().await;
}

fn everything(keyward: &Keyward) -> v1::IssueRequest {
    v1::IssueRequest {
        name: "Zoë’s uploader 東京".to_owned(),
        description: "uploads".to_owned(),
        owner: "user:42".to_owned(),
        environment: "test".to_owned(),
        scopes: strings(&["storage:*", "messaging:send", "messaging:send"]),
        grants: vec![bound("exports:create", &["project/*", "project/b", "project/b"])],
        expire_time: Some(keyward.clock.after(DAY)),
        allowed_cidrs: strings(&["2001:db8::/32", "10.0.0.0/8"]),
        metadata: [("team".to_owned(), "search & find".to_owned()), ("empty".to_owned(), String::new())]
            .into(),
        request_id: "issue-1".to_owned(),
        ..v1::IssueRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_every_field_that_was_asked_for() {
    // K1, K3, S3, S4, T3
    let keyward = Keyward::start().await;
    let mut answer = keyward.try_issue(&keyward.root, everything(&keyward)).await.unwrap().into_inner();
    let key = answer.key.take().unwrap();
    let root = keyward.show(&keyward.root_id().await).await;

    assert!(key.id.starts_with("key_") && key.id.len() == 30, "{}", key.id);
    assert_eq!(key.workspace_id, root.workspace_id, "a global caller issues in the default workspace");
    assert_eq!((key.name.as_str(), key.description.as_str()), ("Zoë’s uploader 東京", "uploads"));
    assert_eq!((key.owner.as_str(), key.environment.as_str()), ("user:42", "test"));
    assert_eq!(key.scopes, ["messaging:send", "storage:*"], "sorted, once each, the wildcard spelled out");
    assert_eq!(key.grants, [bound("exports:create", &["project/*", "project/b"])]);
    assert_eq!(key.allowed_cidrs, ["10.0.0.0/8", "2001:db8::/32"]);
    assert_eq!(key.metadata["team"], "search & find");
    assert_eq!(key.metadata["empty"], "");
    assert_eq!(key.state(), KeyState::Active);
    assert_eq!(ms(key.create_time), Some(START_MS));
    assert_eq!(ms(key.update_time), Some(START_MS));
    assert_eq!(ms(key.expire_time), Some(START_MS + 86_400_000));
    assert_eq!((key.last_use_time, key.revocation.clone(), key.admin.clone()), (None, None, None));
    let creator = key.creator.clone().unwrap();
    assert_eq!((creator.key_id, creator.owner), (root.id, String::new()));
    assert_eq!(creator.workspace_id, root.workspace_id);
    assert_eq!(key.secrets.len(), 1);
    assert_eq!((key.secrets[0].generation, key.secrets[0].state()), (1, SecretState::Current));
    assert_eq!((ms(key.secrets[0].create_time), key.secrets[0].end_time), (Some(START_MS), None));
    assert_eq!((answer.revision, key.revision), (2, 2), "the store's making was 1");
    assert_eq!(keyward.show(&key.id).await, key, "what is kept is what was said");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_what_was_issued_and_by_whom() {
    // A1, A5
    let keyward = Keyward::start().await;
    let issued = keyward.issue(everything(&keyward)).await;
    let record = keyward.newest_record().await;
    assert_eq!(record.action(), AuditAction::KeyIssue);
    assert_eq!((record.key_id.as_str(), record.request_id.as_str()), (issued.key.id.as_str(), "issue-1"));
    assert_eq!(record.revision, issued.key.revision);
    assert_eq!(ms(record.time), Some(START_MS));
    let actor = record.actor.unwrap();
    assert_eq!((actor.kind(), actor.key_id), (v1::ActorKind::Admin, keyward.root_id().await));
    assert_eq!(actor.address, "127.0.0.1");
    let fields: Vec<_> = record.changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(
        fields,
        ["name", "description", "owner", "environment", "grants", "allowed_cidrs", "metadata", "expire_time"]
    );
    assert!(record.changes.iter().all(|change| change.from.is_empty() && !change.to.is_empty()));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_names_its_environment_and_is_one_word() {
    // K3, K4
    let keyward = Keyward::start().await;
    for (environment, prefix) in [("", "kw_live_"), ("live", "kw_live_"), ("test", "kw_test_")] {
        let request =
            v1::IssueRequest { environment: environment.to_owned(), ..holder_key(&["messaging:send"]) };
        let issued = keyward.issue(request).await;
        let body = issued.api_key.strip_prefix(prefix).unwrap();
        assert_eq!(body.len(), 49);
        assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let hint = format!("{prefix}…{}", &body[45..]);
        assert_eq!((&issued.key.hint, &issued.key.secrets[0].hint), (&hint, &hint));
        assert_eq!(issued.key.environment, prefix[3..].trim_end_matches('_'));
    }
    let admin = keyward.issue_admin("", admin_rights(&["keys:read"], true)).await;
    assert!(admin.api_key.starts_with("kw_admin_"));
    assert_eq!(admin.key.environment, "admin");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_and_environments_are_the_operators_own() {
    // K4
    let environment = |name: &str| EnvironmentEntry {
        name: name.to_owned(),
        prefix: format!("pxk_{name}_"),
        billable: false,
        browsers: String::new(),
    };
    let mut document = policy().document().clone();
    document.environments = ["live", "test", "dev"].map(environment).to_vec();
    document.admin_prefix = "pxk_admin_".to_owned();
    let keyward = Keyward::start_with(true, Policy::new(document).unwrap()).await;
    assert!(keyward.root.starts_with("pxk_admin_"));
    for name in ["live", "test", "dev"] {
        let request = v1::IssueRequest { environment: name.to_owned(), ..holder_key(&["messaging:send"]) };
        let issued = keyward.issue(request).await;
        assert!(issued.api_key.starts_with(&format!("pxk_{name}_")));
        assert_eq!(keyward.denied(&issued.api_key, &["messaging:send"]).await, None);
        let as_ours = issued.api_key.replace("pxk_", "kw_");
        assert_ne!(keyward.denied(&as_ours, &[]).await, None, "another prefix is another key");
    }
    let unknown = v1::IssueRequest { environment: "stage".to_owned(), ..holder_key(&["messaging:send"]) };
    assert_field(keyward.try_issue(&keyward.root, unknown).await, "environment");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_are_never_the_same() {
    // K6, K10
    let keyward = Keyward::start().await;
    let one = keyward.issue_scopes(&["messaging:send"]).await;
    let two = keyward.issue_scopes(&["messaging:send"]).await;
    assert_ne!(one.key.id, two.key.id);
    assert_ne!(one.api_key, two.api_key);
    let keyward = keyward.restart().await;
    let three = keyward.issue_scopes(&["messaging:send"]).await;
    assert!(three.api_key != one.api_key && three.api_key != two.api_key);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_lies_in_the_future_and_acts_at_its_millisecond() {
    // K1, K8
    let keyward = Keyward::start().await;
    let expiring = |time| v1::IssueRequest { expire_time: Some(time), ..holder_key(&["messaging:send"]) };
    let now = keyward.clock.after(Duration::ZERO);
    let past = prost_types::Timestamp { seconds: now.seconds - 1, nanos: 999_000_000 };
    for bad in [now, past, prost_types::Timestamp { nanos: 999_999, ..now }] {
        assert_field(keyward.try_issue(&keyward.root, expiring(bad)).await, "expire_time");
    }
    let issued = keyward.issue(expiring(keyward.clock.after(MS * 2))).await;
    keyward.clock.advance(MS);
    assert_eq!(keyward.denied(&issued.api_key, &["messaging:send"]).await, None);
    keyward.clock.advance(MS);
    let expired = Some(v1::DenialReason::KeyExpired);
    assert_eq!(keyward.denied(&issued.api_key, &["messaging:send"]).await, expired);
    let keyward = keyward.restart().await;
    assert_eq!(keyward.denied(&issued.api_key, &["messaging:send"]).await, expired);
    assert_eq!(keyward.show(&issued.key.id).await.state(), KeyState::Expired);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_rights_is_not_made() {
    // K1, S1
    let keyward = Keyward::start().await;
    assert_field(keyward.try_issue(&keyward.root, holder_key(&[])).await, "scopes");
    let only_bound =
        v1::IssueRequest { grants: vec![bound("storage:read", &["space/a"])], ..holder_key(&[]) };
    keyward.issue(only_bound).await;
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_the_same_request_id_makes_no_second_key() {
    // K10, K2
    let keyward = Keyward::start().await;
    let request = everything(&keyward);
    let first = keyward.issue(request.clone()).await;
    let revision = keyward.revision().await;
    let status = refusal(
        keyward.try_issue(&keyward.root, request.clone()).await,
        Code::AlreadyExists,
        "SECRET_ALREADY_SHOWN",
    );
    assert_eq!(metadata(&status, "key_id").as_deref(), Some(first.key.id.as_str()));
    assert!(status.message().contains(&first.key.id));
    let other = v1::IssueRequest { name: "other".to_owned(), ..request.clone() };
    refusal(keyward.try_issue(&keyward.root, other).await, Code::AlreadyExists, "REQUEST_ID_REUSED");

    let keyward = keyward.restart().await;
    keyward.clock.advance(DAY * 2);
    let again = keyward.try_issue(&keyward.root, request).await;
    let status = refusal(again, Code::AlreadyExists, "SECRET_ALREADY_SHOWN");
    assert_eq!(metadata(&status, "key_id").as_deref(), Some(first.key.id.as_str()));
    assert_eq!(keyward.revision().await, revision, "nothing was written");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_callers_may_use_the_same_request_id() {
    // K10, T1
    let keyward = Keyward::start().await;
    let other = keyward.issue_admin("", admin_rights(&["keys:issue"], true)).await;
    let request = everything(&keyward);
    let mine = keyward.issue(request.clone()).await;
    let theirs = keyward.try_issue(&other.api_key, request).await.unwrap().into_inner();
    assert_ne!(theirs.key.as_ref().unwrap().id, mine.key.id);
    assert_ne!(theirs.api_key, mine.api_key);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_at_the_same_time_make_one_key() {
    // K10
    let keyward = Keyward::start().await;
    let request = everything(&keyward);
    let before = keyward.revision().await;
    let calls = (0..16).map(|_| keyward.try_issue(&keyward.root, request.clone()));
    let answers = join_all(calls).await;
    let made: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(made.len(), 1);
    let id = made[0].get_ref().key.as_ref().unwrap().id.clone();
    for status in answers.into_iter().filter_map(Result::err) {
        assert_eq!(status.code(), Code::AlreadyExists);
        assert_eq!(metadata(&status, "key_id"), Some(id.clone()));
    }
    assert_eq!(keyward.revision().await, before + 1);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_issued_where_the_caller_says_or_belongs() {
    // T1, T3
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let (theirs, _) = keyward.register("theirs").await;
    let named = v1::IssueRequest { workspace_id: mine.id.clone(), ..holder_key(&["messaging:send"]) };
    assert_eq!(keyward.issue(named.clone()).await.key.workspace_id, mine.id);

    let bound = keyward.issue_admin(&mine.id, admin_rights(&["keys:issue"], false)).await;
    let unnamed = keyward.try_issue(&bound.api_key, holder_key(&["messaging:send"])).await.unwrap();
    let key = unnamed.get_ref().key.clone().unwrap();
    assert_eq!(key.workspace_id, mine.id);
    assert_eq!(key.creator.unwrap().key_id, bound.key.id);
    keyward.try_issue(&bound.api_key, named).await.unwrap();

    let foreign = v1::IssueRequest { workspace_id: theirs.id, ..holder_key(&["messaging:send"]) };
    let unknown = v1::IssueRequest {
        workspace_id: "ws_00000000000000000000000000".to_owned(),
        ..holder_key(&["messaging:send"])
    };
    let foreign =
        refusal(keyward.try_issue(&bound.api_key, foreign).await, Code::NotFound, "WORKSPACE_NOT_FOUND");
    let unknown = refusal(
        keyward.try_issue(&bound.api_key, unknown.clone()).await,
        Code::NotFound,
        "WORKSPACE_NOT_FOUND",
    );
    assert_eq!(foreign.message(), unknown.message(), "whether it exists is not told");
    refusal(
        keyward.try_issue(&keyward.root, v1::IssueRequest { ..unknown_workspace() }).await,
        Code::NotFound,
        "WORKSPACE_NOT_FOUND",
    );
    keyward.stop().await;
}

fn unknown_workspace() -> v1::IssueRequest {
    v1::IssueRequest {
        workspace_id: "ws_00000000000000000000000000".to_owned(),
        ..holder_key(&["messaging:send"])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administration_key_holds_no_grants_and_lives_in_its_own_environment() {
    let keyward = Keyward::start().await;
    let base = || v1::IssueRequest {
        name: "operator".to_owned(),
        admin: Some(admin_rights(&["keys:read", "audit:read"], false)),
        ..v1::IssueRequest::default()
    };
    let issued = keyward.issue(v1::IssueRequest { environment: "admin".to_owned(), ..base() }).await;
    let admin = issued.key.admin.unwrap();
    assert_eq!(admin.scopes, ["keys:read", "audit:read"]);
    assert!(!admin.global && admin.ceiling.unwrap().any_grant);

    let scoped = v1::IssueRequest { scopes: strings(&["messaging:send"]), ..base() };
    assert_field(keyward.try_issue(&keyward.root, scoped).await, "scopes");
    let live = v1::IssueRequest { environment: "live".to_owned(), ..base() };
    assert_field(keyward.try_issue(&keyward.root, live).await, "environment");
    let holder = v1::IssueRequest { environment: "admin".to_owned(), ..holder_key(&["messaging:send"]) };
    assert_field(keyward.try_issue(&keyward.root, holder).await, "environment");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_at_its_bound_is_taken() {
    // K1
    let keyward = Keyward::start().await;
    let many = |count: usize, of: fn(usize) -> String| (0..count).map(of).collect::<Vec<_>>();
    let request = v1::IssueRequest {
        name: "ü".repeat(128),
        description: "東".repeat(1024),
        owner: "~".repeat(128),
        scopes: many(255, |place| format!("resource{place}:{}", "a".repeat(64))),
        grants: vec![v1::Grant {
            scope: "storage:read".to_owned(),
            resources: many(1_024, |place| format!("space/{place}")),
        }],
        allowed_cidrs: many(64, |place| format!("10.{place}.0.0/16")),
        metadata: (0..32).map(|place| (format!("{place:064}"), "ü".repeat(256))).collect(),
        request_id: "r".repeat(64),
        expire_time: Some(prost_types::Timestamp { seconds: 253_402_300_799, nanos: 999_999_999 }),
        ..v1::IssueRequest::default()
    };
    let issued = keyward.issue(request).await;
    assert_eq!(issued.key.scopes.len(), 255);
    assert_eq!(issued.key.grants[0].resources.len(), 1_024);
    assert_eq!(ms(issued.key.expire_time), Some(253_402_300_799_999));
    let keyward = keyward.restart().await;
    let shown = keyward.show(&issued.key.id).await;
    assert_eq!(shown, issued.key);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_issued_while_its_workspace_and_its_owner_are_changed() {
    // D1, K10
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let (workspace_id, subject) = (mine.id.clone(), "ann".to_owned());
    let ann = v1::AddMemberRequest { workspace_id, subject, role: "viewer".to_owned(), expected_gains: None };
    keyward.workspaces().add_member(keyward.as_root(ann.clone())).await.unwrap();
    let following = |round: usize, place: usize| v1::IssueRequest {
        workspace_id: mine.id.clone(),
        owner: ann.subject.clone(),
        follows_owner_role: true,
        request_id: format!("issue-{round}-{place}"),
        ..holder_key(&[])
    };
    for round in 0..12 {
        let name = format!("round {round}");
        let workspace = v1::Workspace { id: mine.id.clone(), name, ..v1::Workspace::default() };
        let rename = update_workspace(&keyward, &keyward.root, workspace, &["name"]);
        let role = v1::UpdateMemberRequest {
            workspace_id: mine.id.clone(),
            subject: ann.subject.clone(),
            role: if round % 2 == 0 { "editor" } else { "viewer" }.to_owned(),
            expected_gains: None,
        };
        let mut workspaces = keyward.workspaces();
        let role = workspaces.update_member(keyward.as_root(role));
        let issues = (0..8).map(|place| keyward.try_issue(&keyward.root, following(round, place)));
        let (renamed, changed, made) = tokio::join!(rename, role, join_all(issues));
        let _ = (renamed.unwrap(), changed.unwrap());
        for (place, answer) in made.into_iter().enumerate() {
            let made = answer.unwrap().into_inner();
            assert_eq!(keyward.denied(&made.api_key, &["storage:read"]).await, None);
            let again = keyward.try_issue(&keyward.root, following(round, place)).await;
            let status = refusal(again, Code::AlreadyExists, "SECRET_ALREADY_SHOWN");
            assert_eq!(metadata(&status, "key_id").as_ref(), made.key.as_ref().map(|key| &key.id));
        }
    }
    keyward.stop().await;
}
