//! Members and their roles: keys that follow them, keys on behalf of them, and who may say so.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use keyward::wire::v1::{self, AuditAction, DenialReason};
use rusqlite::Connection;
use tonic::{Code, Response, Status};

use crate::{
    overrides::{calendar, of_tier},
    support::{
        Issued, Keyward, admin_rights, check, holder_key, reason, signed,
        verbs::{
            DAY, assert_field, bound, enabling, metadata, refusal, rotation, strings, toml, update, wire,
        },
    },
};

/// What a default policy's editor has and its viewer has not.
const WRITE: &[&str] = &["storage:upload"];
/// What both have.
const READ: &[&str] = &["storage:read"];
/// What only the owner has.
const OWNERS: &[&str] = &["permissions:manage"];

pub(crate) async fn add(
    keyward: &Keyward,
    caller: &str,
    workspace: &str,
    subject: &str,
    role: &str,
) -> Result<Response<v1::AddMemberResponse>, Status> {
    let request = v1::AddMemberRequest {
        workspace_id: workspace.to_owned(),
        subject: subject.to_owned(),
        role: role.to_owned(),
        expected_gains: None,
    };
    keyward.workspaces().add_member(signed(caller, request)).await
}

pub(crate) async fn change(
    keyward: &Keyward,
    caller: &str,
    workspace: &str,
    subject: &str,
    role: &str,
) -> Result<Response<v1::UpdateMemberResponse>, Status> {
    let request = v1::UpdateMemberRequest {
        workspace_id: workspace.to_owned(),
        subject: subject.to_owned(),
        role: role.to_owned(),
        expected_gains: None,
    };
    keyward.workspaces().update_member(signed(caller, request)).await
}

pub(crate) async fn remove(
    keyward: &Keyward,
    workspace: &str,
    subject: &str,
) -> Result<Response<v1::RemoveMemberResponse>, Status> {
    let request = v1::RemoveMemberRequest {
        workspace_id: workspace.to_owned(),
        subject: subject.to_owned(),
        comment: "has left".to_owned(),
        ..v1::RemoveMemberRequest::default()
    };
    keyward.workspaces().remove_member(keyward.as_root(request)).await
}

async fn show(keyward: &Keyward, workspace: &str, subject: &str) -> Result<v1::Member, Status> {
    let request = v1::GetMemberRequest { workspace_id: workspace.to_owned(), subject: subject.to_owned() };
    let answer = keyward.workspaces().get_member(keyward.as_root(request)).await?;
    Ok(answer.into_inner().member.unwrap())
}

async fn to(keyward: &Keyward, role: &str) {
    change(keyward, &keyward.root, "", "ann", role).await.unwrap();
}

/// A request for a key of ann's that follows her role.
fn following(scopes: &[&str]) -> v1::IssueRequest {
    v1::IssueRequest { owner: "ann".to_owned(), follows_owner_role: true, ..holder_key(scopes) }
}

/// A request for a key on behalf of ann.
fn on_behalf(scopes: &[&str]) -> v1::IssueRequest {
    v1::IssueRequest { on_behalf_of: "ann".to_owned(), ..holder_key(scopes) }
}

/// A Keyward whose default workspace has one member, ann, in this role.
async fn with_ann(role: &str) -> Keyward {
    let keyward = Keyward::start().await;
    add(&keyward, &keyward.root, "", "ann", role).await.unwrap();
    keyward
}

async fn denied(keyward: &Keyward, issued: &Issued, scopes: &[&str]) -> Option<DenialReason> {
    keyward.denied(&issued.api_key, scopes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_follows_has_what_the_role_has_now() {
    // S5
    let keyward = with_ann("owner").await;
    let key = keyward.issue(following(&[])).await;
    assert!(key.key.follows_owner_role && key.key.owner_role == "owner");
    for scopes in [READ, WRITE, OWNERS] {
        assert_eq!(denied(&keyward, &key, scopes).await, None, "{scopes:?}");
    }
    to(&keyward, "editor").await;
    assert_eq!(denied(&keyward, &key, WRITE).await, None);
    assert_eq!(denied(&keyward, &key, OWNERS).await, Some(DenialReason::RoleInsufficient));
    to(&keyward, "viewer").await;
    assert_eq!(denied(&keyward, &key, READ).await, None);
    let answer = keyward.check(&key.api_key, &["storage:upload", "storage:read"]).await;
    assert_eq!(reason(&answer), Some(DenialReason::RoleInsufficient));
    assert_eq!(answer.denial.unwrap().missing_scopes, WRITE);
    let shown = keyward.show(&key.key.id).await;
    assert_eq!(shown.owner_role, "viewer");
    assert!(shown.effective_scopes.contains(&"storage:read".to_owned()));
    assert!(!shown.effective_scopes.contains(&"storage:upload".to_owned()));
    to(&keyward, "owner").await;
    assert_eq!(denied(&keyward, &key, OWNERS).await, None, "a promotion counts too");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn own_grants_narrow_the_role_and_never_widen_it() {
    // S5, S3
    let keyward = with_ann("owner").await;
    let request = v1::IssueRequest {
        grants: vec![bound("templates:*", &["site/bakery"])],
        ..following(&["storage:*", "permissions:manage"])
    };
    let key = keyward.issue(request).await;
    let on = |scope: &str, resource: &str| v1::CheckRequest {
        resource: resource.to_owned(),
        ..check(&key.api_key, &[scope])
    };
    assert_eq!(denied(&keyward, &key, &["messaging:send"]).await, Some(DenialReason::ScopeInsufficient));
    assert!(keyward.ask(on("templates:write", "site/bakery")).await.allowed);
    to(&keyward, "viewer").await;
    assert_eq!(denied(&keyward, &key, READ).await, None);
    assert_eq!(denied(&keyward, &key, OWNERS).await, Some(DenialReason::RoleInsufficient));
    assert_eq!(
        denied(&keyward, &key, &["messaging:send"]).await,
        Some(DenialReason::ScopeInsufficient),
        "neither has it, and the key's own grants are what to change first"
    );
    assert_eq!(
        reason(&keyward.ask(on("templates:write", "site/bakery")).await),
        Some(DenialReason::RoleInsufficient)
    );
    let read = keyward.ask(on("templates:read", "site/bakery")).await;
    assert!(read.allowed);
    let told = read.key.unwrap();
    assert_eq!(told.grants, [bound("templates:read", &["site/bakery"])], "a wildcard would say too much");
    assert_eq!(told.scopes, ["storage:read"]);
    let elsewhere = keyward.ask(on("templates:read", "site/florist")).await;
    assert_eq!(reason(&elsewhere), Some(DenialReason::ResourceNotGranted), "resource bindings stay");
    let explain = v1::CheckRequest {
        mode: v1::CheckMode::Explain.into(),
        ..check(&key.api_key, &["permissions:manage", "messaging:send"])
    };
    let explained = keyward.ask_as_root(explain).await.denial.unwrap();
    let reasons: Vec<_> = explained.failures.iter().map(v1::DenialFailure::reason).collect();
    assert_eq!(reasons, [DenialReason::RoleInsufficient, DenialReason::ScopeInsufficient]);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_is_denied_and_who_comes_back_goes_on() {
    // S5, T4
    let keyward = with_ann("editor").await;
    let key = keyward.issue(following(&[])).await;
    let disabled = keyward.issue(following(READ)).await;
    keyward.disable(&disabled.key.id).await;
    let revoked = keyward.issue(following(READ)).await;
    keyward.revoke(&revoked.key.id).await;
    let own = keyward.issue(v1::IssueRequest { owner: "ann".to_owned(), ..holder_key(READ) }).await;
    let removed = remove(&keyward, "", "ann").await.unwrap().into_inner();
    assert_eq!((removed.following_keys, removed.other_keys), (2, 1));
    assert_eq!(denied(&keyward, &key, READ).await, Some(DenialReason::OwnerRemoved));
    assert_eq!(denied(&keyward, &own, READ).await, None, "it follows nobody");
    let again = remove(&keyward, "", "ann").await.unwrap().into_inner();
    assert_eq!((again.workspace_count, removed.workspace_count), (0, 1));
    let removed = v1::RemoveMemberResponse { workspace_count: 0, ..removed };
    assert_eq!(again, removed, "a second time changes nothing");
    refusal(remove(&keyward, "", "bob").await, Code::NotFound, "MEMBER_NOT_FOUND");
    assert_eq!(show(&keyward, "", "ann").await.unwrap_err().code(), Code::NotFound);
    refusal(change(&keyward, &keyward.root, "", "ann", "owner").await, Code::NotFound, "MEMBER_NOT_FOUND");
    refusal(keyward.try_issue(&keyward.root, following(READ)).await, Code::NotFound, "MEMBER_NOT_FOUND");

    let keyward = keyward.restart().await;
    assert_eq!(
        denied(&keyward, &key, READ).await,
        Some(DenialReason::OwnerRemoved),
        "a restart changes nothing"
    );
    add(&keyward, &keyward.root, "", "ann", "viewer").await.unwrap();
    assert_eq!(denied(&keyward, &key, READ).await, None);
    assert_eq!(denied(&keyward, &key, WRITE).await, Some(DenialReason::RoleInsufficient));
    let keyward = keyward.restart().await;
    assert_eq!(denied(&keyward, &key, WRITE).await, Some(DenialReason::RoleInsufficient));
    assert_eq!(denied(&keyward, &key, READ).await, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_the_policy_changes_changes_the_keys_that_follow_it() {
    // S5
    let keyward = with_ann("viewer").await;
    let key = keyward.issue(following(&[])).await;
    let in_force = keyward.in_force().await;
    let text = in_force.toml;
    let document: keyward::domain::policy::Document = toml::from_str(&text).unwrap();
    let mut less = document.clone();
    let viewer = less.roles.iter_mut().find(|role| role.name == "viewer").unwrap();
    viewer.scopes.retain(|scope| scope != "storage:read");
    let judged = keyward.judge(&toml(&less)).await.unwrap().into_inner();
    let affected: Vec<_> = judged.effect.unwrap().affected_keys;
    assert_eq!(affected.len(), 1, "{affected:?}");
    assert_eq!(
        (affected[0].key_id.as_str(), &affected[0].lost_scopes[..]),
        (key.key.id.as_str(), &strings(READ)[..])
    );
    keyward.apply(&less).await;
    assert_eq!(denied(&keyward, &key, READ).await, Some(DenialReason::RoleInsufficient));
    let mut without = less.clone();
    without.roles.retain(|role| role.name != "viewer");
    without.key_rules = None;
    let refused = keyward.judge(&toml(&without)).await;
    let status = refusal(refused, Code::InvalidArgument, "FIELD_INVALID");
    assert!(status.message().contains("`viewer`: it is that of 1 members"), "{status:?}");
    keyward.apply(&document).await;
    assert_eq!(denied(&keyward, &key, READ).await, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_on_behalf_of_a_member_stays_under_the_role() {
    // S6, T3
    let keyward = with_ann("editor").await;
    let key = keyward.issue(on_behalf(&["storage:*"])).await;
    assert_eq!(key.key.owner, "ann", "an owner who is not named is the member");
    let creator = keyward.check(&key.api_key, READ).await.key.unwrap().creator.unwrap();
    assert_eq!((creator.on_behalf_of.as_str(), creator.key_id), ("ann", keyward.root_id().await));
    let beyond = keyward.try_issue(&keyward.root, on_behalf(&["storage:read", "permissions:manage"])).await;
    let status = refusal(beyond, Code::PermissionDenied, "ROLE_EXCEEDED");
    assert_eq!(metadata(&status, "beyond").as_deref(), Some("permissions:manage"));
    assert_eq!(metadata(&status, "role").as_deref(), Some("editor"));
    let wildcard = keyward.try_issue(&keyward.root, on_behalf(&["permissions:*"])).await;
    refusal(wildcard, Code::PermissionDenied, "ROLE_EXCEEDED");
    let stranger = v1::IssueRequest { on_behalf_of: "bob".to_owned(), ..holder_key(READ) };
    refusal(keyward.try_issue(&keyward.root, stranger).await, Code::NotFound, "MEMBER_NOT_FOUND");

    let widened = v1::Key {
        id: key.key.id.clone(),
        scopes: strings(&["storage:*", "permissions:manage"]),
        ..v1::Key::default()
    };
    let refused = keyward.keys().update_key(keyward.as_root(update(widened, &["scopes"]))).await;
    refusal(refused, Code::PermissionDenied, "ROLE_EXCEEDED");
    to(&keyward, "viewer").await;
    assert_eq!(denied(&keyward, &key, WRITE).await, None, "it follows nobody");
    let more = v1::Key {
        id: key.key.id.clone(),
        scopes: strings(&["storage:*", "webhooks:manage"]),
        ..v1::Key::default()
    };
    let refused = keyward.keys().update_key(keyward.as_root(update(more, &["scopes"]))).await;
    refusal(refused, Code::PermissionDenied, "ROLE_EXCEEDED");
    let less = v1::Key { id: key.key.id.clone(), scopes: strings(&["storage:upload"]), ..v1::Key::default() };
    keyward.update(less, &["scopes"]).await;
    keyward.rotate(&key.key.id, None).await;

    let both = v1::IssueRequest { follows_owner_role: true, ..on_behalf(&[]) };
    let live = keyward.issue(both).await;
    assert_eq!(denied(&keyward, &live, WRITE).await, Some(DenialReason::RoleInsufficient));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_of_a_role_never_gives_what_no_wildcard_reaches() {
    // S4, S5, S6
    let keyward = with_ann("viewer").await;
    let mut document: keyward::domain::policy::Document =
        toml::from_str(&keyward.in_force().await.toml).unwrap();
    document.roles.push(keyward::domain::policy::RoleEntry {
        name: "helper".to_owned(),
        scopes: strings(&["permissions:*"]),
        ..Default::default()
    });
    keyward.apply(&document).await;
    to(&keyward, "helper").await;
    let live = keyward.issue(following(&[])).await;
    assert_eq!(denied(&keyward, &live, &["permissions:check"]).await, None);
    assert_eq!(denied(&keyward, &live, OWNERS).await, Some(DenialReason::RoleInsufficient));
    let refused = keyward.try_issue(&keyward.root, on_behalf(OWNERS)).await;
    refusal(refused, Code::PermissionDenied, "ROLE_EXCEEDED");
    let key = keyward.issue(on_behalf(&["permissions:*"])).await.key;
    let scopes = strings(&["permissions:*", "permissions:manage"]);
    let widened = v1::Key { id: key.id.clone(), scopes, ..v1::Key::default() };
    let refused = keyward.keys().update_key(keyward.as_root(update(widened, &["scopes"]))).await;
    refusal(refused, Code::PermissionDenied, "ROLE_EXCEEDED");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barred_role_gets_no_keys_neither_on_its_behalf_nor_that_follow_it() {
    // S6, S5: who follows the role without saying on whose behalf does not walk round the bar
    let keyward = with_ann("viewer").await;
    let mut document: keyward::domain::policy::Document =
        toml::from_str(&keyward.in_force().await.toml).unwrap();
    let rules =
        keyward::domain::policy::KeyRulesEntry { barred_roles: strings(&["viewer"]), ..Default::default() };
    document.key_rules = Some(rules);
    let before = keyward.issue(on_behalf(READ)).await;
    keyward.apply(&document).await;
    let refused = keyward.try_issue(&keyward.root, on_behalf(READ)).await;
    let status = refusal(refused, Code::FailedPrecondition, "ROLE_MAY_NOT_ISSUE");
    assert_eq!(metadata(&status, "role").as_deref(), Some("viewer"));
    assert_eq!(denied(&keyward, &before, READ).await, None);
    let following =
        || v1::IssueRequest { owner: "ann".to_owned(), follows_owner_role: true, ..holder_key(&[]) };
    let barred = |answer| {
        let status = refusal(answer, Code::FailedPrecondition, "ROLE_MAY_NOT_ISSUE");
        assert_eq!(metadata(&status, "role").as_deref(), Some("viewer"));
    };
    barred(keyward.try_issue(&keyward.root, following()).await.map(|answer| answer.map(drop)));
    let behalf = v1::IssueRequest { on_behalf_of: "ann".to_owned(), ..following() };
    barred(keyward.try_issue(&keyward.root, behalf).await.map(|answer| answer.map(drop)));
    let register = v1::RegisterWorkspaceRequest {
        name: "Theirs".to_owned(),
        owner: "bob".to_owned(),
        owner_role: "viewer".to_owned(),
        key: Some(v1::IssueRequest { owner: String::new(), ..following() }),
        ..v1::RegisterWorkspaceRequest::default()
    };
    let answer = keyward.workspaces().register_workspace(keyward.as_root(register.clone())).await;
    barred(answer.map(|answer| answer.map(drop)));
    // A key that the platform issues to a viewer by its own decision follows no role.
    let own = v1::IssueRequest { owner: "ann".to_owned(), ..holder_key(&["storage:read"]) };
    assert!(keyward.try_issue(&keyward.root, own).await.is_ok());

    to(&keyward, "editor").await;
    assert!(keyward.try_issue(&keyward.root, on_behalf(READ)).await.is_ok());
    let follows = keyward.issue(following()).await;
    to(&keyward, "viewer").await;
    assert_eq!(denied(&keyward, &follows, READ).await, None, "who comes to be barred keeps what was issued");
    let register = v1::RegisterWorkspaceRequest { owner_role: "editor".to_owned(), ..register };
    assert!(keyward.workspaces().register_workspace(keyward.as_root(register)).await.is_ok());
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hands_out_a_role_beyond_their_ceiling() {
    // S6, X9
    let keyward = with_ann("viewer").await;
    let mut rights = admin_rights(&["workspaces:manage", "keys:issue", "keys:update", "keys:rotate"], true);
    let ceiling = rights.ceiling.as_mut().unwrap();
    ceiling.any_grant = false;
    ceiling.scopes =
        strings(&["storage:read", "templates:read", "permissions:check", "identity:resolve", "events:read"]);
    let narrow = keyward.issue_admin("", rights).await.api_key;
    let exceeded = |status: &Status| metadata(status, "part");
    for role in ["owner", "editor"] {
        let refused = add(&keyward, &narrow, "", "bob", role).await;
        let status = refusal(refused, Code::PermissionDenied, "CEILING_EXCEEDED");
        assert_eq!(exceeded(&status).as_deref(), Some("role"));
        let refused = change(&keyward, &narrow, "", "ann", role).await;
        refusal(refused, Code::PermissionDenied, "CEILING_EXCEEDED");
    }
    add(&keyward, &narrow, "", "bob", "viewer").await.unwrap();
    assert!(keyward.try_issue(&narrow, following(&[])).await.is_ok(), "all of a viewer's is within it");
    let all = keyward.issue(following(&[])).await.key;
    to(&keyward, "editor").await;
    let refused = keyward.try_issue(&narrow, following(&[])).await;
    refusal(refused, Code::PermissionDenied, "CEILING_EXCEEDED");
    assert!(keyward.try_issue(&narrow, following(READ)).await.is_ok(), "its own grants are within it");
    let refused = keyward.keys().rotate(signed(&narrow, rotation(&all.id, None))).await;
    refusal(refused, Code::PermissionDenied, "CEILING_EXCEEDED");
    let some = keyward.issue(following(READ)).await.key;
    let widened = v1::Key { id: some.id.clone(), ..v1::Key::default() };
    let refused = keyward.keys().update_key(signed(&narrow, update(widened, &["scopes"]))).await;
    refusal(refused, Code::PermissionDenied, "CEILING_EXCEEDED");
    let widened = v1::Key { id: some.id, ..v1::Key::default() };
    assert!(
        keyward.update(widened, &["scopes"]).await.scopes.is_empty(),
        "root may: it has all of the role's then"
    );
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_owner_is_no_member_is_handed_to_nobody_who_may_not_hand_out_every_role() {
    // S6, X9: whoever makes the owner a member again does not see who has the secret by then
    let keyward = with_ann("owner").await;
    let mut rights = admin_rights(&["keys:update", "keys:rotate"], true);
    let ceiling = rights.ceiling.as_mut().unwrap();
    ceiling.any_grant = false;
    ceiling.scopes = strings(READ);
    let narrow = keyward.issue_admin("", rights).await.api_key;
    let all = keyward.issue(following(&[])).await.key;
    let some = keyward.issue(following(READ)).await;
    remove(&keyward, "", "ann").await.unwrap();

    let refused = keyward.keys().rotate(signed(&narrow, rotation(&all.id, None))).await;
    let status = refusal(refused, Code::PermissionDenied, "CEILING_EXCEEDED");
    assert_eq!(metadata(&status, "part").as_deref(), Some("role"));
    keyward.disable(&all.id).await;
    let refused = keyward.keys().enable_key(signed(&narrow, enabling(&all.id))).await;
    refusal(refused, Code::PermissionDenied, "CEILING_EXCEEDED");
    let widened = v1::Key { id: some.key.id.clone(), ..v1::Key::default() };
    let refused = keyward.keys().update_key(signed(&narrow, update(widened, &["scopes"]))).await;
    refusal(refused, Code::PermissionDenied, "CEILING_EXCEEDED");

    add(&keyward, &keyward.root, "", "ann", "owner").await.unwrap();
    assert_eq!(denied(&keyward, &some, READ).await, None);
    assert_eq!(denied(&keyward, &some, OWNERS).await, Some(DenialReason::ScopeInsufficient));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_a_member_whose_keys_they_could_not_hand_out() {
    // S6, X9
    let keyward = with_ann("viewer").await;
    let ceiling = || v1::Ceiling {
        any_grant: true,
        any_environment: true,
        any_lifetime: true,
        raise_limits: true,
        ..v1::Ceiling::default()
    };
    let year = Some(wire(DAY * 365));
    let callers = [
        (
            "environment",
            v1::Ceiling { any_environment: false, environments: strings(&["test"]), ..ceiling() },
        ),
        ("lifetime", v1::Ceiling { any_lifetime: false, max_lifetime: year, ..ceiling() }),
        ("limits", v1::Ceiling { raise_limits: false, ..ceiling() }),
    ];
    let wide = of_tier("default", vec![calendar("day", 1_000, v1::PolicyCalendar::Day)]);
    let key = keyward.issue(v1::IssueRequest { limits: Some(wide), ..following(&[]) }).await;
    let revoked = keyward.issue(following(&[])).await.key;
    keyward.revoke(&revoked.id).await;
    remove(&keyward, "", "ann").await.unwrap();
    let mut bounded = Vec::new();
    for (part, ceiling) in callers {
        let rights = v1::AdminRights { ceiling: Some(ceiling), ..admin_rights(&["workspaces:manage"], true) };
        let caller = keyward.issue_admin("", rights).await.api_key;
        let before = keyward.revision().await;
        let status = refusal(
            add(&keyward, &caller, "", "ann", "viewer").await,
            Code::PermissionDenied,
            "CEILING_EXCEEDED",
        );
        assert_eq!(metadata(&status, "part").as_deref(), Some(part));
        assert_eq!(metadata(&status, "key_id").as_ref(), Some(&key.key.id));
        assert_eq!(metadata(&status, "count").as_deref(), Some("1"), "the revoked one stays so");
        assert_eq!(keyward.revision().await, before);
        add(&keyward, &caller, "", part, "viewer").await.unwrap();
        bounded.push(caller);
    }
    assert_eq!(denied(&keyward, &key, READ).await, Some(DenialReason::OwnerRemoved));
    add(&keyward, &keyward.root, "", "ann", "editor").await.unwrap();
    assert_eq!(denied(&keyward, &key, READ).await, None);
    for caller in bounded {
        let refused = change(&keyward, &caller, "", "ann", "owner").await;
        refusal(refused, Code::PermissionDenied, "CEILING_EXCEEDED");
        change(&keyward, &caller, "", "ann", "viewer").await.unwrap();
        change(&keyward, &keyward.root, "", "ann", "editor").await.unwrap();
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_follows_is_not_widened_beyond_the_role() {
    // S5, S6
    let keyward = with_ann("editor").await;
    let beyond = keyward.try_issue(&keyward.root, following(&["storage:read", "permissions:manage"])).await;
    refusal(beyond, Code::PermissionDenied, "ROLE_EXCEEDED");
    let key = keyward.issue(following(READ)).await.key;
    let with =
        |scopes: &[&str]| v1::Key { id: key.id.clone(), scopes: strings(scopes), ..v1::Key::default() };
    let refused = keyward.keys().update_key(keyward.as_root(update(with(OWNERS), &["scopes"]))).await;
    refusal(refused, Code::PermissionDenied, "ROLE_EXCEEDED");
    assert_eq!(keyward.update(with(&["storage:*"]), &["scopes"]).await.scopes, ["storage:*"]);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_members_and_wrong_keys_are_refused_by_their_fields() {
    // S5, X9
    let keyward = with_ann("editor").await;
    let before = keyward.revision().await;
    let root = keyward.root.as_str();
    for (subject, role, field) in [
        ("", "editor", "subject"),
        ("a b", "editor", "subject"),
        ("bob", "", "role"),
        ("bob", "admiral", "role"),
    ] {
        assert_field(add(&keyward, root, "", subject, role).await, field);
    }
    assert_field(change(&keyward, root, "", "ann", "admiral").await, "role");
    refusal(add(&keyward, root, "", "ann", "viewer").await, Code::AlreadyExists, "MEMBER_EXISTS");
    let nobody = v1::IssueRequest { owner: String::new(), ..following(READ) };
    assert_field(keyward.try_issue(root, nobody).await, "owner");
    let admin = |request: v1::IssueRequest| v1::IssueRequest {
        scopes: Vec::new(),
        admin: Some(admin_rights(&["keys:read"], false)),
        ..request
    };
    assert_field(keyward.try_issue(root, admin(following(&[]))).await, "follows_owner_role");
    assert_field(keyward.try_issue(root, admin(on_behalf(&[]))).await, "on_behalf_of");
    let bob = v1::IssueRequest { owner: "bob".to_owned(), ..following(READ) };
    refusal(keyward.try_issue(root, bob).await, Code::NotFound, "MEMBER_NOT_FOUND");
    assert_eq!(keyward.revision().await, before, "nothing was changed");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_listed_by_subject_and_told_in_the_log() {
    // A1, T1
    let keyward = with_ann("editor").await;
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.member.as_str()), (AuditAction::MemberAdd, "ann"));
    assert_eq!(
        (record.changes[0].field.as_str(), record.changes[0].to.as_str()),
        ("member.role", "\"editor\"")
    );
    for (subject, role) in [("dan", "viewer"), ("bob", "viewer"), ("cid", "owner")] {
        add(&keyward, &keyward.root, "", subject, role).await.unwrap();
    }
    to(&keyward, "viewer").await;
    assert_eq!(keyward.newest_record().await.action(), AuditAction::MemberUpdate);
    let unchanged = keyward.revision().await;
    to(&keyward, "viewer").await;
    assert_eq!(keyward.revision().await, unchanged, "nothing to change");
    let list = async |role: &str, token: &str| {
        let request = v1::ListMembersRequest {
            role: role.to_owned(),
            page_size: 2,
            page_token: token.to_owned(),
            ..v1::ListMembersRequest::default()
        };
        let answer = keyward.workspaces().list_members(keyward.as_root(request)).await?;
        let page = answer.into_inner();
        let subjects: Vec<_> = page.members.into_iter().map(|member| member.subject).collect();
        Ok::<_, Status>((subjects, page.next_page_token))
    };
    let (first, token) = list("", "").await.unwrap();
    assert_eq!(first, ["ann", "bob"]);
    assert_eq!(list("", &token).await.unwrap(), (strings(&["cid", "dan"]), String::new()));
    assert_eq!(list("viewer", &token).await.unwrap_err().code(), Code::InvalidArgument, "another filter");
    remove(&keyward, "", "bob").await.unwrap();
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.comment.as_str()), (AuditAction::MemberRemove, "has left"));
    assert_eq!(list("viewer", "").await.unwrap().0, ["ann", "dan"]);

    let (elsewhere, _) = keyward.register("other").await;
    let there =
        v1::ListMembersRequest { workspace_id: elsewhere.id.clone(), ..v1::ListMembersRequest::default() };
    let none = keyward.workspaces().list_members(keyward.as_root(there)).await.unwrap().into_inner().members;
    assert!(none.is_empty(), "another workspace's members are others");
    let bound_there =
        keyward.issue_admin(&elsewhere.id, admin_rights(&["workspaces:manage"], false)).await.api_key;
    let default = keyward.default_workspace().await;
    let refused = add(&keyward, &bound_there, &default, "eve", "owner").await;
    refusal(refused, Code::NotFound, "WORKSPACE_NOT_FOUND");
    assert!(add(&keyward, &bound_there, "", "eve", "owner").await.is_ok());
    assert_eq!(show(&keyward, &elsewhere.id, "eve").await.unwrap().role, "owner");
    assert_eq!(show(&keyward, "", "eve").await.unwrap_err().code(), Code::NotFound);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_first_check_after_a_change_of_role_obeys_it_on_every_connection() {
    // S5
    let keyward = Arc::new(with_ann("editor").await);
    let key = keyward.issue(following(&[])).await;
    // What a Check that starts now must be told; `None` while a change is under way, when either is right.
    let (may_write, is_settled) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let epoch = Arc::new(AtomicUsize::new(0));
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut askers = Vec::new();
    for _ in 0..4 {
        let mut keys = v1::key_service_client::KeyServiceClient::new(keyward.new_channel().await);
        let (may_write, is_settled, epoch) =
            (Arc::clone(&may_write), Arc::clone(&is_settled), Arc::clone(&epoch));
        let (stop, answered, api_key) = (Arc::clone(&stop), Arc::clone(&answered), key.api_key.clone());
        askers.push(tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let began = epoch.load(Ordering::SeqCst);
                let expected = is_settled.load(Ordering::SeqCst).then(|| may_write.load(Ordering::SeqCst));
                let answer = keys.check(check(&api_key, WRITE)).await.unwrap().into_inner();
                let unchanged = epoch.load(Ordering::SeqCst) == began;
                if let Some(expected) = expected.filter(|_| unchanged) {
                    assert_eq!(answer.allowed, expected, "{answer:?}");
                }
                answered.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    for turn in 0..40_usize {
        is_settled.store(false, Ordering::SeqCst);
        epoch.fetch_add(1, Ordering::SeqCst);
        let role = if turn % 2 == 0 { "viewer" } else { "editor" };
        to(&keyward, role).await;
        may_write.store(role == "editor", Ordering::SeqCst);
        is_settled.store(true, Ordering::SeqCst);
        epoch.fetch_add(1, Ordering::SeqCst);
        let enough = answered.load(Ordering::SeqCst) + 40;
        while answered.load(Ordering::SeqCst) < enough {
            assert!(!askers.iter().any(tokio::task::JoinHandle::is_finished), "a connection has failed");
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    for asker in join_all(askers).await {
        asker.unwrap();
    }
    Arc::try_unwrap(keyward).ok().unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_asks_for_nothing_tells_nothing_of_a_role_but_a_removed_owner_is_denied() {
    // S5, H2
    let keyward = with_ann("viewer").await;
    let key = keyward.issue(following(&[])).await;
    assert_eq!(denied(&keyward, &key, &[]).await, None);
    remove(&keyward, "", "ann").await.unwrap();
    assert_eq!(denied(&keyward, &key, &[]).await, Some(DenialReason::OwnerRemoved));
    keyward.revoke(&key.key.id).await;
    assert_eq!(
        denied(&keyward, &key, &[]).await,
        Some(DenialReason::KeyRevoked),
        "the key itself comes first"
    );
    keyward.stop().await;
}

/// A row of a table of rows with codes.
type Row = (String, String, i64, Vec<u8>);

fn rows(data_dir: &Path, table: &str) -> Vec<Row> {
    let connection = Connection::open(data_dir.join("keyward.db")).unwrap();
    let mut all = connection.prepare(&format!("SELECT id, body, revision, code FROM {table}")).unwrap();
    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn put_back(data_dir: &Path, table: &str, rows: &[Row]) {
    let connection = Connection::open(data_dir.join("keyward.db")).unwrap();
    let sql = format!("UPDATE {table} SET body = ?2, revision = ?3, code = ?4 WHERE id = ?1");
    for row in rows {
        connection.execute(&sql, rusqlite::params![row.0, row.1, row.2, row.3]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn yesterdays_rows_put_back_give_no_role_back_and_bring_no_workspace_back_into_use() {
    // D5, S5
    let keyward = with_ann("owner").await;
    let key = keyward.issue(following(&[])).await;
    let (mine, theirs) = keyward.register("mine").await;
    let (mut members, mut workspaces) = (Vec::new(), Vec::new());
    let keyward = keyward
        .restart_after(|data_dir| {
            members = rows(data_dir, "members");
            workspaces = rows(data_dir, "workspaces");
        })
        .await;
    assert_eq!((members.len(), workspaces.len()), (1, 2));
    to(&keyward, "viewer").await;
    let suspend = v1::SuspendWorkspaceRequest { workspace_id: mine.id, comment: String::new() };
    keyward.workspaces().suspend_workspace(keyward.as_root(suspend)).await.unwrap();
    let keyward = keyward
        .restart_after(|data_dir| {
            put_back(data_dir, "members", &members);
            put_back(data_dir, "workspaces", &workspaces);
        })
        .await;
    assert_eq!(denied(&keyward, &key, READ).await, Some(DenialReason::OwnerRemoved), "nobody knows the role");
    assert_eq!(denied(&keyward, &theirs, &["messaging:send"]).await, Some(DenialReason::WorkspaceSuspended));
    let refused = change(&keyward, &keyward.root, "", "ann", "owner").await;
    refusal(refused, Code::DataLoss, "STORE_CORRUPT");
    let other = keyward.issue_scopes(READ).await;
    assert_eq!(denied(&keyward, &other, READ).await, None, "nobody else is touched");
    keyward.stop().await;
}
