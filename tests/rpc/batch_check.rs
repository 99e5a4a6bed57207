//! BatchCheck.

use keyward::wire::v1::{self, CheckMode, DenialReason};
use prost::Message as _;
use tonic::{Code, Response, Status};

use crate::{
    overrides::{hourly, left},
    support::{
        Issued, Keyward, check, holder_key, reason,
        verbs::{HOUR, assert_field, peek, refusal},
    },
};

async fn ask(keyward: &Keyward, requests: Vec<v1::CheckRequest>) -> Result<Vec<v1::CheckResponse>, Status> {
    let request = v1::BatchCheckRequest { requests, ..v1::BatchCheckRequest::default() };
    keyward.keys().batch_check(request).await.map(|answer| answer.into_inner().responses)
}

async fn ask_as_root(
    keyward: &Keyward,
    requests: Vec<v1::CheckRequest>,
) -> Result<Response<v1::BatchCheckResponse>, Status> {
    keyward
        .keys()
        .batch_check(keyward.as_root(v1::BatchCheckRequest { requests, ..v1::BatchCheckRequest::default() }))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_the_order_of_the_questions() {
    let keyward = Keyward::start().await;
    let one = keyward.issue_scopes(&["a:a"]).await;
    let two = keyward.issue_scopes(&["b:b"]).await;
    keyward.revoke(&two.key.id).await;
    let mut questions = Vec::new();
    let mut expected = Vec::new();
    for place in 0..1_000 {
        let (question, answer) = match place % 4 {
            0 => (check(&one.api_key, &["a:a"]), None),
            1 => (check(&one.api_key, &["b:b"]), Some(DenialReason::ScopeInsufficient)),
            2 => (check(&two.api_key, &[]), Some(DenialReason::KeyRevoked)),
            _ => (check("nobody", &[]), Some(DenialReason::KeyUnknown)),
        };
        questions.push(question);
        expected.push(answer);
    }
    let answers = ask(&keyward, questions).await.unwrap();
    assert_eq!(answers.iter().map(reason).collect::<Vec<_>>(), expected);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_one_to_a_thousand_questions() {
    let keyward = Keyward::start().await;
    let issued = limited(&keyward, 100_000).await;
    let of = |count| v1::BatchCheckRequest {
        requests: vec![check(&issued.api_key, &[]); count],
        ..v1::BatchCheckRequest::default()
    };
    for count in [1, 1_000] {
        let answers = keyward.keys().batch_check(of(count)).await.unwrap().into_inner().responses;
        assert!(answers.len() == count && answers.iter().all(|answer| answer.allowed));
    }
    for count in [0, 1_001] {
        assert_field(keyward.keys().batch_check(of(count)).await, "requests");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_malformed_question_refuses_the_batch_and_leaves_no_trace() {
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["a:a"]).await;
    let good = check(&issued.api_key, &["a:a"]);
    for (bad, field) in [
        (check(&issued.api_key, &["a:a", "A"]), "requests[2].scopes[1]"),
        (v1::CheckRequest { cost: Some(u64::MAX), ..good.clone() }, "requests[2].cost"),
        (v1::CheckRequest { mode: 9, ..good.clone() }, "requests[2].mode"),
        (v1::CheckRequest { workspace_id: "x".to_owned(), ..good.clone() }, "requests[2].workspace_id"),
    ] {
        let request = v1::BatchCheckRequest {
            requests: vec![good.clone(), good.clone(), bad, good.clone()],
            ..v1::BatchCheckRequest::default()
        };
        assert_field(keyward.keys().batch_check(request).await, field);
    }
    let by_id = v1::CheckRequest { mode: CheckMode::Enforce.into(), ..peek(&issued.key.id, &[]) };
    assert_field(ask_as_root(&keyward, vec![good.clone(), by_id]).await, "requests[1].key_id");
    let unknown = peek("key_00000000000000000000000000", &[]);
    let status = ask_as_root(&keyward, vec![good.clone(), unknown.clone()]).await;
    refusal(status, Code::NotFound, "KEY_NOT_FOUND");
    let request =
        v1::BatchCheckRequest { requests: vec![good.clone(), unknown], ..v1::BatchCheckRequest::default() };
    let anonymous = keyward.keys().batch_check(request).await;
    refusal(anonymous, Code::Unauthenticated, "CALLER_MISSING");
    let ahead = v1::CheckRequest { min_revision: 1_000, ..good.clone() };
    let request = v1::BatchCheckRequest { requests: vec![good, ahead], ..v1::BatchCheckRequest::default() };
    refusal(keyward.keys().batch_check(request).await, Code::Unavailable, "REVISION_AHEAD");
    assert_eq!(keyward.show(&issued.key.id).await.last_use_time, None, "no question of them was answered");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_question_has_its_own_mode() {
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["a:a"]).await;
    let explain = v1::CheckRequest { mode: CheckMode::Explain.into(), ..check(&issued.api_key, &["b:b"]) };
    let questions = vec![peek(&issued.key.id, &["a:a"]), explain, check(&issued.api_key, &["b:b"])];
    let answers = ask_as_root(&keyward, questions).await.unwrap().into_inner().responses;
    assert!(answers[0].allowed);
    assert_eq!(answers[1].denial.as_ref().unwrap().failures.len(), 1);
    assert!(answers[2].denial.as_ref().unwrap().failures.is_empty());
    keyward.stop().await;
}

/// So many resource patterns, each of 256 bytes.
fn long_patterns(count: usize) -> Vec<String> {
    (0..count).map(|place| format!("space/{place:0>250}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_more_than_4_mib_together_are_refused() {
    let keyward = Keyward::start().await;
    let grants = |patterns| {
        let grant = v1::Grant { scope: "storage:read".to_owned(), resources: patterns };
        v1::IssueRequest { grants: vec![grant], limits: Some(hourly(100_000)), ..holder_key(&[]) }
    };
    let mut too_long = long_patterns(64);
    too_long.push("a".to_owned());
    assert_field(keyward.keys().issue(keyward.as_root(grants(too_long))).await, "grants");
    let issued = keyward.issue(grants(long_patterns(64))).await;

    let one = keyward.check(&issued.api_key, &[]).await;
    assert!(one.encoded_len() > 16 << 10, "the answer holds the grants");
    let of = |count| v1::BatchCheckRequest {
        requests: vec![check(&issued.api_key, &[]); count],
        ..v1::BatchCheckRequest::default()
    };
    let fitting = (4 << 20) / one.encoded_len() - 1;
    for count in [1, 100, fitting] {
        let answers = keyward.keys().batch_check(of(count)).await.unwrap().into_inner().responses;
        assert!(answers.len() == count && answers.iter().all(|answer| answer.key == one.key));
    }
    for count in [fitting + 2, 1_000] {
        assert_field(keyward.keys().batch_check(of(count)).await, "requests");
    }
    // A thousand answers of a usual key are far from it.
    let usual = limited(&keyward, 100_000).await;
    let answers = ask(&keyward, vec![check(&usual.api_key, &[]); 1_000]).await.unwrap();
    assert_eq!(answers.len(), 1_000);
    keyward.stop().await;
}

async fn ask_together(
    keyward: &Keyward,
    requests: Vec<v1::CheckRequest>,
) -> Result<Response<v1::BatchCheckResponse>, Status> {
    keyward.keys().batch_check(v1::BatchCheckRequest { requests, all_or_nothing: true }).await
}

fn costing(api_key: &str, cost: u64) -> v1::CheckRequest {
    v1::CheckRequest { cost: Some(cost), ..check(api_key, &["messaging:send"]) }
}

/// A key with so many units an hour.
async fn limited(keyward: &Keyward, limit: u64) -> Issued {
    let request = v1::IssueRequest { limits: Some(hourly(limit)), ..holder_key(&["messaging:send"]) };
    keyward.issue(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_charged_one_by_one_unless_it_says_otherwise() {
    // L7
    let keyward = Keyward::start().await;
    let issued = limited(&keyward, 5).await;
    let of = |costs: &[u64]| costs.iter().map(|cost| costing(&issued.api_key, *cost)).collect::<Vec<_>>();
    let answers = ask(&keyward, of(&[2, 4, 3, 1])).await.unwrap();
    let spent = Some(DenialReason::RateLimited);
    assert_eq!(answers.iter().map(reason).collect::<Vec<_>>(), [None, spent, None, spent]);
    assert_eq!(left(&keyward, &issued).await, (5, 0));
    keyward.clock.advance(HOUR);
    let answers = ask_together(&keyward, of(&[2, 0, 2, 1])).await.unwrap().into_inner().responses;
    assert_eq!(answers.iter().map(reason).collect::<Vec<_>>(), [None; 4]);
    let remaining: Vec<_> = answers.iter().map(|answer| answer.limits[0].remaining).collect();
    assert_eq!(remaining, [3, 3, 1, 0]);
    assert_eq!(left(&keyward, &issued).await, (5, 0));
    let minute = keyward.show(&issued.key.id).await.last_use_time;
    assert!(minute.is_some(), "a use is a use");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_spent_limit_in_a_batch_of_all_or_nothing_leaves_everything_uncharged() {
    // L7, L9
    let keyward = Keyward::start().await;
    let (few, many) = (limited(&keyward, 5).await, limited(&keyward, 100).await);
    let mix = || {
        vec![
            costing(&many.api_key, 10),
            costing(&few.api_key, 3),
            costing(&many.api_key, 1),
            costing(&few.api_key, 2),
            costing(&few.api_key, 1),
            costing(&many.api_key, 1),
        ]
    };
    let answers = ask_together(&keyward, mix()).await.unwrap().into_inner().responses;
    for (place, answer) in answers.iter().enumerate() {
        assert_eq!(reason(answer), Some(DenialReason::RateLimited), "{place}");
        let denial = answer.denial.as_ref().unwrap();
        assert_eq!(denial.message.starts_with("requests[4]: "), place != 4, "{}", denial.message);
        assert_eq!(denial.retry_after, None, "so much is never admitted");
        let whole = if place % 2 == 0 && place != 4 || place == 5 { 100 } else { 5 };
        assert_eq!((answer.limits[0].limit, answer.limits[0].remaining), (whole, whole), "{place}");
    }
    assert_eq!(left(&keyward, &few).await, (5, 5));
    assert_eq!(left(&keyward, &many).await, (100, 100));
    for issued in [&few, &many] {
        assert_eq!(keyward.show(&issued.key.id).await.last_use_time, None, "no trace");
    }

    let fitting = || vec![costing(&many.api_key, 7), costing(&few.api_key, 3), costing(&few.api_key, 2)];
    ask(&keyward, vec![costing(&few.api_key, 1)]).await.unwrap();
    let answers = ask_together(&keyward, fitting()).await.unwrap().into_inner().responses;
    let wait = answers[0].denial.as_ref().unwrap().retry_after.unwrap();
    assert!(answers.iter().all(|answer| answer.denial.as_ref().unwrap().retry_after == Some(wait)));
    keyward.clock.advance(std::time::Duration::from_secs(wait.seconds.try_into().unwrap()));
    let answers = ask_together(&keyward, fitting()).await.unwrap().into_inner().responses;
    assert!(answers.iter().all(|answer| answer.allowed), "waiting was enough");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_says_when_all_of_it_passes() {
    // L9: the first question that is refused has less to wait for than the second
    let keyward = Keyward::start().await;
    let daily = v1::PolicyLimit {
        name: "day".to_owned(),
        limit: 1,
        window: Some(v1::policy_limit::Window::Calendar(v1::PolicyCalendar::Day.into())),
        ..v1::PolicyLimit::default()
    };
    let own = v1::LimitOverrides { limits: vec![daily], ..hourly(10) };
    let by_day = v1::IssueRequest { limits: Some(own), ..holder_key(&["messaging:send"]) };
    let (by_hour, by_day) = (limited(&keyward, 1).await, keyward.issue(by_day).await);
    let both = || vec![costing(&by_hour.api_key, 1), costing(&by_day.api_key, 1)];
    let first = ask_together(&keyward, both()).await.unwrap().into_inner().responses;
    assert!(first.iter().all(|answer| answer.allowed));
    let denied = ask_together(&keyward, both()).await.unwrap().into_inner().responses;
    for answer in &denied {
        assert_eq!(reason(answer), Some(DenialReason::RateLimited));
        assert_eq!(answer.denial.as_ref().unwrap().retry_after.unwrap().seconds, 86_400);
    }
    keyward.clock.advance(HOUR * 24);
    let last = ask_together(&keyward, both()).await.unwrap().into_inner().responses;
    assert!(last.iter().all(|answer| answer.allowed));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_denial_in_a_batch_of_all_or_nothing_denies_all_of_it() {
    // L7
    let keyward = Keyward::start().await;
    let issued = limited(&keyward, 50).await;
    let revoked = limited(&keyward, 50).await;
    keyward.revoke(&revoked.key.id).await;
    let good = || costing(&issued.api_key, 1);
    for (bad, why) in [
        (check(&issued.api_key, &["storage:read"]), DenialReason::ScopeInsufficient),
        (check(&revoked.api_key, &[]), DenialReason::KeyRevoked),
        (check("nobody", &[]), DenialReason::KeyUnknown),
        (v1::CheckRequest::default(), DenialReason::CredentialsMissing),
    ] {
        let beside = check(&issued.api_key, &["storage:delete"]);
        let questions = vec![good(), bad.clone(), good(), beside];
        let answers = ask_together(&keyward, questions).await.unwrap().into_inner().responses;
        let reasons: Vec<_> = answers.iter().map(|answer| reason(answer).unwrap()).collect();
        assert_eq!(reasons, [why, why, why, DenialReason::ScopeInsufficient], "each its own, if it has one");
        for held in [0, 2] {
            let denial = answers[held].denial.as_ref().unwrap();
            assert!(denial.message.starts_with("requests[1]: "), "{}", denial.message);
            assert!(denial.missing_scopes.is_empty() && denial.failures.is_empty());
            assert_eq!(answers[held].key.as_ref().unwrap().id, issued.key.id);
        }
        let own = ask(&keyward, vec![bad]).await.unwrap();
        assert_eq!(answers[1].denial, own[0].denial);
    }
    assert_eq!(left(&keyward, &issued).await, (50, 50));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_is_for_questions_that_enforce_and_keeps_the_bounds_of_a_batch() {
    let keyward = Keyward::start().await;
    let issued = limited(&keyward, 100_000).await;
    for mode in [CheckMode::Peek, CheckMode::Explain] {
        let other = v1::CheckRequest { mode: mode.into(), ..costing(&issued.api_key, 1) };
        let requests = vec![costing(&issued.api_key, 1), other];
        let request = v1::BatchCheckRequest { requests, all_or_nothing: true };
        let answer = keyward.keys().batch_check(keyward.as_root(request)).await;
        assert_field(answer, "requests[1].mode");
    }
    assert_field(ask_together(&keyward, Vec::new()).await, "requests");
    let many = ask_together(&keyward, vec![costing(&issued.api_key, 1); 1_000]).await.unwrap();
    assert!(many.into_inner().responses.iter().all(|answer| answer.allowed));
    assert_eq!(left(&keyward, &issued).await, (100_000, 99_000));

    let grant = v1::Grant { scope: "storage:read".to_owned(), resources: long_patterns(64) };
    let request = v1::IssueRequest {
        grants: vec![grant],
        limits: Some(hourly(900)),
        ..holder_key(&["messaging:send"])
    };
    let long = keyward.issue(request).await;
    let too_long = ask_together(&keyward, vec![costing(&long.api_key, 1); 400]).await;
    assert_field(too_long, "requests");
    assert_eq!(left(&keyward, &long).await, (900, 900), "refused before it is charged");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_at_once_are_whole_or_nothing() {
    // L6, L7
    let keyward = Keyward::start().await;
    let (one, two) = (limited(&keyward, 100).await, limited(&keyward, 100).await);
    let batches = (0..40).map(|round| {
        let pair = [costing(&one.api_key, 3), costing(&two.api_key, 4)];
        let requests = if round % 2 == 0 { pair.to_vec() } else { pair.into_iter().rev().collect() };
        ask_together(&keyward, requests)
    });
    let mut allowed = 0;
    for answer in futures_util::future::join_all(batches).await {
        let answers = answer.unwrap().into_inner().responses;
        assert_eq!(answers[0].allowed, answers[1].allowed);
        allowed += u64::from(answers[0].allowed);
    }
    assert_eq!(allowed, 25);
    assert_eq!(left(&keyward, &one).await, (100, 25));
    assert_eq!(left(&keyward, &two).await, (100, 0));
    keyward.stop().await;
}
