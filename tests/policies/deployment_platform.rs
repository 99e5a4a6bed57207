//! The deployment platform: keys end, are named so that machines can sort them, and reach one project.

use std::time::Duration;

use keyward::wire::v1::{self, DenialReason};
use tonic::Code;

use crate::{
    platform::{Platform, example, only},
    support::{
        Keyward, check, reason,
        verbs::{DAY, assert_field, bound, named, peek, refused, update},
    },
};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_key_needs_an_expiry_within_a_year_and_a_name_of_the_pattern() {
    // K7
    let platform = Platform::start("deployment-platform").await;
    let with = |name: &str, lifetime: Option<Duration>| v1::IssueRequest {
        name: name.to_owned(),
        expire_time: lifetime.map(|lifetime| platform.keyward.clock.after(lifetime)),
        ..platform.key(&["project:deploy"])
    };
    assert_field(platform.try_issue(with("ci-main", None)).await, "expire_time");
    assert_field(platform.try_issue(with("ci-main", Some(YEAR + SECOND))).await, "expire_time");
    for name in ["CI main", "ci", "ci-main!", "1-ci", "Ci-main", "x ci-main"] {
        assert_field(platform.try_issue(with(name, Some(DAY))).await, "name");
    }
    let made = platform.keyward.issue(with("ci-main", Some(YEAR))).await;
    assert!(platform.keyward.check(&made.api_key, &["project:deploy"]).await.allowed);

    let keyward = &platform.keyward;
    let endless = v1::Key { id: made.key.id.clone(), ..v1::Key::default() };
    let renamed = v1::Key { id: made.key.id, name: "Ci Main".to_owned(), ..v1::Key::default() };
    for (key, mask) in [(endless, "expire_time"), (renamed, "name")] {
        let changed = keyward.keys().update_key(keyward.as_root(update(key, &[mask]))).await;
        assert_eq!(refused(changed).code(), Code::InvalidArgument, "a change of {mask} leaves no rule");
    }
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_of_a_workspace_keeps_the_rules_too() {
    // K7, T2
    let platform = Platform::start("deployment-platform").await;
    let request = v1::RegisterWorkspaceRequest {
        name: "Example Ltd".to_owned(),
        key: Some(v1::IssueRequest { expire_time: None, ..platform.key(&["project:read"]) }),
        ..v1::RegisterWorkspaceRequest::default()
    };
    let answer = platform.keyward.workspaces().register_workspace(platform.keyward.as_root(request)).await;
    assert_field(answer, "key.expire_time");
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_be_bound_to_one_project_and_one_domain() {
    // S3
    let platform = Platform::start("deployment-platform").await;
    let request = v1::IssueRequest {
        grants: vec![
            bound("project:deploy", &["project/prj-1"]),
            bound("domain:manage", &["domain/a.example"]),
        ],
        ..platform.key(&[])
    };
    let made = platform.keyward.issue(request).await;
    assert_eq!(made.key.effective_scopes, only(&["domain:manage", "project:deploy"]));
    for (scope, resource, denial) in [
        ("project:deploy", "project/prj-1", None),
        ("project:deploy", "project/prj-2", Some(DenialReason::ResourceNotGranted)),
        ("project:deploy", "domain/a.example", Some(DenialReason::ResourceNotGranted)),
        ("project:deploy", "", Some(DenialReason::ResourceNotGranted)),
        ("domain:manage", "domain/a.example", None),
        ("domain:manage", "domain/b.example", Some(DenialReason::ResourceNotGranted)),
        ("project:read", "project/prj-1", Some(DenialReason::ScopeInsufficient)),
    ] {
        let question = v1::CheckRequest { resource: resource.to_owned(), ..check(&made.api_key, &[scope]) };
        assert_eq!(reason(&platform.keyward.ask(question).await), denial, "{scope} on {resource}");
    }
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_are_few_at_once_for_the_whole_team_whichever_keys_it_uses() {
    // L14
    let platform = Platform::start("deployment-platform").await;
    for plan in ["starter", "pro", "enterprise"] {
        let made = platform.register(plan, &["project:deploy"]).await.unwrap().into_inner();
        let second = v1::IssueRequest {
            workspace_id: made.workspace.clone().unwrap().id,
            ..platform.key(&["project:deploy"])
        };
        let second = platform.keyward.issue(second).await;
        let limits = &second.key.effective_limits;
        let minute = limits.iter().find(|limit| limit.name == "deploy/minute").unwrap();
        let most = minute.limit.as_ref().unwrap().limit;
        let deploy = async |api_key: &str, cost| {
            let question = v1::CheckRequest { cost: Some(cost), ..check(api_key, &["project:deploy"]) };
            reason(&platform.keyward.ask(question).await)
        };
        assert_eq!(deploy(&made.api_key, most - 1).await, None, "{plan}");
        assert_eq!(deploy(&second.api_key, 1).await, None, "{plan}");
        for api_key in [&made.api_key, &second.api_key] {
            assert_eq!(deploy(api_key, 1).await, Some(DenialReason::RateLimited), "{plan}");
        }
    }
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn older_keys_are_told_apart_and_lose_only_what_is_not_declared() {
    // S2, K7
    let keyward = Keyward::start().await;
    let made = keyward.issue_scopes(&["messaging:send", "storage:read"]).await;
    let older = made.key;
    let dry = keyward.judge(&example("deployment-platform")).await.unwrap().into_inner();
    let mut effect = dry.effect.unwrap();
    for rules in effect.affected_keys.iter_mut().map(|key| &mut key.broken_rules) {
        rules.sort();
    }
    let expected = v1::AffectedKey {
        key_id: older.id.clone(),
        workspace_id: older.workspace_id.clone(),
        name: older.name.clone(),
        lost_scopes: only(&["messaging:send"]),
        broken_rules: only(&["name_pattern", "require_expiry"]),
    };
    assert_eq!(
        (dry.current_version, effect.affected_keys, effect.affected_key_count),
        (1, vec![expected], 1)
    );
    let ask =
        async |keyward: &Keyward, scope: &str| reason(&keyward.ask_as_root(peek(&older.id, &[scope])).await);
    assert_eq!(ask(&keyward, "messaging:send").await, None, "a dry run changes nothing");

    let Platform { keyward, .. } = Platform::put_in_force(keyward, "deployment-platform").await;
    assert_eq!(ask(&keyward, "storage:read").await, None);
    assert!(made.api_key.starts_with("kw_live_"), "of another prefix than new keys");
    assert!(keyward.check(&made.api_key, &["storage:read"]).await.allowed);
    assert_eq!(ask(&keyward, "messaging:send").await, Some(DenialReason::ScopeInsufficient));
    let shown =
        keyward.keys().get_key(keyward.as_root(named(&older.id))).await.unwrap().into_inner().key.unwrap();
    assert_eq!(shown.scopes, older.scopes, "what was granted stays written");
    assert_eq!(
        (shown.effective_scopes, shown.inert_scopes),
        (only(&["storage:read"]), only(&["messaging:send"]))
    );

    let keyward = keyward.restart().await;
    assert_eq!(ask(&keyward, "messaging:send").await, Some(DenialReason::ScopeInsufficient));
    assert_eq!(ask(&keyward, "storage:read").await, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_leaves_the_team_few_and_narrow_keys() {
    // K7, V4
    let platform = Platform::start("deployment-platform").await;
    let keyward = &platform.keyward;
    let issue = async |name: &str, team: &str, scopes: &[&str], lifetime: Duration| {
        let request = v1::IssueRequest {
            name: name.to_owned(),
            expire_time: Some(keyward.clock.after(lifetime)),
            metadata: [("team".to_owned(), team.to_owned())].into(),
            ..platform.key(scopes)
        };
        keyward.issue(request).await
    };
    let forgotten = issue("ops-all", "ops", &["project:*", "deployment:*"], YEAR).await;
    let deploys = issue("ci-deploy", "web", &["project:read", "project:deploy", "env:decrypt"], YEAR).await;
    let ending = issue("ci-logs", "web", &["log:read"], 110 * DAY).await;
    let tidy = issue("ci-domains", "web", &["domain:read"], YEAR).await;
    keyward.clock.advance(100 * DAY);
    for (key, scope) in [(&deploys, "project:deploy"), (&ending, "log:read"), (&tidy, "domain:read")] {
        assert!(keyward.check(&key.api_key, &[scope]).await.allowed);
    }

    let review = async || {
        let request = keyward.as_root(v1::ReviewKeysRequest::default());
        let answer = keyward.keys().review_keys(request).await.unwrap().into_inner();
        let found = answer.keys.into_iter().filter(|key| key.environment != "admin");
        found.map(|key| (key.name, key.findings.first().unwrap().kind())).collect::<Vec<_>>()
    };
    let of = |name: &str, kind| (name.to_owned(), kind);
    assert_eq!(
        review().await,
        [
            of("ops-all", v1::FindingKind::BroadUnused),
            of("ci-logs", v1::FindingKind::ExpiringInUse),
            of("ci-deploy", v1::FindingKind::ScopesUnused),
        ]
    );

    let narrow = v1::NarrowKeyRequest { key_id: deploys.key.id.clone(), ..v1::NarrowKeyRequest::default() };
    let narrowed = keyward.keys().narrow_key(keyward.as_root(narrow)).await.unwrap().into_inner();
    assert_eq!(narrowed.key.unwrap().scopes, only(&["project:deploy"]));
    let mut gone = v1::ChangeKeysRequest {
        tag: "team=ops".to_owned(),
        action: Some(v1::change_keys_request::Action::Revoke(v1::RevokeKeys {
            reason: v1::RevokeReason::Unused.into(),
        })),
        validate_only: true,
        ..v1::ChangeKeysRequest::default()
    };
    let preview = keyward.keys().change_keys(keyward.as_root(gone.clone())).await.unwrap().into_inner();
    assert_eq!((preview.count, preview.key_ids), (1, vec![forgotten.key.id.clone()]));
    (gone.validate_only, gone.expected_count) = (false, preview.count);
    keyward.keys().change_keys(keyward.as_root(gone)).await.unwrap();
    assert_eq!(keyward.denied(&forgotten.api_key, &["project:read"]).await, Some(DenialReason::KeyRevoked));
    assert_eq!(
        keyward.denied(&deploys.api_key, &["env:decrypt"]).await,
        Some(DenialReason::ScopeInsufficient)
    );
    assert!(keyward.check(&deploys.api_key, &["project:deploy"]).await.allowed);
    assert_eq!(review().await, [of("ci-logs", v1::FindingKind::ExpiringInUse)]);
    platform.keyward.stop().await;
}
