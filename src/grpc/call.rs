//! A call from its head to the end of its answer: its request is gathered, its deadline kept, and a panic answered.

use std::{
    convert::Infallible,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, request::Parts};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};
use tonic::{Status, body::Body};

use super::{
    connection::{OpenCall, Peer},
    ext_authz,
    gate::Calls,
    refusal::Refusal,
    request_body::{Gathering, RequestBody},
    routes::takes_a_stream,
};

/// A call under way, until the head of its answer.
#[derive(Debug)]
pub(super) struct Call<S: Calls> {
    state: State<S::Future>,
    service: Arc<S>,
    client_limit: Option<Duration>,
    /// Made when the call first has to wait: a Check does not, and then no clock is read.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Taken by the answer, after which the call is not polled again.
    open: Option<OpenCall>,
}

#[derive(Debug)]
enum State<F> {
    /// The handler is not called before its request is whole: what it and tonic set aside is many times what a stream
    /// costs that has only been opened. Boxed, because a call is moved often and is rarely here for longer than a look.
    Arriving(Box<Arriving>),
    Running(F),
    Answered(Refusal),
}

/// A request on its way in.
#[derive(Debug)]
struct Arriving {
    head: Parts,
    peer: Peer,
    gathering: Gathering,
}

/// The request as its handler reads it: with the other end of its connection in its extensions.
fn with_peer(mut head: Parts, peer: Peer, body: RequestBody) -> Request<RequestBody> {
    head.extensions.insert(peer);
    Request::from_parts(head, body)
}

// Nothing in it is pinned in place.
impl<S: Calls> Unpin for Call<S> {}

impl<S: Calls> Call<S> {
    pub(super) fn new(
        service: Arc<S>,
        request: Request<Incoming>,
        peer: Peer,
        client_limit: Option<Duration>,
        open: OpenCall,
    ) -> Self {
        let (head, incoming) = request.into_parts();
        let state = if takes_a_stream(head.uri.path()) {
            handle(&*service, with_peer(head, peer, RequestBody::of_stream(incoming)), &open)
        } else {
            let limits = &open.pulse.shared.limits;
            let is_gateway = head.uri.path() == ext_authz::PATH;
            let bytes = if is_gateway { limits.gateway_message_bytes } else { limits.message_bytes };
            State::Arriving(Box::new(Arriving { head, peer, gathering: Gathering::new(incoming, bytes) }))
        };
        Self { state, service, client_limit, deadline: None, open: Some(open) }
    }

    pub(super) fn refused(service: Arc<S>, refusal: Refusal, open: OpenCall) -> Self {
        Self {
            state: State::Answered(refusal),
            service,
            client_limit: None,
            deadline: None,
            open: Some(open),
        }
    }
}

/// Gives the request to its handler.
fn handle<S: Calls>(service: &S, request: Request<RequestBody>, open: &OpenCall) -> State<S::Future> {
    match catch_unwind(AssertUnwindSafe(|| service.call(request))) {
        Ok(inner) => State::Running(inner),
        Err(_payload) => State::Answered(panicked(open)),
    }
}

impl<S: Calls> Future for Call<S> {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self.get_mut();
        let Some(open) = call.open.take() else { return Poll::Pending };
        match call.poll_response(&open, cx) {
            Poll::Ready(response) => {
                Poll::Ready(Ok(response.map(|body| AnswerBody { body, lasting: false, open })))
            }
            Poll::Pending => {
                call.open = Some(open);
                Poll::Pending
            }
        }
    }
}

impl<S: Calls> Call<S> {
    fn poll_response(&mut self, open: &OpenCall, cx: &mut Context<'_>) -> Poll<Response<Body>> {
        if let State::Arriving(arriving) = &mut self.state {
            match arriving.gathering.poll(&open.pulse.shared, cx) {
                Poll::Ready(Ok(body)) => {
                    if let Some(response) = self.arrive(body, open) {
                        return Poll::Ready(response);
                    }
                }
                Poll::Ready(Err(refusal)) => self.state = State::Answered(refusal),
                Poll::Pending => {}
            }
        }
        if let State::Running(inner) = &mut self.state {
            match catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll(cx))) {
                Ok(Poll::Ready(Ok(response))) => return Poll::Ready(response),
                Ok(Poll::Pending) => {}
                Err(_payload) => self.state = State::Answered(panicked(open)),
            }
        }
        if let State::Answered(refusal) = &self.state {
            // No clock was read when it began; a deadline, which is known, is answered below.
            return Poll::Ready(refusal.response_to(open.path(), Duration::ZERO));
        }
        self.poll_deadline(open, cx)
    }

    /// Answers at once, or gives the request to its handler.
    fn arrive(&mut self, body: RequestBody, open: &OpenCall) -> Option<Response<Body>> {
        // What it is set to for the moment is never seen.
        let State::Arriving(arriving) = mem::replace(&mut self.state, State::Answered(Refusal::Internal))
        else {
            return None;
        };
        match catch_unwind(AssertUnwindSafe(|| self.service.at_once(&arriving.head, &body, arriving.peer))) {
            Ok(Some(response)) => return Some(response),
            Ok(None) => {
                let Arriving { head, peer, .. } = *arriving;
                self.state = handle(&*self.service, with_peer(head, peer, body), open);
            }
            Err(_payload) => self.state = State::Answered(panicked(open)),
        }
        None
    }

    /// Ends the call at its deadline. If its request was still on its way, the connection goes too: streams that are
    /// opened and never finished would else hold their places again and again. A client that gave its own call no
    /// tenth of our time was impatient, and is not blamed.
    fn poll_deadline(&mut self, open: &OpenCall, cx: &mut Context<'_>) -> Poll<Response<Body>> {
        let shared = &open.pulse.shared;
        let ours = shared.limits.call_deadline;
        let limit = self.client_limit.map_or(ours, |client_limit| client_limit.min(ours));
        ready!(self.deadline.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));

        shared.counts.calls_expired.increment();
        if matches!(self.state, State::Arriving(_)) && limit >= ours / 10 {
            shared.counts.connections_half_open.increment();
            open.pulse.order_away();
        }
        // The handler, or what is there of its request, is dropped.
        self.state = State::Answered(Refusal::DeadlineExceeded);
        Poll::Ready(Refusal::DeadlineExceeded.response_to(open.path(), limit))
    }
}

/// Counts and logs a panic. Its payload is not looked at: it may hold what the call held.
fn panicked(open: &OpenCall) -> Refusal {
    open.pulse.shared.counts.panics.increment();
    tracing::error!(rpc.path = open.path(), "a handler panicked; its call was answered all the same");
    Refusal::Internal
}

/// The body of an answer, under the same guard against panics as its call, which stays open until this is gone.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: Body,
    /// Whether it has had to wait for its handler, as only a stream of answers does.
    lasting: bool,
    open: OpenCall,
}

impl AnswerBody {
    /// Notes that this is a stream, and says whether there is a place for it.
    fn lasts(&mut self) -> Result<(), Refusal> {
        if self.lasting {
            return Ok(());
        }
        self.lasting = true;
        self.open.lasts();
        let shared = &self.open.pulse.shared;
        if shared.lasting_answers.fetch_add(1, Ordering::Relaxed) < shared.limits.max_lasting_answers {
            return Ok(());
        }
        shared.counts.answers_over_cap.increment();
        Err(Refusal::TooManyStreams)
    }

    fn end_with(&mut self, refusal: Refusal) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.body = Body::empty();
        let mut trailers = HeaderMap::new();
        let added = refusal.status().add_header(&mut trailers);
        Poll::Ready(Some(added.map(|()| Frame::trailers(trailers))))
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let body = &mut self.body;
        let Ok(polled) = catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))) else {
            let refusal = panicked(&self.open);
            return self.end_with(refusal);
        };
        if polled.is_pending()
            && let Err(refusal) = self.lasts()
        {
            return self.end_with(refusal);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if self.lasting {
            self.open.pulse.shared.lasting_answers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
