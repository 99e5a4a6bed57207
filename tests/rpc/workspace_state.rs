//! `ListWorkspaces`, `SuspendWorkspace`, `ResumeWorkspace`, `CloseWorkspace`, and rules for keys of a workspace's own.

use keyward::wire::v1::{self, AuditAction, DenialReason, WorkspaceState};
use tonic::{Code, Response, Status};

use crate::{
    overrides::update_workspace,
    support::{
        Issued, Keyward, admin_rights, holder_key, signed,
        verbs::{DAY, HOUR, assert_field, disabling, enabling, refusal, renaming, rotation, update, wire},
    },
};

const SEND: &[&str] = &["messaging:send"];

async fn suspend(keyward: &Keyward, id: &str) -> Result<Response<v1::SuspendWorkspaceResponse>, Status> {
    let request = v1::SuspendWorkspaceRequest { workspace_id: id.to_owned(), comment: "unpaid".to_owned() };
    keyward.workspaces().suspend_workspace(keyward.as_root(request)).await
}

async fn resume(keyward: &Keyward, id: &str) -> Result<Response<v1::ResumeWorkspaceResponse>, Status> {
    let request = v1::ResumeWorkspaceRequest { workspace_id: id.to_owned(), comment: String::new() };
    keyward.workspaces().resume_workspace(keyward.as_root(request)).await
}

async fn close(keyward: &Keyward, id: &str) -> Result<Response<v1::CloseWorkspaceResponse>, Status> {
    let request = v1::CloseWorkspaceRequest { workspace_id: id.to_owned(), ..Default::default() };
    keyward.workspaces().close_workspace(keyward.as_root(request)).await
}

async fn denied(keyward: &Keyward, issued: &Issued) -> Option<DenialReason> {
    keyward.denied(&issued.api_key, SEND).await
}

fn in_workspace(id: &str) -> v1::IssueRequest {
    v1::IssueRequest { workspace_id: id.to_owned(), ..holder_key(SEND) }
}

fn member(id: &str) -> v1::AddMemberRequest {
    v1::AddMemberRequest {
        workspace_id: id.to_owned(),
        subject: "ann".to_owned(),
        role: "viewer".to_owned(),
        expected_gains: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_workspaces_keys_are_denied_until_it_is_resumed() {
    // S5, T1, H2
    let keyward = Keyward::start().await;
    let (mine, key) = keyward.register("mine").await;
    let (_, other) = keyward.register("other").await;
    let answer = suspend(&keyward, &mine.id).await.unwrap().into_inner();
    let suspended = answer.workspace.unwrap();
    assert_eq!((suspended.state(), suspended.revision), (WorkspaceState::Suspended, answer.revision));
    assert_eq!(denied(&keyward, &key).await, Some(DenialReason::WorkspaceSuspended));
    assert_eq!(denied(&keyward, &other).await, None, "nobody else's");
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.comment.as_str()), (AuditAction::WorkspaceSuspend, "unpaid"));
    assert_eq!(suspend(&keyward, &mine.id).await.unwrap().into_inner().revision, answer.revision);

    for refused in [
        keyward.try_issue(&keyward.root, in_workspace(&mine.id)).await.map(drop),
        keyward.workspaces().add_member(keyward.as_root(member(&mine.id))).await.map(drop),
    ] {
        refusal(refused.map(Response::new), Code::FailedPrecondition, "WORKSPACE_SUSPENDED");
    }
    keyward.rotate(&key.key.id, None).await;
    let keyward = keyward.restart().await;
    assert_eq!(
        denied(&keyward, &key).await,
        Some(DenialReason::WorkspaceSuspended),
        "a restart changes nothing"
    );
    resume(&keyward, &mine.id).await.unwrap();
    assert_eq!(denied(&keyward, &key).await, None);
    assert_eq!(keyward.newest_record().await.action(), AuditAction::WorkspaceResume);
    assert!(keyward.try_issue(&keyward.root, in_workspace(&mine.id)).await.is_ok());
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_learns_nothing_new_of_a_suspended_workspace() {
    // H5, X7: the standing of the key and of its secret come first
    let keyward = Keyward::start().await;
    let (mine, key) = keyward.register("mine").await;
    let revoked = keyward.issue(in_workspace(&mine.id)).await;
    keyward.revoke(&revoked.key.id).await;
    let newer = keyward.rotate(&key.key.id, Some(HOUR)).await;
    suspend(&keyward, &mine.id).await.unwrap();
    assert_eq!(denied(&keyward, &revoked).await, Some(DenialReason::KeyRevoked));
    assert_eq!(denied(&keyward, &key).await, Some(DenialReason::WorkspaceSuspended));
    keyward.clock.advance(HOUR);
    assert_eq!(denied(&keyward, &key).await, Some(DenialReason::KeyExpired), "this secret is past its end");
    assert_eq!(denied(&keyward, &newer).await, Some(DenialReason::WorkspaceSuspended));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_workspace_stays_closed_and_only_ends_its_keys() {
    // S5, K9
    let keyward = Keyward::start().await;
    let (mine, key) = keyward.register("mine").await;
    let off = keyward.issue(in_workspace(&mine.id)).await;
    keyward.disable(&off.key.id).await;
    keyward.workspaces().add_member(keyward.as_root(member(&mine.id))).await.unwrap();
    let answer = close(&keyward, &mine.id).await.unwrap().into_inner();
    assert_eq!(answer.workspace.unwrap().state(), WorkspaceState::Closed);
    let told = keyward.check(&key.api_key, SEND).await.denial.unwrap();
    assert_eq!(told.reason(), DenialReason::WorkspaceSuspended);
    assert_eq!(told.message, "the workspace of the API key is closed");
    assert_eq!(close(&keyward, &mine.id).await.unwrap().into_inner().revision, answer.revision);

    let name = v1::Workspace { id: mine.id.clone(), name: "new".to_owned(), ..v1::Workspace::default() };
    let root = |refused: Result<(), Status>| {
        refusal(refused.map(Response::new), Code::FailedPrecondition, "WORKSPACE_CLOSED");
    };
    root(suspend(&keyward, &mine.id).await.map(drop));
    root(resume(&keyward, &mine.id).await.map(drop));
    root(keyward.try_issue(&keyward.root, in_workspace(&mine.id)).await.map(drop));
    root(keyward.keys().rotate(keyward.as_root(rotation(&key.key.id, None))).await.map(drop));
    root(keyward.keys().update_key(keyward.as_root(renaming(&key.key.id, "new"))).await.map(drop));
    root(keyward.keys().enable_key(keyward.as_root(enabling(&off.key.id))).await.map(drop));
    root(update_workspace(&keyward, &keyward.root, name, &["name"]).await.map(drop));
    root(keyward.workspaces().add_member(keyward.as_root(member(&mine.id))).await.map(drop));
    let leave = v1::RemoveMemberRequest {
        workspace_id: mine.id.clone(),
        subject: "ann".to_owned(),
        ..v1::RemoveMemberRequest::default()
    };
    root(keyward.workspaces().remove_member(keyward.as_root(leave)).await.map(drop));
    keyward.keys().disable_key(keyward.as_root(disabling(&key.key.id))).await.unwrap();
    keyward.revoke(&key.key.id).await;
    let keyward = keyward.restart().await;
    root(resume(&keyward, &mine.id).await.map(drop));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_workspace_stays_in_use_and_only_global_callers_say_otherwise_of_others() {
    // T1, X9
    let keyward = Keyward::start().await;
    let default = keyward.default_workspace().await;
    assert_field(suspend(&keyward, &default).await, "workspace_id");
    assert_field(close(&keyward, &default).await, "workspace_id");
    assert_field(suspend(&keyward, "").await, "workspace_id");
    assert_field(suspend(&keyward, "ws_").await, "workspace_id");
    let (mine, key) = keyward.register("mine").await;
    let unknown = mine.id.replace(|letter: char| letter.is_ascii_digit(), "0");
    refusal(suspend(&keyward, &unknown).await, Code::NotFound, "WORKSPACE_NOT_FOUND");
    let bound = keyward.issue_admin(&mine.id, admin_rights(&["workspaces:manage"], false)).await.api_key;
    let request = v1::SuspendWorkspaceRequest { workspace_id: mine.id.clone(), comment: String::new() };
    let refused = keyward.workspaces().suspend_workspace(signed(&bound, request)).await;
    refusal(refused, Code::PermissionDenied, "GLOBAL_CALLER_REQUIRED");
    assert_eq!(denied(&keyward, &key).await, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_are_listed_newest_first_and_to_a_bound_caller_its_own() {
    // T1
    let keyward = Keyward::start().await;
    let default = keyward.default_workspace().await;
    let mut made = Vec::new();
    for name in ["a", "b", "c"] {
        keyward.clock.advance(HOUR);
        made.push(keyward.register(name).await.0.id);
    }
    suspend(&keyward, &made[1]).await.unwrap();
    let list = async |caller: &str, request: v1::ListWorkspacesRequest| {
        let answer =
            keyward.workspaces().list_workspaces(signed(caller, request)).await.unwrap().into_inner();
        let ids: Vec<_> = answer.workspaces.into_iter().map(|workspace| workspace.id).collect();
        (ids, answer.next_page_token)
    };
    let blank = v1::ListWorkspacesRequest::default;
    let root = keyward.root.as_str();
    let (first, token) = list(root, v1::ListWorkspacesRequest { page_size: 2, ..blank() }).await;
    assert_eq!(first, [made[2].clone(), made[1].clone()]);
    let next = v1::ListWorkspacesRequest { page_size: 2, page_token: token, ..blank() };
    assert_eq!(list(root, next).await, (vec![made[0].clone(), default], String::new()));
    let suspended = v1::ListWorkspacesRequest { state: WorkspaceState::Suspended.into(), ..blank() };
    assert_eq!(list(root, suspended).await.0, [made[1].clone()]);
    let pro = v1::ListWorkspacesRequest { plan: "pro".to_owned(), ..blank() };
    assert!(list(root, pro).await.0.is_empty());
    let bound = keyward.issue_admin(&made[0], admin_rights(&["workspaces:read"], false)).await.api_key;
    assert_eq!(list(&bound, blank()).await.0, [made[0].clone()]);
    for (request, field) in [
        (v1::ListWorkspacesRequest { state: 9, ..blank() }, "state"),
        (v1::ListWorkspacesRequest { plan: "No plan".to_owned(), ..blank() }, "plan"),
        (v1::ListWorkspacesRequest { page_token: "x".to_owned(), ..blank() }, "page_token"),
    ] {
        assert_field(keyward.workspaces().list_workspaces(keyward.as_root(request)).await, field);
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspaces_own_rules_hold_beside_those_of_the_policy() {
    // K7, S6
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let rules = v1::WorkspaceKeyRules {
        require_expiry: true,
        max_lifetime: Some(wire(DAY)),
        name_pattern: "[a-z-]+".to_owned(),
    };
    let with = |rules: Option<v1::WorkspaceKeyRules>| v1::Workspace {
        id: mine.id.clone(),
        key_rules: rules,
        ..v1::Workspace::default()
    };
    let bound = keyward.issue_admin(&mine.id, admin_rights(&["workspaces:manage"], false)).await.api_key;
    let mask = &["key_rules"];
    let answer = update_workspace(&keyward, &bound, with(Some(rules.clone())), mask).await.unwrap();
    assert_eq!(answer.into_inner().workspace.unwrap().key_rules, Some(rules));
    let good = v1::IssueRequest {
        name: "upload".to_owned(),
        expire_time: Some(keyward.clock.after(DAY)),
        ..in_workspace(&mine.id)
    };
    let issued = keyward.issue(good.clone()).await;
    for (request, field) in [
        (v1::IssueRequest { expire_time: None, ..good.clone() }, "expire_time"),
        (
            v1::IssueRequest { expire_time: Some(keyward.clock.after(DAY + HOUR)), ..good.clone() },
            "expire_time",
        ),
        (v1::IssueRequest { name: "Upload".to_owned(), ..good.clone() }, "name"),
    ] {
        let allowed = assert_field(keyward.try_issue(&keyward.root, request).await, field);
        assert!(allowed.contains("the workspace"), "{allowed}");
    }
    let forever = v1::Key { id: issued.key.id.clone(), ..v1::Key::default() };
    let refused = keyward.keys().update_key(keyward.as_root(update(forever, &["expire_time"]))).await;
    assert_field(refused, "key.expire_time");
    let elsewhere = v1::IssueRequest { workspace_id: String::new(), expire_time: None, ..good.clone() };
    assert!(keyward.try_issue(&keyward.root, elsewhere).await.is_ok());

    let keyward = keyward.restart().await;
    let late = v1::IssueRequest { expire_time: None, ..good };
    assert_field(keyward.try_issue(&keyward.root, late.clone()).await, "expire_time");
    let wrong = v1::WorkspaceKeyRules { name_pattern: "[".to_owned(), ..v1::WorkspaceKeyRules::default() };
    let refused = update_workspace(&keyward, &keyward.root, with(Some(wrong)), mask).await;
    let status = refusal(refused, Code::InvalidArgument, "FIELD_INVALID");
    assert!(status.message().starts_with("workspace.key_rules.name_pattern: "), "{status:?}");
    update_workspace(&keyward, &keyward.root, with(None), mask).await.unwrap();
    assert!(keyward.try_issue(&keyward.root, late).await.is_ok());
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_registers_a_workspace_is_its_first_member() {
    // T2, S5, X9
    let keyward = Keyward::start().await;
    let request = |role: &str| v1::RegisterWorkspaceRequest {
        name: "Acme".to_owned(),
        owner: "ann".to_owned(),
        owner_role: role.to_owned(),
        key: Some(v1::IssueRequest { follows_owner_role: true, ..holder_key(&[]) }),
        ..v1::RegisterWorkspaceRequest::default()
    };
    let register = async |caller: &str, request: v1::RegisterWorkspaceRequest| {
        keyward.workspaces().register_workspace(signed(caller, request)).await
    };
    for (asked, has) in [("", "owner"), ("viewer", "viewer")] {
        let answer = register(&keyward.root, request(asked)).await.unwrap().into_inner();
        let member = answer.member.clone().unwrap();
        assert_eq!((member.subject.as_str(), member.role.as_str()), ("ann", has));
        assert_eq!(
            (member.revision, &member.workspace_id),
            (answer.revision, &answer.workspace.clone().unwrap().id)
        );
        let may_manage = keyward.check(&answer.api_key, &["permissions:manage"]).await.allowed;
        assert_eq!(may_manage, has == "owner");
    }
    assert_field(register(&keyward.root, request("admiral")).await, "owner_role");
    let of_nobody = v1::RegisterWorkspaceRequest { owner: String::new(), ..request("owner") };
    assert_field(register(&keyward.root, of_nobody).await, "owner_role");
    let mut stranger = request("owner");
    stranger.key.as_mut().unwrap().owner = "bob".to_owned();
    refusal(register(&keyward.root, stranger).await, Code::NotFound, "MEMBER_NOT_FOUND");
    let nobody = v1::RegisterWorkspaceRequest { owner: String::new(), ..request("") };
    assert_field(register(&keyward.root, nobody).await, "key.owner");
    let mut rights = admin_rights(&["workspaces:manage", "keys:issue"], true);
    rights.ceiling.as_mut().unwrap().any_grant = false;
    let narrow = keyward.issue_admin("", rights).await.api_key;
    refusal(register(&narrow, request("")).await, Code::PermissionDenied, "CEILING_EXCEEDED");
    keyward.stop().await;
}
