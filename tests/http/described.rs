//! The description says no more than there is: each status, header and schema in it is seen in some answer.

use std::collections::BTreeSet;

use keyward::wire::v1;
use prost_reflect::DescriptorPool;
use serde_json::json;

use crate::{
    client::{Headers, Reply, ask_for_all},
    description::{self, DESCRIPTION, Shown, everything},
    support::{
        Keyward, admin_rights, holder_key, policy_with_routes,
        verbs::{DAY, bound, strings},
    },
    twins::limited,
};

const JSON: (&str, &str) = ("content-type", "application/json");
const PROBLEM: (&str, &str) = ("accept", "application/problem+json");
const SEND: &str = "/verify?scopes=messaging:send&body=header";

/// Asks, and collects what of the description was shown.
struct Collector {
    keyward: Keyward,
    shown: Shown,
}

impl Collector {
    async fn ask(&mut self, method: &str, target: &str, headers: Headers<'_>, body: &str) -> u16 {
        let reply = ask_for_all(&self.keyward, method, target, headers, body).await;
        self.shown.extend(description::assert_described(method, target, &reply));
        reply.status
    }

    async fn verify(&mut self, target: &str, headers: Headers<'_>) -> u16 {
        let forwarded = [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-uri", "/v1/messages"),
            ("x-forwarded-host", "api.example.com"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        self.ask("GET", target, &[headers, &forwarded].concat(), "").await
    }

    async fn check(&mut self, question: &serde_json::Value, headers: Headers<'_>) -> u16 {
        let faults = description::question_faults(question, &mut self.shown);
        assert!(faults.is_empty(), "{faults:?}");
        self.ask("POST", "/v1/check", &[headers, &[JSON]].concat(), &question.to_string()).await
    }
}

#[tokio::test]
async fn everything_that_is_described_is_seen_in_some_answer() {
    let routes = [("GET", "/v1/messages", "messaging:send", ""), ("POST", "/v1/messages", "public", "")];
    let routes = policy_with_routes(&routes);
    let keyward = Keyward::start_with(true, limited(&routes, &[(2, "hour")])).await;
    let issued = keyward.issue(v1::IssueRequest {
        owner: "user_1".to_owned(),
        grants: vec![bound("storage:upload", &["bucket_1"])],
        ..holder_key(&["messaging:send"])
    });
    let issued = issued.await;
    keyward.rotate(&issued.key.id, Some(DAY)).await;
    let reader = keyward.issue_admin("", admin_rights(&["keys:read"], true)).await.api_key;
    let (reader, root) = (format!("Bearer {reader}"), format!("Bearer {}", keyward.root));
    let key = ("x-api-key", issued.api_key.as_str());
    let two = format!("{0},{0}", issued.api_key);
    let huge = "a".repeat(70 << 10);
    let mut all = Collector { keyward, shown: Shown::new() };

    assert_eq!(all.verify(SEND, &[key]).await, 200);
    assert_eq!(all.verify(SEND.trim_end_matches("&body=header"), &[]).await, 401);
    for accept in [&[][..], &[PROBLEM]] {
        let with = |header| [&[header], accept].concat();
        assert_eq!(all.verify(SEND, accept).await, 401);
        assert_eq!(all.verify(SEND, &with(("x-api-key", two.as_str()))).await, 400);
        assert_eq!(all.verify("/verify?scopes=storage:read&body=header", &with(key)).await, 403);
        assert_eq!(all.verify(&format!("{SEND}&cost=2"), &with(key)).await, 429);
        assert_eq!(all.verify(&format!("{SEND}&no=such"), &with(key)).await, 503);
    }
    assert_eq!(all.verify(SEND, &[("x-filler", &huge)]).await, 431);

    let scopes = strings(&["messaging:send"]);
    let question = json!({
        "api_key": issued.api_key, "scopes": scopes, "any_scopes": [{ "scopes": scopes }], "mode": "EXPLAIN",
        "cost": 5, "context": { "source_address": "192.0.2.1", "method": "GET", "host": "a", "path": "/v1/messages" },
    });
    assert_eq!(all.check(&question, &[("authorization", &root)]).await, 200);
    assert_eq!(all.check(&question, &[("authorization", &reader)]).await, 403);
    assert_eq!(all.check(&question, &[]).await, 401);
    let absent = json!({ "key_id": "key_00000000000000000000000000", "mode": "PEEK" });
    assert_eq!(all.check(&absent, &[("authorization", &root)]).await, 404);
    assert_eq!(all.check(&json!({ "resource": "../x" }), &[]).await, 400);
    assert_eq!(all.check(&json!({ "min_revision": 1_000_000 }), &[]).await, 503);
    assert_eq!(all.check(&json!({}), &[("x-filler", &huge)]).await, 431);
    assert_eq!(all.ask("POST", "/v1/check", &[], "{}").await, 415);
    let long = format!("{{}}{}", " ".repeat(1 << 20));
    assert_eq!(all.ask("POST", "/v1/check", &[JSON], &long).await, 413);
    for _ in 0..10 {
        assert_eq!(all.check(&json!({}), &[("authorization", "Bearer x")]).await, 401);
    }
    assert_eq!(all.check(&json!({}), &[("authorization", "Bearer x")]).await, 429);
    assert_eq!(all.ask("GET", "/openapi.json", &[], "").await, 200);

    // Of a call that was cut off; tests/http/bounds.rs does that.
    all.shown.insert("/v1/check 503 x-ratelimit-latency".to_owned());
    let unseen: Vec<_> = everything().difference(&all.shown).cloned().collect();
    assert!(unseen.is_empty(), "{unseen:#?}");
}

#[test]
fn the_examples_of_the_document_are_as_described() {
    let examples = include_str!("../../docs/http.md").split("```json\n").skip(1);
    let mut examples =
        examples.map(|rest| serde_json::from_str(rest.split("\n```").next().unwrap()).unwrap());
    let mut next = || -> serde_json::Value { examples.next().unwrap() };
    assert_eq!(description::question_faults(&next(), &mut Shown::new()), [""; 0]);
    for (status, headers) in
        [(200, &[("cache-control", "no-store")][..]), (400, &[("cache-control", "no-store")])]
    {
        let headers = headers.iter().chain([&JSON]);
        let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let reply = Reply { status, headers, body: next().to_string() };
        description::assert_described("POST", "/v1/check", &reply);
    }
}

#[test]
fn fields_and_reasons_are_those_of_the_wire() {
    let pool = DescriptorPool::decode(keyward::wire::DESCRIPTOR_SET).unwrap();
    let schemas = &DESCRIPTION["components"]["schemas"];
    for (schema, message) in [
        ("CheckRequest", "CheckRequest"),
        ("ScopeGroup", "ScopeGroup"),
        ("Context", "CheckContext"),
        ("CheckResponse", "CheckResponse"),
        ("Denial", "Denial"),
        ("DenialFailure", "DenialFailure"),
        ("CheckedKey", "CheckedKey"),
        ("Creator", "Creator"),
        ("Grant", "Grant"),
        ("CheckedSecret", "CheckedSecret"),
        ("LimitState", "LimitState"),
        ("RouteExplanation", "RouteExplanation"),
        ("RouteNotTaken", "RouteNotTaken"),
        ("Route", "PolicyRoute"),
    ] {
        let message = pool.get_message_by_name(&format!("keyward.v1.{message}")).unwrap();
        let on_the_wire: BTreeSet<String> = message.fields().map(|field| field.name().to_owned()).collect();
        let described: BTreeSet<String> =
            schemas[schema]["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(described, on_the_wire, "{schema}");
    }
    let reasons = (1..1_000).filter_map(|number| v1::DenialReason::try_from(number).ok());
    let reasons = reasons.map(|reason| reason.as_str_name().trim_start_matches("DENIAL_REASON_").to_owned());
    let described = schemas["DenialReason"]["enum"].as_array().unwrap().iter();
    let described: BTreeSet<String> = described.map(|reason| reason.as_str().unwrap().to_owned()).collect();
    assert_eq!(described, reasons.collect());
}
