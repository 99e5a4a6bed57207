//! One flood a test.

use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use futures_util::future::join_all;
use keyward::wire::envoy::service::auth::v3 as envoy;
use prost::Message as _;

use crate::{
    frames::{Attacker, BATCH, CHECK, ENVOY, IMPORT, field, framed, kept_field, known_field},
    house::{GROUP_BYTES, House},
};

/// Calls that are open at once on a connection.
pub(crate) const CALLS: usize = 127;
/// `SETTINGS_INITIAL_WINDOW_SIZE` 0: no answer has room.
pub(crate) const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];
/// The same with 1: each answer has begun, and cannot end.
pub(crate) const ONE_BYTE: [u8; 6] = [0, 4, 0, 0, 0, 1];

/// Heads of 12 KiB, whose messages never come.
pub(crate) fn large_heads(server: SocketAddr) -> Attacker {
    let mut attacker = Attacker::connect(server, &[]);
    let large = field("x-large", &"a".repeat(12_000));
    for _ in 0..CALLS {
        attacker.head(CHECK, &large);
        attacker.send();
    }
    attacker
}

/// Heads of 500 fields, which take a byte each: they cost a hundred times what is sent.
pub(crate) fn dense_heads(server: SocketAddr) -> Attacker {
    let mut attacker = Attacker::connect(server, &[]);
    let names: Vec<u8> = (0..110).flat_map(|number| kept_field(&format!("x{number}"), "")).collect();
    attacker.head(CHECK, &names);
    let known: Vec<u8> = (0..110).flat_map(known_field).collect();
    for _ in 1..CALLS {
        attacker.head(CHECK, &known.repeat(4));
    }
    attacker.send();
    attacker
}

/// Messages of which a part comes and never the rest: many short parts, as much as flow control allows without an answer to it.
pub(crate) fn parts_of_messages(server: SocketAddr) -> Attacker {
    part_messages(server, CALLS, 1_900)
}

/// The same in a few long parts.
pub(crate) fn long_parts_of_messages(server: SocketAddr) -> Attacker {
    part_messages(server, 4, 60_000)
}

fn part_messages(server: SocketAddr, calls: usize, bytes: usize) -> Attacker {
    let mut attacker = Attacker::connect(server, &[]);
    let whole = framed(&vec![b'a'; 500_000]);
    for _ in 0..calls {
        let stream = attacker.head(CHECK, &[]);
        attacker.data(stream, whole.get(..bytes).unwrap(), false);
        attacker.send();
    }
    attacker
}

/// Lists of elements that say nothing, two bytes each, whose answers nobody takes.
pub(crate) fn empty_elements(server: SocketAddr) -> Attacker {
    let mut attacker = Attacker::connect(server, &NO_WINDOW);
    let (questions, rows) = (b"\x0a\x00".repeat(30_000), b"\x12\x00".repeat(30_000));
    for _ in 0..2 {
        attacker.call(BATCH, &questions);
        attacker.call(IMPORT, &rows);
        attacker.send();
    }
    attacker
}

/// Batches of a thousand questions that say nothing, whose answers nobody takes.
pub(crate) fn empty_questions(server: SocketAddr) -> Attacker {
    let mut attacker = Attacker::connect(server, &NO_WINDOW);
    for _ in 0..CALLS {
        attacker.call(BATCH, &b"\x0a\x00".repeat(1_000));
    }
    attacker.send();
    attacker
}

/// A head that goes on for ever: its fields were each sent in a byte, and are a map of many KiB.
fn endless_head(socket: TcpStream) -> Attacker {
    let mut attacker = Attacker::over(socket, &[]);
    attacker.call(CHECK, &[]);
    let names: Vec<u8> = (0..110).flat_map(|number| kept_field(&format!("x{number}"), "")).collect();
    let known: Vec<u8> = (0..110).flat_map(known_field).collect();
    attacker.endless_head(&names, &known.repeat(3));
    attacker.send();
    attacker
}

/// A connection from another address of loopback: each has its own share of the places.
fn from_another(source: u8, server: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let socket = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, source], 0))).unwrap();
        socket.connect(server).await.unwrap().into_std().unwrap()
    });
    socket.set_nonblocking(false).unwrap();
    socket
}

/// Batches of a thousand short questions, whose answers nobody takes.
pub(crate) fn batches(server: SocketAddr) -> Attacker {
    let mut attacker = Attacker::connect(server, &NO_WINDOW);
    let questions = b"\x0a\x03\x0a\x01a".repeat(1_000);
    for _ in 0..50 {
        attacker.call(BATCH, &questions);
    }
    attacker.send();
    attacker
}

/// Checks whose answers have begun and cannot end.
pub(crate) fn untaken_answers(server: SocketAddr) -> Attacker {
    let mut attacker = Attacker::connect(server, &ONE_BYTE);
    for _ in 0..CALLS {
        attacker.call(CHECK, &[]);
    }
    attacker.send();
    attacker
}

/// Heads of HTTP/1.1 that lack their last line.
pub(crate) fn unfinished_heads(server: SocketAddr) -> Attacker {
    let mut attacker = Attacker::plain(server);
    attacker.bytes(b"GET /verify HTTP/1.1\r\nhost: localhost\r\n");
    attacker.bytes(format!("x-large: {}\r\n", "a".repeat(60_000)).as_bytes());
    attacker.send();
    attacker
}

fn many(count: usize, server: SocketAddr, flood: fn(SocketAddr) -> Attacker) -> Vec<Attacker> {
    (0..count).map(|_| flood(server)).collect()
}

// X5
#[test]
fn headers_of_calls_that_wait_for_their_message_are_bounded() {
    House::start("large-heads", GROUP_BYTES).outlives(|house| many(250, house.address(), large_heads));
}

// X5
#[test]
fn headers_that_cost_more_than_their_bytes_are_counted_by_what_they_cost() {
    House::start("dense-heads", GROUP_BYTES).outlives(|house| many(100, house.address(), dense_heads));
}

// X5
#[test]
fn short_questions_that_make_long_answers_are_bounded() {
    House::start("batches", GROUP_BYTES).outlives(|house| many(64, house.address(), batches));
}

// X5
#[test]
fn answers_that_nobody_takes_are_counted_until_they_are_written() {
    House::start("untaken-answers", GROUP_BYTES)
        .outlives(|house| many(500, house.address(), untaken_answers));
}

// X1 X5
#[test]
fn questions_of_gateways_that_cost_much_get_whole_answers() {
    House::start("gateways-headers", GROUP_BYTES).outlives(|house| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // attributes { request { http { header_map { headers {} headers {} … } } } }
        let mut message = b"\x0a\x00".repeat(500_000);
        for field in [13_u8, 2, 4, 1] {
            let mut outer = vec![field << 3 | 2];
            prost::encoding::encode_varint(u64::try_from(message.len()).unwrap(), &mut outer);
            message = [outer, message].concat();
        }
        let message = Bytes::from(framed(&message));
        for answer in runtime.block_on(join_all((0..8).map(|_| ask_envoy(house.address(), message.clone()))))
        {
            assert!(answer.status.is_some_and(|status| status.code != 0) && answer.http_response.is_some());
        }
    });
}

/// What a call of Envoy is answered, which must not be an error.
async fn ask_envoy(server: SocketAddr, message: Bytes) -> envoy::CheckResponse {
    let socket = tokio::net::TcpStream::connect(server).await.unwrap();
    let (send, connection) = h2::client::handshake(socket).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post(format!("http://localhost{ENVOY}"));
    let request = request.header("content-type", "application/grpc").body(()).unwrap();
    let (answer, mut body) = send.ready().await.unwrap().send_request(request, false).unwrap();
    body.send_data(message, true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let mut read = Vec::new();
    while let Some(data) = body.data().await {
        read.extend_from_slice(&data.unwrap());
    }
    let trailers = body.trailers().await.unwrap().unwrap();
    assert_eq!(trailers.get("grpc-status").unwrap(), "0");
    connection.abort();
    envoy::CheckResponse::decode(read.get(5..).unwrap()).unwrap()
}

// X5
#[test]
fn heads_that_never_end_share_the_budget() {
    House::start("unfinished-heads", GROUP_BYTES)
        .outlives(|house| many(900, house.server.http_address, unfinished_heads));
}

// X5
#[test]
fn parts_of_messages_that_never_end_are_bounded() {
    House::start("parts", GROUP_BYTES).outlives(|house| {
        let (short, long) = (parts_of_messages, long_parts_of_messages);
        [many(200, house.address(), short), many(300, house.address(), long)]
    });
}

// X5
#[test]
fn lists_of_empty_elements_are_counted_by_what_they_become() {
    House::start("empty-elements", GROUP_BYTES).outlives(|house| {
        [many(100, house.address(), empty_elements), many(100, house.address(), empty_questions)]
    });
}

// X5
#[test]
fn header_blocks_that_never_end_share_the_budget() {
    let _as_many_as_may_be = rlimit::increase_nofile_limit(u64::MAX);
    // Four times what the budget could pay for.
    House::start("header-blocks", GROUP_BYTES).outlives(|house| {
        let sources = (2..6_u8).flat_map(|source| std::iter::repeat_n(source, 1_000));
        let held = sources.map(|source| endless_head(from_another(source, house.address())));
        held.collect::<Vec<_>>()
    });
}

// X5
#[test]
fn sixteen_connections_that_ask_a_thousand_questions_at_a_time_are_answered_or_refused() {
    House::start("sixteen", 512 << 20).outlives(|house| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(join_all((0..16).map(|_| ask_batches(house.address()))));
    });
}

/// Asks many batches of a thousand short questions at once, and reads all answers: they are whole, or say that there was no
/// memory, or on a busy machine that the time was over.
async fn ask_batches(server: SocketAddr) {
    let socket = tokio::net::TcpStream::connect(server).await.unwrap();
    let (send, connection) = h2::client::handshake(socket).await.unwrap();
    let connection = tokio::spawn(connection);
    let message = Bytes::from(framed(&b"\x0a\x03\x0a\x01a".repeat(1_000)));
    let call = async |mut send: h2::client::SendRequest<Bytes>| {
        let request = http::Request::post(format!("http://localhost{BATCH}"));
        let request = request.header("content-type", "application/grpc").body(()).unwrap();
        let (answer, mut body) = send.send_request(request, false).unwrap();
        drop(body.send_data(message.clone(), true));
        let (head, mut body) = answer.await.unwrap().into_parts();
        let mut read = 0;
        while let Some(data) = body.data().await {
            let bytes = data.unwrap().len();
            body.flow_control().release_capacity(bytes).unwrap();
            read += bytes;
        }
        let trailers = body.trailers().await.unwrap().unwrap_or(head.headers);
        let status = trailers.get("grpc-status").unwrap().to_str().unwrap().to_owned();
        assert!(["0", "4", "8"].contains(&status.as_str()), "{status}");
        assert_eq!(status == "0", read > 30_000, "{status}: {read} bytes");
    };
    let send = send.ready().await.unwrap();
    join_all((0..64).map(|_| call(send.clone()))).await;
    connection.abort();
}

// X5
#[test]
fn what_is_held_by_plain_http_is_not_there_for_grpc() {
    let house = House::start_with("both", GROUP_BYTES, &["--in-flight-mib", "16"]);
    // More than there is room for: some of them are closed.
    let mut held = many(150, house.server.http_address, unfinished_heads);
    assert!((0..100).any(|_| held.iter_mut().any(Attacker::is_closed)), "there was room for all");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = runtime.block_on(refusal_of_batch(house.address()));
    assert!(refused.is_some_and(|reason| reason.contains("MEMORY_SPENT")), "over gRPC there was room");
    drop(held);
    house.server.stop();
}

/// The details of the error that answers a batch of a thousand questions.
async fn refusal_of_batch(server: SocketAddr) -> Option<String> {
    let socket = tokio::net::TcpStream::connect(server).await.unwrap();
    let (send, connection) = h2::client::handshake(socket).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post(format!("http://localhost{BATCH}"));
    let request = request.header("content-type", "application/grpc").body(()).unwrap();
    let (answer, mut body) = send.ready().await.unwrap().send_request(request, false).unwrap();
    body.send_data(framed(&b"\x0a\x03\x0a\x01a".repeat(1_000)).into(), true).unwrap();
    let answer = answer.await.unwrap();
    connection.abort();
    let status = tonic::Status::from_header_map(answer.headers())?;
    Some(String::from_utf8_lossy(status.details()).into_owned())
}
