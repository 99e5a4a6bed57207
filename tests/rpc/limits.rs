//! Limits, as whoever checks sees them.

use std::{sync::Arc, time::Duration};

use keyward::{
    domain::policy::{BucketEntry, Document, LimitEntry, PlanEntry, Policy, TierEntry},
    wire::v1::{self, CheckMode, DenialReason},
};

use crate::support::{
    Issued, Keyward, START_MS, check, holder_key, reason,
    verbs::{DAY, HOUR, MS, ms, peek, strings},
};

const RATE: Option<DenialReason> = Some(DenialReason::RateLimited);
const QUOTA: Option<DenialReason> = Some(DenialReason::QuotaExceeded);
const SEND: &[&str] = &["messaging:send"];

/// A limit of the calendar, counted for each key.
pub(crate) fn calendar(name: &str, limit: u64, unit: &str) -> LimitEntry {
    LimitEntry { name: name.to_owned(), limit, calendar: Some(unit.to_owned()), ..LimitEntry::default() }
}

fn shared(name: &str, limit: u64, per: &str) -> LimitEntry {
    LimitEntry { per: per.to_owned(), ..calendar(name, limit, "hour") }
}

/// The default policy, whose default tier has these limits.
pub(crate) fn limited_to(limits: &[LimitEntry]) -> Document {
    let mut document = Policy::default_document().unwrap().document().clone();
    document.tiers[0].limits = limits.to_vec();
    document
}

pub(crate) async fn under(limits: &[LimitEntry]) -> Keyward {
    Keyward::start_with(true, Policy::new(limited_to(limits)).unwrap()).await
}

fn costing(api_key: &str, scopes: &[&str], cost: u64) -> v1::CheckRequest {
    v1::CheckRequest { cost: Some(cost), ..check(api_key, scopes) }
}

/// Uses so many units, one by one.
async fn spend(keyward: &Keyward, issued: &Issued, scopes: &[&str], units: u64) {
    for unit in 1..=units {
        assert_eq!(keyward.denied(&issued.api_key, scopes).await, None, "unit {unit} of {units}");
    }
}

/// What is left of each limit, as an operator sees it without a charge.
async fn left(keyward: &Keyward, issued: &Issued, scopes: &[&str]) -> Vec<(String, u64)> {
    let answer = keyward.ask_as_root(peek(&issued.key.id, scopes)).await;
    answer.limits.into_iter().map(|limit| (limit.name, limit.remaining)).collect()
}

fn retry_after(answer: &v1::CheckResponse) -> Option<Duration> {
    let wait = answer.denial.as_ref()?.retry_after?;
    assert_eq!(wait.nanos, 0, "whole seconds");
    Some(Duration::from_secs(wait.seconds.try_into().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_shows_its_limits_and_there_is_one_by_default() {
    // L1, L2, L11
    let keyward = Keyward::start_with(true, Policy::default_document().unwrap()).await;
    let issued = keyward.issue_scopes(&["messaging:send", "permissions:check"]).await;
    let answer = keyward.check(&issued.api_key, SEND).await;
    let [limit] = answer.limits.as_slice() else { panic!("{answer:?}") };
    assert_eq!((limit.name.as_str(), limit.limit, limit.remaining), ("default/hour", 1_000, 999));
    assert_eq!(ms(limit.reset_time), Some(START_MS + 3_600_000));
    assert_eq!(limit.window.unwrap().seconds, 3_600);
    assert!(!answer.degraded);
    let nothing_asked = keyward.check(&issued.api_key, &[]).await;
    assert_eq!(nothing_asked.limits[0].remaining, 998, "who is it is charged to the default tier");
    let both = keyward.check(&issued.api_key, &["permissions:check", "messaging:send"]).await;
    let names: Vec<_> = both.limits.iter().map(|limit| (limit.name.as_str(), limit.remaining)).collect();
    assert_eq!(names, [("default/hour", 997), ("permissions-check/hour", 4_999)]);
    let unknown = keyward.check("kw_live_0", SEND).await;
    assert!(unknown.limits.is_empty(), "a stranger is told nothing");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_tier_leaves_the_others_and_other_keys_alone() {
    // L2, K6
    let keyward = Keyward::start_with(true, Policy::default_document().unwrap()).await;
    let issued = keyward.issue_scopes(&["permissions:audit", "permissions:manage", "messaging:send"]).await;
    let other = keyward.issue_scopes(&["permissions:audit"]).await;
    let audit = &["permissions:audit"];
    spend(&keyward, &issued, audit, 100).await;
    let answer = keyward.check(&issued.api_key, audit).await;
    assert_eq!(reason(&answer), RATE);
    assert_eq!(retry_after(&answer), Some(HOUR));
    assert_eq!(answer.limits[0].remaining, 0);
    assert_eq!(keyward.denied(&issued.api_key, &["permissions:manage"]).await, None);
    assert_eq!(keyward.denied(&issued.api_key, SEND).await, None);
    assert_eq!(keyward.denied(&other.api_key, audit).await, None, "another key");
    let together = keyward.check(&issued.api_key, &["messaging:send", "permissions:audit"]).await;
    assert_eq!(reason(&together), RATE, "all of it or none");
    assert_eq!(left(&keyward, &issued, SEND).await, [("default/hour".to_owned(), 999)], "nothing charged");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_has_so_many_and_begins_at_midnight() {
    // L3, L9: not 24 hours after the first use
    let keyward = under(&[calendar("day", 500, "day")]).await;
    keyward.clock.advance(HOUR * 23 + Duration::from_millis(1_500));
    let issued = keyward.issue_scopes(SEND).await;
    spend(&keyward, &issued, SEND, 500).await;
    let answer = keyward.check(&issued.api_key, SEND).await;
    assert_eq!(reason(&answer), QUOTA);
    assert_eq!(retry_after(&answer), Some(Duration::from_secs(3_599)), "3598.5 seconds, rounded up");
    assert_eq!(ms(answer.limits[0].reset_time), Some(START_MS + 86_400_000));
    keyward.clock.advance(Duration::from_millis(3_598_499));
    assert_eq!(keyward.denied(&issued.api_key, SEND).await, QUOTA, "the last millisecond of the day");
    keyward.clock.advance(MS);
    spend(&keyward, &issued, SEND, 500).await;
    assert_eq!(keyward.denied(&issued.api_key, SEND).await, QUOTA);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_those_of_the_time_zone() {
    // L3: in Berlin, where 2026-03-29 has 23 hours
    let day = LimitEntry { time_zone: "Europe/Berlin".to_owned(), ..calendar("day", 2, "day") };
    let keyward = under(&[day]).await;
    let issued = keyward.issue_scopes(SEND).await;
    keyward.clock.advance(HOUR * (24 * 87 - 1));
    spend(&keyward, &issued, SEND, 2).await;
    let answer = keyward.check(&issued.api_key, SEND).await;
    assert_eq!(retry_after(&answer), Some(HOUR * 23));
    keyward.clock.advance(Duration::from_millis(23 * 3_600_000 - 1));
    assert_eq!(keyward.denied(&issued.api_key, SEND).await, QUOTA);
    keyward.clock.advance(MS);
    assert_eq!(keyward.denied(&issued.api_key, SEND).await, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_windows_the_tightest_decides_and_waiting_helps() {
    // L4, L9
    let bucket = LimitEntry {
        name: "burst".to_owned(),
        limit: 3,
        bucket: Some(BucketEntry { refill: 1, every: "10s".to_owned() }),
        ..LimitEntry::default()
    };
    let rolling = LimitEntry {
        name: "rolling".to_owned(),
        limit: 5,
        rolling: Some("1h".to_owned()),
        ..LimitEntry::default()
    };
    let keyward = under(&[calendar("day", 100, "day"), rolling, bucket]).await;
    let issued = keyward.issue_scopes(SEND).await;
    spend(&keyward, &issued, SEND, 3).await;
    let mut passed = 3;
    for _ in 0..40 {
        let answer = keyward.check(&issued.api_key, SEND).await;
        let Some(wait) = retry_after(&answer) else {
            assert_eq!(reason(&answer), None);
            passed += 1;
            continue;
        };
        assert_eq!(reason(&answer), RATE);
        // A loop of retries makes the wait no longer (L11).
        assert_eq!(retry_after(&keyward.check(&issued.api_key, SEND).await), Some(wait));
        keyward.clock.advance(wait.checked_sub(Duration::from_secs(1)).unwrap());
        assert_eq!(keyward.denied(&issued.api_key, SEND).await, RATE, "a second early");
        keyward.clock.advance(Duration::from_secs(1));
        assert_eq!(keyward.denied(&issued.api_key, SEND).await, None, "exactly then");
        passed += 1;
    }
    let hours = u64::try_from(keyward.clock.now_ms() - START_MS).unwrap() / 3_600_000 + 1;
    assert!(passed > 15 && passed <= hours * 10, "{passed} in {hours} hours");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_for_any_reason_charges_nothing() {
    // L7
    let limits = [calendar("hour", 10, "hour"), calendar("day", 4, "day")];
    let keyward = under(&limits).await;
    let issued = keyward.issue_scopes(SEND).await;
    let twin = keyward.issue_scopes(SEND).await;
    spend(&keyward, &issued, SEND, 3).await;
    let before = left(&keyward, &issued, SEND).await;
    let key = issued.api_key.as_str();
    let asked = |change: &dyn Fn(&mut v1::CheckRequest)| {
        let mut request = check(key, SEND);
        change(&mut request);
        request
    };
    let denied = [
        (check(key, &["storage:read"]), DenialReason::ScopeInsufficient),
        (check(key, &["messaging:send", "storage:read"]), DenialReason::ScopeInsufficient),
        (asked(&|request| request.environment = "test".to_owned()), DenialReason::EnvironmentMismatch),
        (costing(key, SEND, 2), DenialReason::QuotaExceeded),
        (costing(key, SEND, 11), DenialReason::QuotaExceeded),
        (costing(key, SEND, 1_000_000_000_000), DenialReason::QuotaExceeded),
    ];
    for (request, why) in denied {
        let answer = keyward.ask(request).await;
        assert_eq!(reason(&answer), Some(why));
        assert_eq!(left(&keyward, &issued, SEND).await, before, "{why:?}");
    }
    let never = keyward.ask(costing(key, SEND, 5)).await;
    assert_eq!(retry_after(&never), None, "more than a day admits, ever");
    let free = keyward.ask(costing(key, SEND, 0)).await;
    assert_eq!((free.allowed, free.limits[1].remaining), (true, 1));
    assert_eq!(left(&keyward, &issued, SEND).await, before, "a cost of 0 is free");
    keyward.disable(&issued.key.id).await;
    assert_eq!(keyward.denied(key, SEND).await, Some(DenialReason::KeyDisabled));
    keyward.enable(&issued.key.id).await;
    assert_eq!(left(&keyward, &issued, SEND).await, before);
    spend(&keyward, &issued, SEND, 1).await;
    assert!(keyward.ask(costing(key, SEND, 0)).await.allowed, "also where nothing is left");
    assert_eq!(left(&keyward, &twin, SEND).await[1].1, 4, "and nobody else was charged");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_secrets_of_a_rotation_share_the_budget() {
    // L8, R1
    let keyward = under(&[calendar("hour", 10, "hour")]).await;
    let issued = keyward.issue_scopes(SEND).await;
    spend(&keyward, &issued, SEND, 4).await;
    let rotated = keyward.rotate(&issued.key.id, None).await;
    spend(&keyward, &rotated, SEND, 4).await;
    spend(&keyward, &issued, SEND, 2).await;
    assert_eq!(keyward.denied(&issued.api_key, SEND).await, RATE);
    assert_eq!(keyward.denied(&rotated.api_key, SEND).await, RATE);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peek_charges_nothing_and_explain_says_everything() {
    // L12
    let keyward = under(&[calendar("hour", 2, "hour"), calendar("day", 1, "day")]).await;
    let issued = keyward.issue_scopes(SEND).await;
    for _ in 0..5 {
        let answer = keyward.ask_as_root(peek(&issued.key.id, SEND)).await;
        assert!(answer.allowed);
        assert_eq!(answer.limits.iter().map(|limit| limit.remaining).collect::<Vec<_>>(), [2, 1]);
    }
    spend(&keyward, &issued, SEND, 1).await;
    let mut request = costing("", &["storage:read"], 2);
    request.subject = peek(&issued.key.id, &[]).subject;
    request.scopes = strings(&["messaging:send", "storage:read"]);
    request.mode = CheckMode::Explain.into();
    let answer = keyward.ask_as_root(request).await;
    let denial = answer.denial.unwrap();
    let reasons: Vec<_> = denial.failures.iter().map(v1::DenialFailure::reason).collect();
    assert_eq!(
        reasons,
        [DenialReason::ScopeInsufficient, DenialReason::RateLimited, DenialReason::QuotaExceeded]
    );
    assert!(denial.failures[1].message.contains("retry after 3600 seconds"), "{denial:?}");
    assert!(denial.failures[2].message.contains("costs more than"), "{denial:?}");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_limits_are_counted_by_owner_and_workspace_and_apart_by_environment() {
    // L13, L14
    let limits =
        [shared("owner", 3, "owner"), shared("workspace", 5, "workspace"), calendar("hour", 100, "hour")];
    let keyward = under(&limits).await;
    let owned = |owner: &str, environment: &str| v1::IssueRequest {
        owner: owner.to_owned(),
        environment: environment.to_owned(),
        ..holder_key(SEND)
    };
    let ann = keyward.issue(owned("ann", "live")).await;
    let ann_too = keyward.issue(owned("ann", "live")).await;
    let bob = keyward.issue(owned("bob", "live")).await;
    let ann_tests = keyward.issue(owned("ann", "test")).await;
    let (_, elsewhere) = keyward.register("another").await;
    spend(&keyward, &ann, SEND, 2).await;
    spend(&keyward, &ann_too, SEND, 1).await;
    assert_eq!(keyward.denied(&ann.api_key, SEND).await, RATE, "three by one owner");
    spend(&keyward, &bob, SEND, 2).await;
    assert_eq!(keyward.denied(&bob.api_key, SEND).await, RATE, "five in the workspace");
    spend(&keyward, &ann_tests, SEND, 3).await;
    spend(&keyward, &elsewhere, SEND, 3).await;
    assert_eq!(left(&keyward, &bob, SEND).await[2].1, 98, "denied for what is shared, charged to nobody");
    let nobody = keyward.issue(owned("", "test")).await;
    let nobody_too = keyward.issue(owned("", "test")).await;
    spend(&keyward, &nobody, SEND, 2).await;
    assert_eq!(keyward.denied(&nobody_too.api_key, SEND).await, RATE, "five in the test environment");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_any_concurrency_exactly_so_many_are_admitted() {
    // L6
    let keyward = Arc::new(under(&[calendar("hour", 500, "hour"), shared("all", 700, "workspace")]).await);
    let keys = [keyward.issue_scopes(SEND).await, keyward.issue_scopes(SEND).await];
    let tasks = (0..64).map(|place: usize| {
        let (keyward, api_key) = (Arc::clone(&keyward), keys[place % 2].api_key.clone());
        tokio::spawn(async move {
            let channel = keyward.new_channel().await;
            let mut client = v1::key_service_client::KeyServiceClient::new(channel);
            let mut allowed = 0;
            for _ in 0..20 {
                let answer = client.check(check(&api_key, SEND)).await.unwrap();
                allowed += u64::from(answer.into_inner().allowed);
            }
            (place % 2, allowed)
        })
    });
    let mut admitted = [0, 0];
    for task in tasks.collect::<Vec<_>>() {
        let (key, allowed) = task.await.unwrap();
        admitted[key] += allowed;
    }
    assert_eq!(admitted.iter().sum::<u64>(), 700, "{admitted:?}");
    assert!(admitted.iter().all(|admitted| *admitted <= 500), "{admitted:?}");
    Arc::into_inner(keyward).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_order_wastes_nothing() {
    // L10
    let rolling = LimitEntry {
        name: "rolling".to_owned(),
        limit: 300,
        rolling: Some("1h".to_owned()),
        ..LimitEntry::default()
    };
    let bucket = LimitEntry {
        name: "burst".to_owned(),
        limit: 400,
        bucket: Some(BucketEntry { refill: 1, every: "1h".to_owned() }),
        ..LimitEntry::default()
    };
    let limits = [calendar("day", 20, "day"), calendar("month", 100_000, "month"), rolling, bucket];
    let mut keyward = under(&limits).await;
    let issued = keyward.issue_scopes(SEND).await;
    for round in 1..=3_u64 {
        spend(&keyward, &issued, SEND, 5).await;
        let before = left(&keyward, &issued, SEND).await;
        let units: Vec<_> = before.iter().map(|(_, units)| *units).collect();
        assert_eq!(units, [20 - 5 * round, 100_000 - 5 * round, 300 - 5 * round, 400 - 5 * round]);
        keyward = keyward.restart().await;
        assert_eq!(left(&keyward, &issued, SEND).await, before);
    }
    spend(&keyward, &issued, SEND, 5).await;
    assert_eq!(keyward.denied(&issued.api_key, SEND).await, QUOTA);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_frees_no_quota() {
    // D6
    let mut keyward = under(&[calendar("day", 5, "day")]).await;
    let issued = keyward.issue_scopes(SEND).await;
    keyward.clock.advance(DAY);
    spend(&keyward, &issued, SEND, 5).await;
    keyward.clock.leap(-86_400_000 * 3);
    assert_eq!(keyward.denied(&issued.api_key, SEND).await, QUOTA);
    keyward = keyward.restart().await;
    assert_eq!(keyward.denied(&issued.api_key, SEND).await, QUOTA, "behind its mark, time stands");
    keyward.clock.leap(86_400_000 * 3 + 10_000);
    assert_eq!(keyward.denied(&issued.api_key, SEND).await, QUOTA);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_limit_is_the_new_one_less_what_was_used() {
    // L5
    let keyward = under(&[calendar("hour", 10, "hour")]).await;
    let issued = keyward.issue_scopes(SEND).await;
    spend(&keyward, &issued, SEND, 8).await;
    for (limit, left_over) in [(20, 12), (8, 0), (3, 0), (9, 1)] {
        keyward.apply(&limited_to(&[calendar("hour", limit, "hour")])).await;
        assert_eq!(left(&keyward, &issued, SEND).await, [("default/hour".to_owned(), left_over)], "{limit}");
    }
    spend(&keyward, &issued, SEND, 1).await;
    assert_eq!(keyward.denied(&issued.api_key, SEND).await, RATE);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_sets_the_limits_of_its_workspaces() {
    // L5
    let mut document = limited_to(&[calendar("hour", 2, "hour")]);
    document.plans = vec![
        PlanEntry { name: "starter".to_owned(), ..PlanEntry::default() },
        PlanEntry { name: "pro".to_owned(), limits: vec![calendar("day", 3, "day")], ..PlanEntry::default() },
    ];
    document.tiers.push(TierEntry {
        name: "reading".to_owned(),
        scopes: strings(&["storage:read"]),
        limits: vec![calendar("hour", 2, "hour")],
        ..TierEntry::default()
    });
    let keyward = Keyward::start_with(true, Policy::new(document).unwrap()).await;
    let request = v1::RegisterWorkspaceRequest {
        name: "paying".to_owned(),
        plan: "pro".to_owned(),
        key: Some(holder_key(&["messaging:send", "storage:read"])),
        ..v1::RegisterWorkspaceRequest::default()
    };
    let answer =
        keyward.workspaces().register_workspace(keyward.as_root(request)).await.unwrap().into_inner();
    let paying = Issued { key: answer.key.clone().unwrap(), api_key: answer.api_key.clone() };
    spend(&keyward, &paying, SEND, 2).await;
    assert_eq!(keyward.denied(&paying.api_key, SEND).await, RATE);
    spend(&keyward, &paying, &["storage:read"], 1).await;
    assert_eq!(keyward.denied(&paying.api_key, &["storage:read"]).await, QUOTA, "three a day over all tiers");
    let starter = keyward.issue_scopes(SEND).await;
    spend(&keyward, &starter, SEND, 2).await;
    keyward.stop().await;
}
