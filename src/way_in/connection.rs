//! One connection: hyper's HTTP under our limits, and the [`Pulse`] by which its worker watches over it.

use std::{
    error::Error,
    fmt,
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
};

use futures_util::task::AtomicWaker;
use http::uri::PathAndQuery;
use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{
    counts::WayInCounts,
    gate::{Calls, Gate},
    limits::ListenerLimits,
    socket::Watched,
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
    began: Instant,
}

impl Shared {
    pub(super) fn new(protocol: Protocol, limits: ListenerLimits) -> Self {
        Self {
            protocol,
            limits,
            counts: WayInCounts::default(),
            unfinished_bytes: AtomicU64::new(0),
            lasting_answers: AtomicU64::new(0),
            began: Instant::now(),
        }
    }

    /// How long the way in had been there at this moment.
    pub(super) fn age_ms(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
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
            shared,
            go_away: AtomicBool::new(false),
            close: AtomicBool::new(false),
            connection: AtomicWaker::new(),
        })
    }

    pub(super) fn preface_arrives(&self) {
        self.preface_arrived.store(true, Ordering::Relaxed);
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
            Protocol::Grpc => Self::Grpc(grpc(limits)),
            Protocol::Http => Self::Http(http(limits)),
        }
    }
}

/// The limits of HTTP/2, in the words that hyper's two builders have in common, though in no trait.
macro_rules! limit_http2 {
    ($builder:expr, $limits:expr) => {
        $builder
            .timer(TokioTimer::new())
            .initial_stream_window_size($limits.stream_window_bytes)
            .initial_connection_window_size($limits.connection_window_bytes)
            .max_frame_size($limits.frame_bytes)
            .max_concurrent_streams($limits.max_concurrent_streams)
            .max_header_list_size($limits.header_list_bytes)
            .max_send_buf_size($limits.send_buffer_bytes)
            .max_pending_accept_reset_streams($limits.max_pending_reset_streams)
            .max_local_error_reset_streams($limits.max_error_reset_streams)
            .keep_alive_interval($limits.ping_interval)
            .keep_alive_timeout($limits.ping_timeout)
    };
}

fn grpc(limits: &ListenerLimits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    // gRPC has no use for a date, and it is bytes in each answer.
    limit_http2!(builder, limits).auto_date_header(false);
    builder
}

fn http(limits: &ListenerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Who has said all that he had to say, and says so, still hears the answer (RFC 9112 section 9.6).
        .half_close(true)
        .header_read_timeout(limits.head_deadline)
        .max_buf_size(limits.http1_buffer_bytes);
    limit_http2!(builder.http2(), limits);
    builder
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
}

/// Errors are the peer's, or the network's, and nobody can act on them: they are traced only.
async fn attend<C>(connection: C, peer: Peer, pulse: &Pulse)
where
    C: GracefulConnection,
    C::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connection = pin!(connection);
    let mut told = false;
    poll_fn(|cx| {
        pulse.connection.register(cx.waker());
        if pulse.close.load(Ordering::Relaxed) {
            if !told {
                // A GOAWAY, as far as the peer takes it now.
                connection.as_mut().graceful_shutdown();
                let _ended_or_not = connection.as_mut().poll(cx);
            }
            return Poll::Ready(());
        }
        if !told && pulse.go_away.load(Ordering::Relaxed) {
            told = true;
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
