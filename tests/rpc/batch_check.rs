//! BatchCheck.

use keyward::wire::v1::{self, CheckMode, DenialReason};
use prost::Message as _;
use tonic::{Code, Response, Status};

use crate::support::{
    Keyward, check, holder_key, reason,
    verbs::{assert_field, peek, refusal},
};

async fn ask(keyward: &Keyward, requests: Vec<v1::CheckRequest>) -> Result<Vec<v1::CheckResponse>, Status> {
    let request = v1::BatchCheckRequest { requests };
    keyward.keys().batch_check(request).await.map(|answer| answer.into_inner().responses)
}

async fn ask_as_root(
    keyward: &Keyward,
    requests: Vec<v1::CheckRequest>,
) -> Result<Response<v1::BatchCheckResponse>, Status> {
    keyward.keys().batch_check(keyward.as_root(v1::BatchCheckRequest { requests })).await
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
    let issued = keyward.issue_scopes(&["a:a"]).await;
    let of = |count| v1::BatchCheckRequest { requests: vec![check(&issued.api_key, &[]); count] };
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
        let request = v1::BatchCheckRequest { requests: vec![good.clone(), good.clone(), bad, good.clone()] };
        assert_field(keyward.keys().batch_check(request).await, field);
    }
    let by_id = v1::CheckRequest { mode: CheckMode::Enforce.into(), ..peek(&issued.key.id, &[]) };
    assert_field(ask_as_root(&keyward, vec![good.clone(), by_id]).await, "requests[1].key_id");
    let unknown = peek("key_00000000000000000000000000", &[]);
    let status = ask_as_root(&keyward, vec![good.clone(), unknown.clone()]).await;
    refusal(status, Code::NotFound, "KEY_NOT_FOUND");
    let request = v1::BatchCheckRequest { requests: vec![good.clone(), unknown] };
    let anonymous = keyward.keys().batch_check(request).await;
    refusal(anonymous, Code::Unauthenticated, "CALLER_MISSING");
    let ahead = v1::CheckRequest { min_revision: 1_000, ..good.clone() };
    let request = v1::BatchCheckRequest { requests: vec![good, ahead] };
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
        v1::IssueRequest { grants: vec![grant], ..holder_key(&[]) }
    };
    let mut too_long = long_patterns(64);
    too_long.push("a".to_owned());
    assert_field(keyward.keys().issue(keyward.as_root(grants(too_long))).await, "grants");
    let issued = keyward.issue(grants(long_patterns(64))).await;

    let one = keyward.check(&issued.api_key, &[]).await;
    assert!(one.encoded_len() > 16 << 10, "the answer holds the grants");
    let of = |count| v1::BatchCheckRequest { requests: vec![check(&issued.api_key, &[]); count] };
    let fitting = (4 << 20) / one.encoded_len() - 1;
    for count in [1, 100, fitting] {
        let answers = keyward.keys().batch_check(of(count)).await.unwrap().into_inner().responses;
        assert_eq!(answers, vec![one.clone(); count]);
    }
    for count in [fitting + 2, 1_000] {
        assert_field(keyward.keys().batch_check(of(count)).await, "requests");
    }
    // A thousand answers of a usual key are far from it.
    let usual = keyward.issue_scopes(&["a:a"]).await;
    let answers = ask(&keyward, vec![check(&usual.api_key, &[]); 1_000]).await.unwrap();
    assert_eq!(answers.len(), 1_000);
    keyward.stop().await;
}
