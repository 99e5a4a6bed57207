//! `/verify` answers as ext_authz does to the same request: status, headers and body, byte by byte.

use std::time::Duration;

use keyward::{domain::policy::Policy, wire::v1};

use crate::{
    client::{Headers, Reply},
    support::{
        holder_key, policy_with_routes,
        verbs::{DAY, HOUR, MS, bound, strings},
    },
    twins::{Asked, Twins, limited},
};

const SEND: Headers<'static> = &[("scopes", "messaging:send")];

/// Routes of all kinds, a rate of 1,000 and a quota of 2,000, and test keys that are denied to browsers.
fn policy() -> Policy {
    let routes = policy_with_routes(&[
        ("GET", "/v1/spaces/{space}/files", "storage:read", "space/{space}"),
        ("PUT", "/v1/spaces/{space}/files", "storage:read storage:upload", "space/{space}"),
        ("", "/public/{rest=**}", "public", ""),
        ("", "/vault/{rest=**}", "denied", ""),
    ]);
    let mut document = limited(&routes, &[(1_000, "hour"), (2_000, "day")]).document().clone();
    for environment in document.environments.iter_mut().filter(|environment| environment.name == "test") {
        "deny".clone_into(&mut environment.browsers);
    }
    Policy::new(document).unwrap()
}

async fn start() -> Twins {
    Twins::start(policy()).await
}

/// Passes if the answer is this denial, as far as a holder is told.
#[track_caller]
fn assert_code(reply: &Reply, code: &str, what: &str) {
    assert_eq!(reply.code(), code, "{what}: {reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_a_key_belongs_to_is_told_alike() {
    // H1, H4, H6
    let twins = start().await;
    let owned =
        v1::IssueRequest { owner: "user_1".to_owned(), ..holder_key(&["messaging:send", "storage:*"]) };
    let owned = twins.issue(owned).await;
    let bearer = format!("bEARER {}", owned.api_key);
    for headers in [
        &[("authorization", bearer.as_str())][..],
        &[("X-Api-Key", &owned.api_key)],
        &[("authorization", &bearer), ("x-api-key", &owned.api_key)],
        &[("authorization", "Basic dTpw"), ("x-api-key", &owned.api_key), ("x-keyward-owner", "root")],
    ] {
        let reply = twins.ask(Asked { headers, ..Asked::default() }, 200).await;
        assert_eq!(reply.header("x-keyward-key-id"), owned.key.id);
        assert_eq!(reply.header("x-keyward-workspace-id"), owned.key.workspace_id);
        assert_eq!(reply.header("x-keyward-owner"), "user_1");
        assert_eq!(reply.header("x-keyward-environment"), "live");
        assert_eq!(
            reply.header("x-keyward-scopes"),
            "messaging:send storage:delete storage:read storage:upload"
        );
        assert_eq!(reply.header("x-keyward-plan"), "starter");
        assert_eq!(reply.headers.len(), 12, "these, five of limits and the latency: {reply:?}");
    }
    let nobodys = v1::IssueRequest {
        environment: "test".to_owned(),
        grants: vec![bound("messaging:send", &["inbox_1"])],
        ..holder_key(&[])
    };
    let nobodys = twins.issue(nobodys).await;
    let settings: Headers<'_> =
        &[("scopes", "messaging:send"), ("resource", "inbox_1"), ("environment", "test")];
    let asked = Asked { headers: &[("x-api-key", &nobodys.api_key)], settings, ..Asked::default() };
    let reply = twins.ask(asked, 200).await;
    assert_eq!((reply.header("x-keyward-owner"), reply.header("x-keyward-scopes")), ("", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_credential_is_told_alike_and_like_every_other() {
    // H2, H3, H5, X7
    let twins = start().await;
    let issue = || twins.issue(holder_key(&["messaging:send"]));
    let (revoked, disabled, replaced) = (issue().await, issue().await, issue().await);
    let expire_time = Some(twins.one.clock.after(HOUR));
    let expiring = v1::IssueRequest { expire_time, ..holder_key(&["messaging:send"]) };
    let expiring = twins.issue(expiring).await;
    twins.revoke(&revoked.key.id).await;
    twins.disable(&disabled.key.id).await;
    twins.rotate(&replaced.key.id, Some(Duration::ZERO)).await;
    twins.advance(DAY);
    let stranger = "kw_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg418bBM";
    let typo = format!("{}x", revoked.api_key);
    let first = twins.ask(Asked { headers: &[("x-api-key", "k")], ..Asked::default() }, 401).await;
    assert_eq!(first.header("www-authenticate"), "Bearer realm=\"keyward\", error=\"invalid_token\"");
    assert_code(&first, "CREDENTIALS_INVALID", "k");
    for bad in [
        &revoked.api_key,
        &disabled.api_key,
        &replaced.api_key,
        &expiring.api_key,
        stranger,
        &typo,
        &twins.one.root,
        "two tokens",
        "k\u{e4}",
        "e30.e30.e30",
    ] {
        for headers in [&[("x-api-key", bad)][..], &[("authorization", &format!("Bearer {bad}"))]] {
            assert_eq!(twins.ask(Asked { headers, ..Asked::default() }, 401).await, first);
        }
    }
    let none = twins.ask(Asked::default(), 401).await;
    assert_eq!(none.header("www-authenticate"), "Bearer realm=\"keyward\"");
    assert_code(&none, "CREDENTIALS_MISSING", "none");
    for (name, value) in
        [("cookie", stranger), ("x-other", stranger), ("x-api-key", ""), ("authorization", "Basic e30=")]
    {
        assert_eq!(
            twins.ask(Asked { headers: &[(name, value)], ..Asked::default() }, 401).await,
            none,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_one_credential_is_told_alike() {
    // H1, X2
    let twins = start().await;
    let good = twins.issue(holder_key(&["messaging:send"])).await.api_key;
    let other = twins.issue(holder_key(&["messaging:send"])).await.api_key;
    let (bearer, joined, trailing) =
        (format!("Bearer {good}"), format!("{other},{good}"), format!("{good},"));
    let (joined_bearers, behind) = (format!("{bearer}, Bearer {other}"), format!("Basic dTpw, {bearer}"));
    let rows: [Headers<'_>; 9] = [
        &[("authorization", &bearer), ("x-api-key", &other)],
        &[("authorization", &bearer), ("authorization", &bearer)],
        &[("x-api-key", &good), ("X-API-KEY", &good)],
        &[("x-api-key", &joined)],
        &[("x-api-key", &trailing)],
        &[("authorization", &joined_bearers)],
        &[("authorization", &behind), ("x-api-key", &good)],
        &[("authorization", &bearer), ("x-api-key", "k")],
        &[("authorization", &bearer), ("authorization", "Basic dTpw")],
    ];
    for headers in rows {
        let reply = twins.ask(Asked { headers, ..Asked::default() }, 400).await;
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"keyward\", error=\"invalid_request\"");
        assert_code(&reply, "CREDENTIALS_AMBIGUOUS", "two");
    }
    let url = format!("/v1/messages?api_key={good}");
    let asked = Asked { path: &url, headers: &[("x-api-key", &other)], ..Asked::default() };
    assert_code(&twins.ask(asked, 400).await, "CREDENTIALS_IN_URL", "a key in the query");
    let url = format!("/v1/{good}/messages");
    assert_code(
        &twins.ask(Asked { path: &url, ..Asked::default() }, 400).await,
        "CREDENTIALS_IN_URL",
        "in the path",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_good_key_lacks_is_told_alike() {
    // H2, H3, H4, H8, S8
    let twins = start().await;
    let (other, _) = twins.one.register("other").await;
    twins.other.register("other").await;
    let issued = twins.issue(v1::IssueRequest {
        grants: vec![bound("storage:upload", &["bucket_1"])],
        allowed_cidrs: strings(&["203.0.113.0/24"]),
        ..holder_key(&["messaging:send"])
    });
    let key = [("x-api-key", issued.await.api_key)];
    let key = key.each_ref().map(|(name, value)| (*name, value.as_str()));
    let asked = Asked { headers: &key, ..Asked::default() };
    let two: Headers<'_> = &[("scopes", "messaging:send  storage:delete")];
    let elsewhere: Headers<'_> = &[("scopes", "messaging:send"), ("workspace_id", &other.id)];
    for (asked, code, scopes) in [
        (Asked { settings: two, ..asked }, "SCOPE_INSUFFICIENT", "messaging:send storage:delete"),
        (
            Asked { settings: &[("scopes", "storage:upload"), ("resource", "bucket_2")], ..asked },
            "RESOURCE_NOT_GRANTED",
            "storage:upload",
        ),
        (
            Asked { settings: &[("scopes", "messaging:send"), ("environment", "test")], ..asked },
            "ENVIRONMENT_MISMATCH",
            "messaging:send",
        ),
        (Asked { settings: elsewhere, ..asked }, "WORKSPACE_MISMATCH", "messaging:send"),
        (Asked { from: "198.51.100.7", ..asked }, "ADDRESS_NOT_ALLOWED", "messaging:send"),
        (Asked { from: "nowhere", ..asked }, "ADDRESS_NOT_ALLOWED", "messaging:send"),
        (Asked { from: "", ..asked }, "ADDRESS_NOT_ALLOWED", "messaging:send"),
    ] {
        let reply = twins.ask(asked, 403).await;
        assert_code(&reply, code, scopes);
        let challenge = format!("Bearer realm=\"keyward\", error=\"insufficient_scope\", scope=\"{scopes}\"");
        assert_eq!(reply.header("www-authenticate"), challenge);
        assert_eq!(reply.header("x-ratelimit-remaining"), "2000", "nothing was charged");
    }
    twins.ask(Asked { from: "::ffff:203.0.113.9", ..asked }, 200).await;

    let in_test = v1::IssueRequest { environment: "test".to_owned(), ..holder_key(&["messaging:send"]) };
    let in_test = twins.issue(in_test).await.api_key;
    let headers: Headers<'_> = &[("x-api-key", &in_test), ("origin", "https://example.com")];
    let reply = twins.ask(Asked { headers, ..asked }, 403).await;
    assert_code(&reply, "BROWSER_NOT_ALLOWED", "a browser");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_the_policy_decides_alike() {
    // H7, X3
    let twins = start().await;
    let grants = vec![bound("storage:read", &["space/eu"])];
    let key = twins.issue(v1::IssueRequest { grants, ..holder_key(&["messaging:send"]) }).await.api_key;
    let asked = Asked { headers: &[("x-api-key", &key)], settings: &[], ..Asked::default() };
    for (method, path, status, code) in [
        ("GET", "/v1/spaces/eu/files", 200, ""),
        ("GET", "/v1/spaces/eu/files?limit=%2f..", 200, ""),
        ("GET", "/v1/spaces/us/files", 403, "RESOURCE_NOT_GRANTED"),
        ("PUT", "/v1/spaces/eu/files", 403, "SCOPE_INSUFFICIENT"),
        ("DELETE", "/v1/spaces/eu/files", 403, "ROUTE_NOT_FOUND"),
        ("get", "/v1/spaces/eu/files", 403, "ROUTE_NOT_FOUND"),
        ("GET", "/v1/spaces/us/../eu/files", 403, "ROUTE_NOT_FOUND"),
        ("GET", "/v1/spaces/eu/%66iles", 403, "ROUTE_NOT_FOUND"),
        ("GET", "//v1/spaces/eu/files", 403, "ROUTE_NOT_FOUND"),
        ("GET", "/v1/spaces/eu/files;x", 403, "ROUTE_NOT_FOUND"),
        ("GET", "/public/a", 200, ""),
        ("POST", "/public/../vault/a", 403, "ROUTE_NOT_FOUND"),
        ("GET", "/vault/a", 403, "ROUTE_NOT_FOUND"),
        ("GET", "https://api.example.com/v1/spaces/eu/files", 403, "ROUTE_NOT_FOUND"),
        ("GET", "", 403, "ROUTE_NOT_FOUND"),
    ] {
        let reply = twins.ask(Asked { method, path, ..asked }, status).await;
        assert_code(&reply, code, path);
    }
    let public = Asked { headers: &[], path: "/public/a", ..asked };
    let reply = twins.ask(public, 200).await;
    assert_eq!(reply.headers.len(), 1, "nobody is told of: {reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_limit_is_told_alike() {
    // H4, H5, L9
    let twins = start().await;
    twins.advance(MS);
    let key = twins.issue(holder_key(&["messaging:send"])).await.api_key;
    let costing = async |cost: &str, status: u16| {
        let settings: Headers<'_> = &[("scopes", "messaging:send"), ("cost", cost)];
        twins.ask(Asked { headers: &[("x-api-key", &key)], settings, ..Asked::default() }, status).await
    };
    assert_eq!(costing("0", 200).await.header("x-ratelimit-remaining"), "2000");
    let never = costing("1001", 429).await;
    assert_eq!((never.code().as_str(), never.header("retry-after")), ("RATE_LIMITED", ""));
    costing("1000", 200).await;
    let spent = costing("1", 429).await;
    assert_eq!((spent.code().as_str(), spent.header("retry-after")), ("RATE_LIMITED", "3600"));
    let message = "Rate limit exceeded. Retry after 3600 seconds.";
    assert_eq!(spent.json()["error"]["message"], message);
    assert!(!spent.headers.contains_key("www-authenticate"), "the key is good");
    twins.advance(HOUR);
    costing("1000", 200).await;
    twins.advance(HOUR);
    let spent = costing("1", 429).await;
    assert_eq!((spent.code().as_str(), spent.header("x-ratelimit-limit")), ("QUOTA_EXCEEDED", "2000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_secret_is_announced_alike_until_its_grace_is_over() {
    // R2, R4
    let twins = start().await;
    let issued = twins.issue(holder_key(&["messaging:send"])).await;
    let rotated = twins.rotate(&issued.key.id, None).await;
    let ask = async |key: &str, status: u16| {
        twins.ask(Asked { headers: &[("x-api-key", key)], ..Asked::default() }, status).await
    };
    let told = |reply: &Reply| {
        let header = |name: &str| reply.header(&format!("x-keyward-secret-{name}")).to_owned();
        (header("generation"), header("retiring-at"))
    };
    let announced = ("1".to_owned(), "2026-01-02T00:00:00.000Z".to_owned());
    assert_eq!(told(&ask(&issued.api_key, 200).await), announced);
    assert_eq!(told(&ask(&rotated.api_key, 200).await), (String::new(), String::new()));
    twins.advance(DAY.saturating_sub(MS));
    assert_eq!(told(&ask(&issued.api_key, 200).await), announced);
    twins.advance(MS);
    assert_eq!(told(&ask(&issued.api_key, 401).await), (String::new(), String::new()));
    assert_eq!(told(&ask(&rotated.api_key, 200).await), (String::new(), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_mistake_is_told_alike_and_blames_no_client() {
    // H2, X1
    let twins = start().await;
    let key = twins.issue(holder_key(&["messaging:send"])).await.api_key;
    for wrong in [
        ("scope", "messaging:send"),
        ("scopes", "messaging"),
        ("scopes", "messaging:*"),
        ("scopes", "messaging:send,storage:read"),
        ("resource", "../x"),
        ("environment", "Live"),
        ("workspace_id", "ws_1"),
        ("cost", "-1"),
        ("cost", "+1"),
        ("cost", "1e3"),
        ("", ""),
        ("\r\nx: y", "\u{202e}"),
    ] {
        let both = [SEND[0], wrong];
        let settings = if wrong.0 == "scopes" { &both[1..] } else { &both[..] };
        let asked = Asked { headers: &[("x-api-key", &key)], settings, ..Asked::default() };
        let reply = twins.ask(asked, 503).await;
        assert_eq!(reply.header("retry-after"), "1");
        assert_code(&reply, "UNAVAILABLE", wrong.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn problem_details_are_the_same_too() {
    // H5
    let twins = start().await;
    let key = twins.issue(holder_key(&["messaging:send"])).await.api_key;
    let two = format!("{key},{key}");
    let problem = ("accept", "text/html, application/problem+json;q=0.9");
    let (good, none): (Headers<'_>, Headers<'_>) = (&[("x-api-key", &key), problem], &[problem]);
    let ambiguous: Headers<'_> = &[("x-api-key", &two), problem];
    for (headers, settings, status, code) in [
        (none, SEND, 401, "CREDENTIALS_MISSING"),
        (ambiguous, SEND, 400, "CREDENTIALS_AMBIGUOUS"),
        (good, &[("scopes", "storage:read")][..], 403, "SCOPE_INSUFFICIENT"),
        (good, &[("scopes", "messaging:send"), ("cost", "2000")], 429, "RATE_LIMITED"),
        (good, &[("scope", "")], 503, "UNAVAILABLE"),
    ] {
        let reply = twins.ask(Asked { headers, settings, ..Asked::default() }, status).await;
        assert_eq!(reply.header("content-type"), "application/problem+json");
        let body = reply.json();
        assert_eq!((&body["status"], &body["code"]), (&status.into(), &code.into()), "{body}");
    }
}
