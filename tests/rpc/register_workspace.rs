//! `RegisterWorkspace`.

use keyward::{
    domain::policy::Policy,
    wire::v1::{self, AuditAction},
};
use tonic::{Code, Response, Status};

use crate::support::{
    Keyward, START_MS, admin_rights, holder_key, signed,
    verbs::{DAY, assert_field, metadata, ms, refusal},
};

type Registered = Result<Response<v1::RegisterWorkspaceResponse>, Status>;

async fn register(keyward: &Keyward, caller: &str, request: v1::RegisterWorkspaceRequest) -> Registered {
    keyward.workspaces().register_workspace(signed(caller, request)).await
}

fn workspace(name: &str) -> v1::RegisterWorkspaceRequest {
    v1::RegisterWorkspaceRequest {
        name: name.to_owned(),
        key: Some(holder_key(&["messaging:send"])),
        ..v1::RegisterWorkspaceRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_comes_with_its_first_key_on_the_starter_plan() {
    // T2, T3
    let keyward = Keyward::start().await;
    let request = v1::RegisterWorkspaceRequest { owner: "org:1".to_owned(), ..workspace("Acme") };
    let answer = register(&keyward, &keyward.root, request).await.unwrap().into_inner();
    let made = answer.workspace.clone().unwrap();
    assert!(made.id.starts_with("ws_") && made.id.len() == 29);
    assert_eq!((made.name.as_str(), made.owner.as_str(), made.plan.as_str()), ("Acme", "org:1", "starter"));
    assert_eq!((ms(made.create_time), made.revision), (Some(START_MS), answer.revision));
    let key = answer.key.clone().unwrap();
    assert_eq!((&key.workspace_id, key.owner.as_str(), key.revision), (&made.id, "org:1", answer.revision));
    assert_eq!(key.creator.as_ref().unwrap().key_id, keyward.root_id().await);
    let checked = keyward.check(&answer.api_key, &["messaging:send"]).await;
    assert!(checked.allowed);
    let checked = checked.key.unwrap();
    assert_eq!((checked.workspace_id, checked.plan.as_str()), (made.id.clone(), "starter"));
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.revision), (AuditAction::WorkspaceRegister, answer.revision));
    assert_eq!((record.workspace_id, record.key_id), (made.id, key.id.clone()));
    let keyward = keyward.restart().await;
    assert!(keyward.check(&answer.api_key, &["messaging:send"]).await.allowed);
    assert_eq!(keyward.show(&key.id).await.name, key.name);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_can_be_registered_without_a_key() {
    // T2
    let keyward = Keyward::start_with(true, Policy::default_document().unwrap()).await;
    let alone =
        |name: &str| v1::RegisterWorkspaceRequest { key: None, owner: "ann".to_owned(), ..workspace(name) };
    let registrar = keyward.issue_admin("", admin_rights(&["workspaces:manage"], true)).await.api_key;
    let answer = register(&keyward, &registrar, alone("Acme")).await.unwrap().into_inner();
    assert_eq!((answer.key.as_ref(), answer.api_key.as_str()), (None, ""));
    let (made, member) = (answer.workspace.clone().unwrap(), answer.member.clone().unwrap());
    assert_eq!(
        (made.plan.as_str(), made.revision, member.role.as_str()),
        ("starter", answer.revision, "owner")
    );
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.revision), (AuditAction::WorkspaceRegister, answer.revision));
    assert_eq!((&record.workspace_id, record.key_id.as_str(), record.member.as_str()), (&made.id, "", "ann"));
    let fields: Vec<_> = record.changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(fields, ["workspace.name", "workspace.owner", "workspace.plan", "member.role"]);
    refusal(
        register(&keyward, &registrar, workspace("Other")).await,
        Code::PermissionDenied,
        "ADMIN_SCOPE_MISSING",
    );

    let keyward = keyward.restart().await;
    let list = v1::ListKeysRequest { workspace_id: made.id.clone(), ..v1::ListKeysRequest::default() };
    assert!(keyward.keys().list_keys(keyward.as_root(list)).await.unwrap().into_inner().keys.is_empty());
    let first = v1::IssueRequest { workspace_id: made.id.clone(), ..holder_key(&["messaging:send"]) };
    let first = keyward.issue(first).await;
    assert_eq!(keyward.check(&first.api_key, &["messaging:send"]).await.key.unwrap().workspace_id, made.id);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_and_owners_are_as_asked() {
    // T2
    let keyward = Keyward::start().await;
    for plan in ["starter", "pro", "enterprise"] {
        let key = v1::IssueRequest { owner: "user:1".to_owned(), ..holder_key(&["messaging:send"]) };
        let request = v1::RegisterWorkspaceRequest {
            plan: plan.to_owned(),
            owner: "org:1".to_owned(),
            key: Some(key),
            ..workspace("Acme")
        };
        let answer = register(&keyward, &keyward.root, request).await.unwrap().into_inner();
        assert_eq!(answer.workspace.as_ref().unwrap().plan, plan);
        assert_eq!(answer.key.as_ref().unwrap().owner, "user:1");
        assert_eq!(keyward.check(&answer.api_key, &[]).await.key.unwrap().plan, plan);
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_is_a_holders_key_of_the_new_workspace_or_nothing_is_made() {
    // T2, K1, K8
    let keyward = Keyward::start().await;
    let revision = keyward.revision().await;
    let with = |key: v1::IssueRequest| v1::RegisterWorkspaceRequest { key: Some(key), ..workspace("Acme") };
    let good = || holder_key(&["messaging:send"]);
    let past = keyward.clock.after(std::time::Duration::ZERO);
    for (request, field) in [
        (
            with(v1::IssueRequest { workspace_id: keyward.default_workspace().await, ..good() }),
            "key.workspace_id",
        ),
        (with(v1::IssueRequest { admin: Some(admin_rights(&["keys:read"], false)), ..good() }), "key.admin"),
        (with(holder_key(&[])), "key.scopes"),
        (with(v1::IssueRequest { name: String::new(), ..good() }), "key.name"),
        (with(v1::IssueRequest { environment: "admin".to_owned(), ..good() }), "key.environment"),
        (with(v1::IssueRequest { expire_time: Some(past), ..good() }), "key.expire_time"),
        (v1::RegisterWorkspaceRequest { plan: "free".to_owned(), ..workspace("Acme") }, "plan"),
        (v1::RegisterWorkspaceRequest { plan: "Starter".to_owned(), ..workspace("Acme") }, "plan"),
    ] {
        assert_field(register(&keyward, &keyward.root, request).await, field);
    }
    assert_eq!(keyward.revision().await, revision);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_the_same_request_id_makes_no_second_workspace() {
    // K10
    let keyward = Keyward::start().await;
    let key = v1::IssueRequest { request_id: "signup-1".to_owned(), ..holder_key(&["messaging:send"]) };
    let request = v1::RegisterWorkspaceRequest { key: Some(key.clone()), ..workspace("Acme") };
    let first = register(&keyward, &keyward.root, request.clone()).await.unwrap().into_inner();
    let revision = keyward.revision().await;
    let again = register(&keyward, &keyward.root, request.clone()).await;
    let status = refusal(again, Code::AlreadyExists, "SECRET_ALREADY_SHOWN");
    assert_eq!(metadata(&status, "key_id"), Some(first.key.as_ref().unwrap().id.clone()));
    for different in [
        v1::RegisterWorkspaceRequest { name: "Other".to_owned(), ..request.clone() },
        v1::RegisterWorkspaceRequest { plan: "pro".to_owned(), ..request.clone() },
    ] {
        let reused = register(&keyward, &keyward.root, different).await;
        refusal(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");
    }
    let issue = keyward.try_issue(&keyward.root, key).await;
    refusal(issue, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let keyward = keyward.restart().await;
    keyward.clock.advance(DAY);
    let again = register(&keyward, &keyward.root, request.clone()).await;
    refusal(again, Code::AlreadyExists, "SECRET_ALREADY_SHOWN");
    assert_eq!(keyward.revision().await, revision);

    let other = keyward.issue_admin("", admin_rights(&["workspaces:manage", "keys:issue"], true)).await;
    let theirs = register(&keyward, &other.api_key, request).await.unwrap().into_inner();
    assert_ne!(theirs.workspace.clone().unwrap().id, first.workspace.clone().unwrap().id);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_global_caller_with_both_scopes_registers() {
    // T1, X9
    let keyward = Keyward::start().await;
    let rights = [
        (admin_rights(&["workspaces:manage"], true), "ADMIN_SCOPE_MISSING"),
        (admin_rights(&["keys:issue"], true), "ADMIN_SCOPE_MISSING"),
        (admin_rights(&["keys:issue", "workspaces:manage"], false), "GLOBAL_CALLER_REQUIRED"),
    ];
    for (rights, why) in rights {
        let admin = keyward.issue_admin("", rights).await;
        let refused = register(&keyward, &admin.api_key, workspace("Acme")).await;
        refusal(refused, Code::PermissionDenied, why);
    }
    let mut narrow = admin_rights(&["keys:issue", "workspaces:manage"], true);
    narrow.ceiling.as_mut().unwrap().any_grant = false;
    let admin = keyward.issue_admin("", narrow).await;
    let refused = register(&keyward, &admin.api_key, workspace("Acme")).await;
    refusal(refused, Code::PermissionDenied, "CEILING_EXCEEDED");
    keyward.stop().await;
}
