//! Pages in browsers: their preflights are answered without a key, and they can read what they are answered, denials and
//! limits too. The requests are those that Chromium sends, header by header.

use keyward::domain::policy::{Policy, RouteEntry};

use super::HERE;
use crate::{
    config::{Behind, Changes},
    exchange::{Reply, exchange, request},
    gateway::{CADDY, Gateway, Running, TRAEFIK},
    house::{Holder, House, policy},
    service::{Seen, Service},
    support::skip,
};

/// The origin that the examples name.
const PAGE: &str = "https://app.example.com";
const ELSEWHERE: &str = "https://evil.example";
/// What a page must be able to read.
const READABLE: [&str; 8] = [
    "www-authenticate",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-latency",
];
const AGENT: (&str, &str) = (
    "User-Agent",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
);

/// What Chromium asks before a page at `origin` may send this method with a key.
fn preflight(path: &str, origin: &str, method: &str) -> Vec<u8> {
    let headers = [
        ("Connection", "keep-alive"),
        ("Accept", "*/*"),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", "authorization"),
        ("Origin", origin),
        AGENT,
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Dest", "empty"),
        ("Referer", "https://app.example.com/"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-US,en;q=0.9"),
    ];
    request("OPTIONS", path, &headers, "")
}

/// What Chromium sends for a page afterwards.
fn fetch(path: &str, origin: &str, key: &str) -> Vec<u8> {
    let bearer = format!("Bearer {key}");
    let headers = [
        ("Connection", "keep-alive"),
        ("sec-ch-ua-platform", "\"Linux\""),
        ("authorization", &bearer),
        AGENT,
        ("Accept", "*/*"),
        ("Origin", origin),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
        ("Referer", "https://app.example.com/"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-US,en;q=0.9"),
    ];
    request("GET", path, &headers[..], "")
}

/// The policy of the tests, with keys that may be used in browsers, and one route for all preflights.
pub(super) fn for_pages() -> Policy {
    let mut document = policy().document().clone();
    for environment in &mut document.environments {
        "allow".clone_into(&mut environment.browsers);
    }
    document.routes.push(RouteEntry {
        method: "OPTIONS".to_owned(),
        path: "/{rest=**}".to_owned(),
        access: "public".to_owned(),
        ..RouteEntry::default()
    });
    Policy::new(document).unwrap()
}

/// Traefik's pages are switched on, as its file says.
pub(super) fn changes(gateway: &Gateway) -> Changes {
    let mut changes = Changes::default();
    if gateway.name == TRAEFIK.name {
        changes.replaced.push((
            "middlewares: [as-it-came@file".into(),
            "middlewares: [pages@file, as-it-came@file".into(),
        ));
    }
    changes
}

fn list(reply: &Reply, name: &str) -> Vec<String> {
    let values = reply.message.headers.iter().filter(|(known, _)| known == name);
    values.flat_map(|(_, value)| value.split(',')).map(|word| word.trim().to_lowercase()).collect()
}

/// A page at the origin that the example names may read this answer, and these headers of it.
#[track_caller]
fn assert_readable(what: &str, reply: &Reply) {
    assert_eq!(reply.message.header("access-control-allow-origin"), Some(PAGE), "{what}: {reply:?}");
    assert_eq!(reply.message.header("access-control-allow-credentials"), None, "{what}: {reply:?}");
    let exposed = list(reply, "access-control-expose-headers");
    for name in READABLE {
        assert!(exposed.iter().any(|exposed| exposed == name), "{what} {name}: {reply:?}");
    }
}

async fn started(house: &House, gateway: &'static Gateway) -> Option<Running> {
    house.beside(gateway, &changes(gateway)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_is_answered_without_a_key() {
    // H10
    let house = House::bare(for_pages()).await;
    for gateway in HERE {
        let Some(running) = started(&house, gateway).await else { return };
        let before = house.service.requests();
        for (path, method) in
            [("/v1/templates", "GET"), ("/v1/templates", "PATCH"), ("/healthz", "PUT"), ("/no", "DELETE")]
        {
            let what = format!("{} {method} {path}", gateway.name);
            let reply = exchange(running.address, &preflight(path, PAGE, method)).await;
            assert!([200, 204].contains(&reply.status), "{what}: {reply:?}");
            assert_eq!(reply.message.header("access-control-allow-origin"), Some(PAGE), "{what}: {reply:?}");
            let method = method.to_lowercase();
            assert!(list(&reply, "access-control-allow-methods").contains(&method), "{what}: {reply:?}");
            for header in ["authorization", "x-api-key", "content-type"] {
                let header = header.to_owned();
                assert!(list(&reply, "access-control-allow-headers").contains(&header), "{what}: {reply:?}");
            }
            let other = exchange(running.address, &preflight(path, ELSEWHERE, "GET")).await;
            assert_eq!(other.message.header("access-control-allow-origin"), None, "{what}: {other:?}");
        }
        // Only the public route of the policy, and the open one of the gateway, pass the others on.
        let passed = house.service.requests() - before;
        let expected = if gateway.name == TRAEFIK.name { 0 } else { 2 };
        assert_eq!(passed, expected, "{}", gateway.name);
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_can_read_denials_and_limits() {
    // H10, H4
    let house = House::bare(for_pages()).await;
    for gateway in HERE {
        let Some(running) = started(&house, gateway).await else { return };
        let ask = async |holder: Holder, path: &str| {
            exchange(running.address, &fetch(path, PAGE, &house.key(holder).await)).await
        };
        let reader = house.key(Holder::Reader).await;
        let rows = [
            (200, ask(Holder::Reader, "/v1/templates").await),
            (401, ask(Holder::Revoked, "/v1/templates").await),
            (403, ask(Holder::Writer, "/v1/templates").await),
            (429, ask(Holder::SpentHour, "/v1/templates").await),
            (
                400,
                exchange(running.address, &fetch(&format!("/v1/templates?k={reader}"), PAGE, &reader)).await,
            ),
        ];
        for (status, reply) in &rows {
            let what = format!("{} {status}", gateway.name);
            assert_eq!(reply.status, *status, "{what}: {reply:?}");
            assert_readable(&what, reply);
        }
        assert!(rows[3].1.message.header("retry-after").is_some());
        let other = exchange(running.address, &fetch("/v1/templates", ELSEWHERE, &reader)).await;
        assert_eq!(other.message.header("access-control-allow-origin"), None, "{other:?}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_can_read_that_keyward_is_away() {
    // H10
    let service = Service::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for gateway in HERE {
        let Some(program) = skip::tool(gateway.program) else { return };
        let behind = Behind { grpc: nobody, verify: nobody, service: service.address };
        let away = Changes { without_keyward: true, ..changes(gateway) };
        let running = Running::start(gateway, &program, behind, &away).await;
        let reply = exchange(running.address, &fetch("/v1/templates", PAGE, "k")).await;
        let status = if gateway.name == TRAEFIK.name { 500 } else { 503 };
        assert_eq!(reply.status, status, "{reply:?}");
        assert_readable(gateway.name, &reply);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_route_of_the_policy_passes_preflights_on_to_a_service_that_answers_them() {
    // H10
    let house = House::bare(for_pages()).await;
    for gateway in HERE {
        let Some(running) = house.beside(gateway, &Changes::default()).await else { return };
        let ask = async |method: &str, path: &str| {
            let mut bytes = preflight(path, ELSEWHERE, "GET");
            bytes.splice(.."OPTIONS".len(), method.bytes());
            exchange(running.address, &bytes).await
        };
        // `/files/{space}/{file=**}` is a route of any method, and says more about the path.
        let reply = ask("OPTIONS", "/files/cdn-eu/a").await;
        let seen = Seen::of(&reply);
        assert_eq!(
            (seen.method.as_str(), seen.path.as_str()),
            ("OPTIONS", "/files/cdn-eu/a"),
            "{}",
            gateway.name
        );
        assert_eq!(ask("GET", "/files/cdn-eu/a").await.status, 401, "{}", gateway.name);
        // No key and a route that is denied to all: the first of the two is told.
        let (before, denied) = (house.service.requests(), ask("OPTIONS", "/open/vault/a").await.status);
        assert_eq!((denied, house.service.requests()), (401, before), "{}: a denied route", gateway.name);
    }
    house.stop().await;
}

/// What a cache may keep of an answer to one page is not for another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_for_one_page_says_so() {
    // H10
    let house = House::bare(for_pages()).await;
    for gateway in [&CADDY, &TRAEFIK] {
        let Some(running) = started(&house, gateway).await else { return };
        let key = house.key(Holder::Reader).await;
        let reply = exchange(running.address, &fetch("/v1/templates", PAGE, &key)).await;
        assert!(list(&reply, "vary").contains(&"origin".to_owned()), "{}: {reply:?}", gateway.name);
    }
    house.stop().await;
}
