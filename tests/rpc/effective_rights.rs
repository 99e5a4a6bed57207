//! `GetEffectiveRights`: what a key may do in the end, and why.

use keyward::wire::v1::{self, InertReason, KeyState, LimitOrigin, OwnerState};
use tonic::{Code, Response, Status};

use crate::{
    overrides::hourly,
    support::{
        Keyward, admin_rights, holder_key, signed,
        verbs::{assert_field, bound, refusal, strings},
    },
};

async fn ask(
    keyward: &Keyward,
    caller: &str,
    id: &str,
) -> Result<Response<v1::GetEffectiveRightsResponse>, Status> {
    let request = v1::GetEffectiveRightsRequest { key_id: id.to_owned() };
    keyward.keys().get_effective_rights(signed(caller, request)).await
}

async fn rights(keyward: &Keyward, id: &str) -> v1::GetEffectiveRightsResponse {
    ask(keyward, &keyward.root, id).await.unwrap().into_inner()
}

fn scopes(rights: &v1::GetEffectiveRightsResponse) -> Vec<&str> {
    rights.scopes.iter().map(|scope| scope.scope.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scope_says_which_grant_gives_it_for_what_and_in_which_tier() {
    // S7, S4, L5
    let keyward = Keyward::start().await;
    let request = v1::IssueRequest {
        grants: vec![bound("storage:*", &["space/a", "space/b"]), bound("storage:read", &["space/c"])],
        limits: Some(hourly(20)),
        ..holder_key(&["permissions:check", "storage:delete"])
    };
    let id = keyward.issue(request).await.key.id;
    let found = rights(&keyward, &id).await;
    assert_eq!(scopes(&found), ["permissions:check", "storage:delete", "storage:read", "storage:upload"]);
    let [check, delete, read, _] = found.scopes.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (check.tier.as_str(), check.every_resource, &check.granted_by),
        ("permissions-check", true, &strings(&["permissions:check"]))
    );
    assert!(delete.every_resource && delete.resources.is_empty(), "one grant of it is bound to nothing");
    assert_eq!(delete.granted_by, ["storage:*", "storage:delete"]);
    assert_eq!((read.every_resource, &read.resources), (false, &strings(&["space/a", "space/b", "space/c"])));
    assert_eq!(read.role, "");
    let own: Vec<_> = found.limits.iter().filter(|limit| limit.origin() == LimitOrigin::Key).collect();
    assert!(!own.is_empty());
    assert_eq!(found.limits, keyward.show(&id).await.effective_limits);
    assert!(found.usable && found.inert.is_empty());
    assert_eq!((found.key_state(), found.owner_state()), (KeyState::Active, OwnerState::None));

    let mut document: keyward::domain::policy::Document =
        toml::from_str(&keyward.in_force().await.toml).unwrap();
    document.scopes.retain(|scope| scope.name != "permissions:check");
    document.tiers.iter_mut().for_each(|tier| tier.scopes.retain(|scope| scope != "permissions:check"));
    document.roles.iter_mut().for_each(|role| role.scopes.retain(|scope| scope != "permissions:check"));
    document.tiers.retain(|tier| tier.name == "default" || !tier.scopes.is_empty());
    let kept: Vec<_> = document.tiers.iter().map(|tier| tier.name.clone()).collect();
    document.plans.iter_mut().for_each(|plan| plan.tiers.retain(|set| kept.contains(&set.tier)));
    keyward.apply(&document).await;
    let found = rights(&keyward, &id).await;
    assert_eq!(found.policy_version, 2);
    assert_eq!(found.inert.len(), 1);
    assert_eq!(
        (found.inert[0].scope.as_str(), found.inert[0].reason()),
        ("permissions:check", InertReason::Undeclared)
    );
    keyward.disable(&id).await;
    let found = rights(&keyward, &id).await;
    assert_eq!((found.key_state(), found.usable), (KeyState::Disabled, false));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_gives_and_withholds_is_told_and_is_what_a_check_finds() {
    // S5, S7
    let keyward = Keyward::start().await;
    let member = |role: &str| v1::UpdateMemberRequest {
        workspace_id: String::new(),
        subject: "ann".to_owned(),
        role: role.to_owned(),
        expected_gains: None,
    };
    let ann = v1::AddMemberRequest {
        workspace_id: String::new(),
        subject: "ann".to_owned(),
        role: "owner".to_owned(),
        expected_gains: None,
    };
    keyward.workspaces().add_member(keyward.as_root(ann)).await.unwrap();
    let following = |scopes: &[&str]| v1::IssueRequest {
        owner: "ann".to_owned(),
        follows_owner_role: true,
        ..holder_key(scopes)
    };
    let bare = keyward.issue(following(&[])).await;
    let narrowed = keyward.issue(following(&["storage:*", "permissions:manage"])).await;
    for role in ["owner", "editor", "viewer"] {
        keyward.workspaces().update_member(keyward.as_root(member(role))).await.unwrap();
        for issued in [&bare, &narrowed] {
            let found = rights(&keyward, &issued.key.id).await;
            assert_eq!((found.owner_role.as_str(), found.owner_state()), (role, OwnerState::Member));
            assert!(found.scopes.iter().all(|scope| scope.role == role && !scope.tier.is_empty()));
            assert_eq!(scopes(&found), keyward.show(&issued.key.id).await.effective_scopes);
            for scope in crate::support::FIFTEEN_SCOPES {
                let allowed = keyward.check(&issued.api_key, &[scope]).await.allowed;
                assert_eq!(allowed, scopes(&found).contains(&scope), "{role} {scope}");
            }
        }
    }
    let found = rights(&keyward, &bare.key.id).await;
    assert!(found.scopes.iter().all(|scope| scope.granted_by.is_empty()), "the role gives them");
    let found = rights(&keyward, &narrowed.key.id).await;
    assert_eq!(scopes(&found), ["storage:read"]);
    let withheld: Vec<_> = found.inert.iter().map(|it| (it.scope.as_str(), it.reason())).collect();
    let why = InertReason::WithheldByRole;
    assert_eq!(withheld, [("permissions:manage", why), ("storage:delete", why), ("storage:upload", why)]);

    let gone = v1::RemoveMemberRequest {
        workspace_id: String::new(),
        subject: "ann".to_owned(),
        ..v1::RemoveMemberRequest::default()
    };
    keyward.workspaces().remove_member(keyward.as_root(gone)).await.unwrap();
    let found = rights(&keyward, &bare.key.id).await;
    assert_eq!((found.owner_state(), found.usable, scopes(&found).len()), (OwnerState::NoMember, false, 0));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_workspace_and_an_administration_key_are_told_apart() {
    // S7, T1
    let keyward = Keyward::start().await;
    let (mine, key) = keyward.register("mine").await;
    let suspend = v1::SuspendWorkspaceRequest { workspace_id: mine.id.clone(), comment: String::new() };
    keyward.workspaces().suspend_workspace(keyward.as_root(suspend)).await.unwrap();
    let found = rights(&keyward, &key.key.id).await;
    assert!(found.workspace_suspended && !found.workspace_closed && !found.usable);
    assert_field(ask(&keyward, &keyward.root, &keyward.root_id().await).await, "key_id");
    let (other, _) = keyward.register("other").await;
    let foreign = keyward.issue_admin(&other.id, admin_rights(&["keys:read"], false)).await.api_key;
    refusal(ask(&keyward, &foreign, &key.key.id).await, Code::NotFound, "KEY_NOT_FOUND");
    keyward.stop().await;
}
