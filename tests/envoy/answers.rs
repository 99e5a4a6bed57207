//! What a client gets, and what the service behind gets: every status, to the byte.

use keyward::wire::v1;

use crate::{
    House, READ, STRANGER,
    config::Config,
    exchange::{Message, Reply, request},
    keyward,
    service::Seen,
    support::{
        Issued, holder_key,
        verbs::{HOUR, bound, strings},
    },
};

/// The challenge to a credential that is no good.
const INVALID: &str = r#"Bearer realm="keyward", error="invalid_token""#;

/// What tells a client how the limits of its key stand.
pub(crate) const OF_LIMITS: [&str; 5] =
    ["ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

/// Passes if this is all of the denial: status, headers and body; of limits it tells where the key is good, and when to
/// come back what its message says.
#[track_caller]
pub(crate) fn assert_denied(reply: &Reply, status: &str, challenge: &str, code: &str, message: &str) {
    let body = format!(r#"{{"success":false,"error":{{"code":"{code}","message":"{message}"}}}}"#);
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("content-length", body.len().to_string()),
        ("server", "envoy".to_owned()),
    ];
    if !challenge.is_empty() {
        headers.push(("www-authenticate", challenge.to_owned()));
    }
    if status.starts_with("400") {
        // Envoy's own habit.
        headers.push(("connection", "close".to_owned()));
    }
    if status.starts_with("503") {
        headers.push(("retry-after", "1".to_owned()));
    }
    if let Some((_, seconds)) = message.split_once("Retry after ") {
        headers.push(("retry-after", seconds.strip_suffix(" seconds.").unwrap().to_owned()));
    }
    let is_of_a_good_key =
        status.starts_with("429") || status.starts_with("403") && code != "ROUTE_NOT_FOUND";
    let told: Vec<&str> = reply.told().into_iter().map(|(name, _)| name).collect();
    assert_eq!(told, if is_of_a_good_key { &OF_LIMITS[..] } else { &[] }, "{reply:?}");
    let mut headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    headers.sort();
    let mut denied = reply.message.clone();
    denied.headers.sort();
    let expected = Message { start: format!("HTTP/1.1 {status}"), headers, body: body.into_bytes() };
    assert_eq!(denied, expected);
}

#[track_caller]
pub(crate) fn assert_missing(reply: &Reply) {
    let challenge = r#"Bearer realm="keyward""#;
    assert_denied(reply, "401 Unauthorized", challenge, "CREDENTIALS_MISSING", "An API key is required.");
}

#[track_caller]
pub(crate) fn assert_invalid(reply: &Reply) {
    assert_denied(reply, "401 Unauthorized", INVALID, "CREDENTIALS_INVALID", "The API key is not valid.");
}

#[track_caller]
pub(crate) fn assert_in_url(reply: &Reply) {
    let challenge = r#"Bearer realm="keyward", error="invalid_request""#;
    let message = "An API key must not stand in the URL, where logs keep it. Replace that key.";
    assert_denied(reply, "400 Bad Request", challenge, "CREDENTIALS_IN_URL", message);
}

#[track_caller]
pub(crate) fn assert_ambiguous(reply: &Reply) {
    let challenge = r#"Bearer realm="keyward", error="invalid_request""#;
    let message = "More than one API key was presented. Send exactly one.";
    assert_denied(reply, "400 Bad Request", challenge, "CREDENTIALS_AMBIGUOUS", message);
}

#[track_caller]
pub(crate) fn assert_forbidden(reply: &Reply, scope: &str, code: &str, message: &str) {
    let challenge = format!(r#"Bearer realm="keyward", error="insufficient_scope"{scope}"#);
    assert_denied(reply, "403 Forbidden", &challenge, code, message);
}

#[track_caller]
fn assert_undecided(reply: &Reply) {
    let message = "The request cannot be authorized at the moment. Try again.";
    assert_denied(reply, "503 Service Unavailable", "", "UNAVAILABLE", message);
}

/// A request for templates with this key.
fn with_key(path: &str, issued: &Issued) -> Vec<u8> {
    request("GET", path, &[("x-api-key", &issued.api_key)], "")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allowed_request_reaches_the_service_as_it_was_with_who_the_holder_is() {
    // H1, H6
    let Some(house) = House::build().await else { return };
    let wanted = v1::IssueRequest {
        owner: "ann@example.com".to_owned(),
        ..holder_key(&["templates:*", "events:read"])
    };
    let issued = house.keyward.issue(wanted).await;
    let bearer = format!("Bearer {}", issued.api_key);
    let other_case = format!("bEARER {}", issued.api_key);
    let presented: [&[(&str, &str)]; 5] = [
        &[("authorization", &bearer)],
        &[("Authorization", &other_case)],
        &[("x-api-key", &issued.api_key)],
        &[("X-API-Key", &issued.api_key), ("authorization", &bearer)],
        &[("X-API-Key", &issued.api_key), ("authorization", "Basic dXNlcjpwYXNz")],
    ];
    for headers in presented {
        let headers = [headers, &[("content-type", "text/plain"), ("cookie", "a=b")]].concat();
        let seen = Seen::of(&house.ask(&request("POST", "/v1/templates?x=%20y", &headers, "hello")).await);
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/v1/templates?x=%20y"));
        assert_eq!(seen.body, "hello");
        assert_eq!(seen.values("content-type"), ["text/plain"]);
        assert_eq!(seen.values("cookie"), ["a=b"]);
        let identity = [
            ("x-keyward-environment", "live"),
            ("x-keyward-key-id", &issued.key.id),
            ("x-keyward-owner", "ann@example.com"),
            ("x-keyward-plan", "starter"),
            ("x-keyward-scopes", "events:read templates:read templates:write"),
            ("x-keyward-workspace-id", &issued.key.workspace_id),
        ];
        assert_eq!(seen.identity(), identity);
        assert_eq!(seen.values("authorization"), [""; 0], "the service gets no secret");
        assert_eq!(seen.values("x-api-key"), [""; 0], "the service gets no secret");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_credential_is_401_and_a_stranger_learns_nothing_from_it() {
    // H2, H3, H5, X7
    let Some(house) = House::build().await else { return };
    let keyward = &house.keyward;
    let issue = async || keyward.issue_scopes(&[READ]).await;
    let (revoked, disabled, rotated) = (issue().await, issue().await, issue().await);
    let ends = v1::IssueRequest { expire_time: Some(keyward.clock.after(HOUR)), ..holder_key(&[READ]) };
    let expired = keyward.issue(ends).await;
    keyward.revoke(&revoked.key.id).await;
    keyward.disable(&disabled.key.id).await;
    keyward.rotate(&rotated.key.id, Some(HOUR)).await;
    keyward.clock.advance(HOUR);

    assert_missing(&house.refused(&request("GET", "/v1/templates", &[], "")).await);
    let mut bad: Vec<&str> =
        [&revoked, &disabled, &rotated, &expired].into_iter().map(|issued| issued.api_key.as_str()).collect();
    bad.extend([STRANGER, "nobody", &revoked.api_key[1..], "kw_live_", &keyward.root[1..], "*", "null"]);
    for presented in bad {
        let bearer = format!("Bearer {presented}");
        for header in [("x-api-key", presented), ("authorization", &bearer)] {
            assert_invalid(&house.refused(&request("GET", "/v1/templates", &[header], "")).await);
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_is_403() {
    // H2, H3, H5
    let keyward = keyward().await;
    let (workspace, _) = keyward.register("another").await;
    let config = Config::default()
        .with_route("/v1/theirs", &format!("scopes: templates:read, workspace_id: {}", workspace.id));
    let Some(house) = House::around(keyward, config).await else { return };
    let keyward = &house.keyward;

    let reader = keyward.issue_scopes(&[READ]).await;
    let reply =
        house.refused(&request("POST", "/v1/templates", &[("x-api-key", &reader.api_key)], "x")).await;
    let lacks = "The API key lacks templates:write.";
    assert_forbidden(&reply, r#", scope="templates:write""#, "SCOPE_INSUFFICIENT", lacks);

    let grants = vec![bound("storage:*", &["space/cdn-us"])];
    let elsewhere = v1::IssueRequest { grants, ..holder_key(&[]) };
    let reply = house.refused(&with_key("/v1/spaces/cdn-eu", &keyward.issue(elsewhere).await)).await;
    let lacks = "The API key has storage:read, storage:upload for other resources only.";
    assert_forbidden(&reply, r#", scope="storage:read storage:upload""#, "RESOURCE_NOT_GRANTED", lacks);
    let grants = vec![bound("storage:*", &["space/cdn-eu"])];
    let here = keyward.issue(v1::IssueRequest { grants, ..holder_key(&[]) }).await;
    assert_eq!(house.ask(&with_key("/v1/spaces/cdn-eu", &here)).await.status, 200);
    assert_eq!(house.ask(&with_key("/v1/spaces/cdn-eu/file", &here)).await.status, 200);

    let test = v1::IssueRequest { environment: "test".to_owned(), ..holder_key(&["exports:create"]) };
    let reply = house.refused(&with_key("/v1/exports", &keyward.issue(test).await)).await;
    let other = "The API key belongs to another environment.";
    assert_forbidden(&reply, r#", scope="exports:create""#, "ENVIRONMENT_MISMATCH", other);
    let live = keyward.issue_scopes(&["exports:create"]).await;
    assert_eq!(house.ask(&with_key("/v1/exports", &live)).await.status, 200);

    let reply = house.refused(&with_key("/v1/theirs", &reader)).await;
    let other = "The API key belongs to another workspace.";
    assert_forbidden(&reply, r#", scope="templates:read""#, "WORKSPACE_MISMATCH", other);
    let theirs = v1::IssueRequest { workspace_id: workspace.id, ..holder_key(&[READ]) };
    assert_eq!(house.ask(&with_key("/v1/theirs", &keyward.issue(theirs).await)).await.status, 200);

    for path in ["/", "/v2/templates", "/v1/templates/", "/v1/spaces/cdn-eux"] {
        let reply = house.refused(&with_key(path, &reader)).await;
        assert_forbidden(&reply, "", "ROUTE_NOT_FOUND", "No API key gives access to this.");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_is_the_connections_whatever_a_header_says() {
    // H2, X3
    let Some(house) = House::build().await else { return };
    let from = async |network: &str| {
        let allowed_cidrs = strings(&[network]);
        house.keyward.issue(v1::IssueRequest { allowed_cidrs, ..holder_key(&[READ]) }).await.api_key
    };
    let (elsewhere, here) = (from("10.0.0.0/8").await, from("127.0.0.0/8").await);
    let says = |key: &str, name: &str, address: &str| {
        request("GET", "/v1/templates", &[("x-api-key", key), (name, address)], "")
    };
    for name in ["x-forwarded-for", "x-real-ip", "forwarded", "x-envoy-external-address", "x-other"] {
        for address in ["10.0.0.1", "for=10.0.0.1", "10.0.0.1, 10.0.0.1"] {
            let reply = house.refused(&says(&elsewhere, name, address)).await;
            let message = "The API key may not be used from this address.";
            assert_forbidden(&reply, r#", scope="templates:read""#, "ADDRESS_NOT_ALLOWED", message);
            assert_eq!(house.ask(&says(&here, name, address)).await.status, 200);
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_keyward_does_not_understand_is_503_and_never_open() {
    // H2, X1
    let routes = [
        ("/misspelt", "scopes: templates:read, recource: a/b"),
        ("/unknown", "role: admin"),
        ("/scope", "scopes: 'templates read!'"),
        ("/cost", "scopes: templates:read, cost: many"),
        ("/workspace", "scopes: templates:read, workspace_id: nowhere"),
        ("/capital", "Scopes: templates:read"),
    ];
    let config = routes
        .iter()
        .fold(Config::default(), |config, (path, extensions)| config.with_route(path, extensions));
    let Some(house) = House::around(keyward().await, config).await else { return };
    let issued = house.keyward.issue_scopes(&["templates:*"]).await;
    for (path, _) in routes {
        assert_undecided(&house.refused(&with_key(path, &issued)).await);
    }
    house.stop().await;
}
