//! One connection: hyper's HTTP under our limits, and the [`Pulse`] by which its worker watches over it.

mod handshake;
mod open_call;
mod serving;
#[cfg(test)]
mod tests;
mod unfinished;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

pub(super) use self::{
    handshake::shake_hands,
    open_call::OpenCall,
    serving::{Builder, serve},
    unfinished::Unfinished,
};
use super::{
    allowance::Allowance,
    budget::{Budget, ConnectionBudget},
    counts::ServerCounts,
    limits::ListenerLimits,
    once_a_minute::OnceAMinute,
    protocol::Protocol,
    tls::Tls,
    vigil::Signs,
};
use crate::domain::admin::ProvenClient;

/// How many generations of calls are told apart: the present one, the last one, and those before.
const GENERATIONS: usize = 3;

/// Calls at once that cost nothing more: part of the 64 KiB of a connection.
const FREE_STREAMS: u64 = 8;
/// What h2 keeps of each that is more, for the life of the connection. Measured.
const STREAM_BYTES: u64 = 2_560;
/// How much of that may be unpaid before a connection is closed.
const MAX_UNPAID_BYTES: u64 = 64 << 10;
/// Who is at the other end of a connection. It is also in the extensions of each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The address that the connection came from: a proxy's, if there is one in between.
    pub address: SocketAddr,
    /// What the certificate says of it that it showed, if it showed one.
    pub proof: Option<Arc<ProvenClient>>,
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct ConnectionsShared {
    pub(super) protocol: Protocol,
    pub(super) limits: ListenerLimits,
    pub(super) counts: ServerCounts,
    /// What calls hold, of this listener and of others.
    pub(super) budget: Arc<Budget>,
    /// What its connections begin with; `None` where they speak in clear text.
    pub(super) tls: Option<Arc<Tls>>,
    /// Streams of answers that have waited for something to say.
    pub(super) lasting_answers: AtomicU64,
    began: Instant,
    /// That a connection made work without progress.
    no_progress: OnceAMinute,
    /// That calls were refused for want of memory.
    refusals: OnceAMinute,
    /// How many of those were told.
    refusals_told: AtomicU64,
}

impl ConnectionsShared {
    pub(super) fn new(protocol: Protocol, limits: ListenerLimits, budget: Arc<Budget>) -> Self {
        Self {
            protocol,
            tls: None,
            limits,
            counts: ServerCounts::default(),
            budget,
            lasting_answers: AtomicU64::new(0),
            began: Instant::now(),
            no_progress: OnceAMinute::default(),
            refusals: OnceAMinute::default(),
            refusals_told: AtomicU64::new(0),
        }
    }

    /// Says once a minute how many calls were refused for want of memory; called by each worker's sweep.
    pub(super) fn tell_of_refusals(&self, now: Instant) {
        let refused = self.counts.requests_over_budget.value();
        let is_news = refused != self.refusals_told.load(Ordering::Relaxed);
        if is_news && self.refusals.is_due(self.age_ms(now)) {
            let told = self.refusals_told.swap(refused, Ordering::Relaxed);
            tracing::warn!(
                calls.refused = refused.saturating_sub(told),
                budget.bytes = self.budget.limit(),
                "the memory for calls in flight was spent, or the share of an address; see --in-flight-mib"
            );
        }
    }

    /// How long the server had been there at this moment.
    pub(super) fn age_ms(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// Says that a connection was closed because it made work without progress; once a minute.
    fn tell_of_no_progress(&self, peer: &Peer) {
        if self.no_progress.is_due(self.age_ms(Instant::now())) {
            tracing::warn!(
                peer.address = %peer.address,
                connections = self.counts.connections_without_progress.value(),
                "a connection was closed for frames or bytes that brought no call forward; the next line of this kind comes in a minute"
            );
        }
    }
}

/// The signs of life of a connection, and the orders to it.
///
/// Everything but `preface_arrived` and the stall is written by calls and by the worker's sweep. All of that runs on
/// the worker's thread, so nothing here contends; the atomics are there because the types must be `Send`.
#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) shared: Arc<ConnectionsShared>,
    preface_arrived: AtomicBool,
    calls_begun: AtomicU64,
    /// Open calls that must end, by the generation in which they began.
    calls_open: [AtomicU64; GENERATIONS],
    generation: AtomicUsize,
    /// Open calls whose answers are streams that have waited.
    calls_lasting: AtomicU64,
    /// Odd while a write stalls; one more for each change.
    write_stall: AtomicU64,
    /// Milliseconds since the server began: when it was last seen with an open call, or accepted. Written by the sweep.
    rests_from: AtomicU64,
    /// What its calls hold.
    pub(super) account: Arc<ConnectionBudget>,
    /// Bytes that were read since the head of the last call.
    read: AtomicU64,
    /// What is charged for them, where they are of a head that is not whole.
    read_charged: AtomicU64,
    /// Calls that were open at once, and are paid for: h2 keeps what it set aside for them as long as the connection lives.
    streams: AtomicU64,
    /// Bytes of them that could not be paid.
    unpaid: AtomicU64,
    /// Charges of calls that were answered while the peer took nothing; given back when all is written.
    unwritten: AtomicU64,
    go_away: AtomicBool,
    close: AtomicBool,
    connection: AtomicWaker,
    speaks_http2: AtomicBool,
    /// What the peer may make us do beyond its calls.
    pub(super) allowance: Allowance,
}

impl Pulse {
    pub(super) fn new(shared: Arc<ConnectionsShared>, source: IpAddr) -> Arc<Self> {
        Arc::new(Self {
            preface_arrived: AtomicBool::new(false),
            calls_begun: AtomicU64::new(0),
            calls_open: Default::default(),
            generation: AtomicUsize::new(0),
            calls_lasting: AtomicU64::new(0),
            write_stall: AtomicU64::new(0),
            rests_from: AtomicU64::new(shared.age_ms(Instant::now())),
            account: Arc::new(ConnectionBudget::new(Arc::clone(&shared.budget), source)),
            read: AtomicU64::new(0),
            read_charged: AtomicU64::new(0),
            streams: AtomicU64::new(FREE_STREAMS),
            unpaid: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
            allowance: Allowance::new(&shared.limits),
            speaks_http2: AtomicBool::new(shared.protocol == Protocol::Grpc),
            shared,
            go_away: AtomicBool::new(false),
            close: AtomicBool::new(false),
            connection: AtomicWaker::new(),
        })
    }

    pub(super) fn preface_arrives(&self) {
        self.preface_arrived.store(true, Ordering::Relaxed);
    }

    /// The peer has begun to speak HTTP/2.
    pub(super) fn hears_http2(&self) {
        self.speaks_http2.store(true, Ordering::Relaxed);
    }

    pub(super) fn speaks_http2(&self) -> bool {
        self.speaks_http2.load(Ordering::Relaxed)
    }

    /// Whether an answer that begins now is to say that it is the last of its connection: HTTP/2 has a frame for that.
    pub(super) fn says_close(&self) -> bool {
        self.go_away.load(Ordering::Relaxed) && !self.speaks_http2()
    }

    /// Notes a piece of a request's body that was taken. Over HTTP/2 its frame has been paid for already.
    pub(super) fn body_arrives(&self, bytes: usize) {
        if !self.speaks_http2() && !self.allowance.spend(1) {
            return;
        }
        self.allowance.earn_by_body(bytes);
    }

    pub(super) fn write_stalls(&self, stalls: bool) {
        let number = self.write_stall.load(Ordering::Relaxed);
        if stalls != is_odd(number) {
            self.write_stall.store(number.wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// Whether the peer takes nothing of what is written.
    pub(super) fn is_stalled(&self) -> bool {
        is_odd(self.write_stall.load(Ordering::Relaxed))
    }

    /// Notes that all was written that the peer has a window for.
    pub(super) fn writes_all(&self) {
        if self.unwritten.load(Ordering::Relaxed) > 0 {
            self.account.give_back(self.unwritten.swap(0, Ordering::Relaxed));
        }
    }

    /// Pays for as many calls at once as there have never been. A connection that cannot is told to go away, so that what is
    /// in flight is answered; one that goes on all the same is closed.
    fn pay_for_streams(&self) {
        let (open, paid) = (self.calls_open(), self.streams.load(Ordering::Relaxed));
        if open <= paid {
            return;
        }
        // As the list grows, by doubling; in small charges, since these are calls of any size.
        let needed = open.next_power_of_two();
        self.streams.store(needed, Ordering::Relaxed);
        let pieces = needed.saturating_sub(paid).div_ceil(FREE_STREAMS);
        let piece = FREE_STREAMS * STREAM_BYTES;
        for _ in (0..pieces).filter(|_| self.account.charge(piece).is_err()) {
            if self.unpaid.fetch_add(piece, Ordering::Relaxed) < MAX_UNPAID_BYTES {
                self.order_away();
            } else {
                self.order_closed();
            }
        }
    }

    /// Whether nothing is under way here and much is kept all the same.
    pub(super) fn rests_on_much(&self) -> bool {
        self.streams.load(Ordering::Relaxed) > 2 * FREE_STREAMS && self.rests_since().is_some()
    }

    /// Orders a GOAWAY: no new calls, and the end when those in flight have finished.
    pub(super) fn order_away(&self) {
        self.go_away.store(true, Ordering::Relaxed);
        self.connection.wake();
    }

    /// Orders the connection closed, also with calls in flight.
    pub(super) fn order_closed(&self) {
        self.close.store(true, Ordering::Relaxed);
        self.connection.wake();
    }

    /// Notes when this was last seen with an open call.
    pub(super) fn rests_from(&self, age_ms: u64) {
        self.rests_from.store(age_ms, Ordering::Relaxed);
    }

    /// Since when nothing is under way here, to the accuracy of a sweep; `None` while something is, or it was told to end.
    pub(super) fn rests_since(&self) -> Option<u64> {
        let is_ending = self.close.load(Ordering::Relaxed);
        let rests = !is_ending && self.calls_open() == 0;
        rests.then(|| self.rests_from.load(Ordering::Relaxed))
    }

    fn calls_open(&self) -> u64 {
        let open: u64 = self.calls_open.iter().map(|calls| calls.load(Ordering::Relaxed)).sum();
        open + self.calls_lasting.load(Ordering::Relaxed)
    }

    /// Begins a new generation of calls, and says whether a call is still open that began two generations ago.
    ///
    /// A generation being as long as the deadline of calls, such a call was answered a deadline ago or more, and its
    /// answer is not taken.
    pub(super) fn next_generation(&self) -> bool {
        let next = (self.generation.load(Ordering::Relaxed) + 1) % GENERATIONS;
        self.generation.store(next, Ordering::Relaxed);
        self.calls_open.get(next).is_some_and(|calls| calls.load(Ordering::Relaxed) > 0)
    }

    #[cfg(test)]
    pub(super) fn is_ordered_closed(&self) -> bool {
        self.close.load(Ordering::Relaxed)
    }

    pub(super) fn signs(&self) -> Signs {
        let stall = self.write_stall.load(Ordering::Relaxed);
        Signs {
            preface_arrived: self.preface_arrived.load(Ordering::Relaxed),
            calls_begun: self.calls_begun.load(Ordering::Relaxed),
            calls_open: self.calls_open(),
            write_stall: is_odd(stall).then_some(stall),
            leaving: self.go_away.load(Ordering::Relaxed),
        }
    }
}

fn is_odd(number: u64) -> bool {
    number % 2 == 1
}
