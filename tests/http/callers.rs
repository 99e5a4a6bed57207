//! Who may ask, where not everybody may: gateways say who they are in `x-keyward-caller`, services in `Authorization`.

use crate::{
    client::{Headers, ask},
    support::{Keyward, admin_rights},
};

const TARGET: &str = "/verify?scopes=messaging:send";
const FORWARDED: [(&str, &str); 4] = [
    ("x-forwarded-method", "GET"),
    ("x-forwarded-uri", "/v1/messages"),
    ("x-forwarded-host", "api.example.com"),
    ("x-forwarded-for", "192.0.2.1"),
];

/// A Keyward that is open to nobody, and keys of all kinds.
struct House {
    keyward: Keyward,
    /// A holder's key, of the default workspace, and its id.
    holder: String,
    home_id: String,
    /// Another workspace's, and its id.
    other_holder: String,
    other_id: String,
    /// Administration keys: for Checks everywhere, in the other workspace, and for something else.
    checker: String,
    bound: String,
    reader: String,
    explainer: String,
}

impl House {
    async fn build(is_open: bool) -> Self {
        let keyward = if is_open { Keyward::start().await } else { Keyward::start_closed().await };
        let holder = keyward.issue_scopes(&["messaging:send"]).await;
        let (holder, home_id) = (holder.api_key, holder.key.workspace_id);
        let (other, registered) = keyward.register("other").await;
        let checker = keyward.issue_admin("", admin_rights(&["keys:check"], true)).await.api_key;
        let reader = keyward.issue_admin("", admin_rights(&["keys:read"], true)).await.api_key;
        let explainer =
            keyward.issue_admin("", admin_rights(&["keys:check", "keys:explain"], true)).await.api_key;
        let bound = keyward.issue_admin(&other.id, admin_rights(&["keys:check"], false)).await.api_key;
        let (other_holder, other_id) = (registered.api_key, other.id);
        Self { keyward, holder, home_id, other_holder, other_id, checker, bound, reader, explainer }
    }

    /// The status of `/verify` for this key, asked with these values of `x-keyward-caller`.
    async fn verify(&self, target: &str, key: &str, callers: &[&str]) -> u16 {
        let mut headers = FORWARDED.to_vec();
        headers.push(("x-api-key", key));
        headers.extend(callers.iter().map(|caller| ("x-keyward-caller", *caller)));
        ask(&self.keyward, "GET", target, &headers, "").await.status
    }

    /// Status and code of a Check, asked with these headers.
    async fn check(&self, question: &str, headers: Headers<'_>) -> (u16, String) {
        let headers = [&[("content-type", "application/json")], headers].concat();
        let reply = ask(&self.keyward, "POST", "/v1/check", &headers, question).await;
        (reply.status, reply.code())
    }
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

#[tokio::test]
async fn a_gateway_that_may_not_ask_is_answered_503() {
    // X1, T1
    let house = House::build(false).await;
    let (checker, bound) = (bearer(&house.checker), bearer(&house.bound));
    assert_eq!(house.verify(TARGET, &house.holder, &[&checker]).await, 200);
    assert_eq!(house.verify(TARGET, &house.holder, &[&checker.replace("Bearer", "bearer")]).await, 200);
    assert_eq!(house.verify(TARGET, "k", &[&checker]).await, 401);
    let (reader, holder) = (bearer(&house.reader), bearer(&house.holder));
    let basic = format!("Basic {}", house.checker);
    let wrong: [&[&str]; 9] = [
        &[],
        &[""],
        &["Bearer "],
        &["Bearer x"],
        &[&reader],
        &[&holder],
        &[&house.checker],
        &[&basic],
        &[&checker, &checker],
    ];
    for callers in wrong {
        assert_eq!(house.verify(TARGET, &house.holder, callers).await, 503, "{callers:?}");
    }

    assert_eq!(house.verify(TARGET, &house.holder, &[&bound]).await, 401, "it knows its own workspace only");
    assert_eq!(house.verify(TARGET, &house.other_holder, &[&bound]).await, 200);
    let named = format!("{TARGET}&workspace_id={}", house.other_id);
    assert_eq!(house.verify(&named, &house.other_holder, &[&bound]).await, 200);
    assert_eq!(house.verify(&named, &house.holder, &[&checker]).await, 403);
    let foreign = format!("{TARGET}&workspace_id={}", house.home_id);
    assert_eq!(house.verify(&foreign, &house.other_holder, &[&bound]).await, 503);
}

#[tokio::test]
async fn where_checks_are_open_a_caller_who_says_who_he_is_must_be_good_for_it() {
    // X1
    let house = House::build(true).await;
    assert_eq!(house.verify(TARGET, &house.holder, &[]).await, 200);
    assert_eq!(house.verify(TARGET, &house.holder, &[&bearer(&house.checker)]).await, 200);
    for wrong in [bearer("x"), bearer(&house.holder), bearer(&house.reader), String::new()] {
        assert_eq!(house.verify(TARGET, &house.holder, &[&wrong]).await, 503, "{wrong}");
    }
}

#[tokio::test]
async fn a_holders_credential_is_no_callers_and_a_callers_no_holders() {
    // X2, X9
    let house = House::build(false).await;
    let (checker, holder) = (bearer(&house.checker), bearer(&house.holder));
    for (headers, status) in [
        (&[("authorization", checker.as_str())][..], 503),
        (&[("authorization", &checker), ("x-api-key", &house.holder)], 503),
        (&[("authorization", &checker), ("x-keyward-caller", &checker)], 401),
        (&[("authorization", &holder), ("x-keyward-caller", &checker)], 200),
    ] {
        let headers = [headers, &FORWARDED].concat();
        assert_eq!(ask(&house.keyward, "GET", TARGET, &headers, "").await.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn a_check_says_who_asks_in_authorization() {
    let house = House::build(false).await;
    let question = format!(r#"{{"api_key":"{}"}}"#, house.holder);
    let (checker, reader) = (bearer(&house.checker), bearer(&house.reader));
    for (headers, status, code) in [
        (&[("authorization", checker.as_str())][..], 200, ""),
        (&[], 401, "CALLER_MISSING"),
        (&[("x-keyward-caller", &checker)], 401, "CALLER_MISSING"),
        (&[("authorization", &checker), ("authorization", &checker)], 401, "CALLER_INVALID"),
        (&[("authorization", &bearer(&house.holder))], 401, "CALLER_INVALID"),
        (&[("authorization", "Bearer x")], 401, "CALLER_INVALID"),
        (&[("authorization", "Bearer \u{e4}")], 401, "CALLER_INVALID"),
        (&[("authorization", &house.checker)], 401, "CALLER_INVALID"),
        (&[("authorization", &reader)], 403, "ADMIN_SCOPE_MISSING"),
    ] {
        assert_eq!(house.check(&question, headers).await, (status, code.to_owned()), "{headers:?}");
    }
    let explain = format!(r#"{{"api_key":"{}","mode":"EXPLAIN"}}"#, house.holder);
    assert_eq!(house.check(&explain, &[("authorization", &checker)]).await.1, "ADMIN_SCOPE_MISSING");
    assert_eq!(house.check(&explain, &[("authorization", &bearer(&house.explainer))]).await.0, 200);
    let bound = bearer(&house.bound);
    let elsewhere =
        format!(r#"{{"api_key":"{}","workspace_id":"ws_00000000000000000000000000"}}"#, house.holder);
    assert_eq!(house.check(&elsewhere, &[("authorization", &bound)]).await.1, "WORKSPACE_NOT_FOUND");
}

#[tokio::test]
async fn wrong_callers_wait_by_source_and_a_good_one_never_does() {
    // X6, X9
    let house = House::build(false).await;
    let question = format!(r#"{{"api_key":"{}"}}"#, house.holder);
    let (checker, wrong) = (bearer(&house.checker), bearer("x"));
    for _ in 0..10 {
        let told = house.check(&question, &[("authorization", &wrong)]).await;
        assert_eq!(told, (401, "CALLER_INVALID".to_owned()));
    }
    let headers = [("content-type", "application/json"), ("authorization", &wrong)];
    let reply = ask(&house.keyward, "POST", "/v1/check", &headers, &question).await;
    assert_eq!(
        (reply.status, reply.code().as_str(), reply.header("retry-after")),
        (429, "CALLER_LIMITED", "1")
    );
    assert_eq!(house.check(&question, &[("authorization", &checker)]).await.0, 200);
    // A gateway with a wrong key is an outage, before and after, and no limit of the holder's.
    assert_eq!(house.verify(TARGET, &house.holder, &[&wrong]).await, 503);
    assert_eq!(house.verify(TARGET, &house.holder, &[&checker]).await, 200);
    house.keyward.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(house.check(&question, &[("authorization", &wrong)]).await.0, 401);
}

#[tokio::test]
async fn what_explains_is_open_to_nobody() {
    let house = House::build(true).await;
    assert_eq!(house.check("{}", &[]).await.0, 200);
    for question in [r#"{"mode":"EXPLAIN"}"#, r#"{"key_id":"key_00000000000000000000000000","mode":"PEEK"}"#]
    {
        assert_eq!(house.check(question, &[]).await, (401, "CALLER_MISSING".to_owned()), "{question}");
    }
    let absent = r#"{"key_id":"key_00000000000000000000000000","mode":"PEEK"}"#;
    let explainer = bearer(&house.explainer);
    assert_eq!(house.check(absent, &[("authorization", &explainer)]).await.1, "KEY_NOT_FOUND");
}
