//! What stands behind the gate: a protocol, and the services that speak it.

use std::{convert::Infallible, error::Error, future::Future, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, request::Parts};
use http_body::Body;
use hyper::body::Incoming;

use super::{
    budget::Held, connection::Peer, failure::CallFailure, gather::Gather, limits::ListenerLimits,
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
    /// It is not a request of this protocol: the answer that says so.
    fn admit(
        &self,
        request: &Request<Incoming>,
        limits: &ListenerLimits,
    ) -> Result<TakenRequest, Response<Self::Body>>;

    /// The answer to a whole request, where that needs no wait; `None` where [`Calls::call`] is to answer it. What the call
    /// holds can go over into the bytes of the answer.
    fn at_once(
        &self,
        _head: &Parts,
        _body: &RequestBody,
        _peer: &Peer,
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
    fn failed(&self, failure: CallFailure, path: Option<&str>, took: Duration) -> Response<Self::Body>;

    /// What a peer is told whose request of HTTP/1 cannot be read; without it, hyper's empty 400.
    fn unread(&self) -> Option<RefusalTail> {
        None
    }

    /// How an answer ends that has begun and cannot go on; where that is `None`, it breaks off.
    fn cut_off(failure: CallFailure) -> Option<HeaderMap>;
}

/// What follows the head of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalTail {
    /// Header lines, an empty line, and the body.
    pub lines: Bytes,
    /// The bytes of the body.
    pub body_bytes: usize,
}

/// How a request is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenRequest {
    /// How long the client will wait, where it says so.
    pub client_limit: Option<Duration>,
    /// What of the request is gathered before it is served.
    pub gather: Gather,
}
