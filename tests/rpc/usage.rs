//! `GetUsage`.

use keyward::wire::v1::{self, CheckMode, DenialReason, UsagePeriod};
use tonic::{Code, Response, Status};

use crate::support::{
    Issued, Keyward, START_MS, admin_rights, check, holder_key, signed,
    verbs::{DAY, HOUR, MS, assert_field, ms, peek, refusal},
};

const SEND: &str = "messaging:send";
const PERMIT: &str = "permissions:check";

type Page = Result<Response<v1::GetUsageResponse>, Status>;

async fn ask(keyward: &Keyward, caller: &str, request: v1::GetUsageRequest) -> Page {
    keyward.keys().get_usage(signed(caller, request)).await
}

/// Everything that matches, page by page.
async fn usage(keyward: &Keyward, request: v1::GetUsageRequest) -> Vec<v1::Usage> {
    let (mut found, mut request) = (Vec::new(), request);
    loop {
        let page = ask(keyward, &keyward.root, request.clone()).await.unwrap().into_inner();
        assert!(page.next_page_token.is_empty() || !page.usage.is_empty());
        found.extend(page.usage);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

fn of_key(key: &Issued) -> v1::GetUsageRequest {
    v1::GetUsageRequest { key_id: key.key.id.clone(), ..v1::GetUsageRequest::default() }
}

fn by(period: UsagePeriod) -> v1::GetUsageRequest {
    v1::GetUsageRequest { period: period.into(), ..v1::GetUsageRequest::default() }
}

fn wire_time(ms: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: ms / 1_000, nanos: i32::try_from(ms % 1_000 * 1_000_000).unwrap() }
}

fn length(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

/// Tier, allowed, cost and denials.
type Counted = (String, u64, u64, Vec<(DenialReason, u64)>);

fn counted(usage: &v1::Usage) -> Counted {
    let denied = usage.denied.iter().map(|denied| (denied.reason(), denied.count)).collect();
    (usage.tier.clone(), usage.allowed, usage.cost, denied)
}

async fn counts(keyward: &Keyward, request: v1::GetUsageRequest) -> Vec<Counted> {
    usage(keyward, request).await.iter().map(counted).collect()
}

fn allowed(tier: &str, checks: u64, cost: u64) -> Counted {
    (tier.to_owned(), checks, cost, Vec::new())
}

fn denied(reasons: &[(DenialReason, u64)]) -> Counted {
    (String::new(), 0, 0, reasons.to_vec())
}

async fn spend(keyward: &Keyward, key: &Issued, scopes: &[&str], cost: u64) {
    let request = v1::CheckRequest { cost: Some(cost), ..check(&key.api_key, scopes) };
    assert!(keyward.ask(request).await.allowed);
}

/// Time passes until then, in milliseconds since 1970.
fn wait_until(keyward: &Keyward, ms: i64) {
    keyward
        .clock
        .advance(std::time::Duration::from_millis((ms - keyward.clock.now_ms()).try_into().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_are_counted_by_tier_reason_and_cost() {
    // A4, L7
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&[SEND, PERMIT]).await;
    let other = keyward.issue_scopes(&[SEND]).await;
    for cost in [1, 5, 0] {
        spend(&keyward, &key, &[SEND], cost).await;
    }
    spend(&keyward, &key, &[PERMIT, SEND], 999_000_000_000).await;
    assert!(keyward.check(&key.api_key, &[]).await.allowed);
    assert!(!keyward.check(&key.api_key, &["a:a"]).await.allowed);
    assert!(!keyward.check(&key.api_key, &["a:a", SEND]).await.allowed);
    let elsewhere = v1::CheckRequest { environment: "test".to_owned(), ..check(&key.api_key, &[SEND]) };
    assert!(!keyward.ask(elsewhere).await.allowed);
    let batch = v1::BatchCheckRequest {
        requests: vec![check(&other.api_key, &[SEND]); 3],
        ..v1::BatchCheckRequest::default()
    };
    keyward.keys().batch_check(batch).await.unwrap();

    let reasons = [(DenialReason::EnvironmentMismatch, 1), (DenialReason::ScopeInsufficient, 2)];
    let expected = [
        ("default".to_owned(), 5, 999_000_000_007, reasons.to_vec()),
        allowed("permissions-check", 1, 999_000_000_000),
    ];
    assert_eq!(counts(&keyward, of_key(&key)).await, expected);
    assert_eq!(counts(&keyward, of_key(&other)).await, [allowed("default", 3, 3)]);
    assert_eq!(counts(&keyward, of_key(&other)).await, [allowed("default", 3, 3)], "reading counts nothing");
    keyward.disable(&other.key.id).await;
    keyward.check(&other.api_key, &[SEND]).await;
    let expected = [denied(&[(DenialReason::KeyDisabled, 1)]), allowed("default", 3, 3)];
    assert_eq!(counts(&keyward, of_key(&other)).await, expected);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peeks_and_keys_that_do_not_exist_are_not_counted() {
    // A4
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&[SEND]).await;
    for mode in [CheckMode::Peek, CheckMode::Explain] {
        let request = v1::CheckRequest { mode: mode.into(), ..check(&key.api_key, &[SEND]) };
        assert!(keyward.ask_as_root(request).await.allowed);
    }
    assert!(keyward.ask_as_root(peek(&key.key.id, &[SEND])).await.allowed);
    assert!(!keyward.check("kw_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg418bBM", &[]).await.allowed);
    assert!(!keyward.check("", &[]).await.allowed);
    assert!(!keyward.check(&keyward.root, &[]).await.allowed);
    assert_eq!(counts(&keyward, v1::GetUsageRequest::default()).await, []);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_ends_with_its_last_millisecond_and_periods_are_those_of_utc() {
    // A4
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&[SEND]).await;
    let mut offsets = Vec::new();
    // The first and last moments of an hour, a day and a month.
    for offset in [0, length(HOUR) - 1, length(HOUR), length(DAY) - 1, length(DAY), length(DAY) * 31] {
        wait_until(&keyward, START_MS + offset);
        spend(&keyward, &key, &[SEND], 2).await;
        offsets.push(offset);
    }
    let (from, to) = (Some(wire_time(START_MS)), Some(wire_time(START_MS + length(DAY) * 32)));
    let starts = async |period, start_time, end_time| {
        let request = v1::GetUsageRequest { start_time, end_time, ..by(period) };
        let found = usage(&keyward, request).await;
        assert!(found.iter().all(|usage| usage.cost == 2 * usage.allowed));
        let start =
            |usage: &v1::Usage| ((ms(usage.start_time).unwrap() - START_MS) / length(HOUR), usage.allowed);
        found.iter().map(start).collect::<Vec<_>>()
    };
    assert_eq!(starts(UsagePeriod::Hour, from, to).await, [(0, 2), (1, 1), (23, 1), (24, 1), (31 * 24, 1)]);
    assert_eq!(starts(UsagePeriod::Day, from, to).await, [(0, 4), (24, 1), (31 * 24, 1)]);
    assert_eq!(starts(UsagePeriod::Month, from, to).await, [(0, 5), (31 * 24, 1)]);
    assert_eq!(starts(UsagePeriod::Total, from, to).await, [(0, 6)]);
    assert_eq!(starts(UsagePeriod::Unspecified, from, to).await, [(0, 6)]);

    let (one, two) = (Some(wire_time(START_MS + length(HOUR))), Some(wire_time(START_MS + 2 * length(HOUR))));
    assert_eq!(starts(UsagePeriod::Total, one, two).await, [(1, 1)], "from on and before");
    let late = Some(wire_time(START_MS + length(HOUR) * 2 - 1));
    assert_eq!(
        starts(
            UsagePeriod::Day,
            late,
            late.map(|mut late| {
                late.nanos += 1_000_000 - 1;
                late.seconds += 1;
                late
            })
        )
        .await,
        [(0, 1)],
        "whole hours, and of a day what is asked for"
    );
    assert_eq!(starts(UsagePeriod::Total, None, None).await, [(31 * 24 - 23, 1)], "the last 24 hours");
    assert_eq!(
        starts(UsagePeriod::Hour, None, Some(wire_time(START_MS + length(DAY)))).await,
        [(0, 2), (1, 1), (23, 1)]
    );
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_environments_usage_is_counted_apart_and_never_billable() {
    // L13
    let keyward = Keyward::start().await;
    let issue = async |environment: &str| {
        let request = v1::IssueRequest { environment: environment.to_owned(), ..holder_key(&[SEND]) };
        keyward.issue(request).await
    };
    let (live, test) = (issue("live").await, issue("test").await);
    spend(&keyward, &live, &[SEND], 1).await;
    spend(&keyward, &test, &[SEND], 7).await;
    let found = async |environment: &str| {
        let request =
            v1::GetUsageRequest { environment: environment.to_owned(), ..v1::GetUsageRequest::default() };
        let shown = |usage: v1::Usage| (usage.key_id, usage.environment, usage.billable, usage.cost);
        let mut found: Vec<_> = usage(&keyward, request).await.into_iter().map(shown).collect();
        found.sort_by(|one, other| one.1.cmp(&other.1));
        found
    };
    let of_live = (live.key.id.clone(), "live".to_owned(), true, 1);
    let of_test = (test.key.id.clone(), "test".to_owned(), false, 7);
    assert_eq!(found("").await, [of_live.clone(), of_test.clone()]);
    assert_eq!(found("live").await, [of_live]);
    assert_eq!(found("test").await, [of_test]);
    assert_eq!(found("no-longer-configured").await, []);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_told_for_a_key_an_owner_and_a_workspace() {
    // A4, T1
    let keyward = Keyward::start().await;
    let (mine, first) = keyward.register("mine").await;
    let issue = async |owner: &str| {
        let request = v1::IssueRequest {
            workspace_id: mine.id.clone(),
            owner: owner.to_owned(),
            ..holder_key(&[SEND])
        };
        keyward.issue(request).await
    };
    let (ann, bob) = (issue("ann").await, issue("bob").await);
    for (key, cost) in [(&first, 1), (&ann, 10), (&bob, 100)] {
        spend(&keyward, key, &[SEND], cost).await;
    }
    let cost = async |request: v1::GetUsageRequest| {
        usage(&keyward, request).await.iter().map(|usage| usage.cost).sum::<u64>()
    };
    let whole = v1::GetUsageRequest { workspace_id: mine.id.clone(), ..v1::GetUsageRequest::default() };
    let of_ann = v1::GetUsageRequest { owner: "ann".to_owned(), ..whole.clone() };
    assert_eq!(cost(whole.clone()).await, 111);
    assert_eq!(cost(of_ann.clone()).await, 10);
    assert_eq!(cost(of_key(&bob)).await, 100, "a key's workspace need not be named");
    assert_eq!(cost(v1::GetUsageRequest { key_id: bob.key.id.clone(), ..whole }).await, 100);
    assert_eq!(cost(v1::GetUsageRequest { key_id: bob.key.id.clone(), ..of_ann }).await, 0);
    assert_eq!(cost(v1::GetUsageRequest::default()).await, 0, "the default workspace");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_caller_sees_the_usage_of_its_own_workspace_only() {
    // T1
    let keyward = Keyward::start().await;
    let (mine, my_key) = keyward.register("mine").await;
    let (theirs, their_key) = keyward.register("theirs").await;
    spend(&keyward, &my_key, &[SEND], 1).await;
    spend(&keyward, &their_key, &[SEND], 1).await;
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["keys:read"], false)).await.api_key;
    let page = ask(&keyward, &admin, v1::GetUsageRequest::default()).await.unwrap().into_inner();
    let seen: Vec<_> = page.usage.iter().map(|usage| usage.key_id.as_str()).collect();
    assert_eq!(seen, [my_key.key.id.as_str()]);
    for id in [&theirs.id, "ws_00000000000000000000000000"] {
        let request = v1::GetUsageRequest { workspace_id: id.to_owned(), ..v1::GetUsageRequest::default() };
        refusal(ask(&keyward, &admin, request.clone()).await, Code::NotFound, "WORKSPACE_NOT_FOUND");
        let request = v1::GetUsageRequest { key_id: my_key.key.id.clone(), ..request };
        refusal(ask(&keyward, &admin, request).await, Code::NotFound, "WORKSPACE_NOT_FOUND");
    }
    for id in [&their_key.key.id, &keyward.root_id().await, "key_00000000000000000000000000"] {
        let request = v1::GetUsageRequest { key_id: id.to_owned(), ..v1::GetUsageRequest::default() };
        refusal(ask(&keyward, &admin, request).await, Code::NotFound, "KEY_NOT_FOUND");
    }
    let crossed = v1::GetUsageRequest { workspace_id: theirs.id, ..of_key(&my_key) };
    refusal(ask(&keyward, &keyward.root, crossed).await, Code::NotFound, "KEY_NOT_FOUND");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_usage_hold_every_sum_once_in_order() {
    // A4
    let keyward = Keyward::start().await;
    for _key in 0..4 {
        let key = keyward.issue_scopes(&[SEND, PERMIT]).await;
        for _hour in 0..3 {
            spend(&keyward, &key, &[SEND, PERMIT], 3).await;
            keyward.disable(&key.key.id).await;
            assert!(!keyward.check(&key.api_key, &[SEND]).await.allowed);
            keyward.enable(&key.key.id).await;
            keyward.clock.advance(HOUR);
        }
    }
    for period in [UsagePeriod::Hour, UsagePeriod::Day, UsagePeriod::Total] {
        let whole = usage(&keyward, by(period)).await;
        assert_eq!(whole.len(), if period == UsagePeriod::Hour { 36 } else { 12 });
        for page_size in [1, 2, 3, 5, 11, 12, 36] {
            let request = v1::GetUsageRequest { page_size, ..by(period) };
            assert_eq!(usage(&keyward, request).await, whole, "{period:?} {page_size}");
        }
        let order: Vec<_> =
            whole.chunks(3).map(|sums| sums.iter().map(|sum| sum.tier.as_str()).collect()).collect();
        assert!(
            order.iter().all(|tiers: &Vec<_>| *tiers == ["", "default", "permissions-check"]),
            "{order:?}"
        );
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_usage_is_good_for_its_own_question_and_keeps_its_hours() {
    // T1
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&[SEND]).await;
    for _hour in 0..3 {
        spend(&keyward, &key, &[SEND], 1).await;
        keyward.clock.advance(HOUR);
    }
    let first = v1::GetUsageRequest { page_size: 1, ..by(UsagePeriod::Hour) };
    let token = ask(&keyward, &keyward.root, first.clone()).await.unwrap().into_inner().next_page_token;
    let next = v1::GetUsageRequest { page_token: token.clone(), ..first };
    keyward.clock.advance(30 * DAY);
    let page = ask(&keyward, &keyward.root, next.clone()).await.unwrap().into_inner();
    assert_eq!(ms(page.usage[0].start_time), Some(START_MS + length(HOUR)), "of the hours of the first page");
    for changed in [
        v1::GetUsageRequest { owner: "ann".to_owned(), ..next.clone() },
        v1::GetUsageRequest { key_id: key.key.id.clone(), ..next.clone() },
        v1::GetUsageRequest { environment: "live".to_owned(), ..next.clone() },
        v1::GetUsageRequest { period: UsagePeriod::Day.into(), ..next.clone() },
        v1::GetUsageRequest { end_time: Some(wire_time(START_MS + length(DAY))), ..next.clone() },
        v1::GetUsageRequest { page_token: format!("{token}A"), ..next.clone() },
    ] {
        assert_field(ask(&keyward, &keyward.root, changed).await, "page_token");
    }
    let workspace = keyward.default_workspace().await;
    let admin = keyward.issue_admin(&workspace, admin_rights(&["keys:read"], false)).await.api_key;
    assert_field(ask(&keyward, &admin, next).await, "page_token");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_usage_that_makes_no_sense_names_its_field() {
    let keyward = Keyward::start().await;
    let plain = v1::GetUsageRequest::default;
    let (now, day) = (START_MS, length(DAY));
    for (field, request) in [
        ("workspace_id", v1::GetUsageRequest { workspace_id: "mine".to_owned(), ..plain() }),
        ("key_id", v1::GetUsageRequest { key_id: "key_".to_owned(), ..plain() }),
        ("owner", v1::GetUsageRequest { owner: "a b".to_owned(), ..plain() }),
        ("environment", v1::GetUsageRequest { environment: "Live".to_owned(), ..plain() }),
        ("period", v1::GetUsageRequest { period: 5, ..plain() }),
        ("period", v1::GetUsageRequest { period: -1, ..plain() }),
        ("page_size", v1::GetUsageRequest { page_size: 1_001, ..plain() }),
        ("page_size", v1::GetUsageRequest { page_size: -1, ..plain() }),
        ("page_token", v1::GetUsageRequest { page_token: "0".to_owned(), ..plain() }),
        (
            "start_time",
            v1::GetUsageRequest {
                start_time: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
                ..plain()
            },
        ),
        ("start_time", v1::GetUsageRequest { start_time: Some(wire_time(now + length(HOUR))), ..plain() }),
        ("start_time", v1::GetUsageRequest { start_time: Some(wire_time(now - 400 * day)), ..plain() }),
        (
            "start_time",
            v1::GetUsageRequest {
                start_time: Some(wire_time(0)),
                end_time: Some(wire_time(400 * day + 1)),
                ..plain()
            },
        ),
        (
            "end_time",
            v1::GetUsageRequest {
                start_time: Some(wire_time(now)),
                end_time: Some(wire_time(now)),
                ..plain()
            },
        ),
        (
            "end_time",
            v1::GetUsageRequest {
                start_time: Some(wire_time(now)),
                end_time: Some(wire_time(now - 1)),
                ..plain()
            },
        ),
        (
            "end_time",
            v1::GetUsageRequest {
                end_time: Some(prost_types::Timestamp { seconds: -1, nanos: 0 }),
                ..plain()
            },
        ),
        (
            "end_time",
            v1::GetUsageRequest {
                end_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
                ..plain()
            },
        ),
    ] {
        assert_field(ask(&keyward, &keyward.root, request).await, field);
    }
    let longest = v1::GetUsageRequest {
        start_time: Some(wire_time(now)),
        end_time: Some(wire_time(now + 400 * day)),
        ..plain()
    };
    ask(&keyward, &keyward.root, longest).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_order_loses_no_usage() {
    // A4
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&[SEND]).await;
    for _check in 0..100 {
        spend(&keyward, &key, &[SEND], 2).await;
    }
    let keyward = keyward.restart().await;
    for _check in 0..10 {
        spend(&keyward, &key, &[SEND], 2).await;
    }
    assert_eq!(counts(&keyward, of_key(&key)).await, [allowed("default", 110, 220)]);
    let keyward = keyward.restart().await;
    assert_eq!(counts(&keyward, of_key(&key)).await, [allowed("default", 110, 220)]);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_on_many_connections_add_up() {
    // A4, L7
    const EACH: u64 = 300;
    let keyward = Keyward::start().await;
    let keys = [keyward.issue_scopes(&[SEND]).await, keyward.issue_scopes(&[SEND]).await];
    let mut callers = Vec::new();
    for caller in 0..8 {
        let mut client = v1::key_service_client::KeyServiceClient::new(keyward.new_channel().await);
        let api_key = keys[caller % 2].api_key.clone();
        callers.push(tokio::spawn(async move {
            for _check in 0..EACH {
                let request = v1::CheckRequest { cost: Some(3), ..check(&api_key, &[SEND]) };
                assert!(client.check(request).await.unwrap().into_inner().allowed);
            }
        }));
    }
    // Somebody asks all the while, and sees it grow.
    let mut seen = 0;
    while callers.iter().any(|caller| !caller.is_finished()) {
        let now: u64 = usage(&keyward, of_key(&keys[0])).await.iter().map(|usage| usage.allowed).sum();
        assert!(now >= seen, "{now} after {seen}");
        seen = now;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    for key in &keys {
        assert_eq!(counts(&keyward, of_key(key)).await, [allowed("default", 4 * EACH, 12 * EACH)]);
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_kept_for_four_hundred_days() {
    // D7
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&[SEND]).await;
    spend(&keyward, &key, &[SEND], 1).await;
    let request = v1::GetUsageRequest {
        start_time: Some(wire_time(START_MS)),
        end_time: Some(wire_time(START_MS + length(HOUR))),
        ..of_key(&key)
    };
    wait_until(&keyward, START_MS + length(400 * DAY + HOUR) - 1);
    spend(&keyward, &key, &[SEND], 1).await;
    assert_eq!(counts(&keyward, request.clone()).await, [allowed("default", 1, 1)]);
    keyward.clock.advance(MS);
    spend(&keyward, &key, &[SEND], 1).await;
    assert_eq!(counts(&keyward, request).await, []);
    keyward.stop().await;
}
