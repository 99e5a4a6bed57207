//! A service of axum and one of tonic, guarded by the layer, in front of a real Keyward.
#![cfg(feature = "guard")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/exchange.rs"]
mod exchange;
#[path = "clients/fake.rs"]
mod fake;
#[path = "support/process.rs"]
mod process;
#[path = "support/mod.rs"]
mod support;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{Extension, Router, http::request::Parts, routing::get};
use keyward::{
    domain::policy::Policy,
    guard::{CheckedKey, Guard, Needs},
    wire::v1,
};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout},
};
use tonic::{
    Code,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    exchange::{Reply, exchange, request},
    fake::Fake,
    process::PATIENCE,
    support::{Keyward, holder_key, signed},
};

const READ: &str = "templates:read";
/// A key that is well-formed, and nobody's (docs/security.md).
const STRANGER: &str = "kw_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg418bBM";

/// A guard that asks this Keyward, however late it is there.
fn guard(keyward: SocketAddr) -> Guard {
    Guard::new(Channel::from_shared(format!("http://{keyward}")).unwrap().connect_lazy())
}

/// The service of the crate's documentation: it says whose request it got.
fn service(guard: &Guard) -> Router {
    async fn templates(key: Option<Extension<CheckedKey>>) -> String {
        key.map_or_else(|| "nobody".to_owned(), |Extension(key)| format!("templates of {}", key.owner))
    }
    let read = guard.requires(&[READ]).unwrap();
    let send = guard.requires(&["messaging:send"]).unwrap();
    let by_path = |parts: &Parts| match parts.uri.path() {
        "/v1/known" => Some(Needs::parse(&[READ]).unwrap()),
        _ => None,
    };
    Router::new()
        .route("/v1/templates", get(templates).layer(read))
        .route("/v1/messages", get(templates).layer(send))
        .merge(
            Router::new()
                .route("/v1/known", get(templates))
                .route("/v1/other", get(templates))
                .layer(guard.requires_by(by_path)),
        )
}

/// Serves until the test's runtime ends.
async fn serve(service: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// The reply of Keyward to `GET path`: a machine that is busy can make it too late, which is no answer.
async fn ask(service: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Reply {
    let answered = async {
        loop {
            let reply = exchange(service, &request("GET", path, headers, "")).await;
            if reply.status != 503 {
                return reply;
            }
        }
    };
    timeout(PATIENCE, answered).await.unwrap()
}

#[track_caller]
fn assert_refused(reply: &Reply, status: u16, code: &str, challenge: Option<&str>) {
    assert_eq!((reply.status, reply.json()["error"]["code"].as_str()), (status, Some(code)), "{reply:?}");
    let expected = challenge.map(|challenge| format!("Bearer realm=\"keyward\"{challenge}"));
    assert_eq!(reply.message.header("www-authenticate"), expected.as_deref());
}

fn told<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.limits.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// A key of ann's with these scopes and three uses an hour.
async fn three_uses(keyward: &Keyward, scopes: &[&str]) -> String {
    let hourly = v1::PolicyLimit {
        name: "hour".to_owned(),
        limit: 3,
        window: Some(v1::policy_limit::Window::Calendar(v1::PolicyCalendar::Hour.into())),
        ..v1::PolicyLimit::default()
    };
    let tier = v1::PolicyPlanTier { tier: "default".to_owned(), limits: vec![hourly] };
    let limits = Some(v1::LimitOverrides { tiers: vec![tier], ..v1::LimitOverrides::default() });
    let request = v1::IssueRequest { owner: "ann".to_owned(), limits, ..holder_key(scopes) };
    keyward.issue(request).await.api_key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guarded_service_gets_only_what_keyward_allows_and_knows_who_asks() {
    // H1 H2 H3 H4 H5 L9
    let keyward = Keyward::start_with(true, Policy::default_document().unwrap()).await;
    let service = serve(service(&guard(keyward.address))).await;
    let key = &three_uses(&keyward, &[READ]).await;

    let bearer = format!("bearer {key}");
    let allowed = ask(service, "/v1/templates", &[("authorization", &bearer), ("x-api-key", key)]).await;
    assert_eq!((allowed.status, allowed.text()), (200, "templates of ann"));
    assert_eq!(told(&allowed, "x-ratelimit-limit"), Some("3"));
    let remaining = told(&allowed, "x-ratelimit-remaining");

    let missing = ask(service, "/v1/templates", &[]).await;
    assert_refused(&missing, 401, "CREDENTIALS_MISSING", Some(""));
    let unknown = ask(service, "/v1/templates", &[("x-api-key", STRANGER)]).await;
    assert_refused(&unknown, 401, "CREDENTIALS_INVALID", Some(", error=\"invalid_token\""));
    assert_eq!(unknown.limits, []);
    let two = ask(service, "/v1/templates", &[("authorization", &bearer), ("x-api-key", STRANGER)]).await;
    assert_refused(&two, 400, "CREDENTIALS_AMBIGUOUS", Some(", error=\"invalid_request\""));
    let lacking = ask(service, "/v1/messages", &[("x-api-key", key)]).await;
    let challenge = ", error=\"insufficient_scope\", scope=\"messaging:send\"";
    assert_refused(&lacking, 403, "SCOPE_INSUFFICIENT", Some(challenge));
    assert_eq!(told(&lacking, "x-ratelimit-remaining"), remaining);

    assert_eq!(ask(service, "/v1/known", &[("x-api-key", key)]).await.status, 200);
    let other = ask(service, "/v1/other", &[("x-api-key", key)]).await;
    assert_refused(&other, 403, "ROUTE_NOT_FOUND", Some(", error=\"insufficient_scope\""));

    let spent = loop {
        let reply = ask(service, "/v1/templates", &[("x-api-key", key)]).await;
        if reply.status != 200 {
            break reply;
        }
    };
    assert_refused(&spent, 429, "RATE_LIMITED", None);
    let wait = spent.message.header("retry-after").unwrap();
    assert_eq!(spent.json()["error"]["message"], format!("Rate limit exceeded. Retry after {wait} seconds."));
    assert_eq!(told(&spent, "x-ratelimit-remaining"), Some("0"));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guarded_service_knows_whence_a_request_came_and_asks_with_a_key_of_its_own() {
    // S8 O1
    let keyward = Keyward::start_closed().await;
    let bound = v1::IssueRequest { allowed_cidrs: vec!["192.0.2.0/24".to_owned()], ..holder_key(&[READ]) };
    let key = &keyward.issue(bound).await.api_key;
    let admin = keyward.issue_admin("", support::admin_rights(&["keys:check"], true)).await.api_key;

    let told: fn(&Parts) -> Option<IpAddr> =
        |parts| parts.headers.get("x-real-ip")?.to_str().ok()?.parse().ok();
    let caller = guard(keyward.address).calling_with(&admin).unwrap().source(told);
    let address = serve(service(&caller)).await;
    for (from, status) in [("192.0.2.7", 200), ("198.51.100.9", 403)] {
        let reply = ask(address, "/v1/templates", &[("x-api-key", key), ("x-real-ip", from)]).await;
        assert_eq!(reply.status, status, "{from}: {reply:?}");
    }

    // A mistake of the operator is no outage: it lets nothing through.
    let nobody = serve(service(&guard(keyward.address).letting_through_while_away())).await;
    let reply = exchange(nobody, &request("GET", "/v1/templates", &[("x-api-key", key)], "")).await;
    assert_refused(&reply, 503, "UNAVAILABLE", None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_passes_while_keyward_is_away_unless_that_was_said() {
    // H2
    let keyward = Keyward::start_with(true, Policy::default_document().unwrap()).await;
    let key = keyward.issue_scopes(&[READ]).await.api_key;
    let guard = guard(keyward.address);
    let closed = serve(service(&guard)).await;
    let open = serve(service(&guard.clone().letting_through_while_away())).await;
    for address in [closed, open] {
        assert_eq!(ask(address, "/v1/templates", &[("x-api-key", &key)]).await.status, 200);
    }

    keyward.stop().await;
    let begun = Instant::now();
    let with_key = request("GET", "/v1/templates", &[("x-api-key", &key)], "");
    let reply = exchange(closed, &with_key).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_refused(&reply, 503, "UNAVAILABLE", None);
    assert_eq!(reply.message.header("retry-after"), Some("1"));

    let reply = exchange(open, &with_key).await;
    assert_eq!((reply.status, reply.text()), (200, "nobody"));
    let reply = exchange(open, &request("GET", "/v1/templates", &[], "")).await;
    assert_refused(&reply, 401, "CREDENTIALS_MISSING", Some(""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyward_that_is_there_and_does_not_decide_is_not_away() {
    // H2
    let with_key = request("GET", "/v1/templates", &[("x-api-key", "k")], "");
    let unavailable = |reason| Some((Code::Unavailable, reason));
    for said in [unavailable("COUNTS_UNWRITTEN"), unavailable("STORE_UNAVAILABLE"), None] {
        let fake = Fake::start(said);
        let open = serve(service(&guard(fake.address).letting_through_while_away())).await;
        assert_refused(&exchange(open, &with_key).await, 503, "UNAVAILABLE", None);
    }
    // Who takes a connection and ends it is there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ending = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    let open = serve(service(&guard(ending).letting_through_while_away())).await;
    for _ in 0..3 {
        assert_refused(&exchange(open, &with_key).await, 503, "UNAVAILABLE", None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyward_that_cannot_write_what_a_key_uses_lets_nothing_through() {
    // H2 L6
    let files = tempfile::tempdir().unwrap();
    let keyward =
        process::Server::start_with(files.path(), &["--listen", "127.0.0.1:0", "--count-wait-ms", "20"]);
    let mut issue = process::keyward();
    issue.args(["issue", "three", "--scope", READ, "--limit", "default/few=3/30m"]);
    issue.env("KEYWARD_SERVER", keyward.url());
    issue.env("KEYWARD_ADMIN_KEY_FILE", files.path().join("root-key"));
    let issued = process::run(issue, "");
    assert_eq!(issued.code, Some(0), "{}", issued.err);
    let key = issued.out.trim_end();

    let open = serve(service(&guard(keyward.address).letting_through_while_away())).await;
    let other = rusqlite::Connection::open(files.path().join("keyward.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let with_key = request("GET", "/v1/templates", &[("x-api-key", key)], "");
    assert_refused(&exchange(open, &with_key).await, 503, "UNAVAILABLE", None);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(ask(open, "/v1/templates", &[("x-api-key", key)]).await.status, 200);
    keyward.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyward_that_no_connection_reaches_is_away() {
    // H2: nobody says so, as where a host is down. The kernel drops what comes beyond a full queue.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(connected) =
        timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address)).await
    {
        queued.push(connected.unwrap());
    }
    let with_key = request("GET", "/v1/templates", &[("x-api-key", "k")], "");
    let closed = serve(service(&guard(address))).await;
    assert_refused(&exchange(closed, &with_key).await, 503, "UNAVAILABLE", None);
    let open = serve(service(&guard(address).letting_through_while_away())).await;
    let reply = exchange(open, &with_key).await;
    assert_eq!((reply.status, reply.text()), (200, "nobody"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_not_charged_is_asked_again_once_and_never_for_long() {
    let with_key = request("GET", "/v1/templates", &[("x-api-key", "k")], "");
    let unwritten = Fake::start(Some((Code::Unavailable, "COUNTS_UNWRITTEN")));
    let address = serve(service(&guard(unwritten.address))).await;
    // A machine that is busy can leave no time for the second try.
    let most = async {
        loop {
            let before = unwritten.checks();
            assert_eq!(exchange(address, &with_key).await.status, 503);
            match unwritten.checks() - before {
                0 | 1 => {}
                tries => return tries,
            }
        }
    };
    assert_eq!(timeout(PATIENCE, most).await.unwrap(), 2);

    let broken = Fake::start(Some((Code::Internal, "INTERNAL")));
    let silent = Fake::start(None);
    for fake in [broken, silent] {
        let address = serve(service(&guard(fake.address))).await;
        let begun = Instant::now();
        assert_eq!(exchange(address, &with_key).await.status, 503);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert!(fake.checks() <= 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guarded_grpc_service_answers_with_grpc_statuses() {
    let keyward = Keyward::start_with(true, Policy::default_document().unwrap()).await;
    let key = keyward.issue_scopes(&[READ]).await.api_key;
    let other = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let (_, health) = tonic_health::server::health_reporter();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let layer = guard(keyward.address).requires(&[READ]).unwrap();
    let server = Server::builder().layer(layer).add_service(health).serve_with_incoming(incoming);
    tokio::spawn(server);
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();

    for (api_key, code) in
        [(key.as_str(), Code::Ok), (STRANGER, Code::Unauthenticated), (&other, Code::PermissionDenied)]
    {
        let answered = async {
            loop {
                let request = signed(api_key, HealthCheckRequest { service: String::new() });
                match HealthClient::new(channel.clone()).check(request).await {
                    Ok(_) => return (Code::Ok, String::new()),
                    // A machine that is busy can make an answer too late.
                    Err(status) if status.code() == Code::Unavailable => {}
                    Err(status) => return (status.code(), status.message().to_owned()),
                }
            }
        };
        let (got, message) = timeout(PATIENCE, answered).await.unwrap();
        assert_eq!(got, code, "{message}");
    }
    keyward.stop().await;
}
