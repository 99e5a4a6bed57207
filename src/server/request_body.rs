//! The body of a request: gathered until it is whole, then handed to the handler.
//!
//! One message has its bound in the decoder; all that are being gathered together have theirs in the budget of their calls.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{budget::BudgetSpent, connection::OpenCall, failure::CallFailure, gather::Gather};

/// How much is set aside at once for a message of which only the beginning has come. Declaring much costs nothing.
const FIRST_BYTES: usize = 4 << 10;

/// A request's body, as its handler reads it.
#[derive(Debug, Default)]
pub struct RequestBody {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
    /// What is still to come: of a stream, or of a body that is too long to be gathered.
    rest: Option<Incoming>,
}

impl RequestBody {
    /// The body of a method that takes a stream, which cannot be waited for.
    pub(super) fn of_stream(incoming: Incoming) -> Self {
        Self { data: None, trailers: None, rest: Some(incoming) }
    }

    /// All of it, where it has come and nothing stands behind it.
    #[must_use]
    pub fn whole(&self) -> Option<&[u8]> {
        if self.rest.is_some() || self.trailers.is_some() { None } else { self.data.as_deref() }
    }

    /// What was gathered of it, whether more is to come or not.
    #[must_use]
    pub fn gathered(&self) -> &[u8] {
        self.data.as_deref().unwrap_or_default()
    }

    /// All of it; `None` if it is too long to be gathered.
    #[must_use]
    pub fn into_whole(self) -> Option<Bytes> {
        if self.rest.is_some() { None } else { Some(self.data.unwrap_or_default()) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(rest) = &mut self.rest {
            return Pin::new(rest).poll_frame(cx);
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
            && self.trailers.is_none()
            && self.rest.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        if self.rest.is_some() {
            return SizeHint::default();
        }
        let length = self.data.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}

/// A body on its way in.
#[derive(Debug)]
pub(super) struct Gathering {
    incoming: Option<Incoming>,
    gathered: BytesMut,
    gather: Gather,
    /// What is charged for it.
    charged: usize,
}

impl Gathering {
    /// Gathers a body as far as this says.
    pub(super) fn new(incoming: Incoming, gather: Gather) -> Self {
        Self { incoming: Some(incoming), gathered: BytesMut::new(), gather, charged: 0 }
    }

    /// What is charged for what has arrived of it.
    pub(super) fn charged(&self) -> u64 {
        u64::try_from(self.charged).unwrap_or(u64::MAX)
    }

    /// Waits for the whole body. One that arrives in a single piece, as a Check's does, is not copied.
    pub(super) fn poll(
        &mut self,
        open: &mut OpenCall,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RequestBody, CallFailure>> {
        let Some(mut incoming) = self.incoming.take() else { return Poll::Pending };
        if self.gather.is_exceeded_by(incoming.size_hint().lower()) {
            return Poll::Ready(Ok(RequestBody::of_stream(incoming)));
        }
        loop {
            let frame = match Pin::new(&mut incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(_broken))) => return Poll::Ready(Err(CallFailure::RequestBroken)),
                Poll::Ready(None) => return Poll::Ready(Ok(self.whole(None))),
                Poll::Pending => {
                    self.incoming = Some(incoming);
                    return Poll::Pending;
                }
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                // That there are some is kept. What they say is not: no method reads it.
                Err(_trailers) => return Poll::Ready(Ok(self.whole(Some(HeaderMap::new())))),
            };
            open.pulse.body_arrives(data.len());
            let ended = incoming.is_end_stream();
            if ended && self.gathered.is_empty() {
                return Poll::Ready(Ok(RequestBody { data: Some(data), ..RequestBody::default() }));
            }
            if let Err(refusal) = self.add(&data, incoming.size_hint().lower(), open) {
                return Poll::Ready(Err(refusal));
            }
            if self.gather.is_too_much(&self.gathered) {
                // Its handler refuses it by what is there, and the rest is not waited for.
                let rest = Some(incoming);
                return Poll::Ready(Ok(RequestBody { rest, ..self.whole(None) }));
            }
            if ended {
                return Poll::Ready(Ok(self.whole(None)));
            }
        }
    }

    fn whole(&mut self, trailers: Option<HeaderMap>) -> RequestBody {
        let data = (!self.gathered.is_empty()).then(|| self.gathered.split().freeze());
        RequestBody { data, trailers, rest: None }
    }

    /// Adds what has come, once room for it is charged.
    fn add(&mut self, data: &Bytes, declared: u64, open: &mut OpenCall) -> Result<(), CallFailure> {
        let length = self.gathered.len().saturating_add(data.len());
        if length > self.gathered.capacity() {
            // Growing by doubling holds what there was beside what there will be for a moment.
            let declared = usize::try_from(declared).unwrap_or(usize::MAX).min(FIRST_BYTES);
            let room = length.max(self.gathered.capacity().saturating_mul(2)).max(declared);
            let more = room.saturating_sub(self.charged);
            open.charge(u64::try_from(more).unwrap_or(u64::MAX))
                .map_err(|BudgetSpent| CallFailure::OverBudget)?;
            self.charged = self.charged.max(room);
            self.gathered.reserve(room.saturating_sub(self.gathered.len()));
        }
        self.gathered.extend_from_slice(data);
        Ok(())
    }
}
