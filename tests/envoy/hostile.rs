//! Whatever a client sends, Keyward answers: where `failure_mode_allow` is true, no request buys itself an outage.

use crate::{
    House, READ,
    answers::{assert_invalid, assert_missing},
    config::Config,
    exchange::{Reply, request},
    keyward,
    service::Seen,
};

/// What Envoy and Keyward answer to what they do not let through.
const REFUSALS: [u16; 7] = [400, 401, 403, 404, 405, 413, 431];

/// Values that some parser somewhere does not survive.
pub(crate) const VALUES: [&[u8]; 12] = [
    b"\xff\xfe\xfd",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc0\x80",
    b"a\x80",
    "\u{202e}\u{feff}\u{1f511}".as_bytes(),
    b"\x01\x02\x1b[2J",
    b"a\0b",
    b"%00%0d%0a%ff",
    b"{\"a\":\"\\ud800\"}'\"<>`${7*7}",
    b"a\tb",
];

/// Each way in which Envoy can pass headers on.
async fn houses() -> Option<Vec<House>> {
    let configs = [
        Config::default(),
        Config::default().with_all_headers(),
        Config::default().with_raw_headers(),
        Config::default().with_raw_headers().with_all_headers(),
    ];
    let mut houses = Vec::new();
    for config in configs {
        houses.push(House::around(keyward().await, config).await?);
    }
    Some(houses)
}

async fn stop(houses: Vec<House>) {
    for house in houses {
        house.stop().await;
    }
}

/// A request whose first line and headers are these bytes.
pub(crate) fn raw(line: &[u8], headers: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [line, b"\r\nhost: service.example\r\n"].concat();
    for header in headers {
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[track_caller]
fn assert_refused(reply: &Reply) {
    assert!(REFUSALS.contains(&reply.status), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bytes_in_a_credential_are_an_outage() {
    // X1, X2, H5
    let Some(houses) = houses().await else { return };
    for house in &houses {
        let key = house.keyward.issue_scopes(&[READ]).await.api_key;
        for value in VALUES {
            let lines = [
                [b"x-api-key: ", value].concat(),
                [b"authorization: Bearer ", value].concat(),
                [b"x-api-key: ", key.as_bytes(), value].concat(),
                [b"authorization: Bearer ", key.as_bytes(), value].concat(),
                [b"x-api-key: ", value, key.as_bytes()].concat(),
                [b"authorization: Bearer ", value, key.as_bytes()].concat(),
                [b"authorization: ", value, b" ", key.as_bytes()].concat(),
            ];
            for line in &lines {
                assert_refused(&house.refused(&raw(b"GET /v1/templates HTTP/1.1", &[line])).await);
            }
        }
        let line = [b"x-api-key: ", key.as_bytes(), b"\xff"].concat();
        assert_invalid(&house.refused(&raw(b"GET /v1/templates HTTP/1.1", &[&line])).await);
    }
    stop(houses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bytes_elsewhere_are_an_outage_or_a_way_in() {
    // X1, X3
    let Some(houses) = houses().await else { return };
    let names = [
        "user-agent",
        "x-request-id",
        "cookie",
        "referer",
        "x-forwarded-for",
        "x-envoy-internal",
        "traceparent",
    ];
    for house in &houses {
        for value in VALUES {
            for name in names {
                let line = [name.as_bytes(), b": ", value].concat();
                assert_refused(&house.refused(&raw(b"GET /v1/templates HTTP/1.1", &[&line])).await);
            }
            for line in [
                [b"GET /v1/templates?", value, b" HTTP/1.1"].concat(),
                [b"GET /v1/templates", value, b" HTTP/1.1"].concat(),
                [b"GET /", value, b" HTTP/1.1"].concat(),
                [value, b" /v1/templates HTTP/1.1"].concat(),
                [b"GET http://", value, b"/v1/templates HTTP/1.1"].concat(),
            ] {
                assert_refused(&house.refused(&raw(&line, &[])).await);
            }
        }
    }
    stop(houses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_headers_as_envoy_takes_are_decided() {
    // X1
    let Some(houses) = houses().await else { return };
    let long = "a".repeat(50 << 10);
    let many: Vec<(String, String)> = (0..94).map(|n| (format!("x-header-{n}"), "b".repeat(500))).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let path = format!("/v1/templates?{long}");
    for house in &houses {
        let key = house.keyward.issue_scopes(&[READ]).await.api_key;
        let credential = ("x-api-key", key.as_str());
        let one = [("cookie", long.as_str())];
        for (path, headers) in [("/v1/templates", &one[..]), ("/v1/templates", &many[..80]), (&path, &[])] {
            assert_missing(&house.refused(&request("GET", path, headers, "")).await);
            let seen =
                Seen::of(&house.ask(&request("GET", path, &[headers, &[credential]].concat(), "")).await);
            assert_eq!(seen.path, path);
        }
        // There is no room for who the holder is: Envoy would rather refuse than leave it out.
        let full = request("GET", "/v1/templates", &[&many[..], &[credential]].concat(), "");
        assert_eq!(house.refused(&full).await.status, 500);
        assert_invalid(&house.refused(&request("GET", "/v1/templates", &[("x-api-key", &long)], "")).await);
        let bearer = format!("Bearer {long}");
        assert_invalid(
            &house.refused(&request("GET", "/v1/templates", &[("authorization", &bearer)], "")).await,
        );
        let too_long = "a".repeat(70 << 10);
        assert_refused(
            &house.refused(&request("GET", "/v1/templates", &[("x-api-key", &too_long)], "")).await,
        );
    }
    stop(houses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_and_body_is_decided() {
    // X1, H2
    let Some(house) = House::build().await else { return };
    let key = house.keyward.issue_scopes(&["templates:*"]).await.api_key;
    let credential = ("x-api-key", key.as_str());
    let preflight = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "PROPFIND", "REPORT"] {
        let refused = house.refused(&request(method, "/v1/templates", &preflight, "")).await;
        assert_eq!(refused.status, 401, "{method}");
        assert_eq!(refused.message.body.is_empty(), method == "HEAD", "{method}");
        let before = house.service.requests();
        let reply =
            house.ask(&request(method, "/v1/templates", &[&preflight[..], &[credential]].concat(), "")).await;
        assert_eq!(reply.status, 200, "{method}");
        assert_eq!(house.service.requests() - before, house.envoys.len(), "{method}");
    }
    let body = "b".repeat(1 << 20);
    let seen = Seen::of(&house.ask(&request("POST", "/v1/templates", &[credential], &body)).await);
    assert_eq!(seen.body, body);
    let chunked = [("transfer-encoding", "chunked"), credential];
    let mut chunks = request("POST", "/v1/templates", &chunked, "");
    chunks.extend_from_slice(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    assert_eq!(Seen::of(&house.ask(&chunks).await).body, "hello world");
    let mut chunks = request("POST", "/v1/templates", &chunked[..1], "");
    chunks.extend_from_slice(b"5\r\nhello\r\n0\r\n\r\n");
    assert_missing(&house.refused(&chunks).await);
    assert_missing(&house.refused(&request("POST", "/v1/templates", &[], "hello")).await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_spelling_of_a_path_gets_around_nothing() {
    // X3
    let Some(house) = House::build().await else { return };
    let key = house.keyward.issue_scopes(&[READ]).await.api_key;
    let paths = [
        "/healthz/../v1/templates",
        "/healthz/%2e%2e/v1/templates",
        "/healthz/..%2fv1/templates",
        "/healthz%2f..%2fv1%2ftemplates",
        "/healthz/..%5cv1/templates",
        "/healthz\\..\\v1\\templates",
        "/healthz;/../v1/templates",
        "/healthz;a=b",
        "/healthz%00",
        "/healthz%3f",
        "/healthz/",
        "/HEALTHZ",
        "//healthz/../v1/templates",
        "//v1//templates",
        "/v1/./templates",
        "/v1/x/../templates",
        "/v1/templates/..;/spaces/cdn-eu",
        "/v1/%74emplates",
        "/v1/exports/%2e%2e/templates",
        "/v1/templates/../exports",
        "*",
        "http://service.example/v1/templates",
        "http://service.example/healthz/../v1/templates",
    ];
    for path in paths {
        assert_refused(&house.refused(&request("GET", path, &[], "")).await);
        // With a key it may be decided, as the path that the service sees.
        let reply = house.ask(&request("GET", path, &[("x-api-key", &key)], "")).await;
        if reply.status == 200 {
            assert_eq!(Seen::of(&reply).path, "/v1/templates", "{path}");
        } else {
            assert_refused(&reply);
        }
    }
    house.stop().await;
}
