//! Clients that take without asking: each is bounded, and closed in time.

use std::{net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use keyward::{
    server::limits::ListenerLimits,
    wire::v1::{BatchCheckRequest, CheckRequest},
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tonic::Code;

use crate::{
    client::{
        CHECK, ENHANCE_YOUR_CALM, Frames, H2, REFUSED_STREAM, Seen, framed, honest, post, read_answer,
        until_closed,
    },
    handler::{ANSWER, PATIENCE, Server, WHEN_RELEASED, check_request, one},
};

const BATCH: &str = "/keyward.v1.KeyService/BatchCheck";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const SHORT: Duration = Duration::from_millis(100);

async fn connect_from(source: &str, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    socket.connect(server).await.unwrap()
}

/// A connection with a call under way.
async fn at_work_from(source: &str, server: &Server) -> Frames {
    let mut client = Frames::over(connect_from(source, server.address()).await, &[]).await;
    let mut call = BytesMut::new();
    client.put_check_of(WHEN_RELEASED, &mut call);
    client.write(&call).await.unwrap();
    one(&server.handler.entered).await;
    client
}

/// Waits until a connection that was closed is no longer counted.
pub(crate) async fn until_connections(server: &Server, count: usize) {
    let reached = async {
        while server.running.connections() != count {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, reached).await.expect("connections are still counted");
}

// X5
#[tokio::test]
async fn a_connection_without_a_preface_is_closed() {
    let server = Server::start(ListenerLimits { preface_deadline: SHORT, ..ListenerLimits::default() }).await;
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    slow.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r").await.unwrap();

    until_closed(&mut silent).await;
    until_closed(&mut slow).await;
    assert_eq!(server.running.counts().connections_without_preface.value(), 2);
    until_connections(&server, 0).await;
}

// X5
#[tokio::test]
async fn another_protocol_is_closed_at_once() {
    let server = Server::start(ListenerLimits::default()).await;
    for bytes in
        [&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], &b"\x16\x03\x01\x02\x00\x01\x00"[..], &[0; 64][..]]
    {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        until_closed(&mut socket).await;
    }
    until_connections(&server, 0).await;
    assert_eq!(server.running.counts().connections_without_preface.value(), 0);
}

// X5
#[tokio::test]
async fn a_connection_without_a_call_is_told_to_go_and_closed_though_it_does_not_listen() {
    let limits =
        ListenerLimits { first_call_deadline: SHORT, farewell_deadline: SHORT, ..ListenerLimits::default() };
    let server = Server::start(limits).await;
    let polite = H2::connect(server.address()).await;
    let mut deaf = Frames::connect(server.address()).await;

    polite.ended().await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&Seen::Closed) {
        seen.push(deaf.next().await);
    }
    assert!(seen.contains(&Seen::GoAway { code: 0 }), "{seen:?}");
    assert_eq!(server.running.counts().connections_without_call.value(), 2);
    assert_eq!(server.running.counts().connections_overdue.value(), 1);
}

// X5
#[tokio::test]
async fn an_idle_connection_is_closed_and_one_with_an_open_stream_is_not() {
    let server = Server::start(ListenerLimits { idle_time: SHORT, ..ListenerLimits::default() }).await;
    let watching = H2::connect(server.address()).await;
    let (response, mut stream) = watching.open(post(WATCH)).await.unwrap();
    stream.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
    let mut watch = response.await.unwrap().into_body();
    watch.data().await.unwrap().unwrap();

    let idle = H2::connect(server.address()).await;
    idle.check(ANSWER).await.unwrap();
    idle.ended().await.unwrap();
    assert_eq!(server.running.counts().connections_idle.value(), 1);
    assert_eq!(watching.check(ANSWER).await.unwrap().code(), Code::Ok);
}

// X5
#[tokio::test]
async fn connections_are_capped_in_all_and_per_address_and_places_are_given_back() {
    let limits =
        ListenerLimits { max_connections: 5, max_connections_per_address: 3, ..ListenerLimits::default() };
    let server = Server::start(limits).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(at_work_from("127.0.0.1", &server).await);
    }
    until_closed(&mut connect_from("127.0.0.1", server.address()).await).await;
    assert_eq!(server.running.counts().connections_refused_source.value(), 1);
    for _ in 0..2 {
        kept.push(at_work_from("127.0.0.2", &server).await);
    }
    until_closed(&mut connect_from("127.0.0.3", server.address()).await).await;
    assert_eq!(server.running.counts().connections_refused_full.value(), 1);

    drop(kept);
    until_connections(&server, 0).await;
    let mut client = honest(server.address()).await;
    client.check(check_request(ANSWER)).await.unwrap();
}

// X5
#[tokio::test]
async fn connections_that_are_not_used_keep_nobody_out() {
    let limits =
        ListenerLimits { max_connections: 5, max_connections_per_address: 3, ..ListenerLimits::default() };
    let server = Server::start(limits).await;
    let mut at_work = at_work_from("127.0.0.1", &server).await;
    let mut idle = Vec::new();
    for _ in 0..50 {
        // Those behind the first two take the places of those before them.
        let mut client = Frames::over(connect_from("127.0.0.1", server.address()).await, &[]).await;
        let mut call = BytesMut::new();
        client.put_check(&mut call);
        client.write(&call).await.unwrap();
        while !matches!(client.next().await, Seen::Headers(_)) {}
        idle.push(client);
    }
    assert_eq!(server.running.counts().connections_displaced.value(), 48);
    let mut silent = Vec::new();
    for source in ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"] {
        silent.push(connect_from(source, server.address()).await);
    }
    assert_eq!(server.running.counts().connections_refused_full.value(), 0);
    until_connections(&server, 5).await;

    let mut client = honest(server.address()).await;
    client.check(check_request(ANSWER)).await.unwrap();
    server.handler.release.add_permits(1);
    while !matches!(at_work.next().await, Seen::Headers(_)) {}
    assert_eq!(server.running.counts().connections_refused_source.value(), 0);
}

/// What a client saw from here until its connection was closed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    refused: usize,
    answered: usize,
    go_away: Option<u32>,
}

async fn tally(client: &mut Frames) -> Tally {
    let mut tally = Tally::default();
    loop {
        match client.next().await {
            Seen::Reset { code: REFUSED_STREAM, .. } => tally.refused += 1,
            Seen::Headers(_) => tally.answered += 1,
            Seen::GoAway { code } => tally.go_away = Some(code),
            Seen::Reset { .. } | Seen::Data { .. } | Seen::Other => {}
            Seen::Closed => return tally,
        }
    }
}

async fn open_halfway(client: &mut Frames, streams: usize) {
    let mut bytes = BytesMut::new();
    for _ in 0..streams {
        client.put_half_open(&mut bytes);
    }
    client.write(&bytes).await.unwrap();
}

// X5
#[tokio::test]
async fn half_open_streams_are_refused_beyond_the_cap_and_given_up_with_their_connection() {
    let limits = ListenerLimits {
        call_deadline: Duration::from_millis(500),
        farewell_deadline: SHORT,
        ..ListenerLimits::default()
    };
    let cap = usize::try_from(limits.max_concurrent_streams).unwrap();
    let server = Server::start(limits).await;
    let mut hostile = Frames::connect(server.address()).await;
    open_halfway(&mut hostile, cap + 500).await;

    let mut honest = honest(server.address()).await;
    honest.check(check_request(ANSWER)).await.unwrap();
    assert_eq!(tally(&mut hostile).await, Tally { refused: 500, answered: cap, go_away: Some(0) });
    honest.check(check_request(ANSWER)).await.unwrap();
    assert_eq!(server.running.counts().calls_expired.value(), u64::try_from(cap).unwrap());
}

// X5
#[tokio::test]
async fn calls_sent_before_the_settings_arrive_are_answered_up_to_the_cap() {
    let server = Server::start(ListenerLimits::default()).await;
    let mut eager = Frames::connect(server.address()).await;
    let mut calls = BytesMut::new();
    for _ in 0..1_100 {
        eager.put_check_of(WHEN_RELEASED, &mut calls);
    }
    eager.write(&calls).await.unwrap();
    for _ in 0..128 {
        one(&server.handler.entered).await;
    }
    server.handler.release.add_permits(128);
    let (mut answered, mut refused) = (0, 0);
    while answered < 128 || refused < 1_100 - 128 {
        match eager.next().await {
            Seen::Headers(_) => answered += 1,
            Seen::Reset { code: REFUSED_STREAM, .. } => refused += 1,
            Seen::Reset { .. } | Seen::Data { .. } | Seen::Other => {}
            end @ (Seen::GoAway { .. } | Seen::Closed) => {
                panic!("{end:?} after {answered} answers, {refused} refusals")
            }
        }
    }
}

// X5
#[tokio::test]
async fn thousands_of_half_open_streams_close_their_connection_at_once() {
    let server = Server::start(ListenerLimits::default()).await;
    let mut hostile = Frames::connect(server.address()).await;
    open_halfway(&mut hostile, 10_000).await;
    let tally = tally(&mut hostile).await;
    assert_eq!((tally.answered, tally.go_away), (0, Some(ENHANCE_YOUR_CALM)));
    until_connections(&server, 0).await;
}

// X5
#[tokio::test]
async fn a_flood_of_resets_closes_the_connection() {
    let server = Server::start(ListenerLimits::default()).await;
    let mut hostile = Frames::connect(server.address()).await;
    let mut bytes = BytesMut::new();
    for _ in 0..1000 {
        let stream = hostile.put_half_open(&mut bytes);
        Frames::put_reset(&mut bytes, stream);
    }
    hostile.write(&bytes).await.unwrap();
    let mut seen = hostile.next().await;
    while !matches!(seen, Seen::GoAway { .. } | Seen::Closed) {
        seen = hostile.next().await;
    }
    assert_eq!(seen, Seen::GoAway { code: ENHANCE_YOUR_CALM });
    until_connections(&server, 0).await;
}

// X5
#[tokio::test]
async fn a_peer_that_does_not_read_is_closed() {
    let limits = ListenerLimits {
        write_stall_deadline: SHORT,
        work_beside_calls: u64::MAX,
        ..ListenerLimits::default()
    };
    let server = Server::start(limits).await;
    let mut deaf = Frames::connect(server.address()).await;
    let mut pings = BytesMut::new();
    for _ in 0..1000 {
        Frames::put_ping(&mut pings);
    }
    let until_broken = async { while deaf.write(&pings).await.is_ok() {} };
    timeout(PATIENCE, until_broken).await.expect("the connection is still open");
    assert_eq!(server.running.counts().connections_stalled.value(), 1);
}

// X5
#[tokio::test]
async fn a_peer_that_reads_but_takes_no_answer_is_closed() {
    let server = Server::start(ListenerLimits { call_deadline: SHORT, ..ListenerLimits::default() }).await;
    let mut client = Frames::connect_without_window(server.address()).await;
    let mut checks = BytesMut::new();
    for _ in 0..10 {
        client.put_check(&mut checks);
    }
    client.write(&checks).await.unwrap();
    let tally = tally(&mut client).await;
    assert_eq!(tally.answered, 10, "their heads need no window");
    assert_eq!(server.running.counts().connections_with_answer_untaken.value(), 1);
    assert_eq!(server.running.counts().calls_expired.value(), 0);
}

// X5
#[tokio::test]
async fn streams_of_answers_are_capped_over_all_connections() {
    let server = Server::start(ListenerLimits { max_lasting_answers: 2, ..ListenerLimits::default() }).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let h2 = H2::connect(server.address()).await;
        let (response, mut stream) = h2.open(post(WATCH)).await.unwrap();
        stream.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
        let mut watch = response.await.unwrap().into_body();
        watch.data().await.unwrap().unwrap();
        kept.push((h2, watch));
    }
    let third = H2::connect(server.address()).await;
    let answer = third.call(post(WATCH), Bytes::from_static(&[0; 5])).await.unwrap();
    assert_eq!(answer.code(), Code::ResourceExhausted);
    assert_eq!(third.check(ANSWER).await.unwrap().code(), Code::Ok);
}

// X5
#[tokio::test]
async fn unfinished_requests_share_a_budget_of_bytes() {
    let limits = ListenerLimits { in_flight_bytes: 200_000, ..ListenerLimits::default() };
    let server = Server::start(limits).await;
    let h2 = H2::connect(server.address()).await;
    // A message of 500,000 bytes is announced, and 100,000 are sent.
    let begun = || {
        let mut bytes = BytesMut::from(&[0, 0, 0x07, 0xa1, 0x20][..]);
        bytes.resize(100_000, b'a');
        bytes.freeze()
    };
    let (first, mut first_stream) = h2.open(post(CHECK)).await.unwrap();
    first_stream.send_data(begun(), false).unwrap();
    let (second, mut second_stream) = h2.open(post(CHECK)).await.unwrap();
    second_stream.send_data(begun(), false).unwrap();
    // Their frames mix, so either can be the one too many.
    let refused = tokio::select! {
        answer = read_answer(first) => answer,
        answer = read_answer(second) => answer,
    };
    assert_eq!(refused.unwrap().code(), Code::ResourceExhausted);
    assert_eq!(server.running.counts().requests_over_budget.value(), 1);
    assert_eq!(h2.check(ANSWER).await.unwrap().code(), Code::Ok, "small calls go on");

    first_stream.send_reset(h2::Reason::CANCEL);
    second_stream.send_reset(h2::Reason::CANCEL);
    let large = framed(&check_request(&"a".repeat(50_000)));
    let again = async {
        while h2.call(post(CHECK), large.clone()).await.unwrap().code() != Code::Ok {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.expect("the bytes of a call that is gone are still held");
}

// X5
#[tokio::test]
async fn a_message_is_counted_by_what_it_becomes_and_not_by_what_was_sent() {
    let limits = ListenerLimits { in_flight_bytes: 1 << 20, ..ListenerLimits::default() };
    let server = Server::start(limits).await;
    let h2 = H2::connect(server.address()).await;
    let empty = |questions| {
        framed(&BatchCheckRequest {
            requests: vec![CheckRequest::default(); questions],
            ..BatchCheckRequest::default()
        })
    };
    assert_eq!(h2.call(post(BATCH), empty(100)).await.unwrap().code(), Code::Ok);
    let message = empty(10_000);
    assert!(message.len() < 20_010, "two bytes each");
    assert_eq!(h2.call(post(BATCH), message).await.unwrap().code(), Code::ResourceExhausted);
    assert_eq!(server.running.counts().requests_over_budget.value(), 1);
}
