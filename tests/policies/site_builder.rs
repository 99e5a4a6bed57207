//! The site builder: roles, limits by plan, and plans without keys.

use keyward::wire::v1::{self, DenialReason, PolicyCalendar, PolicyLimitSubject, policy_limit::Window};
use tonic::Code;

use crate::{
    platform::{Platform, apply, example},
    support::{
        Keyward, check, reason,
        verbs::{bound, refusal},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_barred_plan_gets_no_keys_and_those_that_are_there_go_on() {
    // S6
    let keyward = Keyward::start().await;
    let open =
        example("site-builder").replace("barred_plans = [\"free\"]", "barred_plans = [\"enterprise\"]");
    apply(&keyward, &open).await.unwrap();
    let mut platform =
        Platform { keyward, document: toml::Table::new(), applied: v1::ApplyPolicyResponse::default() };
    let older = platform.register("free", &["site:read"]).await.unwrap().into_inner();
    let barred = platform.register("enterprise", &["site:read"]).await;
    refusal(barred, Code::FailedPrecondition, "PLAN_MAY_NOT_ISSUE");

    platform = Platform::put_in_force(platform.keyward, "site-builder").await;
    let barred = platform.register("free", &["site:read"]).await;
    refusal(barred, Code::FailedPrecondition, "PLAN_MAY_NOT_ISSUE");
    let workspace_id = older.workspace.clone().unwrap().id;
    let another = v1::IssueRequest { workspace_id: workspace_id.clone(), ..platform.key(&["site:read"]) };
    refusal(platform.try_issue(another).await, Code::FailedPrecondition, "PLAN_MAY_NOT_ISSUE");
    assert!(platform.keyward.check(&older.api_key, &["site:read"]).await.allowed);
    assert!(platform.register("enterprise", &["site:read"]).await.is_ok());
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_only_reads_and_an_editor_has_nothing_to_do_with_the_team() {
    // S5, as it is declared
    let platform = Platform::start("site-builder").await;
    let policy = platform.keyward.in_force().await.policy.unwrap();
    let role = |name: &str| policy.roles.iter().find(|role| role.name == name).unwrap();
    assert!(role("owner").all_scopes && role("owner").scopes.is_empty());
    let editor = &role("editor").scopes;
    let reaches_the_team = |scope: &&String| scope.starts_with("team:") && *scope != "team:read";
    assert_eq!(editor.iter().find(reaches_the_team), None);
    assert!(!editor.iter().any(|scope| scope == "billing:manage" || scope == "site:delete"));
    assert!(role("viewer").scopes.iter().all(|scope| scope.ends_with(":read")));
    assert_eq!(policy.key_rules.unwrap().barred_roles, ["viewer"]);
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_plan_with_keys_has_a_month_that_its_workspace_shares() {
    // L5, L14, as they are declared
    let platform = Platform::start("site-builder").await;
    let policy = platform.keyward.in_force().await.policy.unwrap();
    let months: Vec<u64> = policy
        .plans
        .iter()
        .filter(|plan| plan.name != "free")
        .map(|plan| {
            let month = &plan.limits[0];
            assert_eq!(month.per(), PolicyLimitSubject::Workspace);
            assert_eq!(month.window, Some(Window::Calendar(PolicyCalendar::Month.into())));
            assert_eq!(month.time_zone, "Europe/Amsterdam");
            month.limit
        })
        .collect();
    assert!(months.len() == 3 && months.is_sorted(), "{months:?}");
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_one_site_opens_no_other() {
    // S3, T1
    let platform = Platform::start("site-builder").await;
    let bakery = bound("page:write", &["site/bakery"]);
    let request = v1::IssueRequest { grants: vec![bakery], ..platform.key(&["site:read"]) };
    let made = platform.keyward.issue(request).await;
    let on = |resource: &str| v1::CheckRequest {
        resource: resource.to_owned(),
        ..check(&made.api_key, &["page:write"])
    };
    let keyward = &platform.keyward;
    assert!(keyward.ask(on("site/bakery")).await.allowed);
    let elsewhere = keyward.ask(on("site/florist")).await;
    assert_eq!(reason(&elsewhere), Some(DenialReason::ResourceNotGranted));
    let other = platform.register("", &["site:read"]).await.unwrap().into_inner().workspace.clone().unwrap();
    let foreign = v1::CheckRequest { workspace_id: other.id, ..check(&made.api_key, &["site:read"]) };
    let answer = keyward.ask(foreign).await;
    assert_eq!(reason(&answer), Some(DenialReason::WorkspaceMismatch));
    platform.keyward.stop().await;
}

/// A workspace of ann's, who is its owner, with another member in each role.
async fn team(platform: &Platform) -> String {
    let keyward = &platform.keyward;
    let request = v1::RegisterWorkspaceRequest {
        name: "Bakery".to_owned(),
        owner: "ann".to_owned(),
        key: Some(platform.key(&["site:read"])),
        ..v1::RegisterWorkspaceRequest::default()
    };
    let answer = keyward.workspaces().register_workspace(keyward.as_root(request)).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!(answer.member.as_ref().unwrap().role, "owner", "the first role is that of who registers");
    let workspace_id = answer.workspace.clone().unwrap().id;
    for (subject, role) in [("eve", "editor"), ("vic", "viewer")] {
        let request = v1::AddMemberRequest {
            workspace_id: workspace_id.clone(),
            subject: subject.to_owned(),
            role: role.to_owned(),
        };
        keyward.workspaces().add_member(keyward.as_root(request)).await.unwrap();
    }
    workspace_id
}

async fn give(platform: &Platform, workspace_id: &str, subject: &str, role: &str) {
    let request = v1::UpdateMemberRequest {
        workspace_id: workspace_id.to_owned(),
        subject: subject.to_owned(),
        role: role.to_owned(),
    };
    platform.keyward.workspaces().update_member(platform.keyward.as_root(request)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_inherit_the_role_of_their_owner_and_change_with_it() {
    // S5
    let platform = Platform::start("site-builder").await;
    let workspace_id = team(&platform).await;
    let token = async |owner: &str| {
        let request = v1::IssueRequest {
            workspace_id: workspace_id.clone(),
            owner: owner.to_owned(),
            follows_owner_role: true,
            ..platform.key(&[])
        };
        platform.keyward.issue(request).await.api_key
    };
    let (owners, editors, viewers) = (token("ann").await, token("eve").await, token("vic").await);
    assert_eq!(platform.opened_by(&owners).await, platform.scopes(), "the owner has everything");
    let editor = platform.opened_by(&editors).await;
    assert!(editor.contains(&"page:write".to_owned()) && editor.contains(&"site:publish".to_owned()));
    assert!(!editor.iter().any(|scope| scope == "team:manage" || scope == "billing:manage"));
    let viewer = platform.opened_by(&viewers).await;
    assert!(
        !viewer.is_empty() && viewer.iter().all(|scope| scope.ends_with(":read")),
        "a viewer cannot write"
    );

    give(&platform, &workspace_id, "eve", "viewer").await;
    assert_eq!(platform.opened_by(&editors).await, viewer, "who is demoted is demoted with each token");
    give(&platform, &workspace_id, "vic", "owner").await;
    assert_eq!(platform.opened_by(&viewers).await, platform.scopes());
    let leave = v1::RemoveMemberRequest {
        workspace_id: workspace_id.clone(),
        subject: "vic".to_owned(),
        comment: String::new(),
    };
    platform.keyward.workspaces().remove_member(platform.keyward.as_root(leave)).await.unwrap();
    assert_eq!(platform.keyward.denied(&viewers, &[]).await, Some(DenialReason::OwnerRemoved));
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editors_token_for_one_site_never_manages_the_team() {
    // S3, S5, S6
    let platform = Platform::start("site-builder").await;
    let workspace_id = team(&platform).await;
    let behalf = |subject: &str, scopes: &[&str]| v1::IssueRequest {
        workspace_id: workspace_id.clone(),
        on_behalf_of: subject.to_owned(),
        follows_owner_role: true,
        ..platform.key(scopes)
    };
    let request = v1::IssueRequest { grants: vec![bound("page:*", &["site/bakery"])], ..behalf("eve", &[]) };
    let made = platform.keyward.issue(request).await;
    let on = |scope: &str, resource: &str| v1::CheckRequest {
        resource: resource.to_owned(),
        ..check(&made.api_key, &[scope])
    };
    let keyward = &platform.keyward;
    assert!(keyward.ask(on("page:write", "site/bakery")).await.allowed);
    assert_eq!(
        reason(&keyward.ask(on("page:write", "site/florist")).await),
        Some(DenialReason::ResourceNotGranted)
    );
    assert_eq!(reason(&keyward.ask(on("team:manage", "")).await), Some(DenialReason::ScopeInsufficient));
    let beyond = platform.try_issue(behalf("eve", &["team:manage"])).await;
    refusal(beyond, Code::PermissionDenied, "ROLE_EXCEEDED");
    let barred = platform.try_issue(behalf("vic", &["site:read"])).await;
    refusal(barred, Code::FailedPrecondition, "ROLE_MAY_NOT_ISSUE");
    give(&platform, &workspace_id, "eve", "viewer").await;
    assert_eq!(
        reason(&keyward.ask(on("page:write", "site/bakery")).await),
        Some(DenialReason::RoleInsufficient)
    );
    assert!(keyward.ask(on("page:read", "site/bakery")).await.allowed);
    platform.keyward.stop().await;
}
