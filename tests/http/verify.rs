//! What is `/verify`'s own: how a gateway tells of a request, and what becomes of an answer on its way.

use keyward::wire::v1;

use crate::{
    client::{Reply, ask, ask_h2, ask_on},
    exchange::Connection,
    support::{Keyward, check, gateway_trusting, holder_key, policy, verbs::strings},
    twins::{Asked, ask_envoy, ask_verify},
};

const TARGET: &str = "/verify?scopes=messaging:send";
const FORWARDED: [(&str, &str); 4] = [
    ("x-forwarded-method", "GET"),
    ("x-forwarded-uri", "/v1/messages"),
    ("x-forwarded-host", "api.example.com"),
    ("x-forwarded-for", "192.0.2.1"),
];

/// The headers of a gateway, and these.
fn forwarding<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&FORWARDED, more].concat()
}

#[tokio::test]
async fn a_key_has_one_count_however_it_is_asked_about() {
    // H1, L8
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let bearer = format!("Bearer {key}");
    let first = ask_verify(&keyward, Asked { headers: &[("x-api-key", &key)], ..Asked::default() }).await;
    let second =
        ask_envoy(&keyward, Asked { headers: &[("authorization", &bearer)], ..Asked::default() }).await;
    let third = keyward.check(&key, &["messaging:send"]).await.limits[0].remaining;
    let question = format!(r#"{{"api_key":"{key}"}}"#);
    let json = [("content-type", "application/json")];
    let fourth = ask(&keyward, "POST", "/v1/check", &json, &question).await.json();
    let left = |reply: &Reply| reply.header("x-ratelimit-remaining").parse::<u64>().unwrap();
    let counted = [left(&first), left(&second), third, fourth["limits"][0]["remaining"].as_u64().unwrap()];
    assert_eq!(counted.map(|left| counted[0] - left), [0, 1, 2, 3]);
}

#[tokio::test]
async fn every_method_is_answered_alike_over_both_protocols() {
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let address = keyward.service.http_address();
    let (good, bad) = (forwarding(&[("x-api-key", &key)]), forwarding(&[("x-api-key", "k")]));
    let denied = ask(&keyward, "GET", TARGET, &bad, "").await;
    assert_eq!(denied.status, 401);
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"] {
        let allowed = ask(&keyward, method, TARGET, &good, "").await;
        assert_eq!((allowed.status, allowed.body.as_str()), (200, ""), "{method}");
        assert!(allowed.header("x-keyward-key-id").starts_with("key_"), "{method}");
        assert_eq!(ask_h2(address, method, TARGET, &good, "").await.status, 200, "{method}");
        let body = if method == "HEAD" { "" } else { denied.body.as_str() };
        let expected = Reply { body: body.to_owned(), ..denied.clone() };
        assert_eq!(ask(&keyward, method, TARGET, &bad, "").await, expected, "{method}");
        assert_eq!(ask_h2(address, method, TARGET, &bad, "").await, expected, "{method}");
    }
    assert_eq!(
        ask(&keyward, "POST", TARGET, &good, "x-api-key: k").await.status,
        200,
        "a body has no meaning"
    );
    assert_eq!(ask_h2(address, "POST", TARGET, &good, "a body").await.status, 200);
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let mut connection = Connection::open(keyward.service.http_address()).await.unwrap();
    for presented in [key.as_str(), "k", &key, "", &key] {
        let headers = forwarding(&[("x-api-key", presented)]);
        let expected = if presented == key { 200 } else { 401 };
        assert_eq!(ask_on(&mut connection, "GET", TARGET, &headers).await.status, expected);
    }
    assert_eq!(ask_on(&mut connection, "GET", "/elsewhere", &[]).await.status, 404);
    assert_eq!(ask_on(&mut connection, "DELETE", "/v1/check", &[]).await.header("allow"), "POST");
    assert_eq!(ask_on(&mut connection, "POST", "/openapi.json", &[]).await.header("allow"), "GET");
}

#[tokio::test]
async fn a_path_that_is_not_exact_is_nothing() {
    // X3
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let headers = forwarding(&[("x-api-key", &key)]);
    for target in
        ["/verify/", "//verify", "/Verify", "/%76erify", "/verify;x", "/a/../verify", "/", "/v1/check/"]
    {
        assert_eq!(ask(&keyward, "GET", target, &headers, "").await.status, 404, "{target}");
    }
}

#[tokio::test]
async fn settings_are_read_as_forms_write_them() {
    // H7
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send", "storage:read"]).await.api_key;
    let headers = forwarding(&[("x-api-key", &key)]);
    for (query, status) in [
        ("scopes=messaging:send+storage:read", 200),
        ("scopes=messaging%3Asend%20storage%3Aread", 200),
        ("&scopes=messaging:send&&cost=0&resource=&workspace_id=", 200),
        ("scopes=messaging:send&environment=test", 403),
        ("scopes=messaging:send+storage:delete", 403),
        ("scopes=", 503),
        ("", 403),
        ("scopes=messaging:send&scopes=messaging:send", 503),
        ("scopes=messaging:send&cost=1&cost=1", 503),
        ("scopes=%ff", 503),
        ("Scopes=messaging:send", 503),
        ("scopes[]=messaging:send", 503),
        ("scopes=messaging:send;cost=0", 503),
        ("scopes=messaging:send&body", 503),
        ("scopes=messaging:send&body=both", 503),
    ] {
        let reply = ask(&keyward, "GET", &format!("/verify?{query}"), &headers, "").await;
        assert_eq!(reply.status, status, "{query}: {reply:?}");
    }
}

#[tokio::test]
async fn a_gateway_that_does_not_read_the_body_finds_it_in_a_header_and_no_body() {
    // H5
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let (good, none) = (forwarding(&[("x-api-key", &key)]), forwarding(&[]));
    let with_header = format!("{TARGET}&body=header");
    let mut denied = ask(&keyward, "GET", &with_header, &none, "").await;
    assert_eq!(denied.body, "");
    denied.body = denied.headers.remove("x-keyward-body").unwrap();
    assert_eq!(denied, ask(&keyward, "GET", TARGET, &none, "").await, "nothing else differs");
    let allowed = ask(&keyward, "GET", &with_header, &good, "").await;
    assert!(allowed.status == 200 && !allowed.headers.contains_key("x-keyward-body"));
    let problem = forwarding(&[("accept", "application/problem+json")]);
    let problem = ask(&keyward, "HEAD", &with_header, &problem, "").await;
    assert!(problem.header("x-keyward-body").contains("\"title\":\"Unauthorized\""), "{problem:?}");
    let unreadable = ask(&keyward, "GET", &with_header, &[], "").await;
    assert_eq!((unreadable.status, unreadable.body.as_str()), (503, ""));
    assert!(unreadable.header("x-keyward-body").contains("UNAVAILABLE"), "{unreadable:?}");
}

#[tokio::test]
async fn what_a_gateway_does_not_say_or_says_twice_is_503() {
    // H2, X2
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let key = ("x-api-key", key.as_str());
    let [method, uri, host, from] = FORWARDED;
    for (headers, status) in [
        (&[key, method, uri, host, from][..], 200),
        (&[key, ("X-FORWARDED-METHOD", "GET"), uri, host, from], 200),
        (&[key], 503),
        (&[key, method, host, from], 503),
        (&[key, uri, host, from], 503),
        (&[key, method, uri, from], 503),
        (&[key, method, uri, host], 503),
        (&[key, ("x_forwarded_method", "GET"), uri, host, from], 503),
        (&[key, method, method, uri, host, from], 503),
        (&[key, method, uri, uri, host, from], 503),
        (&[key, method, uri, ("x-forwarded-uri", "/public"), host, from], 503),
        (&[key, method, uri, host, host, from], 503),
        (&[key, ("x-original-uri", "/a"), ("x-original-method", "GET")], 503),
    ] {
        let reply = ask(&keyward, "GET", TARGET, headers, "").await;
        assert_eq!(reply.status, status, "{headers:?}: {reply:?}");
    }
    let foreign = [key, method, ("x-forwarded-uri", "/v1/m\u{e4}")];
    let reply = ask(&keyward, "GET", TARGET, &foreign, "").await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "REQUEST_MALFORMED"), "a client can do that");
}

#[tokio::test]
async fn only_trusted_peers_are_believed() {
    // S8
    for (networks, status) in [(&["127.0.0.0/8"][..], 200), (&["10.0.0.0/8", "::1/128"], 503), (&[], 503)] {
        let keyward = Keyward::start_behind(gateway_trusting(networks), true, policy()).await;
        let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
        let reply = ask(&keyward, "GET", TARGET, &forwarding(&[("x-api-key", &key)]), "").await;
        assert_eq!(reply.status, status, "{networks:?}: {reply:?}");
    }
}

#[tokio::test]
async fn the_address_is_the_one_that_a_trusted_peer_saw() {
    // S8
    let gateway = gateway_trusting(&["127.0.0.0/8", "10.0.0.0/8"]);
    let keyward = Keyward::start_behind(gateway, true, policy()).await;
    let bound = v1::IssueRequest {
        allowed_cidrs: strings(&["192.0.2.0/24", "2001:db8::/32"]),
        ..holder_key(&["messaging:send"])
    };
    let key = keyward.issue(bound).await.api_key;
    for (lines, status) in [
        (&["192.0.2.1"][..], 200),
        (&["2001:db8::1"], 200),
        (&["198.51.100.1, 192.0.2.1"], 200),
        (&["198.51.100.1", "192.0.2.1, 10.0.0.7"], 200),
        (&["not an address, 192.0.2.1 , 10.0.0.7, 127.0.0.1"], 200),
        (&["192.0.2.1, 198.51.100.1"], 403),
        (&["192.0.2.1", "198.51.100.1, 10.0.0.7"], 403),
        (&["192.0.2.1, unknown"], 403),
        (&["192.0.2.1:443"], 200),
        (&["[2001:db8::1]:443"], 200),
        (&["[2001:db8::1]"], 200),
        (&["192.0.2.1:x"], 403),
        (&["192.0.2.1,"], 403),
        (&["10.0.0.7"], 403),
        (&[""], 403),
        (&[], 503),
    ] {
        let mut headers = forwarding(&[("x-api-key", &key)]);
        headers.retain(|(name, _)| *name != "x-forwarded-for");
        headers.extend(lines.iter().map(|line| ("x-forwarded-for", *line)));
        headers.extend([
            ("x-real-ip", "192.0.2.1"),
            ("forwarded", "for=192.0.2.1"),
            ("true-client-ip", "192.0.2.1"),
        ]);
        let reply = ask(&keyward, "GET", TARGET, &headers, "").await;
        assert_eq!(reply.status, status, "{lines:?}: {reply:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_not_ascii_are_no_credential() {
    // X2
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    for wrong in
        [format!("{key}\u{e9}"), format!("{key}\u{ff}"), format!("\u{feff}{key}"), format!("{key} x")]
    {
        for (name, value) in [("x-api-key", wrong.clone()), ("authorization", format!("Bearer {wrong}"))] {
            let reply = ask(&keyward, "GET", TARGET, &forwarding(&[(name, &value)]), "").await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (401, "CREDENTIALS_INVALID"),
                "{name}: {value}"
            );
        }
    }
    assert_eq!(keyward.ask(check(&key, &["messaging:send"])).await.limits[0].remaining, 999_999_999_999);
}

#[tokio::test]
async fn a_sealed_store_goes_on_deciding() {
    // M2, D3
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let good = forwarding(&[("x-api-key", &key)]);
    assert_eq!(ask(&keyward, "GET", TARGET, &good, "").await.status, 200);
    let database = keyward.data_dir().join("keyward.db");
    std::fs::rename(&database, database.with_extension("away")).unwrap();
    assert!(keyward.keys().issue(keyward.as_root(holder_key(&["messaging:send"]))).await.is_err());
    for (headers, status) in [(good, 200), (forwarding(&[]), 401), (Vec::new(), 503)] {
        assert_eq!(ask(&keyward, "GET", TARGET, &headers, "").await.status, status);
    }
}

#[tokio::test]
async fn a_query_that_the_gateway_passes_on_from_its_client_says_nothing() {
    // H7, X1
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let clients = "scopes=messaging:send&cost=0";
    let uri = format!("/v1/secrets?{clients}");
    let mut headers = forwarding(&[("x-api-key", &key)]);
    headers.retain(|(name, _)| *name != "x-forwarded-uri");
    headers.push(("x-forwarded-uri", &uri));
    for (query, status) in [
        (clients.to_owned(), 503),
        (format!("environment=live&{clients}"), 503),
        (format!("{clients}&environment=live"), 503),
        (format!("resource=a&{clients}&environment=live"), 503),
        ("scopes=messaging:send".to_owned(), 200),
    ] {
        let reply = ask(&keyward, "GET", &format!("/verify?{query}"), &headers, "").await;
        assert_eq!(reply.status, status, "{query}: {reply:?}");
    }
}
