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
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header, request::Parts, uri::PathAndQuery};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use super::{
    budget::{BudgetSpent, Purse},
    calls::{Calls, TakenRequest},
    connection::{OpenCall, Peer},
    cost,
    failure::CallFailure,
    gather::Gather,
    request_body::{Gathering, RequestBody},
};

/// A call under way, until the head of its answer.
pub(super) struct Call<S: Calls> {
    state: CallState<S>,
    service: Arc<S>,
    client_limit: Option<Duration>,
    /// Made when the call first has to wait: a Check does not, and then no clock is read.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Taken by the answer, after which the call is not polled again.
    open: Option<OpenCall>,
}

enum CallState<S: Calls> {
    /// The handler is not called before its request is whole: what a service sets aside is many times what a stream
    /// costs that has only been opened. Boxed, because a call is moved often and is rarely here for longer than a look.
    Arriving(Box<Arriving>),
    Running(S::Future),
    /// Turned away; the answer, until it is given.
    Refused(Option<Box<Response<S::Body>>>),
    Failed(CallFailure),
}

/// A request on its way in.
#[derive(Debug)]
struct Arriving {
    head: Parts,
    peer: Peer,
    gathering: Gathering,
    /// Whether the head was made as small as it can be.
    waits: bool,
}

/// Bytes of a message that are decoded uncounted, where they are forgotten before anything else happens on this thread.
const SMALL_MESSAGE_BYTES: usize = 1024;
/// Beside the bytes of an answer: its frame, and its stream until it is written.
const FRAME_BYTES: u64 = 512;
/// Answers up to this are given though the budget is spent: most of them say just that.
const SHORT_ANSWER_BYTES: u64 = 16 << 10;

/// The request as its handler reads it: with the other end of its connection, and what it may pay from, in its extensions.
fn with_peer(mut head: Parts, peer: Peer, open: &OpenCall, body: RequestBody) -> Request<RequestBody> {
    head.extensions.insert(peer);
    head.extensions.insert(Purse::new(Arc::clone(&open.pulse.account)));
    Request::from_parts(head, body)
}

// Nothing in it is pinned in place.
impl<S: Calls> Unpin for Call<S> {}

impl<S: Calls> Call<S> {
    pub(super) fn new(
        service: Arc<S>,
        request: Request<Incoming>,
        peer: Peer,
        taken: TakenRequest,
        mut open: OpenCall,
    ) -> Self {
        let (head, incoming) = request.into_parts();
        let state = match taken.gather {
            Gather::Nothing => stream(&*service, head, incoming, peer, &mut open),
            gather @ (Gather::UpTo(_) | Gather::Message(_)) => {
                let gathering = Gathering::new(incoming, gather);
                CallState::Arriving(Box::new(Arriving { head, peer, gathering, waits: false }))
            }
        };
        Self { state, service, client_limit: taken.client_limit, deadline: None, open: Some(open) }
    }

    pub(super) fn over_budget(service: Arc<S>, open: OpenCall) -> Self {
        let state = CallState::Failed(CallFailure::OverBudget);
        Self { state, service, client_limit: None, deadline: None, open: Some(open) }
    }

    pub(super) fn refused(service: Arc<S>, answer: Response<S::Body>, open: OpenCall) -> Self {
        let state = CallState::Refused(Some(Box::new(answer)));
        Self { state, service, client_limit: None, deadline: None, open: Some(open) }
    }
}

/// Gives a request to its handler of which nothing is gathered. What the peer may send unread is charged.
fn stream<S: Calls>(
    service: &S,
    head: Parts,
    body: Incoming,
    peer: Peer,
    open: &mut OpenCall,
) -> CallState<S> {
    let window = u64::from(open.pulse.shared.limits.stream_window_bytes);
    if !http_body::Body::is_end_stream(&body) && open.charge(window).is_err() {
        return CallState::Failed(CallFailure::OverBudget);
    }
    handle(service, with_peer(head, peer, open, RequestBody::of_stream(body)), open)
}

/// Gives the request to its handler.
fn handle<S: Calls>(service: &S, request: Request<RequestBody>, open: &OpenCall) -> CallState<S> {
    match catch_unwind(AssertUnwindSafe(|| service.call(request))) {
        Ok(inner) => CallState::Running(inner),
        Err(_payload) => CallState::Failed(panicked(open)),
    }
}

impl<S: Calls> Future for Call<S> {
    type Output = Result<Response<AnswerBody<S>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self.get_mut();
        let Some(mut open) = call.open.take() else { return Poll::Pending };
        match call.poll_response(&mut open, cx) {
            Poll::Ready(mut response) => {
                if open.pulse.says_close() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Poll::Ready(Ok(response.map(|body| AnswerBody::new(body, open))))
            }
            Poll::Pending => {
                call.open = Some(open);
                Poll::Pending
            }
        }
    }
}

impl<S: Calls> Call<S> {
    fn poll_response(&mut self, open: &mut OpenCall, cx: &mut Context<'_>) -> Poll<Response<S::Body>> {
        if let CallState::Arriving(arriving) = &mut self.state {
            match arriving.gathering.poll(open, cx) {
                Poll::Ready(Ok(body)) => {
                    if let Some(response) = self.arrive(body, open) {
                        return Poll::Ready(response);
                    }
                }
                Poll::Ready(Err(failure)) => self.state = CallState::Failed(failure),
                Poll::Pending => arriving.wait(&*self.service, open),
            }
        }
        if let CallState::Running(inner) = &mut self.state {
            match catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll(cx))) {
                Ok(Poll::Ready(Ok(response))) => return Poll::Ready(response),
                Ok(Poll::Pending) => {}
                Err(_payload) => self.state = CallState::Failed(panicked(open)),
            }
        }
        match &mut self.state {
            CallState::Arriving(_) | CallState::Running(_) => self.poll_deadline(open, cx),
            CallState::Refused(answer) => answer.take().map_or(Poll::Pending, |answer| Poll::Ready(*answer)),
            // No clock was read when it began; a deadline, which is known, is answered elsewhere.
            CallState::Failed(failure) => {
                // What there was of its request is gone.
                open.charge_no_more_than(FRAME_BYTES);
                Poll::Ready(self.service.failed(*failure, open.path(), Duration::ZERO))
            }
        }
    }

    /// Answers at once, or gives the request to its handler.
    fn arrive(&mut self, body: RequestBody, open: &mut OpenCall) -> Option<Response<S::Body>> {
        // What it is set to for the moment is never seen.
        let CallState::Arriving(arriving) =
            mem::replace(&mut self.state, CallState::Failed(CallFailure::Panicked))
        else {
            return None;
        };
        let is_large = body.gathered().len() > SMALL_MESSAGE_BYTES;
        if is_large && let Err(BudgetSpent) = self.pay(&arriving, &body, open) {
            return None;
        }
        let mut held = Some(open.take_charge());
        let answered = catch_unwind(AssertUnwindSafe(|| {
            self.service.at_once(&arriving.head, &body, &arriving.peer, &mut held)
        }));
        if let Some(held) = held {
            open.put_charge(held);
        }
        match answered {
            Ok(Some(response)) => return Some(response),
            Ok(None) if is_large || self.pay(&arriving, &body, open).is_ok() => {
                let Arriving { head, peer, .. } = *arriving;
                self.state = handle(&*self.service, with_peer(head, peer, open, body), open);
            }
            Ok(None) => {}
            Err(_payload) => self.state = CallState::Failed(panicked(open)),
        }
        None
    }

    /// Charges what the message takes once it is decoded, before it is.
    fn pay(
        &mut self,
        arriving: &Arriving,
        body: &RequestBody,
        open: &mut OpenCall,
    ) -> Result<(), BudgetSpent> {
        let cost = self.service.cost(arriving.head.uri.path(), body.gathered());
        open.charge(cost).inspect_err(|_spent| self.state = CallState::Failed(CallFailure::OverBudget))
    }

    /// Ends the call at its deadline. If its request was still on its way, the connection goes too: streams that are
    /// opened and never finished would else hold their places again and again. A client that gave its own call no
    /// tenth of our time was impatient, and is not blamed.
    fn poll_deadline(&mut self, open: &OpenCall, cx: &mut Context<'_>) -> Poll<Response<S::Body>> {
        let shared = &open.pulse.shared;
        let ours = shared.limits.call_deadline;
        let limit = self.client_limit.map_or(ours, |client_limit| client_limit.min(ours));
        ready!(self.deadline.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));

        shared.counts.calls_expired.increment();
        if matches!(self.state, CallState::Arriving(_)) && limit >= ours / 10 {
            shared.counts.connections_half_open.increment();
            open.pulse.order_away();
        }
        // The handler, or what is there of its request, is dropped.
        self.state = CallState::Failed(CallFailure::DeadlineExceeded);
        Poll::Ready(self.service.failed(CallFailure::DeadlineExceeded, open.path(), limit))
    }
}

impl Arriving {
    /// Makes the head as small as it can be, where its message is waited for: fields that no handler reads are forgotten, and
    /// the others and the path are copied, since each is a part of a buffer of the connection and keeps the whole.
    fn wait<S: Calls>(&mut self, service: &S, open: &mut OpenCall) {
        if self.waits {
            return;
        }
        self.waits = true;
        let fields = self.head.headers.iter().filter(|(name, _)| service.reads(name));
        // What was a value is one.
        let copied = fields.filter_map(|(name, value)| {
            let mut copy = HeaderValue::from_bytes(value.as_bytes()).ok()?;
            copy.set_sensitive(value.is_sensitive());
            Some((name.clone(), copy))
        });
        let copied: HeaderMap = copied.collect();
        let path = self.head.uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
        if let Ok(path) = PathAndQuery::try_from(path) {
            open.keep_path(Some(path.clone()));
            self.head.uri = Uri::from(path);
        }
        let path = self.head.uri.path_and_query().map_or(0, |path| path.as_str().len());
        // The part of the message that has arrived stays charged.
        let head = cost::of_waiting_call(path, &copied);
        open.charge_no_more_than(head.saturating_add(self.gathering.charged()));
        self.head.headers = copied;
    }
}

/// Counts and logs a panic. Its payload is not looked at: it may hold what the call held.
fn panicked(open: &OpenCall) -> CallFailure {
    open.pulse.shared.counts.panics.increment();
    // A query may hold a secret.
    let path = open.path().and_then(|path| path.split('?').next());
    tracing::error!(rpc.path = path, "a handler panicked; its call was answered all the same");
    CallFailure::Panicked
}

/// The body of an answer, under the same guard against panics as its call, which stays open until this is gone.
pub(super) struct AnswerBody<S: Calls> {
    /// `None` once it was cut off.
    body: Option<S::Body>,
    /// Whether it has had to wait for its handler, as only a stream of answers does.
    lasting: bool,
    /// Whether its bytes hold their charge already.
    is_held: bool,
    open: OpenCall,
}

// Nothing in it is pinned in place but its body, which need not be.
impl<S: Calls> Unpin for AnswerBody<S> {}

impl<S: Calls> AnswerBody<S> {
    fn new(body: S::Body, open: OpenCall) -> Self {
        // A call always has a charge, unless its answer has taken it.
        Self { body: Some(body), lasting: false, is_held: open.has_no_charge(), open }
    }

    /// Notes that this is a stream, and says whether there is a place for it.
    fn lasts(&mut self) -> Result<(), CallFailure> {
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
        Err(CallFailure::TooManyStreams)
    }

    /// The bytes of an answer, which are charged until the last of them is written.
    fn hold(&mut self, data: Bytes) -> Result<Bytes, CallFailure> {
        if self.is_held {
            return Ok(data);
        }
        let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX).saturating_add(FRAME_BYTES);
        let purse = Purse::new(Arc::clone(&self.open.pulse.account));
        let held = match purse.hold(bytes) {
            Ok(held) => held,
            Err(BudgetSpent) if bytes <= SHORT_ANSWER_BYTES => purse.hold_anyhow(bytes),
            Err(BudgetSpent) => {
                self.open.pulse.shared.counts.requests_over_budget.increment();
                return Err(CallFailure::OverBudget);
            }
        };
        Ok(held.around(data))
    }

    fn end_with(&mut self, failure: CallFailure) -> NextFrame<S> {
        self.body = None;
        Poll::Ready(S::cut_off(failure).map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

type NextFrame<S> = Poll<Option<Result<Frame<Bytes>, <<S as Calls>::Body as http_body::Body>::Error>>>;

impl<S: Calls> http_body::Body for AnswerBody<S> {
    type Data = Bytes;
    type Error = <S::Body as http_body::Body>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> NextFrame<S> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let Ok(polled) = catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))) else {
            let failure = panicked(&self.open);
            return self.end_with(failure);
        };
        if polled.is_pending()
            && let Err(failure) = self.lasts()
        {
            return self.end_with(failure);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => match self.hold(data) {
                    Ok(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                    Err(failure) => self.end_with(failure),
                },
                Err(frame) => Poll::Ready(Some(Ok(frame))),
            },
            ended @ (Poll::Ready(None | Some(Err(_))) | Poll::Pending) => ended,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl<S: Calls> Drop for AnswerBody<S> {
    fn drop(&mut self) {
        if self.lasting {
            self.open.pulse.shared.lasting_answers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
