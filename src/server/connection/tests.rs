//! What is charged at each step of a call, over a connection in memory and on one thread: what the client sent is all there
//! before the server reads, so nothing depends on what comes when.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::atomic::AtomicUsize,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    task::{JoinHandle, yield_now},
};

use super::{
    unfinished::{MAX_HEAD_BUFFER_BYTES, MOST_HEAD_BYTES},
    *,
};
use crate::server::{
    calls::{Calls, TakenRequest},
    failure::CallFailure,
    frames::PREFACE,
    gather::Gather,
    request_body::RequestBody,
};

const LIMIT: u64 = 1 << 20;
const ANSWER_BYTES: usize = 20_000;
const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `SETTINGS_INITIAL_WINDOW_SIZE` 0: no answer has room.
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

/// Gives every whole message the same answer.
#[derive(Debug, Clone, Default)]
struct Desk {
    answered: Arc<AtomicUsize>,
    /// Looks at fields of heads whose messages are waited for.
    looked_at: Arc<AtomicUsize>,
}

impl Calls for Desk {
    type Body = Full<Bytes>;
    type Future = Ready<Result<Response<Self::Body>, Infallible>>;

    fn admit(&self, _: &Request<Incoming>, _: &ListenerLimits) -> Result<TakenRequest, Response<Self::Body>> {
        Ok(TakenRequest { client_limit: None, gather: Gather::Message(500_000) })
    }

    fn reads(&self, _name: &HeaderName) -> bool {
        self.looked_at.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn call(&self, _request: Request<RequestBody>) -> Self::Future {
        self.answered.fetch_add(1, Ordering::Relaxed);
        ready(Ok(Response::new(Full::new(vec![b'x'; ANSWER_BYTES].into()))))
    }

    fn failed(&self, _: CallFailure, _: Option<&str>, _: Duration) -> Response<Self::Body> {
        Response::default()
    }

    fn cut_off(_: CallFailure) -> Option<HeaderMap> {
        None
    }
}

/// A connection whose server reads what its client has sent, and nothing else is going on.
struct Line {
    client: DuplexStream,
    pulse: Arc<Pulse>,
    desk: Desk,
    serving: JoinHandle<()>,
}

fn pulse_within(budget: Arc<Budget>) -> Arc<Pulse> {
    let shared = ConnectionsShared::new(Protocol::Grpc, ListenerLimits::default(), budget);
    Pulse::new(Arc::new(shared), LOCAL)
}

/// The connection of a client that has sent these frames, behind these settings.
async fn line(settings: &[u8], frames: &[Vec<u8>]) -> Line {
    let (mut client, server) = duplex(1 << 20);
    let opening = [PREFACE, &frame(SETTINGS, 0, 0, settings), &frames.concat()].concat();
    client.write_all(&opening).await.unwrap();
    let (pulse, desk) = (pulse_within(Budget::new(LIMIT)), Desk::default());
    let builder = Builder::new(Protocol::Grpc, &pulse.shared.limits);
    let peer = Peer { address: SocketAddr::from((LOCAL, 1)), proof: None };
    let serving = tokio::spawn(serve(builder, server, peer, desk.clone(), Arc::clone(&pulse)));
    Line { client, pulse, desk, serving }
}

impl Line {
    fn used(&self) -> u64 {
        self.pulse.account.used()
    }

    /// Lets the server work until this is so.
    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..10_000 {
            if is_so(self) {
                return;
            }
            yield_now().await;
        }
        panic!("never {what}; charged: {}", self.used());
    }

    /// Lets it do what there is to do.
    async fn settle(&self) {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
    }

    /// Hangs up, and sees that nothing stays charged.
    async fn ends(self) {
        let Self { client, pulse, serving, .. } = self;
        drop(client);
        serving.await.unwrap();
        assert_eq!(pulse.account.used(), 0, "charged for what is gone");
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block: a call, and so many fields of five bytes beside.
fn block(fields: usize) -> Vec<u8> {
    // :method POST, :scheme http, :path /
    let mut block = vec![0x83, 0x86, 0x84];
    for number in 0..fields {
        block.extend_from_slice(&[0, 3]);
        block.extend_from_slice(format!("{number:03}").as_bytes());
        block.push(0);
    }
    block
}

fn head(stream: u32, fields: usize) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(fields))
}

/// So many bytes of a message that says that it is 400,000 long.
fn part_of_message(stream: u32, bytes: usize) -> Vec<u8> {
    let message = [&[0, 0, 6, 0x1a, 0x80][..], &vec![b'a'; bytes]].concat();
    message.chunks(16 << 10).flat_map(|piece| frame(DATA, 0, stream, piece)).collect()
}

fn empty_message(stream: u32) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, &[0; 5])
}

#[tokio::test]
async fn a_head_is_charged_by_what_it_costs_while_its_message_is_awaited() {
    // X5
    let heads: Vec<_> = (0..5).map(|number| head(2 * number + 1, 400)).collect();
    let line = line(&[], &heads).await;
    line.until("five heads that wait", |line| line.desk.looked_at.load(Ordering::Relaxed) == 5 * 400).await;
    line.settle().await;
    // 512 places of 112 bytes each.
    assert!(line.used() > 5 * 512 * 112, "{}", line.used());
    line.ends().await;
}

#[tokio::test]
async fn what_has_come_of_a_message_stays_charged_while_the_rest_is_awaited() {
    // X5: it was given back when the call began to wait.
    let line = line(&[], &[head(1, 1), part_of_message(1, 50_000)]).await;
    line.until("a call that waits", |line| line.desk.looked_at.load(Ordering::Relaxed) > 0).await;
    line.settle().await;
    assert!(line.used() >= 50_000, "{}", line.used());
    line.ends().await;
}

#[tokio::test]
async fn an_answer_is_charged_until_it_is_written() {
    // X5
    let mut line = line(&NO_WINDOW, &[head(1, 1), empty_message(1)]).await;
    line.until("answered", |line| line.desk.answered.load(Ordering::Relaxed) == 1).await;
    line.settle().await;
    assert!(line.used() >= 20_000, "{}", line.used());
    line.send(&frame(WINDOW_UPDATE, 0, 1, &20_000_u32.to_be_bytes())).await;
    let mut read = vec![0; ANSWER_BYTES];
    line.client.read_exact(&mut read).await.unwrap();
    line.until("given back", |line| line.used() == 0).await;
    line.ends().await;
}

#[tokio::test]
async fn a_header_block_is_charged_from_its_beginning_to_its_end() {
    // X5
    let begun = frame(HEADERS, 0, 1, &block(100));
    let mut line = line(&[], &[begun]).await;
    line.until("charged", |line| line.used() > MOST_HEAD_BYTES).await;
    line.send(&frame(CONTINUATION, 0, 1, &[])).await;
    line.settle().await;
    assert!(line.used() > MOST_HEAD_BYTES, "it has not ended: {}", line.used());
    line.send(&frame(CONTINUATION, END_HEADERS, 1, &[])).await;
    line.until("a call that waits", |line| line.desk.looked_at.load(Ordering::Relaxed) == 100).await;
    line.settle().await;
    assert!(line.used() < MOST_HEAD_BYTES / 2, "what is left is the head of a call: {}", line.used());
    line.ends().await;
}

#[tokio::test]
async fn fields_behind_a_message_are_a_header_block_too() {
    // X5: no call takes over what is charged for them, nor gives it back, though its head came with them.
    let trailers = frame(HEADERS, END_STREAM, 1, &block(1)[3..]);
    let mut line = line(&[], &[head(1, 1), frame(DATA, 0, 1, &[0; 5]), trailers]).await;
    line.until("charged", |line| line.used() > MOST_HEAD_BYTES).await;
    line.send(&frame(CONTINUATION, END_HEADERS, 1, &[])).await;
    line.until("answered", |line| line.desk.answered.load(Ordering::Relaxed) == 1).await;
    line.until("given back", |line| line.used() == 0).await;
    line.ends().await;
}

#[test]
fn a_head_that_does_not_end_and_finds_no_room_closes_its_connection() {
    // X5
    for (unfinished, bytes) in [(Unfinished::Block, 100), (Unfinished::Lines, 60_000)] {
        let budget = Budget::new(LIMIT);
        let pulses: Vec<_> = (0..20).map(|_| pulse_within(Arc::clone(&budget))).collect();
        for pulse in &pulses {
            pulse.reads(bytes, unfinished);
        }
        let closed = pulses.iter().filter(|pulse| pulse.is_ordered_closed()).count();
        assert!((10..=15).contains(&closed), "{unfinished:?}: {closed}");
        assert!(budget.taken() <= LIMIT / 4 * 3);
        drop(pulses);
        assert_eq!(budget.taken(), 0);
    }
}

#[test]
fn an_answer_behind_others_that_nobody_takes_is_charged_until_all_are_written() {
    // X5
    let pulse = pulse_within(Budget::new(LIMIT));
    let answered = |pulse| {
        let mut call = OpenCall::begin(pulse, None);
        call.charge(10_000).unwrap();
    };
    answered(&pulse);
    assert_eq!(pulse.account.used(), 0);
    pulse.write_stalls(true);
    answered(&pulse);
    assert_eq!(pulse.account.used(), 10_000);
    pulse.writes_all();
    assert_eq!(pulse.account.used(), 0);
}

#[test]
fn a_head_behind_a_large_message_is_a_small_charge() {
    // X5: with the buffer that it is a part of, it was counted as a large one.
    let budget = Budget::new(LIMIT);
    let others = pulse_within(Arc::clone(&budget));
    while others.account.charge(64 << 10).is_ok() {}
    let pulse = pulse_within(budget);
    pulse.reads(500_000, Unfinished::Nothing);
    let mut head = OpenCall::begin(&pulse, None);
    assert_eq!(head.charge_head(6_000), Ok(()));
    assert_eq!(pulse.account.used(), MAX_HEAD_BUFFER_BYTES + 6_000);
    assert!(head.charge(64 << 10).is_err(), "large ones find no room");
}
