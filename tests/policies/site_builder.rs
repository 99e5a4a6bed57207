//! The site builder: roles, limits by plan, and plans without keys.

use keyward::wire::v1::{self, DenialReason, PolicyCalendar, PolicyLimitSubject, policy_limit::Window};
use tonic::Code;

use crate::{
    platform::{Platform, apply, example},
    support::{
        admin_rights, check, reason,
        verbs::{bound, refusal},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_barred_plan_gets_no_keys_and_those_that_are_there_go_on() {
    // S6
    let platform = Platform::start("site-builder").await;
    let older = platform.register("enterprise", &["site:read"]).await.unwrap().into_inner();
    let barring = format!("{}\n[key_rules]\nbarred_plans = [\"enterprise\"]\n", example("site-builder"));
    apply(&platform.keyward, &barring).await.unwrap();
    let barred = platform.register("enterprise", &["site:read"]).await;
    refusal(barred, Code::FailedPrecondition, "PLAN_MAY_NOT_ISSUE");
    let workspace_id = older.workspace.clone().unwrap().id;
    let another = v1::IssueRequest { workspace_id, ..platform.key(&["site:read"]) };
    refusal(platform.try_issue(another).await, Code::FailedPrecondition, "PLAN_MAY_NOT_ISSUE");
    assert!(platform.keyward.check(&older.api_key, &["site:read"]).await.allowed);
    assert!(platform.register("pro", &["site:read"]).await.is_ok());
    platform.keyward.stop().await;
}

/// Puts a workspace on another plan, or says what would come of it.
async fn move_to(
    platform: &Platform,
    id: &str,
    plan: &str,
    validate_only: bool,
) -> v1::UpdateWorkspaceResponse {
    let workspace = v1::Workspace { id: id.to_owned(), plan: plan.to_owned(), ..v1::Workspace::default() };
    let request = v1::UpdateWorkspaceRequest {
        workspace: Some(workspace),
        update_mask: Some(prost_types::FieldMask { paths: vec!["plan".to_owned()] }),
        validate_only,
    };
    platform
        .keyward
        .workspaces()
        .update_workspace(platform.keyward.as_root(request))
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_free_of_charge_has_no_api_and_a_plan_change_says_so() {
    // S6, T2, L5
    let platform = Platform::start("site-builder").await;
    let keyward = &platform.keyward;
    let with_key = platform.register("free", &["site:read"]).await;
    refusal(with_key, Code::FailedPrecondition, "PLAN_MAY_NOT_ISSUE");
    let alone = v1::RegisterWorkspaceRequest {
        name: "Free".to_owned(),
        plan: "free".to_owned(),
        ..v1::RegisterWorkspaceRequest::default()
    };
    let free = keyward.workspaces().register_workspace(keyward.as_root(alone)).await.unwrap().into_inner();
    let free_id = free.workspace.clone().unwrap().id;
    let there = v1::IssueRequest { workspace_id: free_id, ..platform.key(&["site:read"]) };
    refusal(platform.try_issue(there).await, Code::FailedPrecondition, "PLAN_MAY_NOT_ISSUE");

    let made = platform.register("pro", &["site:read"]).await.unwrap().into_inner();
    let id = made.workspace.clone().unwrap().id;
    let stamped =
        v1::IssueRequest { workspace_id: id.clone(), stamp_limits: true, ..platform.key(&["site:read"]) };
    let stamped = keyward.issue(stamped).await;
    // Neither a key that is over nor an administration key is concerned.
    let over =
        keyward.issue(v1::IssueRequest { workspace_id: id.clone(), ..platform.key(&["site:read"]) }).await;
    keyward.revoke(&over.key.id).await;
    keyward.issue_admin(&id, admin_rights(&["keys:read"], false)).await;
    let denied = async |api_key: &str| keyward.denied(api_key, &["site:read"]).await;
    assert_eq!((denied(&made.api_key).await, denied(&stamped.api_key).await), (None, None));

    let revision = keyward.revision().await;
    let told = move_to(&platform, &id, "free", true).await;
    let effect = told.effect.unwrap();
    assert_eq!((effect.key_count, effect.own_limit_key_count, effect.may_issue_after), (2, 1, false));
    assert_eq!((effect.keys_denied_before, effect.keys_denied_after), (false, true));
    let month = |limits: &[v1::EffectiveLimit]| {
        let month = limits.iter().find(|limit| limit.name == "all/month");
        month.map(|month| month.limit.as_ref().unwrap().limit)
    };
    assert_eq!((month(&effect.limits_before), month(&effect.limits_after)), (Some(250_000), None));
    assert_eq!(told.workspace.unwrap().plan, "free", "as it would be");
    assert_eq!(
        (keyward.revision().await, denied(&made.api_key).await),
        (revision, None),
        "nothing was changed"
    );

    let done = move_to(&platform, &id, "free", false).await;
    assert_eq!(done.effect.unwrap(), effect, "what was foretold is what was done");
    for api_key in [&made.api_key, &stamped.api_key] {
        assert_eq!(denied(api_key).await, Some(DenialReason::WorkspaceSuspended));
        let answer = keyward.check(api_key, &[]).await;
        assert!(
            answer.denial.unwrap().message.contains("plan"),
            "neither is one that asks for nothing let through"
        );
    }
    let rights = v1::GetEffectiveRightsRequest { key_id: stamped.key.id.clone() };
    let rights = keyward.keys().get_effective_rights(keyward.as_root(rights)).await.unwrap().into_inner();
    assert!(rights.plan_denies_keys && !rights.usable && !rights.workspace_suspended);
    let another = v1::IssueRequest { workspace_id: id.clone(), ..platform.key(&["site:read"]) };
    refusal(platform.try_issue(another).await, Code::FailedPrecondition, "PLAN_MAY_NOT_ISSUE");

    let back = move_to(&platform, &id, "starter", false).await.effect.unwrap();
    assert_eq!((back.keys_denied_before, back.keys_denied_after, back.may_issue_after), (true, false, true));
    assert_eq!((denied(&made.api_key).await, denied(&stamped.api_key).await), (None, None));
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_of_the_month_stays_used_on_every_plan_that_follows() {
    // L5, L14
    let platform = Platform::start("site-builder").await;
    let keyward = &platform.keyward;
    let made = platform.register("pro", &["site:read"]).await.unwrap().into_inner();
    let id = made.workspace.clone().unwrap().id;
    let use_up = async |cost| {
        keyward.clock.advance(std::time::Duration::from_secs(60));
        let question = v1::CheckRequest { cost: Some(cost), ..check(&made.api_key, &["site:read"]) };
        keyward.ask(question).await
    };
    let left = |answer: &v1::CheckResponse| {
        answer.limits.iter().find(|limit| limit.name == "all/month").map(|limit| limit.remaining)
    };
    for _ in 0..33 {
        assert!(use_up(300).await.allowed);
    }
    move_to(&platform, &id, "starter", false).await;
    let answer = use_up(60).await;
    assert_eq!(
        (answer.allowed, left(&answer)),
        (true, Some(10_000 - 9_900 - 60)),
        "the new limit minus what was used"
    );
    assert_eq!(reason(&use_up(41).await), Some(DenialReason::QuotaExceeded));
    move_to(&platform, &id, "free", false).await;
    assert_eq!(reason(&use_up(1).await), Some(DenialReason::WorkspaceSuspended));
    move_to(&platform, &id, "pro", false).await;
    let answer = use_up(0).await;
    assert_eq!(left(&answer), Some(250_000 - 9_960), "a time without keys gives nothing back");
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
    assert_eq!(policy.key_rules, None, "no role is barred: a viewer's token reads");
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
            expected_gains: None,
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
        expected_gains: None,
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
        ..v1::RemoveMemberRequest::default()
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
    let reads = platform.keyward.issue(behalf("vic", &["page:read"])).await;
    let all = platform.keyward.issue(behalf("vic", &[])).await;
    for (made, scope, denial) in [
        (&reads, "page:read", None),
        (&all, "page:read", None),
        (&all, "page:write", Some(DenialReason::RoleInsufficient)),
        (&all, "form:read", Some(DenialReason::RoleInsufficient)),
    ] {
        assert_eq!(keyward.denied(&made.api_key, &[scope]).await, denial, "a viewer's token, {scope}");
    }
    let beyond = platform.try_issue(behalf("vic", &["page:write"])).await;
    refusal(beyond, Code::PermissionDenied, "ROLE_EXCEEDED");
    give(&platform, &workspace_id, "eve", "viewer").await;
    assert_eq!(
        reason(&keyward.ask(on("page:write", "site/bakery")).await),
        Some(DenialReason::RoleInsufficient)
    );
    assert!(keyward.ask(on("page:read", "site/bakery")).await.allowed);
    platform.keyward.stop().await;
}
