//! What an operator hears of plain HTTP: a line for each kind of trouble, and no secret in it. A process of its own, since
//! what is logged is logged for all.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/process.rs"]
mod process;
mod support;

use std::time::Duration;

use keyward::{
    domain::policy::{EnvironmentEntry, Policy},
    wire::v1,
};

use crate::{
    exchange::{exchange, request},
    support::{Issued, Keyward, admin_rights, gateway_trusting, holder_key, log::Log, policy, signed},
};

const FORWARDED: [(&str, &str); 2] = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/v1/messages")];

/// What a gateway says beside.
const FROM: [(&str, &str); 2] = [("x-forwarded-host", "api.example.com"), ("x-forwarded-for", "192.0.2.1")];

/// The status of `/verify` with these settings and headers; time goes on, so that each complaint is heard.
async fn verify(keyward: &Keyward, settings: &str, headers: &[(&str, &str)]) -> u16 {
    keyward.clock.advance(Duration::from_secs(10));
    let target = format!("/verify?scopes=messaging:send{settings}");
    let headers = [headers, &FROM].concat();
    exchange(keyward.service.http_address(), &request("GET", &target, &headers, "")).await.status
}

/// Passes if there is this one line, which holds all of this and nothing of the secret.
#[track_caller]
fn assert_line(log: &Log, parts: &[&str], secret: &str) {
    let lines = log.lines();
    let [line] = lines.as_slice() else { panic!("not one line: {lines:?}") };
    for part in parts {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(secret.is_empty() || !line.contains(&secret[9..25]), "a secret is logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_trouble_is_a_line_without_a_secret() {
    // K2, S8, X1, X2
    let log = Log::start(tracing::Level::WARN);
    let stranger = "kw_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg418bBM";

    let keyward = Keyward::start_behind(gateway_trusting(&[]), true, policy()).await;
    assert_eq!(verify(&keyward, "", &FORWARDED).await, 503);
    assert_line(&log, &["WARN", "gateway.trusted_peers", "127.0.0.1"], "");

    let keyward = Keyward::start().await;
    let Issued { key, api_key } = keyward.issue_scopes(&["messaging:send"]).await;
    let [method, uri] = FORWARDED;
    let presented = ("x-api-key", api_key.as_str());
    assert_eq!(verify(&keyward, "", &[method, uri, presented]).await, 200);
    assert_eq!(log.lines(), [""; 0]);
    assert_eq!(verify(&keyward, "", &[method, presented]).await, 503);
    assert_line(&log, &["x-forwarded-uri"], &api_key);
    assert_eq!(verify(&keyward, "", &[method, method, uri, presented]).await, 503);
    assert_line(&log, &["x-forwarded-method"], &api_key);
    for (settings, named) in
        [("&cost=x", "query.cost"), ("&scope=", "query"), (&format!("&{api_key}=1"), "query")]
    {
        assert_eq!(verify(&keyward, settings, &[method, uri, presented]).await, 503);
        assert_line(&log, &[named, "set up wrongly"], &api_key);
    }
    assert_eq!(verify(&keyward, &format!("&resource={api_key}%0a"), &[method, uri]).await, 503);
    assert_line(&log, &["query.resource"], &api_key);

    for (path, named) in [
        (format!("/v1/messages?api_key={api_key}&x=y"), key.id.as_str()),
        (format!("/v1/{api_key}"), &key.id),
        (format!("/v1/messages?k=%6b{}", &api_key[1..]), &key.id),
        (format!("/v1/messages?token={stranger}"), "none that is known"),
    ] {
        assert_eq!(verify(&keyward, "", &[method, ("x-forwarded-uri", &path), presented]).await, 400);
        assert_line(&log, &["WARN", "a secret was sent in a URL", named], &api_key);
    }
    for other in ["cookie", "referer", "x-forwarded-proto"] {
        assert_eq!(verify(&keyward, "", &[method, uri, (other, stranger)]).await, 401);
        assert_eq!(log.lines(), [""; 0]);
    }

    let keyward = Keyward::start_closed().await;
    for caller in [stranger, &format!("Bearer {stranger}"), ""] {
        assert_eq!(verify(&keyward, "", &[method, uri, ("x-keyward-caller", caller)]).await, 503);
        let lines = log.lines();
        // Wrong keys are counted by where they come from, in lines of their own.
        let is_count = |line: &&String| line.contains("what was sent as an administration key");
        assert_eq!(lines.iter().filter(is_count).count(), 1, "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("a gateway may not ask")), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains(&stranger[9..25])), "{lines:?}");
    }
    for _beyond_what_is_told in 0..15 {
        let wrong = [method, uri, ("x-keyward-caller", stranger)];
        assert_eq!(verify(&keyward, "", &wrong).await, 503, "an outage, however often");
    }
    let _told = log.lines();
    keyward.clock.advance(Duration::from_secs(10));
    assert_eq!(verify(&keyward, "", &FORWARDED).await, 503);
    assert_line(&log, &["a gateway may not ask"], "");
    keyward.clock.leap(-1);
    let target = "/verify";
    for _again in 0..100 {
        let bytes = request("GET", target, &FORWARDED, "");
        assert_eq!(exchange(keyward.service.http_address(), &bytes).await.status, 503);
    }
    assert!(log.lines().len() <= 1, "one line in ten seconds");
    // Kept: one whose files are gone complains.
    let _alive = addresses(&log).await;
    browsers(&log).await;
    refusals(&log).await;
}

/// What is no address is heard of, once in ten seconds, without what a client must not write into a log.
async fn addresses(log: &Log) -> Keyward {
    // H9
    let keyward = Keyward::start().await;
    let Issued { api_key, .. } = keyward.issue_scopes(&["messaging:send"]).await;
    let [host, _] = FROM;
    let ask = async |from: &str| {
        let presented = ("x-api-key", api_key.as_str());
        let headers = [&FORWARDED[..], &[host, ("x-forwarded-for", from), presented]].concat();
        let bytes = request("GET", "/verify?scopes=messaging:send", &headers, "");
        assert_eq!(exchange(keyward.service.http_address(), &bytes).await.status, 200);
    };
    for (from, said) in [("office\t\"", "\"office\\t"), (&api_key, "\"…\" is no address")] {
        keyward.clock.advance(Duration::from_secs(10));
        for _again in 0..10 {
            ask(from).await;
        }
        assert_line(log, &["WARN", "`x-forwarded-for`", said, "bound to networks are denied"], &api_key);
    }
    keyward.clock.advance(Duration::from_secs(10));
    ask("[2001:db8::1]:443").await;
    assert_eq!(log.lines(), [""; 0]);
    keyward
}

/// Of administration that is refused, by a wrong key or for what the caller may do, ten are told in a minute, and then how many
/// were not.
async fn refusals(log: &Log) {
    // A6
    let keyward = Keyward::start_closed().await;
    let _begun = log.lines();
    let reader = keyward.issue_admin("", admin_rights(&["keys:read"], false)).await;
    let wrong = "kw_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg418bBM";
    for _ in 0..12 {
        assert!(keyward.keys().issue(signed(&reader.api_key, holder_key(&["a:b"]))).await.is_err());
        assert!(keyward.keys().issue(signed(wrong, holder_key(&["a:b"]))).await.is_err());
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 10, "{lines:#?}");
    let told = [
        "WARN",
        "a call of administration was refused",
        &reader.key.id,
        "Issue",
        "ADMIN_SCOPE_MISSING",
        "127.0.0.1",
    ];
    assert!(told.iter().all(|part| lines[0].contains(part)), "{}", lines[0]);
    keyward.clock.advance(Duration::from_secs(60));
    assert!(keyward.keys().issue(signed(&reader.api_key, holder_key(&["a:b"]))).await.is_err());
    assert_line(log, &["ADMIN_SCOPE_MISSING", "untold=14"], &reader.api_key);
    keyward.stop().await;
}

/// Each environment has its own rule for browsers.
async fn browsers(log: &Log) {
    // H8
    let mut document = policy().document().clone();
    let environment = |rule: &str| EnvironmentEntry {
        name: format!("{rule}-them"),
        prefix: format!("kw_{rule}_"),
        browsers: rule.to_owned(),
        ..EnvironmentEntry::default()
    };
    document.environments.extend(["allow", "log", "deny"].map(environment));
    let keyward = Keyward::start_with(true, Policy::new(document).unwrap()).await;
    let marks =
        [("origin", "https://example.com"), ("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty")];
    let [method, uri] = FORWARDED;
    for (environment, status, said) in [
        ("allow-them", 200, None),
        ("log-them", 200, Some("a browser sent a secret key: ")),
        ("live", 200, Some("a browser sent a secret key: ")),
        ("deny-them", 403, Some("a browser sent a secret key, and was denied")),
    ] {
        let request =
            v1::IssueRequest { environment: environment.to_owned(), ..holder_key(&["messaging:send"]) };
        let issued = keyward.issue(request).await;
        let key = ("x-api-key", issued.api_key.as_str());
        for mark in marks {
            assert_eq!(verify(&keyward, "", &[method, uri, key, mark]).await, status, "{environment}");
            match said {
                Some(said) => assert_line(log, &["WARN", said, &issued.key.id], &issued.api_key),
                None => assert_eq!(log.lines(), [""; 0]),
            }
        }
        for none in [("sec-fetch-mode", "cors"), ("origin", ""), ("referer", "https://example.com")] {
            assert_eq!(verify(&keyward, "", &[method, uri, key, none]).await, 200, "{environment}");
            assert_eq!(log.lines(), [""; 0]);
        }
    }
}
