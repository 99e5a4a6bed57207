//! One connection: hyper's HTTP under our limits, and the [`Pulse`] by which its worker watches over it.

use std::{
    error::Error,
    fmt,
    future::{Future as _, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use http::uri::PathAndQuery;
use hyper::server::conn::http2;
use hyper_util::{
    rt::TokioExecutor,
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep},
};

use super::{
    allowance::Allowance,
    counts::WayInCounts,
    gate::{Calls, Gate},
    limits::ListenerLimits,
    socket::Watched,
    speech,
    unread::Mended,
    vigil::Signs,
};

/// How many generations of calls are told apart: the present one, the last one, and those before.
const GENERATIONS: usize = 3;

/// Who is at the other end of a connection. It is also in the extensions of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address that the connection came from: a proxy's, if there is one in between.
    pub address: SocketAddr,
}

/// What a listener's connections speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC: HTTP/2, begun at once.
    Grpc,
    /// HTTP/1.1, or HTTP/2 begun at once.
    Http,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        })
    }
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) protocol: Protocol,
    pub(super) limits: ListenerLimits,
    pub(super) counts: WayInCounts,
    /// Bytes that unfinished requests hold; see [`super::request_body`].
    pub(super) unfinished_bytes: AtomicU64,
    /// Streams of answers that have waited for something to say.
    pub(super) lasting_answers: AtomicU64,
    /// When it was last logged that a connection made work without progress.
    complained: AtomicU64,
    began: Instant,
}

/// How long nothing more is logged of connections that make work without progress: whoever makes them could fill the log.
const SILENCE_MS: u64 = 60_000;

impl Shared {
    pub(super) fn new(protocol: Protocol, limits: ListenerLimits) -> Self {
        Self {
            protocol,
            limits,
            counts: WayInCounts::default(),
            unfinished_bytes: AtomicU64::new(0),
            lasting_answers: AtomicU64::new(0),
            complained: AtomicU64::new(0),
            began: Instant::now(),
        }
    }

    /// How long the way in had been there at this moment.
    pub(super) fn age_ms(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// Says that a connection was closed because it made work without progress; once a minute.
    fn tell_of_no_progress(&self, peer: Peer) {
        // From 1, since 0 is never.
        let now = self.age_ms(Instant::now()).saturating_add(1);
        let last = self.complained.load(Ordering::Relaxed);
        let is_due = last == 0 || now.saturating_sub(last) >= SILENCE_MS;
        let is_ours =
            self.complained.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_due && is_ours {
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
    pub(super) shared: Arc<Shared>,
    preface_arrived: AtomicBool,
    calls_begun: AtomicU64,
    /// Open calls that must end, by the generation in which they began.
    calls_open: [AtomicU64; GENERATIONS],
    generation: AtomicUsize,
    /// Open calls whose answers are streams that have waited.
    calls_lasting: AtomicU64,
    /// Odd while a write stalls; one more for each change.
    write_stall: AtomicU64,
    /// Milliseconds since the way in began: when it was last seen with an open call, or accepted. Written by the sweep.
    rests_from: AtomicU64,
    go_away: AtomicBool,
    close: AtomicBool,
    connection: AtomicWaker,
    speaks_http2: AtomicBool,
    /// What the peer may make us do beyond its calls.
    pub(super) allowance: Allowance,
}

impl Pulse {
    pub(super) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            preface_arrived: AtomicBool::new(false),
            calls_begun: AtomicU64::new(0),
            calls_open: Default::default(),
            generation: AtomicUsize::new(0),
            calls_lasting: AtomicU64::new(0),
            write_stall: AtomicU64::new(0),
            rests_from: AtomicU64::new(shared.age_ms(Instant::now())),
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

    /// Orders a GOAWAY: no new calls, and the end when those in flight have finished.
    pub(super) fn order_away(&self) {
        self.go_away.store(true, Ordering::Relaxed);
        self.connection.wake();
    }

    /// Orders the connection closed, whatever is in flight.
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

/// A call that has begun and not ended: from its head to the end of its answer.
#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) pulse: Arc<Pulse>,
    path: Option<PathAndQuery>,
    /// `None` when it lasts.
    generation: Option<usize>,
}

impl OpenCall {
    pub(super) fn begin(pulse: &Arc<Pulse>, path: Option<PathAndQuery>) -> Self {
        let generation = pulse.generation.load(Ordering::Relaxed);
        // A request of HTTP/1 can be shorter than the preface of HTTP/2.
        pulse.preface_arrives();
        pulse.calls_begun.fetch_add(1, Ordering::Relaxed);
        let call = Self { pulse: Arc::clone(pulse), path, generation: Some(generation) };
        call.counter().fetch_add(1, Ordering::Relaxed);
        call
    }

    /// What was called, as far as there is a path.
    pub(super) fn path(&self) -> Option<&str> {
        self.path.as_ref().map(PathAndQuery::as_str)
    }

    /// The call is a stream of answers, and may stay open as long as it likes.
    pub(super) fn lasts(&mut self) {
        self.counter().fetch_sub(1, Ordering::Relaxed);
        self.generation = None;
        self.counter().fetch_add(1, Ordering::Relaxed);
    }

    fn counter(&self) -> &AtomicU64 {
        self.generation
            .and_then(|generation| self.pulse.calls_open.get(generation))
            .unwrap_or(&self.pulse.calls_lasting)
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.counter().fetch_sub(1, Ordering::Relaxed);
    }
}

/// hyper's side of the limits.
#[derive(Debug, Clone)]
pub(super) enum Builder {
    Grpc(http2::Builder<TokioExecutor>),
    Http(auto::Builder<TokioExecutor>),
}

impl Builder {
    pub(super) fn new(protocol: Protocol, limits: &ListenerLimits) -> Self {
        match protocol {
            Protocol::Grpc => Self::Grpc(speech::grpc(limits)),
            Protocol::Http => Self::Http(speech::http(limits)),
        }
    }
}

/// Serves one connection to its end, or until its pulse orders the end.
pub(super) async fn serve<T, S>(builder: Builder, socket: T, peer: Peer, service: S, pulse: Arc<Pulse>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Calls,
{
    let socket = Watched::new(Mended::new(socket, service.unread()), Arc::clone(&pulse));
    let gate = Gate::new(service, peer, Arc::clone(&pulse));
    match builder {
        Builder::Grpc(builder) => attend(builder.serve_connection(socket, gate), peer, &pulse).await,
        Builder::Http(builder) => attend(builder.serve_connection(socket, gate), peer, &pulse).await,
    }
    if pulse.allowance.is_overdrawn() {
        pulse.shared.tell_of_no_progress(peer);
    }
}

/// When a connection that is to go away is told so.
///
/// Over HTTP/2 at once: a GOAWAY lets calls that are on their way be answered. HTTP/1.1 has no such thing; hyper closes a
/// connection that has no call under way, and with it loses a request that is on its way. So every answer from then on says
/// `connection: close` ([`Pulse::says_close`]), and only who asks nothing for a while is closed without one.
#[derive(Debug, Default)]
struct Farewell {
    told: bool,
    grace: Option<Pin<Box<Sleep>>>,
}

impl Farewell {
    /// Whether the connection is to be told now; once.
    fn is_due(&mut self, pulse: &Pulse, cx: &mut Context<'_>) -> bool {
        if self.told || !pulse.go_away.load(Ordering::Relaxed) {
            return false;
        }
        self.told = pulse.speaks_http2() || {
            let grace = pulse.shared.limits.last_request_grace;
            self.grace.get_or_insert_with(|| Box::pin(sleep(grace))).as_mut().poll(cx).is_ready()
        };
        self.told
    }
}

/// Errors are the peer's, or the network's, and nobody can act on them: they are traced only.
async fn attend<C>(connection: C, peer: Peer, pulse: &Pulse)
where
    C: GracefulConnection,
    C::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connection = pin!(connection);
    let mut farewell = Farewell::default();
    poll_fn(|cx| {
        pulse.connection.register(cx.waker());
        if pulse.close.load(Ordering::Relaxed) {
            if !farewell.told {
                // A GOAWAY, as far as the peer takes it now.
                connection.as_mut().graceful_shutdown();
                let _ended_or_not = connection.as_mut().poll(cx);
            }
            return Poll::Ready(());
        }
        if farewell.is_due(pulse, cx) {
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx).map(|result| {
            if let Err(error) = result {
                let error: Box<dyn Error + Send + Sync> = error.into();
                tracing::debug!(peer.address = %peer.address, %error, "a connection ended with an error");
            }
        })
    })
    .await;
}
