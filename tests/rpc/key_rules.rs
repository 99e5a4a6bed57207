//! What the policy's rules want of holders' keys.

use std::time::Duration;

use keyward::{
    domain::policy::KeyRulesEntry,
    wire::v1::{self, DenialReason},
};
use tonic::Code;

use crate::support::{
    Keyward, admin_rights, holder_key, policy,
    verbs::{DAY, HOUR, MS, assert_field, metadata, refusal, renaming, update},
};

/// A server under these rules, and whatever keys were made before they were in force.
async fn put_in_force(keyward: &Keyward, rules: KeyRulesEntry) {
    let mut document = policy().document().clone();
    document.key_rules = Some(rules);
    keyward.apply(&document).await;
}

fn key(keyward: &Keyward, name: &str, lifetime: Option<Duration>) -> v1::IssueRequest {
    v1::IssueRequest {
        name: name.to_owned(),
        expire_time: lifetime.map(|lifetime| keyward.clock.after(lifetime)),
        ..holder_key(&["messaging:send"])
    }
}

async fn try_update(
    keyward: &Keyward,
    key: v1::Key,
    field: &str,
) -> Result<tonic::Response<v1::UpdateKeyResponse>, tonic::Status> {
    keyward.keys().update_key(keyward.as_root(update(key, &[field]))).await
}

fn ending(id: &str, end: Option<prost_types::Timestamp>) -> v1::Key {
    v1::Key { id: id.to_owned(), expire_time: end, ..v1::Key::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_expires_where_the_policy_says_that_each_must() {
    // K7
    let keyward = Keyward::start().await;
    let older = keyward.issue_scopes(&["messaging:send"]).await;
    let rules = KeyRulesEntry { require_expiry: true, ..KeyRulesEntry::default() };
    put_in_force(&keyward, rules).await;
    let keyward = keyward.restart().await;
    let why = assert_field(keyward.try_issue(&keyward.root, key(&keyward, "ci", None)).await, "expire_time");
    assert!(why.contains("given"), "{why}");
    let made = keyward.issue(key(&keyward, "ci", Some(400 * DAY))).await.key;
    let why =
        assert_field(try_update(&keyward, ending(&made.id, None), "expire_time").await, "key.expire_time");
    assert!(why.contains("given"), "{why}");
    assert_eq!(keyward.show(&made.id).await.expire_time, made.expire_time);
    let later = keyward.clock.after(500 * DAY);
    try_update(&keyward, ending(&made.id, Some(later)), "expire_time").await.unwrap();

    // One that was issued before the rule stays as it is, and can be changed in what the rule is not about.
    assert_eq!(keyward.denied(&older.api_key, &["messaging:send"]).await, None);
    keyward.keys().update_key(keyward.as_root(renaming(&older.key.id, "renamed"))).await.unwrap();
    let rotated = keyward.rotate(&older.key.id, None).await;
    assert_eq!(keyward.denied(&rotated.api_key, &["messaging:send"]).await, None);
    assert_eq!(keyward.show(&older.key.id).await.expire_time, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_lives_no_longer_than_the_policy_allows() {
    // K7
    let keyward = Keyward::start().await;
    let older = keyward.issue(key(&keyward, "older", Some(10 * DAY))).await.key;
    let rules = KeyRulesEntry { max_lifetime: Some("25h".to_owned()), ..KeyRulesEntry::default() };
    put_in_force(&keyward, rules).await;
    let longest = DAY + HOUR;
    for lifetime in [None, Some(longest + MS), Some(1_000 * DAY)] {
        let why = assert_field(
            keyward.try_issue(&keyward.root, key(&keyward, "ci", lifetime)).await,
            "expire_time",
        );
        assert!(why.contains(if lifetime.is_some() { "25h" } else { "given" }), "{why}");
    }
    let made = keyward.issue(key(&keyward, "ci", Some(longest))).await.key;
    keyward.clock.advance(HOUR);
    let last = keyward.clock.after(DAY);
    for end in [None, Some(keyward.clock.after(longest)), Some(keyward.clock.after(DAY + MS))] {
        assert_field(try_update(&keyward, ending(&made.id, end), "expire_time").await, "key.expire_time");
    }
    assert_eq!(keyward.show(&made.id).await.expire_time, made.expire_time);
    try_update(&keyward, ending(&made.id, Some(keyward.clock.after(MS))), "expire_time").await.unwrap();
    try_update(&keyward, ending(&made.id, Some(last)), "expire_time").await.unwrap();

    // An older one can be renamed; its end can be moved to where the rule allows, and not elsewhere.
    keyward.keys().update_key(keyward.as_root(renaming(&older.id, "renamed"))).await.unwrap();
    let still_long = Some(keyward.clock.after(2 * DAY));
    assert_field(try_update(&keyward, ending(&older.id, still_long), "expire_time").await, "key.expire_time");
    try_update(&keyward, ending(&older.id, Some(last)), "expire_time").await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_of_a_name_matches_the_pattern_of_the_policy() {
    // K7
    let keyward = Keyward::start().await;
    let older = keyward.issue(key(&keyward, "An Older Key", None)).await.key;
    let pattern = "ci-[a-z]+|é";
    let rules = KeyRulesEntry { name_pattern: pattern.to_owned(), ..KeyRulesEntry::default() };
    put_in_force(&keyward, rules).await;
    for name in ["ci-", "xci-a", "ci-a1", "ci-A", "éé", "ci-aé", "CI-a"] {
        let why = assert_field(keyward.try_issue(&keyward.root, key(&keyward, name, None)).await, "name");
        assert!(why.contains(pattern), "{why}");
    }
    keyward.issue(key(&keyward, "é", None)).await;
    let made = keyward.issue(key(&keyward, "ci-main", None)).await.key;
    let renamed = keyward.keys().update_key(keyward.as_root(renaming(&made.id, "main"))).await;
    assert!(assert_field(renamed, "key.name").contains(pattern));
    assert_eq!(keyward.show(&made.id).await.name, "ci-main");
    keyward.keys().update_key(keyward.as_root(renaming(&made.id, "ci-other"))).await.unwrap();

    let described = v1::Key { id: older.id.clone(), description: "laptop".to_owned(), ..v1::Key::default() };
    try_update(&keyward, described, "description").await.unwrap();
    keyward.rotate(&older.id, None).await;
    let renamed = keyward.keys().update_key(keyward.as_root(renaming(&older.id, "A Newer Name"))).await;
    assert_field(renamed, "key.name");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administration_key_is_under_its_ceiling_and_no_rule() {
    // K7
    let keyward = Keyward::start().await;
    let rules = KeyRulesEntry {
        require_expiry: true,
        max_lifetime: Some("1h".to_owned()),
        name_pattern: "ci".to_owned(),
        barred_plans: vec!["starter".to_owned()],
        ..KeyRulesEntry::default()
    };
    put_in_force(&keyward, rules).await;
    let admin = keyward.issue_admin("", admin_rights(&["keys:read"], true)).await.key;
    keyward.keys().update_key(keyward.as_root(renaming(&admin.id, "Any Name"))).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barred_plan_gets_no_more_keys_and_keeps_those_it_has() {
    // S6
    let keyward = Keyward::start().await;
    let older = keyward.issue_scopes(&["messaging:send"]).await;
    let rules = KeyRulesEntry { barred_plans: vec!["starter".to_owned()], ..KeyRulesEntry::default() };
    put_in_force(&keyward, rules).await;
    let barred = async |answer| {
        let status = refusal(answer, Code::FailedPrecondition, "PLAN_MAY_NOT_ISSUE");
        assert_eq!(metadata(&status, "plan").as_deref(), Some("starter"));
        assert!(status.message().contains("starter"), "{status:?}");
    };
    barred(
        keyward
            .try_issue(&keyward.root, holder_key(&["messaging:send"]))
            .await
            .map(|_| tonic::Response::new(())),
    )
    .await;
    let register = |plan: &str| v1::RegisterWorkspaceRequest {
        name: "Acme".to_owned(),
        plan: plan.to_owned(),
        key: Some(holder_key(&["messaging:send"])),
        ..v1::RegisterWorkspaceRequest::default()
    };
    for plan in ["", "starter"] {
        let answer = keyward.workspaces().register_workspace(keyward.as_root(register(plan))).await;
        barred(answer.map(|_| tonic::Response::new(()))).await;
    }
    keyward.workspaces().register_workspace(keyward.as_root(register("pro"))).await.unwrap();

    assert_eq!(keyward.denied(&older.api_key, &["messaging:send"]).await, None);
    let rotated = keyward.rotate(&older.key.id, None).await;
    assert_eq!(keyward.denied(&rotated.api_key, &["messaging:send"]).await, None);
    assert_eq!(
        keyward.denied(&rotated.api_key, &["storage:read"]).await,
        Some(DenialReason::ScopeInsufficient)
    );
    keyward.stop().await;
}
