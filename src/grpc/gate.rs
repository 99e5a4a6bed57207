//! In front of every method: what is no gRPC call is turned away, a call has a deadline, and a panic has an answer.

use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header, uri::PathAndQuery};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, service::Service};
use tokio::time::{Sleep, sleep};
use tonic::{Status, body::Body};

use super::{
    connection::{OpenCall, Peer, Pulse},
    refusal::Refusal,
    request_body::RequestBody,
    timeout::grpc_timeout,
};

/// What serves the calls of a connection. Taken by reference, so that a call clones no more than it needs.
pub trait Calls:
    Service<
        Request<RequestBody>,
        Response = Response<Body>,
        Error = Infallible,
        Future: Unpin + Send + 'static,
    > + Send
    + 'static
{
}

impl<S> Calls for S where
    S: Service<
            Request<RequestBody>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Unpin + Send + 'static,
        > + Send
        + 'static
{
}

/// The gate of one connection.
#[derive(Debug)]
pub(super) struct Gate<S> {
    service: S,
    peer: Peer,
    pulse: Arc<Pulse>,
}

impl<S> Gate<S> {
    pub(super) fn new(service: S, peer: Peer, pulse: Arc<Pulse>) -> Self {
        Self { service, peer, pulse }
    }
}

impl<S: Calls> Service<Request<Incoming>> for Gate<S> {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Call<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let open = OpenCall::begin(&self.pulse, request.uri().path_and_query().cloned());
        let client_limit = match admit(&request) {
            Ok(limit) => limit,
            Err(refusal) => {
                self.pulse.shared.counts.calls_refused.increment();
                return Call { state: State::Answered(refusal), open: Some(open) };
            }
        };
        let mut request = request.map(|incoming| RequestBody::new(incoming, Arc::clone(&self.pulse)));
        request.extensions_mut().insert(self.peer);

        let state = match catch_unwind(AssertUnwindSafe(|| self.service.call(request))) {
            Ok(inner) => State::Running { inner, client_limit, deadline: None },
            Err(_payload) => State::Answered(panicked(&open)),
        };
        Call { state, open: Some(open) }
    }
}

/// Says how long the client will wait, or why this is no call.
fn admit<B>(request: &Request<B>) -> Result<Option<Duration>, Refusal> {
    if request.method() != Method::POST {
        return Err(Refusal::MethodNotAllowed);
    }
    if !is_grpc(request.headers()) {
        return Err(Refusal::UnsupportedMediaType);
    }
    // A query or an escape would leave the method the same here and another for a proxy that guards paths.
    let exact = |path: &PathAndQuery| !path.as_str().bytes().any(|byte| matches!(byte, b'?' | b'%'));
    if !request.uri().path_and_query().is_some_and(exact) {
        return Err(Refusal::Unimplemented);
    }
    grpc_timeout(request.headers()).map_err(|_malformed| Refusal::TimeoutMalformed)
}

/// Whether there is one content type, and it is gRPC with protobuf. gRPC-Web and JSON are not.
fn is_grpc(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    media_type.eq_ignore_ascii_case(b"application/grpc")
        || media_type.eq_ignore_ascii_case(b"application/grpc+proto")
}

/// A call under way, until the head of its answer.
#[derive(Debug)]
pub(super) struct Call<F> {
    state: State<F>,
    /// Taken by the answer, after which the call is not polled again.
    open: Option<OpenCall>,
}

#[derive(Debug)]
enum State<F> {
    /// Its timer is made when it first has to wait: a Check does not, and then no clock is read.
    Running {
        inner: F,
        client_limit: Option<Duration>,
        deadline: Option<Pin<Box<Sleep>>>,
    },
    Answered(Refusal),
}

impl<F> Future for Call<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self.get_mut();
        let Some(open) = &call.open else { return Poll::Pending };
        let response = ready!(call.state.poll_response(open, cx));
        let Some(open) = call.open.take() else { return Poll::Pending };
        Poll::Ready(Ok(response.map(|body| AnswerBody { body, open })))
    }
}

impl<F> State<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    fn poll_response(&mut self, open: &OpenCall, cx: &mut Context<'_>) -> Poll<Response<Body>> {
        let (inner, client_limit, deadline) = match self {
            Self::Running { inner, client_limit, deadline } => (inner, *client_limit, deadline),
            Self::Answered(refusal) => return Poll::Ready(refusal.response()),
        };
        let Ok(polled) = catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll(cx))) else {
            return Poll::Ready(self.answer(panicked(open)));
        };
        if let Poll::Ready(Ok(response)) = polled {
            return Poll::Ready(response);
        }
        let limit = open.pulse.shared.limits.call_deadline;
        let limit = client_limit.map_or(limit, |client_limit| client_limit.min(limit));
        let deadline = deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(self.expire(open, limit))
    }

    /// Answers in the handler's place; the handler and what is left of its request are dropped.
    fn answer(&mut self, refusal: Refusal) -> Response<Body> {
        *self = Self::Answered(refusal);
        refusal.response()
    }

    /// Ends the call at its deadline. If its request was still on its way, the connection goes too: streams that are
    /// opened and never finished would else hold their places again and again. A client that gave its own call no
    /// tenth of our time was impatient, and is not blamed.
    fn expire(&mut self, open: &OpenCall, limit: Duration) -> Response<Body> {
        let pulse = &open.pulse;
        let unfinished = pulse.unfinished_bodies();
        let response = self.answer(Refusal::DeadlineExceeded);
        let half_open = pulse.unfinished_bodies() < unfinished;

        pulse.shared.counts.calls_expired.increment();
        if half_open && limit >= pulse.shared.limits.call_deadline / 10 {
            pulse.shared.counts.connections_half_open.increment();
            pulse.order_away();
        }
        response
    }
}

/// Counts and logs a panic. Its payload is not looked at: it may hold what the call held.
fn panicked(open: &OpenCall) -> Refusal {
    open.pulse.shared.counts.panics.increment();
    let path = open.path.as_ref().map(PathAndQuery::as_str);
    tracing::error!(rpc.path = path, "a handler panicked; its call was answered INTERNAL");
    Refusal::Internal
}

/// The body of an answer, under the same guard against panics as its call, which stays open until this is gone.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: Body,
    open: OpenCall,
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let body = &mut self.body;
        if let Ok(polled) = catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))) {
            return polled;
        }
        self.body = Body::empty();
        let mut trailers = HeaderMap::new();
        let added = panicked(&self.open).status().add_header(&mut trailers);
        Poll::Ready(Some(added.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &str, content_types: &[&str]) -> Request<()> {
        let mut request = Request::post(format!("http://localhost{path}"));
        for content_type in content_types {
            request = request.header(header::CONTENT_TYPE, *content_type);
        }
        request.body(()).unwrap()
    }

    // X4
    #[test]
    fn content_types_are_grpc_with_protobuf_only() {
        for good in [
            "application/grpc",
            "application/grpc+proto",
            "Application/GRPC",
            "application/grpc;charset=utf-8",
            "application/grpc ; a=b",
        ] {
            assert_eq!(admit(&post("/s/m", &[good])), Ok(None), "{good}");
        }
        for bad in [
            "",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc+json",
            "application/json",
            "text/plain",
            " application/grpc",
            "application/grpcx",
        ] {
            assert_eq!(admit(&post("/s/m", &[bad])), Err(Refusal::UnsupportedMediaType), "{bad}");
        }
        assert_eq!(admit(&post("/s/m", &[])), Err(Refusal::UnsupportedMediaType));
        let twice = ["application/grpc", "application/grpc"];
        assert_eq!(admit(&post("/s/m", &twice)), Err(Refusal::UnsupportedMediaType));
    }

    // X4
    #[test]
    fn a_path_is_taken_as_it_is_or_not_at_all() {
        for path in ["/s/m?", "/s/m?a=b", "/s/%6d", "/%73/m", "/s/m%00"] {
            assert_eq!(admit(&post(path, &["application/grpc"])), Err(Refusal::Unimplemented), "{path}");
        }
    }

    #[test]
    fn a_malformed_timeout_is_refused_even_if_the_answer_would_be_ready() {
        let mut request = post("/s/m", &["application/grpc"]);
        request.headers_mut().insert("grpc-timeout", header::HeaderValue::from_static("soon"));
        assert_eq!(admit(&request), Err(Refusal::TimeoutMalformed));
    }
}
