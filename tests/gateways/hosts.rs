//! Hostile hosts: routes of the policy name hosts, so that the one that was decided must be the one that the service gets.

use crate::{
    exchange::{exchange, request},
    house::House,
    service::Seen,
};

/// Everybody may see `/h/…` there (the policy of `house.rs`), and nowhere else.
const OPEN: &str = "open.example";

/// A request without a key for `/h/a`, with these first lines.
fn raw(lines: &[&str]) -> Vec<u8> {
    let mut text = lines.join("\r\n");
    text.push_str("\r\n\r\n");
    text.into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_is_decided_as_the_service_gets_it() {
    // X3, H7
    let Some(house) = House::build().await else { return };
    let path = "GET /h/a HTTP/1.1";
    let hostile: [&[&str]; 22] = [
        &[path, "host: open.example"],
        &[path, "host: closed.example"],
        &[path, "Host: OPEN.example"],
        &[path, "host: open.example:80"],
        &[path, "host: open.example:65536"],
        &[path, "host: open.example."],
        &[path, "host: open.example:"],
        &[path, "host: closed.example#open.example"],
        &[path, "host: closed.example/open.example"],
        &[path, "host: closed.example@open.example"],
        &[path, "host: open.example@closed.example"],
        &[path, "host: open.example, closed.example"],
        &[path, "host: open.example", "host: closed.example"],
        &[path, "host: closed.example", "host: open.example"],
        &[path, "host: closed.example", "x-forwarded-host: open.example"],
        &[path, "host: closed.example", "forwarded: host=open.example"],
        &[path, "host: closed.example", "x-host: open.example", ":authority: open.example"],
        &["GET http://open.example/h/a HTTP/1.1", "host: closed.example"],
        &["GET http://closed.example/h/a HTTP/1.1", "host: open.example"],
        &["GET http://closed.example@open.example/h/a HTTP/1.1", "host: closed.example"],
        &["GET /h/a HTTP/1.0", "x-forwarded-host: open.example"],
        &[path, "host:"],
    ];
    for running in &house.gateways {
        let name = running.gateway.name;
        for lines in hostile {
            let (reply, reached) = house.ask(running, &raw(lines)).await;
            assert_eq!(reached, usize::from(reply.status == 200), "{name} {lines:?}: {reply:?}");
            if reply.status == 200 {
                let seen = Seen::of(&reply);
                let [host] = seen.values("host")[..] else { panic!("{name} {lines:?}: {seen:?}") };
                let host = host.strip_suffix(":80").unwrap_or(host);
                assert_eq!(host.to_lowercase(), OPEN, "{name} {lines:?}");
            }
        }
        let (reply, _) = house.ask(running, &raw(hostile[0])).await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        assert_eq!(house.refused(running, &raw(hostile[1])).await.status, 401, "{name}");
    }
    house.stop().await;
}

/// Sends these bytes, and an honest request after them on another connection.
async fn send(address: std::net::SocketAddr, bytes: &[u8]) {
    let _refused_or_not = crate::exchange::try_exchange(address, bytes).await;
    let honest = exchange(address, &request("GET", "/no", &[], "")).await;
    assert_eq!(honest.status, 401);
}

/// Ways to say where a body ends that can be read in two, and in which another request stands.
fn hiding(hidden: &str) -> [String; 14] {
    let length = hidden.len();
    let chunks = format!("0\r\n\r\n{hidden}");
    let both = chunks.len();
    [
        format!("content-length: {both}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"),
        format!("transfer-encoding: chunked\r\ncontent-length: {both}\r\n\r\n{chunks}"),
        format!("content-length: {both}\r\ntransfer-encoding: xchunked\r\n\r\n{chunks}"),
        format!("content-length: {both}\r\ntransfer-encoding : chunked\r\n\r\n{chunks}"),
        format!("content-length: {both}\r\ntransfer-encoding:\x0bchunked\r\n\r\n{chunks}"),
        format!("content-length: {both}\r\ntransfer-encoding: identity, chunked\r\n\r\n{chunks}"),
        format!("content-length: {both}\r\nx: y\ntransfer-encoding: chunked\r\n\r\n{chunks}"),
        format!("content-length: {both}\r\nx: y\rtransfer-encoding: chunked\r\n\r\n{chunks}"),
        format!("content-length: 0\r\ncontent-length: {length}\r\n\r\n{hidden}"),
        format!("content-length: +{length}\r\n\r\n{hidden}"),
        format!("content-length: {length}, 0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n{length:x};a=\"\r\n\"\r\n{hidden}\r\n0\r\n\r\n"),
        format!("upgrade: websocket\r\nconnection: upgrade\r\ncontent-length: {length}\r\n\r\n{hidden}"),
        format!("expect: 100-continue\r\ncontent-length: {length}\r\n\r\n{hidden}"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_hides_in_the_body_of_another() {
    // X1, X3
    let Some(house) = House::build().await else { return };
    let mut attempts = Vec::new();
    for running in &house.gateways {
        for way in 0..hiding("").len() {
            for (method, path, most) in [("POST", "/no", 0), ("POST", "/open/a", 1), ("GET", "/open/a", 1)] {
                let mark = format!("?attempt={}.", attempts.len());
                let host = "HTTP/1.1\r\nhost: service.example\r\n";
                let head = &hiding(&format!("GET /v1/templates{mark} {host}x-hidden: yes\r\n\r\n"))[way];
                let bytes = format!("{method} {path}{mark} {host}{head}");
                send(running.address, bytes.as_bytes()).await;
                attempts.push((running.gateway.name, bytes, mark, most));
            }
        }
    }
    let service = house.service.clone();
    house.stop().await;
    // What a gateway passes on late has come by now, or never comes.
    let mut passed = 0;
    for (gateway, bytes, mark, most) in attempts {
        let reached = service.requests_of(&mark);
        assert!(reached <= most, "{gateway}: {reached} of {bytes:?}");
        passed += reached;
    }
    assert!(passed > 0, "the service counts nothing");
}
