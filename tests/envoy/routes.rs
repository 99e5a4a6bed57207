//! Where the gateway's configuration names no scopes, the policy's routes decide: what a client gets of them, and what
//! gets through.

use std::net::SocketAddr;

use keyward::{domain::route::CanonicalPath, wire::v1};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    House,
    answers::{assert_forbidden, assert_invalid, assert_missing},
    config::Config,
    exchange::request,
    hostile::{VALUES, raw},
    service::Seen,
    support::{Keyward, holder_key, policy_with_routes, verbs::bound},
};

const FILES: &str = "/files/{space}/{file=**}";

/// The last route of the example, which names no scopes, leaves these to Keyward.
async fn house(config: Config) -> Option<House> {
    let policy = policy_with_routes(&[
        ("GET", FILES, "storage:read", "space/{space}"),
        ("PUT", FILES, "storage:upload", "space/{space}"),
        ("OPTIONS", FILES, "public", ""),
        ("", "/open/{rest=**}", "public", ""),
        ("", "/open/vault/{rest=**}", "denied", ""),
    ]);
    House::around(Keyward::start_with(true, policy).await, config).await
}

/// A key for reading in one space.
async fn reader(house: &House) -> String {
    let grants = vec![bound("storage:read", &["space/cdn-eu"])];
    house.keyward.issue(v1::IssueRequest { grants, ..holder_key(&[]) }).await.api_key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_of_the_policy_decides_where_envoys_names_no_scopes() {
    // H2, H3, H7
    let Some(house) = house(Config::default()).await else { return };
    let key = reader(&house).await;
    let credential = [("x-api-key", key.as_str())];
    let seen = Seen::of(&house.ask(&request("GET", "/files/cdn-eu/a/b.png?x=%2f", &credential, "")).await);
    assert_eq!(seen.path, "/files/cdn-eu/a/b.png?x=%2f");
    assert!(!seen.identity().is_empty());

    let reply = house.refused(&request("GET", "/files/cdn-us/a", &credential, "")).await;
    let message = "The API key has storage:read for other resources only.";
    assert_forbidden(&reply, r#", scope="storage:read""#, "RESOURCE_NOT_GRANTED", message);
    let reply = house.refused(&request("PUT", "/files/cdn-eu/a", &credential, "x")).await;
    let message = "The API key lacks storage:upload.";
    assert_forbidden(&reply, r#", scope="storage:upload""#, "SCOPE_INSUFFICIENT", message);
    let closed = [("DELETE", "/files/cdn-eu/a"), ("GET", "/open/vault/a"), ("GET", "/no")];
    for (method, path) in closed {
        let reply = house.refused(&request(method, path, &credential, "")).await;
        assert_forbidden(&reply, "", "ROUTE_NOT_FOUND", "No API key gives access to this.");
    }
    // H11
    assert_eq!(house.ask(&request("HEAD", "/files/cdn-eu/a", &credential, "")).await.status, 200);
    assert_eq!(house.refused(&request("HEAD", "/files/cdn-us/a", &credential, "")).await.status, 403);
    // H12
    let seen = Seen::of(&house.ask(&request("GET", "/files/cdn-eu/caf%C3%A9%20a", &credential, "")).await);
    assert_eq!(seen.path, "/files/cdn-eu/caf%C3%A9%20a");
    for path in ["/files/cdn-eu/a", "/files/cdn-us/a", "/open/vault", "/no"] {
        assert_missing(&house.refused(&request("GET", path, &[], "")).await);
    }
    let unknown = request("GET", "/files/cdn-eu/a", &[("x-api-key", "k")], "");
    assert_invalid(&house.refused(&unknown).await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_route_needs_no_key_and_believes_no_claim() {
    // H6, H7
    let Some(house) = house(Config::default().without_stripping()).await else { return };
    let claims = [("x-keyward-owner", "mallory"), ("X-Keyward-Key-Id", "key_1"), ("x-keyward-scopes", "a:b")];
    for (method, path) in [("GET", "/open"), ("POST", "/open/a/b?c"), ("OPTIONS", "/files/cdn-eu/a")] {
        for credential in [("x-api-key", ""), ("x-api-key", "k"), ("x-api-key", "k,k")] {
            let headers = [&claims[..], &[credential]].concat();
            let seen = Seen::of(&house.ask(&request(method, path, &headers, "")).await);
            assert_eq!((seen.method.as_str(), seen.path.as_str()), (method, path));
            assert_eq!(seen.identity(), [], "{credential:?}");
        }
    }
    let before = house.service.requests();
    assert_eq!(house.ask(&request("HEAD", "/open", &claims, "")).await.status, 200);
    assert_eq!(house.service.requests() - before, house.envoys.len());
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_envoy_normalizes_nothing_keyward_matches_canonical_paths_only() {
    // X1, X3
    let Some(house) = house(Config::default().without_normalization()).await else { return };
    let key = house.keyward.issue_scopes(&["storage:*"]).await.api_key;
    let credential = [("x-api-key", key.as_str())];
    assert_eq!(house.ask(&request("GET", "/files/cdn-eu/a", &credential, "")).await.status, 200);
    assert_eq!(house.ask(&request("GET", "/open/a?..%2f", &[], "")).await.status, 200);
    for path in [
        "/open/../files/cdn-eu/a",
        "/open/./a",
        "/open/..",
        "//open/a",
        "/open//a",
        "/open/%2e%2e/files/cdn-eu/a",
        "/open/%2E%2e%2Ffiles",
        "/open/..%2ffiles/cdn-eu/a",
        "/open/..%5cfiles%5Ccdn-eu",
        "/open\\..\\files\\cdn-eu\\a",
        "/open/..;/files/cdn-eu/a",
        "/open;/a",
        "/open/a%00",
        "/open/%c0%ae%c0%ae/a",
        "/open/%252e%252e/files",
        "/%6fpen/a",
        "/files/cdn-eu%2f..%2fcdn-us/a",
        "/files/%2a/a",
        "/open/a#b",
        "/open/vault/../a",
        "/open/x/../vault/a",
    ] {
        for headers in [&credential[..], &[]] {
            let refused = house.refused(&request("GET", path, headers, "")).await;
            assert!([400, 401, 403, 404].contains(&refused.status), "{path}: {refused:?}");
        }
    }
    for path in ["*", "open/a", "http://service.example/open/../files/cdn-eu/a"] {
        let refused = house.refused(&request("GET", path, &[], "")).await;
        assert!([400, 401, 403, 404].contains(&refused.status), "{path}: {refused:?}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_that_envoy_replaces_makes_a_path_canonical() {
    // X3, H12
    for (config, normalizes) in [
        (Config::default(), true),
        (Config::default().without_normalization(), false),
        (Config::default().with_raw_headers(), true),
    ] {
        let Some(house) = house(config).await else { return };
        for value in VALUES {
            for line in [
                [b"GET /open/", value, b" HTTP/1.1"].concat(),
                [b"GET /open/a", value, b"/b HTTP/1.1"].concat(),
                [b"GET http://service.example/open/", value, b" HTTP/1.1"].concat(),
            ] {
                let reply = house.ask(&raw(&line, &[])).await;
                // Envoy may escape what needs it, and then the service gets what was decided.
                if normalizes && reply.status == 200 {
                    assert_canonical_below_open(&Seen::of(&reply));
                } else {
                    assert!([400, 401, 404].contains(&reply.status), "{line:?}: {reply:?}");
                }
            }
        }
        house.stop().await;
    }
}

/// Passes if what the service got is a path that Keyward lets everybody see, in its one spelling.
#[track_caller]
fn assert_canonical_below_open(seen: &Seen) {
    let path = CanonicalPath::parse(&seen.path).unwrap().as_str();
    assert!(path.starts_with("/open/") && !path.starts_with("/open/vault"), "{path}");
}

/// The body of the answer to a request over HTTP/2 whose path is these bytes, if there is one. Envoy's HTTP/1 refuses
/// most of them by itself.
async fn over_http2(envoy: SocketAddr, path: &[u8]) -> Option<Vec<u8>> {
    let literal = |name: &[u8], value: &[u8]| {
        let length = |text: &[u8]| vec![u8::try_from(text.len()).unwrap()];
        [vec![0], length(name), name.to_vec(), length(value), value.to_vec()].concat()
    };
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    let headers = [
        literal(b":method", b"GET"),
        literal(b":scheme", b"http"),
        literal(b":path", path),
        literal(b":authority", b"service.example"),
    ];
    let request = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
        frame(1, 5, 1, &headers.concat()),
    ];
    let mut socket = TcpStream::connect(envoy).await.unwrap();
    socket.write_all(&request.concat()).await.unwrap();
    let mut body = Vec::new();
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        socket.read_exact(&mut payload).await.ok()?;
        let (kind, ends) = (head[3], head[4] & 1 == 1);
        match kind {
            0 => body.extend_from_slice(&payload),
            3 | 7 => return None,
            _ => {}
        }
        if kind < 2 && ends {
            return Some(body);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_that_envoy_shows_as_another_is_not_canonical() {
    // X3, H12
    for (config, normalizes) in
        [(Config::default(), true), (Config::default().without_normalization(), false)]
    {
        let Some(house) = house(config).await else { return };
        for envoy in &house.envoys {
            let seen = over_http2(envoy.address, b"/open/a").await.unwrap();
            assert!(String::from_utf8_lossy(&seen).contains("\"path\":\"/open/a\""));
            let before = house.service.requests();
            for value in [&b"\x80"[..], b"\xff", b"\xc0\xae\xc0\xae/a", b"\xed\xa0\x80", b"!"] {
                let body = over_http2(envoy.address, &[b"/open/", value].concat()).await;
                assert_eq!(house.service.requests(), before, "{value:?}: {body:?}");
            }
            // A character in UTF-8 is escaped by an Envoy that normalizes, ahead of the decision and for the service.
            let body = over_http2(envoy.address, b"/open/\xc3\xa4").await.unwrap_or_default();
            if normalizes {
                let seen: Seen = serde_json::from_slice(&body).unwrap();
                assert_eq!(seen.path, "/open/%C3%A4");
            } else {
                assert_eq!(house.service.requests(), before, "{body:?}");
            }
        }
        house.stop().await;
    }
}
