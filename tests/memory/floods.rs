//! One flood a test.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::future::join_all;
use keyward::wire::envoy::service::auth::v3 as envoy;
use prost::Message as _;

use crate::{
    frames::{Attacker, BATCH, CHECK, ENVOY, field, framed, kept_field, known_field},
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
