//! A request is one message, or it is refused before its handler hears of it.

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use keyward::{
    server::limits::ListenerLimits,
    wire::{envoy::service::auth::v3::CheckResponse, v1::BatchCheckRequest},
};
use prost::Message as _;
use tonic::Code;

use crate::{
    client::{Answer, CHECK, H2, framed, post, read_answer, with_header},
    handler::{ANSWER, Server, check_request},
};

const BATCH: &str = "/keyward.v1.KeyService/BatchCheck";
const REVOKE: &str = "/keyward.v1.KeyService/Revoke";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const ENVOY: &str = "/envoy.service.auth.v3.Authorization/Check";

fn joined(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

/// Passes if the answer is one that lets nothing through, and no error.
#[track_caller]
fn assert_denial(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (StatusCode::OK, Code::Ok), "{answer:?}");
    let message = CheckResponse::decode(answer.body.get(5..).unwrap()).unwrap();
    assert!(message.status.is_some_and(|status| status.code != 0));
    assert!(message.http_response.is_some());
}

// X4 X1
#[tokio::test]
async fn what_is_not_exactly_one_message_is_refused() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    let check = framed(&check_request(ANSWER));
    let batch = BatchCheckRequest { requests: vec![check_request(ANSWER)], ..BatchCheckRequest::default() };
    let empty = Bytes::from_static(&[0; 5]);
    let long = vec![0xff; 70_000];
    for (path, one) in [(CHECK, check), (BATCH, framed(&batch)), (REVOKE, empty.clone()), (HEALTH, empty)] {
        let behind: [&[u8]; 6] = [&[0; 5], &[0], &one, &[0, 0, 0, 0, 9], b"rubbish", &long];
        for behind in behind {
            let answer = h2.call(post(path), joined(&[&one, behind])).await.unwrap();
            assert_eq!(answer.code(), Code::Unimplemented, "{path}, {} bytes more", behind.len());
        }
        let none = h2.call(post(path), Bytes::new()).await.unwrap();
        assert_eq!(none.code(), Code::Unimplemented, "{path} without a message");
        for cut in 1..one.len().min(6) {
            let answer = h2.call(post(path), one.slice(..cut)).await.unwrap();
            let expected = if cut == one.len() { Code::Ok } else { Code::Internal };
            assert_eq!(answer.code(), expected, "{path} cut off behind {cut}");
        }
    }
    assert_eq!(server.handler.peer_port.load(Ordering::Relaxed), 0, "a Check was run");
    assert_eq!(h2.check(ANSWER).await.unwrap().code(), Code::Ok, "the connection lives on");
}

// X4 X1
#[tokio::test]
async fn a_message_that_says_that_it_is_compressed_is_refused() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    let plain = framed(&check_request(ANSWER));
    for flag in [1, 2, 0xff] {
        let flagged = joined(&[&[flag], plain.get(1..).unwrap()]);
        let answer = h2.call(post(CHECK), flagged.clone()).await.unwrap();
        assert_eq!(answer.code(), Code::Internal, "{flag}");
        let packed = with_header(post(CHECK), "grpc-encoding", "gzip");
        assert_eq!(h2.call(packed, flagged).await.unwrap().code(), Code::Unimplemented, "{flag}, gzip");
    }
    let packed = with_header(post(CHECK), "grpc-encoding", "gzip");
    assert_eq!(h2.call(packed, plain).await.unwrap().code(), Code::Unimplemented);
    assert_eq!(server.handler.peer_port.load(Ordering::Relaxed), 0, "a Check was run");
}

// X1
#[tokio::test]
async fn envoy_gets_a_denial_for_what_is_not_exactly_one_plain_message() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    let long = vec![0; 70_000];
    for body in [&[0; 10][..], &[0; 6], &[0; 4], &[1, 0, 0, 0, 0], &[], &long] {
        assert_denial(&h2.call(post(ENVOY), Bytes::copy_from_slice(body)).await.unwrap());
    }
    let packed = with_header(post(ENVOY), "grpc-encoding", "gzip");
    assert_denial(&h2.call(packed, Bytes::from_static(&[1, 0, 0, 0, 1, 0])).await.unwrap());
}

/// The prefix of a message of so many bytes, and nothing of it.
fn announced(bytes: u32) -> Bytes {
    let mut prefix = BytesMut::from(&[0][..]);
    prefix.extend_from_slice(&bytes.to_be_bytes());
    prefix.freeze()
}

// X4 X5
#[tokio::test]
async fn a_message_that_says_that_it_is_too_long_is_refused_before_it_arrives() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    for (path, bytes) in [(CHECK, 5 << 20), (BATCH, (512 << 10) + 1), (REVOKE, u32::MAX)] {
        let (answer, mut stream) = h2.open(post(path)).await.unwrap();
        stream.send_data(announced(bytes), false).unwrap();
        assert_eq!(read_answer(answer).await.unwrap().code(), Code::OutOfRange, "{path}");
    }
    let (answer, mut stream) = h2.open(post(ENVOY)).await.unwrap();
    stream.send_data(announced(5 << 20), false).unwrap();
    assert_denial(&read_answer(answer).await.unwrap());
    assert_eq!(server.running.counts().calls_expired.value(), 0, "a deadline was waited for");
}
