//! The body of a request on its way to a handler, and the bound on what unfinished ones hold.
//!
//! A unary call's message is buffered until it is whole. One message has its bound in the decoder; many unfinished
//! ones together have theirs here.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::Status;

use super::connection::Pulse;

/// A request's body as it arrives.
///
/// A body that arrives in one piece, as a Check's does, costs no bookkeeping.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    pulse: Arc<Pulse>,
    /// Whether its reader has had to wait for more.
    unfinished: bool,
    /// Bytes counted in `Shared::unfinished_bytes`; `None` for a stream, whose messages leave it one by one.
    held: Option<u64>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, pulse: Arc<Pulse>) -> Self {
        Self { incoming, pulse, unfinished: false, held: Some(0) }
    }

    /// The same for a method whose request is a stream: only its single messages are bounded.
    #[must_use]
    pub(super) fn of_stream(mut self) -> Self {
        self.release();
        self.held = None;
        self
    }

    fn hold(&mut self, data: &Bytes) -> Result<(), Status> {
        let Some(held) = &mut self.held else { return Ok(()) };
        let more = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let shared = &self.pulse.shared;
        let before = shared.unfinished_bytes.fetch_add(more, Ordering::Relaxed);
        *held += more;
        if before.saturating_add(more) > shared.limits.unfinished_request_bytes {
            shared.counts.requests_over_budget.increment();
            return Err(Status::resource_exhausted("too many large requests are under way"));
        }
        Ok(())
    }

    fn release(&mut self) {
        if let Some(held @ 1..) = self.held.replace(0) {
            self.pulse.shared.unfinished_bytes.fetch_sub(held, Ordering::Relaxed);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if polled.is_pending() && !self.unfinished {
            self.unfinished = true;
            self.pulse.body_is_unfinished();
        }
        let frame = match ready!(polled) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(Status::from_error(Box::new(error))))),
            None => return Poll::Ready(None),
        };
        if let Some(data) = frame.data_ref().filter(|_| !self.incoming.is_end_stream()) {
            let data = data.clone();
            self.hold(&data)?;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.release();
        if self.unfinished {
            self.pulse.body_is_gone();
        }
    }
}
