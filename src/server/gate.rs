//! In front of every service: each request becomes a [`Call`], or is turned away by the protocol that it speaks.

use std::{convert::Infallible, error::Error, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, request::Parts};
use http_body::Body;
use hyper::{body::Incoming, service::Service};

use super::{
    budget::{Held, Spent},
    call::{AnswerBody, Call},
    connection::{OpenCall, Peer, Pulse},
    cost,
    limits::ListenerLimits,
    request_body::RequestBody,
};

/// What serves the calls of a connection: a protocol, and the services that speak it.
pub trait Calls: Send + Sync + 'static {
    /// What is answered.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static;
    /// A call under way. It cannot fail: an error is an answer.
    type Future: Future<Output = Result<Response<Self::Body>, Infallible>> + Unpin + Send + 'static;

    /// How a request is taken.
    ///
    /// # Errors
    /// It is none of this protocol: the answer that says so.
    fn admit(
        &self,
        request: &Request<Incoming>,
        limits: &ListenerLimits,
    ) -> Result<Taken, Response<Self::Body>>;

    /// The answer to a whole request, where that needs no wait; `None` where [`Calls::call`] is to answer it. What the call
    /// holds can go over into the bytes of the answer.
    fn at_once(
        &self,
        _head: &Parts,
        _body: &RequestBody,
        _peer: Peer,
        _held: &mut Option<Held>,
    ) -> Option<Response<Self::Body>> {
        None
    }

    /// Whether a handler may read this field. A call that waits for its message forgets the others.
    fn reads(&self, _name: &HeaderName) -> bool {
        true
    }

    /// An upper bound of what a message to this path takes once it is decoded, and its handler beside it.
    fn cost(&self, _path: &str, body: &[u8]) -> u64 {
        u64::try_from(body.len()).unwrap_or(u64::MAX)
    }

    /// Serves a request. By reference, so that a call clones no more than it needs.
    fn call(&self, request: Request<RequestBody>) -> Self::Future;

    /// The answer to a call of this path that its handler does not answer, after so long.
    fn failed(&self, failure: Failure, path: Option<&str>, took: Duration) -> Response<Self::Body>;

    /// What a peer is told whose request of HTTP/1 cannot be read; without it, hyper's empty 400.
    fn unread(&self) -> Option<Refusal> {
        None
    }

    /// How an answer ends that has begun and cannot go on; where that is `None`, it breaks off.
    fn cut_off(failure: Failure) -> Option<HeaderMap>;
}

/// What follows the head of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Header lines, an empty line, and the body.
    pub lines: Bytes,
    /// The bytes of the body.
    pub body_bytes: usize,
}

/// How a request is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// How long the client will wait, where it says so.
    pub client_limit: Option<Duration>,
    /// What of the request is gathered before it is served.
    pub gather: Gather,
}

/// What of a request is gathered before it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gather {
    /// Nothing: it is a stream.
    Nothing,
    /// The whole, if it is no longer than these bytes; what is longer, or says that it will be, is served as far as it has
    /// come.
    UpTo(usize),
    /// One message of gRPC of these bytes at most. What says that it is longer, or has something behind it, is served as far as
    /// it has come.
    Message(usize),
}

/// Before a message of gRPC: one byte that says whether it is compressed, four that say how long it is.
const PREFIX_BYTES: usize = 5;

impl Gather {
    /// The most that is gathered before somebody has to look at it.
    pub(super) const fn most_bytes(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::UpTo(bytes) => bytes,
            Self::Message(bytes) => bytes.saturating_add(PREFIX_BYTES),
        }
    }

    /// Whether a body is too long of which this much is still to come. A message of gRPC says so itself.
    pub(super) fn is_exceeded_by(self, declared: u64) -> bool {
        match self {
            Self::Nothing | Self::Message(_) => false,
            Self::UpTo(bytes) => usize::try_from(declared).is_ok_and(|declared| declared > bytes),
        }
    }

    /// Whether these bytes are more than are gathered, or the beginning of more.
    pub(super) fn is_too_much(self, gathered: &[u8]) -> bool {
        if gathered.len() > self.most_bytes() {
            return true;
        }
        let Self::Message(bytes) = self else { return false };
        let Some(([_flag, length @ ..], message)) = gathered.split_first_chunk::<PREFIX_BYTES>() else {
            return false;
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        length > bytes || message.len() > length
    }
}

/// Why a call that was taken is not answered by its handler, or not to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The deadline has passed.
    DeadlineExceeded,
    /// The handler panicked.
    Panicked,
    /// The request ended before it was whole; hardly anybody is there to hear it.
    RequestBroken,
    /// The memory for calls in flight is spent.
    OverBudget,
    /// Too many streams of answers are open.
    TooManyStreams,
}

/// The gate of one connection.
#[derive(Debug)]
pub(super) struct Gate<S> {
    service: Arc<S>,
    peer: Peer,
    pulse: Arc<Pulse>,
}

impl<S> Gate<S> {
    pub(super) fn new(service: S, peer: Peer, pulse: Arc<Pulse>) -> Self {
        Self { service: Arc::new(service), peer, pulse }
    }
}

impl<S: Calls> Service<Request<Incoming>> for Gate<S> {
    type Response = Response<AnswerBody<S>>;
    type Error = Infallible;
    type Future = Call<S>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut open = OpenCall::begin(&self.pulse, request.uri().path_and_query().cloned());
        let texts = cost::of_texts(request.headers());
        self.pulse.allowance.earn_by_call(texts, &self.pulse.shared.limits);
        if let Err(Spent) = open.charge_head(cost::of_call(&request, texts)) {
            if self.pulse.is_stalled() {
                // It does not even take refusals.
                self.pulse.order_closed();
            }
            return Call::over_budget(Arc::clone(&self.service), open);
        }
        match self.service.admit(&request, &self.pulse.shared.limits) {
            Ok(taken) => Call::new(Arc::clone(&self.service), request, self.peer, taken, open),
            Err(answer) => {
                self.pulse.shared.counts.calls_refused.increment();
                Call::refused(Arc::clone(&self.service), answer, open)
            }
        }
    }
}
