//! `GetWorkspace` and `UpdateWorkspace`.

use keyward::domain::policy::Policy;
use keyward::wire::v1::{self, AuditAction, PolicyCalendar, PolicyLimitSubject};
use tonic::{Code, Response, Status};

use crate::{
    overrides::{
        SEND, below, calendar, hourly, left, over_all, set_plan, set_workspace_limits, spend,
        update_workspace, wrong_limits,
    },
    support::{
        Keyward, admin_rights, holder_key, signed,
        verbs::{assert_field, refusal},
    },
};

async fn get(
    keyward: &Keyward,
    caller: &str,
    id: &str,
) -> Result<Response<v1::GetWorkspaceResponse>, Status> {
    let request = v1::GetWorkspaceRequest { workspace_id: id.to_owned() };
    keyward.workspaces().get_workspace(signed(caller, request)).await
}

async fn shown(keyward: &Keyward, id: &str) -> v1::Workspace {
    get(keyward, &keyward.root, id).await.unwrap().into_inner().workspace.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_is_shown_as_it_was_registered_and_changed() {
    // T2, L5
    let keyward = Keyward::start().await;
    let request = v1::RegisterWorkspaceRequest {
        name: "Acme".to_owned(),
        key: Some(holder_key(SEND)),
        limits: Some(hourly(20)),
        ..v1::RegisterWorkspaceRequest::default()
    };
    let answer = keyward.workspaces().register_workspace(keyward.as_root(request)).await.unwrap();
    let made = answer.get_ref().workspace.clone().unwrap();
    assert_eq!(made.limits, Some(hourly(20)));
    assert_eq!(shown(&keyward, &made.id).await, made);
    let told = keyward.newest_record().await.changes;
    assert!(told.iter().any(|it| it.field == "workspace.limits" && it.to.contains("20")), "{told:?}");
    assert_eq!(keyward.check(&answer.get_ref().api_key, SEND).await.limits[0].limit, 20);

    let wanted = v1::Workspace {
        id: made.id.clone(),
        name: "Acme Ltd".to_owned(),
        plan: "pro".to_owned(),
        owner: "somebody else".to_owned(),
        ..v1::Workspace::default()
    };
    let mask = ["name", "plan", "limits"];
    let answer = update_workspace(&keyward, &keyward.root, wanted.clone(), &mask).await.unwrap().into_inner();
    let changed = answer.workspace.unwrap();
    let expected = v1::Workspace {
        name: "Acme Ltd".to_owned(),
        plan: "pro".to_owned(),
        limits: None,
        revision: made.revision + 1,
        ..made.clone()
    };
    assert_eq!((&changed, answer.revision), (&expected, made.revision + 1));
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), &record.workspace_id), (AuditAction::WorkspaceUpdate, &made.id));
    assert_eq!(record.key_id, "");
    let told: Vec<_> = record.changes.iter().map(|it| (it.field.as_str(), it.from.as_str())).collect();
    assert_eq!(told[..2], [("workspace.name", "\"Acme\""), ("workspace.plan", "\"starter\"")]);
    assert_eq!((told[2].0, record.changes[2].to.as_str()), ("workspace.limits", ""));
    let again = update_workspace(&keyward, &keyward.root, wanted, &mask).await.unwrap().into_inner();
    assert_eq!(again.revision, changed.revision, "nothing to change");
    let keyward = keyward.restart().await;
    assert_eq!(shown(&keyward, &made.id).await, changed);
    let default = keyward.default_workspace().await;
    assert_eq!(shown(&keyward, "").await.id, default);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_fields_of_a_workspace_are_refused_by_their_names() {
    // L5, T2
    let keyward = Keyward::start().await;
    let (made, _) = keyward.register("mine").await;
    let before = keyward.revision().await;
    let blank = || v1::Workspace { id: made.id.clone(), ..v1::Workspace::default() };
    let attempt = async |workspace: v1::Workspace, mask: &[&str]| {
        update_workspace(&keyward, &keyward.root, workspace, mask).await
    };
    for (mask, field) in [
        (&[][..], "update_mask"),
        (&["owner"], "update_mask"),
        (&["*"], "update_mask"),
        (&["name"], "workspace.name"),
        (&["plan"], "workspace.plan"),
    ] {
        assert_field(attempt(blank(), mask).await, field);
    }
    let other = v1::Workspace { plan: "free".to_owned(), ..blank() };
    assert_field(attempt(other, &["plan"]).await, "workspace.plan");
    for (limits, field) in wrong_limits() {
        let wrong = v1::Workspace { limits: Some(limits.clone()), ..blank() };
        assert_field(attempt(wrong, &["limits"]).await, &below("workspace.limits", field));
        let request = v1::RegisterWorkspaceRequest {
            name: "Acme".to_owned(),
            key: Some(holder_key(SEND)),
            limits: Some(limits),
            ..v1::RegisterWorkspaceRequest::default()
        };
        let answer = keyward.workspaces().register_workspace(keyward.as_root(request)).await;
        assert_field(answer, &below("limits", field));
    }
    let key = v1::IssueRequest { limits: Some(hourly(0)), ..holder_key(SEND) };
    let request = v1::RegisterWorkspaceRequest {
        name: "Acme".to_owned(),
        key: Some(key),
        ..v1::RegisterWorkspaceRequest::default()
    };
    let answer = keyward.workspaces().register_workspace(keyward.as_root(request)).await;
    assert_field(answer, "key.limits.tiers[0].limits[0].limit");
    assert_eq!(keyward.revision().await, before);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_caller_renames_its_own_workspace_and_sets_no_plan_or_limits() {
    // T1, X9
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let (theirs, _) = keyward.register("theirs").await;
    let scopes = ["workspaces:read", "workspaces:manage"];
    let caller = keyward.issue_admin(&mine.id, admin_rights(&scopes, false)).await.api_key;
    assert_eq!(get(&keyward, &caller, "").await.unwrap().into_inner().workspace.unwrap(), mine);
    refusal(get(&keyward, &caller, &theirs.id).await, Code::NotFound, "WORKSPACE_NOT_FOUND");
    let wanted = |id: &str| v1::Workspace {
        id: id.to_owned(),
        name: "after".to_owned(),
        plan: "pro".to_owned(),
        limits: Some(hourly(1)),
        ..v1::Workspace::default()
    };
    let before = keyward.revision().await;
    for mask in [&["plan"][..], &["limits"], &["name", "plan"], &["limits", "nonsense"]] {
        let answer = update_workspace(&keyward, &caller, wanted(&mine.id), mask).await;
        refusal(answer, Code::PermissionDenied, "GLOBAL_CALLER_REQUIRED");
        let answer = update_workspace(&keyward, &caller, wanted(&theirs.id), mask).await;
        refusal(answer, Code::NotFound, "WORKSPACE_NOT_FOUND");
    }
    assert_eq!(keyward.revision().await, before);
    let answer = update_workspace(&keyward, &caller, wanted(""), &["name"]).await.unwrap().into_inner();
    assert_eq!(answer.workspace.unwrap().name, "after");
    let theirs_now = shown(&keyward, &theirs.id).await;
    assert_eq!(theirs_now, theirs);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_one_workspace_leave_another_alone() {
    // L5, T1, L14
    let keyward = Keyward::start_with(true, Policy::default_document().unwrap()).await;
    let (mine, first) = keyward.register("mine").await;
    let (_, other) = keyward.register("theirs").await;
    let request = v1::IssueRequest { workspace_id: mine.id.clone(), ..holder_key(SEND) };
    let second = keyward.issue(request).await;
    spend(&keyward, &first, 2).await;
    let shared = v1::PolicyLimit {
        per: PolicyLimitSubject::Workspace.into(),
        ..calendar("month", 3, PolicyCalendar::Month)
    };
    set_workspace_limits(&keyward, &mine.id, Some(over_all(vec![shared]))).await;
    spend(&keyward, &first, 1).await;
    spend(&keyward, &second, 2).await;
    for issued in [&first, &second] {
        let denied = keyward.denied(&issued.api_key, SEND).await;
        assert_eq!(denied, Some(v1::DenialReason::QuotaExceeded), "a month that they share");
    }
    spend(&keyward, &other, 5).await;
    assert_eq!(left(&keyward, &other).await, (1_000, 995));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_workspace_at_once_are_all_kept() {
    // L5, D1
    let keyward = Keyward::start().await;
    let (mine, issued) = keyward.register("mine").await;
    let rename = async {
        for round in 0..20 {
            let name = format!("round {round}");
            let workspace = v1::Workspace { id: mine.id.clone(), name, ..v1::Workspace::default() };
            update_workspace(&keyward, &keyward.root, workspace, &["name"]).await.unwrap();
        }
    };
    let plans = async {
        for round in 0..20 {
            set_plan(&keyward, &mine.id, if round % 2 == 0 { "pro" } else { "enterprise" }).await;
        }
    };
    let limits = async {
        for round in 1..=20 {
            set_workspace_limits(&keyward, &mine.id, Some(hourly(round))).await;
            assert_eq!(left(&keyward, &issued).await.0, round, "in force before the answer");
        }
    };
    tokio::join!(rename, plans, limits);
    let now = shown(&keyward, &mine.id).await;
    assert_eq!((now.name.as_str(), now.plan.as_str()), ("round 19", "enterprise"));
    assert_eq!(now.limits, Some(hourly(20)));
    keyward.stop().await;
}
