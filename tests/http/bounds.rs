//! Clients that take without asking: each is bounded, and closed in time, over HTTP/1.1 as over HTTP/2.
//!
//! Where a deadline is awaited it is a short one that the test set, and what is awaited is the event that it causes.

use std::{net::SocketAddr, time::Duration};

use keyward::server::limits::ListenerLimits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    client::{Reply, ask, ask_on},
    description,
    exchange::{Connection, Message, Reply as Raw},
    process::PATIENCE,
    support::Keyward,
};

const SHORT: Duration = Duration::from_millis(100);
const HEAD: &str = "GET /verify?scopes=messaging:send HTTP/1.1\r\nhost: k\r\n\
     x-forwarded-method: GET\r\nx-forwarded-host: k\r\nx-forwarded-for: 192.0.2.1\r\n";
const CHECK: &str = "POST /v1/check HTTP/1.1\r\nhost: k\r\ncontent-type: application/json\r\n";

async fn within(limits: ListenerLimits) -> (Keyward, SocketAddr) {
    let keyward = Keyward::start_within(limits).await;
    let address = keyward.service.http_address();
    (keyward, address)
}

async fn connect_from(source: &str, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    socket.connect(server).await.unwrap()
}

/// Waits until the peer has closed; what it still sent is returned.
async fn until_closed(socket: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    // A reset is as good an end as any.
    drop(timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("the peer did not close"));
    String::from_utf8(rest).unwrap()
}

/// Sends what never ends, byte by byte, until the peer has closed.
async fn drip(mut socket: TcpStream) {
    let dripping = async {
        while socket.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, dripping).await.expect("the peer did not close");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    // X5
    let (_keyward, address) =
        within(ListenerLimits { preface_deadline: SHORT, ..ListenerLimits::default() }).await;
    for begun in ["", "GET", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(begun.as_bytes()).await.unwrap();
        assert_eq!(until_closed(&mut socket).await, "", "{begun:?}");
    }
}

#[tokio::test]
async fn a_head_that_is_never_whole_is_given_up() {
    // X5
    let limits =
        ListenerLimits { first_call_deadline: SHORT, farewell_deadline: SHORT, ..ListenerLimits::default() };
    let (_keyward, address) = within(limits).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(HEAD.as_bytes()).await.unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(format!("{HEAD}x-filler: ").as_bytes()).await.unwrap();
    assert!(!until_closed(&mut silent).await.contains(" 200 "));
    drip(slow).await;
}

#[tokio::test]
async fn a_connection_that_is_kept_has_so_long_for_its_next_head() {
    // X5
    let (keyward, address) =
        within(ListenerLimits { head_deadline: SHORT, ..ListenerLimits::default() }).await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let whole = format!("{HEAD}x-forwarded-uri: /\r\nx-api-key: {key}\r\n\r\n");
    for next in ["", HEAD] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(format!("{whole}{next}").as_bytes()).await.unwrap();
        let answers = until_closed(&mut socket).await;
        assert_eq!(answers.matches(" 200 OK").count(), 1, "{next:?}: {answers}");
    }
    let mut dripping = TcpStream::connect(address).await.unwrap();
    dripping.write_all(format!("{whole}{HEAD}x-filler: ").as_bytes()).await.unwrap();
    drip(dripping).await;
}

#[tokio::test]
async fn connections_are_capped_per_address_and_in_all_and_their_places_are_given_back() {
    // X5
    let limits = ListenerLimits {
        max_connections: 250,
        max_connections_per_address: 200,
        preface_deadline: Duration::from_secs(2),
        ..ListenerLimits::default()
    };
    let (keyward, address) = within(limits).await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(connect_from("127.0.0.1", address).await);
    }
    assert_eq!(
        until_closed(&mut connect_from("127.0.0.1", address).await).await,
        "",
        "one address's are taken"
    );
    for _ in 0..50 {
        idle.push(connect_from("127.0.0.2", address).await);
    }
    assert_eq!(until_closed(&mut connect_from("127.0.0.3", address).await).await, "", "all are taken");
    for socket in &mut idle {
        until_closed(socket).await;
    }
    let again = async {
        while Connection::open(address)
            .await
            .unwrap()
            .ask(b"GET / HTTP/1.1\r\n\r\n")
            .await
            .ok()
            .flatten()
            .is_none()
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.expect("their places are still taken");
    assert_eq!(ask(&keyward, "GET", "/openapi.json", &[], "").await.status, 200);
}

#[tokio::test]
async fn thousands_of_idle_connections_keep_nobody_out() {
    // X5
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let (keyward, address) = within(ListenerLimits::default()).await;
    let mut idle = Vec::new();
    for place in 0..3_000 {
        let mut socket = connect_from(&format!("127.0.1.{}", 1 + place % 100), address).await;
        socket.write_all(&HEAD.as_bytes()[..place % HEAD.len()]).await.unwrap();
        idle.push(socket);
    }
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let headers = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/"),
        ("x-forwarded-host", "k"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-api-key", key.as_str()),
    ];
    let mut connection = Connection::open(address).await.unwrap();
    for _ in 0..10 {
        assert_eq!(
            ask_on(&mut connection, "GET", "/verify?scopes=messaging:send", &headers).await.status,
            200
        );
    }
}

#[tokio::test]
async fn a_body_that_is_never_whole_holds_up_no_answer_of_verify() {
    // X5
    let (keyward, address) = within(ListenerLimits::default()).await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    for body in ["content-length: 1000000\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\nff\r\nabc"] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let question = format!("{HEAD}x-forwarded-uri: /\r\nx-api-key: {key}\r\n{body}");
        socket.write_all(question.as_bytes()).await.unwrap();
        let answers = until_closed(&mut socket).await;
        assert_eq!(answers.matches(" 200 OK").count(), 1, "{body:?}: {answers}");
    }
}

/// Reads one answer, which is to a Check.
async fn read_answer(socket: &mut TcpStream) -> Reply {
    let mut reader = tokio::io::BufReader::new(socket);
    let message = timeout(PATIENCE, Message::read(&mut reader, true)).await.unwrap().unwrap();
    let reply = Raw::from(message.expect("an answer")).into();
    description::assert_described("POST", "/v1/check", &reply);
    reply
}

#[tokio::test]
async fn a_question_that_is_never_whole_is_503_in_time_and_the_end() {
    // X5
    let limits =
        ListenerLimits { call_deadline: SHORT, farewell_deadline: SHORT, ..ListenerLimits::default() };
    let (_keyward, address) = within(limits).await;
    for body in ["content-length: 1000\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(format!("{CHECK}{body}").as_bytes()).await.unwrap();
        let reply = read_answer(&mut socket).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "UNAVAILABLE"), "{body:?}");
        assert_eq!(reply.header("x-ratelimit-latency"), "100");
        until_closed(&mut socket).await;
    }
}

#[tokio::test]
async fn a_question_that_breaks_off_is_400() {
    // X5
    let (_keyward, address) = within(ListenerLimits::default()).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(format!("{CHECK}transfer-encoding: chunked\r\n\r\nx\r\n").as_bytes()).await.unwrap();
    let reply = read_answer(&mut socket).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "REQUEST_MALFORMED"));
    until_closed(&mut socket).await;
}

#[tokio::test]
async fn unfinished_questions_share_a_budget_of_bytes() {
    // X5
    let limits = ListenerLimits { in_flight_bytes: 60_000, ..ListenerLimits::default() };
    let (keyward, address) = within(limits).await;
    let begun = format!("{CHECK}content-length: 300000\r\n\r\n{}", " ".repeat(60_000));
    let (mut one, mut other) =
        (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
    one.write_all(begun.as_bytes()).await.unwrap();
    other.write_all(begun.as_bytes()).await.unwrap();
    // Their bytes mix, so either can be the one too many.
    let refused = tokio::select! {
        reply = read_answer(&mut one) => reply,
        reply = read_answer(&mut other) => reply,
    };
    assert_eq!((refused.status, refused.code().as_str()), (503, "UNAVAILABLE"));
    let json = [("content-type", "application/json")];
    assert_eq!(ask(&keyward, "POST", "/v1/check", &json, "{}").await.status, 200, "small questions go on");
}

#[tokio::test]
async fn half_open_streams_of_http_2_are_refused_beyond_the_cap_and_given_up() {
    // X5
    let limits = ListenerLimits { call_deadline: Duration::from_millis(500), ..ListenerLimits::default() };
    let cap = limits.max_concurrent_streams;
    let (keyward, address) = within(limits).await;
    let socket = TcpStream::connect(address).await.unwrap();
    let (send, connection) =
        h2::client::Builder::new().initial_max_send_streams(1_000).handshake(socket).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut streams = Vec::new();
    for _ in 0..cap + 50 {
        let head =
            http::Request::post("http://localhost/v1/check").header("content-type", "application/json");
        let Ok(mut send) = send.clone().ready().await else { break };
        let opened: (h2::client::ResponseFuture, h2::SendStream<bytes::Bytes>) =
            send.send_request(head.body(()).unwrap(), false).unwrap();
        streams.push(opened);
    }
    let mut given_up = 0;
    for (response, _stream) in streams {
        if let Ok(response) = timeout(PATIENCE, response).await.expect("neither refused nor given up") {
            assert_eq!(response.status(), 503);
            given_up += 1;
        }
    }
    assert!((1..=cap).contains(&given_up), "{given_up}");
    drop(send);
    let _ended = timeout(PATIENCE, connection).await.expect("the connection goes too").unwrap();
    assert_eq!(ask(&keyward, "GET", "/openapi.json", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_connection_that_is_kept_holds_up_no_orderly_end() {
    // D10
    let (keyward, address) = within(ListenerLimits::default()).await;
    let mut kept = Connection::open(address).await.unwrap();
    assert_eq!(ask_on(&mut kept, "GET", "/openapi.json", &[]).await.status, 200);
    let mut begun = TcpStream::connect(address).await.unwrap();
    begun.write_all(HEAD.as_bytes()).await.unwrap();
    timeout(PATIENCE, keyward.stop()).await.expect("the end is held up");
    assert_eq!(until_closed(&mut begun).await, "");
    assert!(kept.ask(b"GET / HTTP/1.1\r\n\r\n").await.ok().flatten().is_none());
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

/// A question in pieces of so many bytes.
fn chunked(bytes: usize) -> Vec<u8> {
    let body = format!("{{}}{}", " ".repeat(20_000));
    let chunks = body.as_bytes().chunks(bytes).map(|piece| {
        let piece = std::str::from_utf8(piece).unwrap();
        format!("{:x}\r\n{piece}\r\n", piece.len())
    });
    format!("{CHECK}transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", chunks.collect::<String>()).into_bytes()
}

#[tokio::test]
async fn pieces_and_reads_that_bring_no_request_forward_end_their_connection() {
    // X5
    let limits = ListenerLimits { work_beside_calls: 1_000, work_per_second: 1, ..ListenerLimits::default() };
    let (_keyward, address) = within(limits).await;
    for (bytes, expected) in [(1_000, true), (100, true), (1, false)] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        // Who is let go cannot send it all.
        let _not_all = socket.write_all(&chunked(bytes)).await;
        let mut answer = [0; 12];
        let answered = timeout(PATIENCE, socket.read_exact(&mut answer)).await.unwrap().is_ok();
        assert_eq!(answered && answer == *b"HTTP/1.1 200", expected, "{bytes}");
    }
    for dripped in ["a", "\r\n", "\r\n\r\n"] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        socket.write_all(if dripped == "a" { CHECK.as_bytes() } else { b"\r\n" }).await.unwrap();
        let mut sent = 0;
        // Far fewer bytes than a head may have.
        while sent < 20_000 && socket.write_all(dripped.as_bytes()).await.is_ok() {
            sent += 1;
            tokio::task::yield_now().await;
        }
        // More empty lines than a head may have bytes are one that is too long.
        let rest = until_closed(&mut socket).await;
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 431 "), "{dripped:?} {sent} times: {rest}");
    }
}

#[tokio::test]
async fn a_connection_that_is_kept_and_used_is_not_let_go() {
    // X5
    let limits = ListenerLimits { work_beside_calls: 50, work_per_second: 1, ..ListenerLimits::default() };
    let (_keyward, address) = within(limits).await;
    let mut kept = Connection::open(address).await.unwrap();
    for _ in 0..300 {
        assert_eq!(ask_on(&mut kept, "GET", "/openapi.json", &[]).await.status, 200);
    }
}
