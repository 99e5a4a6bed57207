//! The policy: shown, tried, applied, listed.

use keyward::{
    domain::policy::{Document, KeyRulesEntry, PlanEntry, Policy, ScopeEntry},
    wire::v1::{
        self, ActorKind, AuditAction, DenialReason, apply_policy_request::Document as Applied,
        validate_policy_request::Document as Judged,
    },
};
use rusqlite::Connection;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::support::{
    Issued, Keyward, admin_rights, check, holder_key, reason, signed,
    verbs::{DAY, assert_field, disabling, metadata, ms, peek, refusal, refused, strings, toml},
};

const INSUFFICIENT: Option<DenialReason> = Some(DenialReason::ScopeInsufficient);

/// The document that every test begins with.
fn document() -> Document {
    policy().document().clone()
}

/// The default one: short, and all that these tests need.
fn policy() -> Policy {
    Policy::default_document().unwrap()
}

async fn start() -> Keyward {
    Keyward::start_with(true, policy()).await
}

/// The same without some scopes, which no role has either.
fn without_scopes(names: &[&str]) -> Document {
    let mut document = document();
    document.scopes.retain(|scope| !names.contains(&scope.name.as_str()));
    let left = document.scopes.clone();
    let reaches = |scope: &str| left.iter().any(|left| left.name.starts_with(scope.trim_end_matches('*')));
    document.roles.iter_mut().for_each(|role| role.scopes.retain(|scope| reaches(scope)));
    document
}

fn with_scope(name: &str) -> Document {
    let mut document = document();
    document.scopes.push(ScopeEntry { name: name.to_owned(), ..ScopeEntry::default() });
    document
}

/// The fields that a refusal names, each with what is wrong.
fn faults<T>(result: Result<Response<T>, Status>) -> Vec<(String, String)> {
    let status = refusal(result, Code::InvalidArgument, "FIELD_INVALID");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(metadata(&status, "field").as_deref(), Some(violations[0].field.as_str()));
    violations.into_iter().map(|violation| (violation.field, violation.description)).collect()
}

fn fields(faults: &[(String, String)]) -> Vec<&str> {
    faults.iter().map(|(field, _)| field.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_version_is_shown_as_it_was_applied() {
    let keyward = start().await;
    let first = keyward.in_force().await;
    let made = v1::PolicyVersion {
        version: 1,
        apply_time: Some(keyward.clock.after(std::time::Duration::ZERO)),
        revision: 1,
        ..v1::PolicyVersion::default()
    };
    assert_eq!(first.version, Some(made), "made with the store, by nobody");
    assert_eq!(first.toml, policy().to_toml());

    keyward.clock.advance(DAY);
    let wider = toml(&with_scope("faxes:send"));
    let applied = keyward.try_apply(&wider, 1, "faxes").await.unwrap().into_inner().version.unwrap();
    assert_eq!((applied.version, applied.comment.as_str()), (2, "faxes"));
    assert_eq!(applied.applied_by, keyward.root_id().await);
    assert_eq!(applied.apply_time, Some(keyward.clock.after(std::time::Duration::ZERO)));

    let keyward = keyward.restart().await;
    for asked in [0, 2] {
        let shown = keyward.policy_version(asked).await.unwrap().into_inner();
        assert_eq!((shown.version.as_ref(), shown.toml.as_str()), (Some(&applied), wider.as_str()));
        let scopes = shown.policy.unwrap().scopes;
        assert_eq!(scopes.last().unwrap().name, "faxes:send");
    }
    assert_eq!(keyward.policy_version(1).await.unwrap().into_inner(), first, "an older one stays as it was");
    for unknown in [3, 1 << 40, u64::MAX] {
        let answer = keyward.policy_version(unknown).await;
        let status = refusal(answer, Code::NotFound, "POLICY_VERSION_NOT_FOUND");
        assert_eq!(metadata(&status, "version"), Some(unknown.to_string()));
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_names_what_would_change_and_who_would_lose_what_and_changes_nothing() {
    // S2, K7
    let keyward = start().await;
    let named =
        |name: &str, scopes: &[&str]| v1::IssueRequest { name: name.to_owned(), ..holder_key(scopes) };
    let reader = keyward.issue(named("reader", &["storage:read", "messaging:send"])).await;
    let wide = keyward.issue(named("wide", &["storage:*"])).await;
    let misnamed = keyward.issue(named("Mis Named", &["messaging:send"])).await;
    let untouched = keyward.issue(named("untouched", &["messaging:send"])).await;
    let disabled = keyward.issue(named("disabled", &["storage:read"])).await;
    keyward.disable(&disabled.key.id).await;
    let revoked = keyward.issue(named("Re Voked", &["storage:read"])).await;
    keyward.revoke(&revoked.key.id).await;
    let ends =
        v1::IssueRequest { expire_time: Some(keyward.clock.after(DAY)), ..named("ends", &["storage:read"]) };
    keyward.issue(ends).await;
    keyward.clock.advance(DAY);
    keyward.issue_admin("", admin_rights(&["keys:read"], true)).await;

    let mut new = without_scopes(&["storage:read"]);
    new.scopes.push(ScopeEntry { name: "faxes:send".to_owned(), ..ScopeEntry::default() });
    new.key_rules = Some(KeyRulesEntry { name_pattern: "[a-z]+".to_owned(), ..KeyRulesEntry::default() });
    let (before, revision) = (keyward.in_force().await, keyward.revision().await);
    let found = keyward.judge(&toml(&new)).await.unwrap().into_inner();
    let as_message =
        v1::ValidatePolicyRequest { document: Some(Judged::Policy(message_of(&keyward, &new).await)) };
    let again = keyward.policies().validate_policy(keyward.as_root(as_message)).await.unwrap().into_inner();
    assert_eq!(found, again, "a message says the same as its text");

    assert_eq!(found.current_version, 1);
    let effect = found.effect.unwrap();
    let changed: Vec<_> = effect.changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(changed, ["roles[viewer].scopes", "scopes[storage:read]", "scopes[faxes:send]", "key_rules"]);
    assert_eq!((effect.changes[1].to.as_str(), effect.changes[2].from.as_str()), ("", ""));
    assert!(effect.changes[1].from.contains("storage:read") && effect.changes[2].to.contains("faxes:send"));
    assert_eq!(effect.change_count, 4);
    let loses = |issued: &Issued, scopes: &[&str], rules: &[&str]| v1::AffectedKey {
        key_id: issued.key.id.clone(),
        workspace_id: issued.key.workspace_id.clone(),
        name: issued.key.name.clone(),
        lost_scopes: strings(scopes),
        broken_rules: strings(rules),
    };
    let mut expected = [
        loses(&reader, &["storage:read"], &[]),
        loses(&wide, &["storage:read"], &[]),
        loses(&misnamed, &[], &["name_pattern"]),
        loses(&disabled, &["storage:read"], &[]),
    ];
    expected.sort_by(|one, other| one.key_id.cmp(&other.key_id));
    assert_eq!(effect.affected_keys, expected);
    assert_eq!(effect.affected_key_count, 4);

    assert_eq!((keyward.in_force().await, keyward.revision().await), (before, revision));
    assert_eq!(keyward.denied(&reader.api_key, &["storage:read"]).await, None);
    assert_eq!(keyward.denied(&untouched.api_key, &["faxes:send"]).await, INSUFFICIENT);
    keyward.issue(named("Any Name", &["storage:read"])).await;
    let applied = keyward.try_apply(&toml(&new), 1, "").await.unwrap().into_inner().effect.unwrap();
    assert_eq!(applied.changes, effect.changes, "what was foretold is what was done");
    keyward.stop().await;
}

/// A document as a message, such as another server shows it.
async fn message_of(keyward: &Keyward, document: &Document) -> v1::Policy {
    let mut message = keyward.in_force().await.policy.unwrap();
    message.scopes.retain(|scope| document.scopes.iter().any(|kept| kept.name == scope.name));
    let new = document.scopes.iter().filter(|scope| !policy().document().scopes.contains(scope));
    message
        .scopes
        .extend(new.map(|scope| v1::PolicyScope { name: scope.name.clone(), ..Default::default() }));
    for (role, kept) in message.roles.iter_mut().zip(&document.roles) {
        role.scopes.clone_from(&kept.scopes);
    }
    message.key_rules = document.key_rules.as_ref().map(|rules| v1::PolicyKeyRules {
        name_pattern: rules.name_pattern.clone(),
        ..v1::PolicyKeyRules::default()
    });
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_made_from_another_version_is_refused_and_changes_nothing() {
    let keyward = start().await;
    let narrower = toml(&without_scopes(&["storage:read"]));
    keyward.apply(&with_scope("faxes:send")).await;
    let (before, revision) = (keyward.in_force().await, keyward.revision().await);
    for expected in [0, 1, 3, u64::MAX] {
        let status = refusal(
            keyward.try_apply(&narrower, expected, "").await,
            Code::Aborted,
            "POLICY_VERSION_CHANGED",
        );
        assert_eq!(metadata(&status, "current_version").as_deref(), Some("2"), "expected {expected}");
    }
    assert_eq!((keyward.in_force().await, keyward.revision().await), (before, revision));
    keyward.issue_scopes(&["storage:read", "faxes:send"]).await;
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_documents_made_from_one_version_one_comes_into_force() {
    let keyward = start().await;
    let texts: Vec<_> = (0..8).map(|place| toml(&with_scope(&format!("faxes:send-{place}")))).collect();
    let answers =
        futures_util::future::join_all(texts.iter().map(|text| keyward.try_apply(text, 1, ""))).await;
    let won: Vec<_> = answers.iter().enumerate().filter(|(_, answer)| answer.is_ok()).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(keyward.in_force().await.toml, texts[won[0].0]);
    for status in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(status.code(), Code::Aborted, "{status:?}");
        assert_eq!(metadata(status, "current_version").as_deref(), Some("2"));
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_in_force_before_its_answer() {
    // S2
    let keyward = start().await;
    let issued = keyward.issue_scopes(&["storage:read"]).await;
    let mut elsewhere = v1::key_service_client::KeyServiceClient::new(keyward.new_channel().await);
    let (all, narrower) = (toml(&document()), toml(&without_scopes(&["storage:read"])));
    for version in 1..=20 {
        let (text, denial) = if version % 2 == 1 { (&narrower, INSUFFICIENT) } else { (&all, None) };
        let applied = keyward.apply_expecting_all(text, "").await.unwrap().into_inner();
        assert_eq!(applied.version.as_ref().unwrap().version, version + 1);
        let answer = elsewhere.check(check(&issued.api_key, &["storage:read"])).await.unwrap().into_inner();
        assert_eq!(reason(&answer), denial, "after version {}", version + 1);
        assert!(answer.revision >= applied.version.unwrap().revision);
        let tried = keyward.try_issue(&keyward.root, holder_key(&["storage:read"])).await;
        assert_eq!(tried.is_err(), denial.is_some(), "issued as it is judged");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_newest_first_page_by_page_with_who_applied_them() {
    let keyward = start().await;
    let operator = keyward
        .issue(v1::IssueRequest {
            name: "operator".to_owned(),
            owner: "user:42".to_owned(),
            admin: Some(admin_rights(&["policy:read", "policy:apply"], true)),
            ..v1::IssueRequest::default()
        })
        .await;
    for version in 1..5 {
        let text = toml(&with_scope(&format!("faxes:send-{version}")));
        let request = v1::ApplyPolicyRequest {
            document: Some(Applied::Toml(text)),
            expected_version: version,
            comment: format!("number {}", version + 1),
            expected_gains: None,
        };
        keyward.policies().apply_policy(signed(&operator.api_key, request)).await.unwrap();
    }
    let page = async |page_size, page_token: &str| {
        let request = v1::ListPolicyVersionsRequest { page_size, page_token: page_token.to_owned() };
        keyward.policies().list_policy_versions(signed(&operator.api_key, request)).await
    };
    let (mut listed, mut token, mut sizes) = (Vec::new(), String::new(), Vec::new());
    loop {
        let answer = page(2, &token).await.unwrap().into_inner();
        sizes.push(answer.versions.len());
        listed.extend(answer.versions);
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    for (version, number) in listed.iter().zip((1..=5).rev()) {
        assert_eq!(version.version, number);
        let by = if number == 1 {
            ("", "", String::new())
        } else {
            (operator.key.id.as_str(), "user:42", format!("number {number}"))
        };
        let shown = (version.applied_by.as_str(), version.applied_by_owner.as_str(), version.comment.clone());
        assert_eq!(shown, by);
        let same = keyward.policy_version(number).await.unwrap().into_inner().version.unwrap();
        assert_eq!(*version, same);
    }
    let whole = page(5, "").await.unwrap().into_inner();
    assert_eq!(
        (whole.versions, whole.next_page_token),
        (listed, String::new()),
        "a full page can be the last"
    );
    assert_eq!(page(0, "").await.unwrap().into_inner().versions.len(), 5);
    assert_field(page(2, "5").await, "page_token");
    assert_field(page(-1, "").await, "page_size");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_document_is_refused_whole_and_every_fault_is_named() {
    // L5
    let keyward = start().await;
    let (before, revision) = (keyward.in_force().await, keyward.revision().await);
    let mut wrong = without_scopes(&["templates:read"]);
    wrong.tiers[1].scopes.push("faxes:send".to_owned());
    wrong.tiers[0].limits[0].limit = 0;
    wrong.plans[1].name = "Pro Plan".to_owned();
    wrong.roles[2].scopes = strings(&["storage:read", "faxes:*"]);
    let extra = wrong.tiers[1].scopes.len() - 1;
    let expected = [
        "policy.tiers[0].limits[0].limit".to_owned(),
        format!("policy.tiers[1].scopes[{extra}]"),
        "policy.plans[1].name".to_owned(),
        "policy.roles[2].scopes[1]".to_owned(),
    ];
    let text = toml(&wrong);
    for found in [faults(keyward.judge(&text).await), faults(keyward.try_apply(&text, 1, "").await)] {
        assert_eq!(fields(&found), expected);
        assert!(
            found.iter().all(|(_, why)| why.starts_with("line ") && why.contains("must be ")),
            "{found:?}"
        );
    }
    let mut message = keyward.in_force().await.policy.unwrap();
    message.plans[1].name = "Pro Plan".to_owned();
    message.tiers[0].limits[0].limit = 0;
    message.tiers[1].limits[0].window = None;
    let request = v1::ApplyPolicyRequest {
        document: Some(Applied::Policy(message)),
        expected_version: 1,
        comment: String::new(),
        expected_gains: None,
    };
    let found = faults(keyward.policies().apply_policy(keyward.as_root(request)).await);
    let expected =
        ["policy.tiers[0].limits[0].limit", "policy.tiers[1].limits[0].calendar", "policy.plans[1].name"];
    assert_eq!(fields(&found), expected);
    assert!(found.iter().all(|(_, why)| why.starts_with("must be ")), "a message has no lines: {found:?}");

    let nothing = v1::ApplyPolicyRequest { expected_version: 1, ..v1::ApplyPolicyRequest::default() };
    assert_field(keyward.policies().apply_policy(keyward.as_root(nothing)).await, "policy");
    let long = "x".repeat(1_025);
    assert_field(keyward.try_apply(&toml(&document()), 1, &long).await, "comment");
    assert_eq!((keyward.in_force().await, keyward.revision().await), (before, revision));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_use_cannot_be_dropped() {
    let keyward = start().await;
    let mut held = Vec::new();
    for lifetime in [None, Some(DAY)] {
        let request = v1::IssueRequest {
            environment: "test".to_owned(),
            expire_time: lifetime.map(|lifetime| keyward.clock.after(lifetime)),
            ..holder_key(&["messaging:send"])
        };
        held.push(keyward.issue(request).await);
    }
    keyward.keys().disable_key(keyward.as_root(disabling(&held[0].key.id))).await.unwrap();
    let request = v1::RegisterWorkspaceRequest {
        name: "Acme".to_owned(),
        plan: "pro".to_owned(),
        key: Some(holder_key(&["messaging:send"])),
        ..v1::RegisterWorkspaceRequest::default()
    };
    keyward.workspaces().register_workspace(keyward.as_root(request)).await.unwrap();

    let mut neither = document();
    neither.environments.retain(|environment| environment.name != "test");
    neither.plans.retain(|plan| plan.name != "pro");
    let text = toml(&neither);
    for found in [faults(keyward.judge(&text).await), faults(keyward.try_apply(&text, 1, "").await)] {
        assert_eq!(fields(&found), ["policy.environments", "policy.plans"]);
        assert!(found[0].1.contains("`test`") && found[0].1.contains("2 keys"), "{found:?}");
        assert!(found[1].1.contains("`pro`") && found[1].1.contains("1 workspaces"), "{found:?}");
    }
    assert_eq!(keyward.in_force().await.version.unwrap().version, 1);

    let mut plan_kept = document();
    plan_kept.environments = neither.environments;
    keyward.revoke(&held[0].key.id).await;
    let found = faults(keyward.judge(&toml(&plan_kept)).await);
    assert!(found[0].1.contains("1 keys"), "the one that is neither revoked nor expired: {found:?}");
    keyward.clock.advance(DAY);
    keyward.apply(&plan_kept).await;
    let gone = v1::IssueRequest { environment: "test".to_owned(), ..holder_key(&["messaging:send"]) };
    assert_field(keyward.try_issue(&keyward.root, gone).await, "environment");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_no_longer_declared_is_inert_until_it_is_declared_again() {
    // S2, S4
    let keyward = start().await;
    let exact = keyward.issue_scopes(&["messaging:send", "storage:read"]).await;
    let wide = keyward.issue_scopes(&["storage:*", "exports:*"]).await;
    let storage = ["storage:delete", "storage:read", "storage:upload"];
    let shown = async |id: &str| {
        let key = keyward.show(id).await;
        (key.scopes, key.effective_scopes, key.inert_scopes)
    };

    keyward.apply(&without_scopes(&["storage:read"])).await;
    let exact_scopes = strings(&["messaging:send", "storage:read"]);
    let expected = (exact_scopes.clone(), strings(&["messaging:send"]), strings(&["storage:read"]));
    assert_eq!(shown(&exact.key.id).await, expected, "what was granted stays written");
    let effective = strings(&["exports:create", "storage:delete", "storage:upload"]);
    let wide_scopes = strings(&["exports:*", "storage:*"]);
    let expected = (wide_scopes.clone(), effective, Vec::new());
    assert_eq!(shown(&wide.key.id).await, expected, "a wildcard that reaches something is not inert");
    for issued in [&exact, &wide] {
        let answer = keyward.check(&issued.api_key, &["storage:read"]).await;
        assert_eq!(reason(&answer), INSUFFICIENT);
        assert_eq!(answer.denial.unwrap().missing_scopes, ["storage:read"]);
        assert_eq!(reason(&keyward.ask_as_root(peek(&issued.key.id, &["storage:read"])).await), INSUFFICIENT);
    }
    assert_eq!(keyward.denied(&exact.api_key, &["messaging:send"]).await, None);
    assert_eq!(keyward.denied(&wide.api_key, &["storage:upload"]).await, None);
    assert_field(keyward.try_issue(&keyward.root, holder_key(&["storage:read"])).await, "scopes");

    keyward.apply(&without_scopes(&storage)).await;
    let (_, effective, inert) = shown(&wide.key.id).await;
    assert_eq!((effective, inert), (strings(&["exports:create"]), strings(&["storage:*"])));
    assert_eq!(keyward.denied(&wide.api_key, &["storage:upload"]).await, INSUFFICIENT);

    let keyward = {
        keyward.apply(&document()).await;
        keyward.restart().await
    };
    assert_eq!(keyward.show(&exact.key.id).await.inert_scopes, Vec::<String>::new());
    for (issued, scopes) in [(&exact, exact_scopes), (&wide, wide_scopes)] {
        let key = keyward.show(&issued.key.id).await;
        assert_eq!((key.scopes, key.inert_scopes), (scopes, Vec::new()));
        assert_eq!(keyward.denied(&issued.api_key, &["storage:read"]).await, None);
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_one_record_of_what_was_applied_and_none_of_what_was_not() {
    // A1
    let keyward = start().await;
    keyward.clock.advance(DAY);
    let text = toml(&with_scope("faxes:send"));
    keyward.judge(&text).await.unwrap();
    refused(keyward.try_apply(&text, 7, "").await);
    refused(keyward.try_apply("environments = []", 1, "").await);
    let version = keyward.try_apply(&text, 1, "for the fax").await.unwrap().into_inner().version.unwrap();
    let again = keyward.try_apply(&text, 2, "once more").await.unwrap().into_inner();
    assert_eq!(again.version.as_ref(), Some(&version), "a document that changes nothing makes no version");
    assert_eq!(again.effect, Some(v1::PolicyEffect::default()));

    let request =
        v1::QueryLogRequest { action: AuditAction::PolicyApply.into(), ..v1::QueryLogRequest::default() };
    let records = keyward.audit().query_log(keyward.as_root(request)).await.unwrap().into_inner().records;
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!((record.policy_version, record.revision), (2, version.revision));
    assert_eq!((record.key_id.as_str(), record.comment.as_str()), ("", "for the fax"));
    assert_eq!(ms(record.time), Some(keyward.clock.now_ms()));
    let actor = record.actor.as_ref().unwrap();
    assert_eq!((actor.kind(), &actor.key_id), (ActorKind::Admin, &keyward.root_id().await));
    let changed: Vec<_> = record.changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(changed, ["policy.scopes[faxes:send]"]);
    assert_eq!(keyward.revision().await, version.revision, "and nothing after it");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_bound_to_a_workspace_has_no_say_in_the_policy() {
    // T1
    let keyward = start().await;
    let (workspace, _) = keyward.register("mine").await;
    let bound =
        keyward.issue_admin(&workspace.id, admin_rights(&["policy:read", "policy:apply"], false)).await;
    let (text, revision) = (toml(&with_scope("faxes:send")), keyward.revision().await);
    let mut policies = keyward.policies();
    let caller = &bound.api_key;
    let get = policies.get_policy(signed(caller, v1::GetPolicyRequest::default())).await;
    let judge = v1::ValidatePolicyRequest { document: Some(Judged::Toml(text.clone())) };
    let judge = policies.validate_policy(signed(caller, judge)).await;
    let apply = v1::ApplyPolicyRequest {
        document: Some(Applied::Toml(text)),
        expected_version: 1,
        ..v1::ApplyPolicyRequest::default()
    };
    let apply = policies.apply_policy(signed(caller, apply)).await;
    let list = policies.list_policy_versions(signed(caller, v1::ListPolicyVersionsRequest::default())).await;
    for answer in [get.map(drop), judge.map(drop), apply.map(drop), list.map(drop)] {
        refusal(answer.map(Response::new), Code::PermissionDenied, "GLOBAL_CALLER_REQUIRED");
    }
    assert_eq!(keyward.revision().await, revision);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_policy_decides_nothing_until_another_is_applied() {
    // S2
    for damage in [
        "UPDATE policies SET body = replace(body, 'storage:delete', 'storage:delere') WHERE version = 2",
        "UPDATE policies SET code = zeroblob(32) WHERE version = 2",
        "UPDATE policies SET body = '{}' WHERE version = 2",
        "UPDATE policies SET body = (SELECT body FROM policies WHERE version = 1) WHERE version = 2",
        "UPDATE policies SET (body, code, revision) = (SELECT body, code, revision FROM policies WHERE version = 1)
         WHERE version = 2",
        "DELETE FROM policies WHERE version = 2",
    ] {
        let keyward = start().await;
        let issued = keyward.issue_scopes(&["messaging:send"]).await;
        let good = with_scope("faxes:send");
        keyward.apply(&good).await;
        let keyward = keyward
            .restart_after(|data_dir| {
                let database = Connection::open(data_dir.join("keyward.db")).unwrap();
                assert_eq!(database.execute(damage, []).unwrap(), 1, "{damage}");
            })
            .await;
        for scope in ["messaging:send", "storage:read"] {
            // Held or not: neither an allow nor a denial.
            let answer = keyward.keys().check(check(&issued.api_key, &[scope])).await;
            refusal(answer, Code::DataLoss, "STORE_CORRUPT");
        }
        let nonsense = keyward.keys().check(check("no key at all", &[])).await;
        refusal(nonsense, Code::DataLoss, "STORE_CORRUPT");
        let issue = keyward.try_issue(&keyward.root, holder_key(&["messaging:send"])).await;
        refusal(issue, Code::DataLoss, "STORE_CORRUPT");
        refusal(keyward.policy_version(0).await, Code::DataLoss, "STORE_CORRUPT");

        let text = toml(&good);
        for wrong in [1, 2] {
            let status = refusal(
                keyward.try_apply(&text, wrong, "").await,
                Code::Aborted,
                "POLICY_VERSION_CHANGED",
            );
            assert_eq!(metadata(&status, "current_version").as_deref(), Some("0"));
        }
        assert_eq!(keyward.judge(&text).await.unwrap().into_inner().current_version, 0);
        let repaired = keyward.apply_expecting_all(&text, "repaired").await.unwrap().into_inner();
        let repaired = repaired.version.unwrap();
        assert_eq!(repaired.version, 3, "{damage}");
        let keyward = keyward.restart().await;
        assert_eq!(keyward.denied(&issued.api_key, &["messaging:send"]).await, None);
        assert_eq!(keyward.denied(&issued.api_key, &["storage:read"]).await, INSUFFICIENT);
        assert_eq!(keyward.in_force().await.version, Some(repaired));
        keyward.issue_scopes(&["faxes:send"]).await;
        keyward.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_issued_under_a_policy_that_is_no_longer_in_force() {
    // S2
    let keyward = start().await;
    let narrower = toml(&without_scopes(&["storage:read"]));
    for round in 0..5_u64 {
        let in_force = 1 + 2 * round;
        let request = || holder_key(&["messaging:send", "storage:read"]);
        let issuing = async {
            let (mut made, mut refused) = (Vec::new(), 0);
            for _ in 0..8 {
                let calls = (0..8).map(|_| keyward.try_issue(&keyward.root, request()));
                for answer in futures_util::future::join_all(calls).await {
                    match answer {
                        Ok(answer) => made.push(Issued::from(answer.into_inner()).key),
                        Err(status) if status.code() == Code::Aborted => refused += 1,
                        Err(status) => {
                            assert_field::<()>(Err(status), "scopes");
                            refused += 1;
                        }
                    }
                }
            }
            (made, refused)
        };
        let applying = async {
            let applied = keyward.try_apply(&narrower, in_force, "").await.unwrap().into_inner();
            for _ in 0..8 {
                let late = keyward.try_issue(&keyward.root, request()).await;
                assert_field(late, "scopes");
            }
            applied.version.unwrap()
        };
        let ((made, refused), applied) = tokio::join!(issuing, applying);
        assert_eq!(made.len() + refused, 64);
        assert!(refused > 0, "round {round}: the policy came too late to be a race");
        for key in made {
            assert!(key.revision < applied.revision, "judged by the policy that was in force");
            let now = keyward.show(&key.id).await;
            assert_eq!(
                (now.effective_scopes, now.inert_scopes),
                (strings(&["messaging:send"]), strings(&["storage:read"]))
            );
        }
        keyward.apply(&document()).await;
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_into_use_meanwhile_is_not_dropped_either() {
    let keyward = start().await;
    let mut current = document();
    let plan = |round: u32| PlanEntry { name: format!("plan-{round}"), ..PlanEntry::default() };
    current.plans.extend((0..30).map(plan));
    keyward.apply(&current).await;
    for round in 0..30 {
        let in_force = keyward.in_force().await.version.unwrap().version;
        let mut narrower = current.clone();
        narrower.environments.retain(|environment| environment.name != "test");
        narrower.plans.retain(|known| *known != plan(round));
        let text = toml(&narrower);
        let issuing = async {
            let request =
                v1::IssueRequest { environment: "test".to_owned(), ..holder_key(&["messaging:send"]) };
            keyward
                .try_issue(&keyward.root, request)
                .await
                .ok()
                .map(|answer| Issued::from(answer.into_inner()))
        };
        let registering = async {
            let request = v1::RegisterWorkspaceRequest {
                name: "Acme".to_owned(),
                plan: plan(round).name,
                key: Some(holder_key(&["messaging:send"])),
                ..v1::RegisterWorkspaceRequest::default()
            };
            keyward.workspaces().register_workspace(keyward.as_root(request)).await.is_ok()
        };
        // One of the two by turns, so that each alone would keep the document out.
        let (applied, issued, registered) = if round % 2 == 0 {
            let (applied, issued) = tokio::join!(keyward.try_apply(&text, in_force, ""), issuing);
            (applied, issued, false)
        } else {
            let (applied, registered) = tokio::join!(keyward.try_apply(&text, in_force, ""), registering);
            (applied, None, registered)
        };
        assert!(
            applied.is_err() || (issued.is_none() && !registered),
            "round {round}: it was dropped and came into use"
        );
        if let Some(issued) = issued {
            keyward.revoke(&issued.key.id).await;
        }
        keyward.apply(&current).await;
    }
    keyward.stop().await;
}
