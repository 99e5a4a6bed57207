//! One message of gRPC in, one out, as bytes: for the methods that are served by hand.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Frame;
use tonic::{Status, body::Body};

use crate::server::budget::Held;

/// Before a message: one byte that says whether it is compressed, four that say how long it is.
const PREFIX: [u8; PREFIX_BYTES] = [0; PREFIX_BYTES];
/// Its length.
pub(super) const PREFIX_BYTES: usize = 5;

/// What most answers take.
const USUAL_BYTES: usize = 512;

/// The message of a body that is one message and not compressed.
pub(super) fn plain_message(body: &[u8]) -> Option<&[u8]> {
    let ([0, length @ ..], message) = body.split_first_chunk::<5>()? else { return None };
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    (length == message.len()).then_some(message)
}

/// Whether a request that is one message holds none, or something behind its first. One that is cut off is not meant.
pub(super) fn is_not_one(body: &[u8]) -> bool {
    let Some(([_flag, length @ ..], behind)) = body.split_first_chunk::<5>() else { return body.is_empty() };
    usize::try_from(u32::from_be_bytes(*length)).is_ok_and(|length| behind.len() > length)
}

/// A frame without its message, which is to be appended.
pub(super) fn begin() -> Vec<u8> {
    let mut frame = Vec::with_capacity(USUAL_BYTES);
    frame.extend_from_slice(&PREFIX);
    frame
}

/// `OK`, with the message that was appended to a frame.
pub(super) fn answer(frame: Vec<u8>) -> Response<Body> {
    whole(frame, Bytes::from)
}

/// The same; the bytes hold what they cost until the last of them is written.
pub(super) fn paid_answer(frame: Vec<u8>, held: Held) -> Response<Body> {
    whole(frame, |frame| held.around(frame))
}

fn whole(mut frame: Vec<u8>, into_bytes: impl FnOnce(Vec<u8>) -> Bytes) -> Response<Body> {
    // An answer is some megabytes long at the most.
    let length = u32::try_from(frame.len().saturating_sub(PREFIX.len())).unwrap_or(u32::MAX);
    if let Some([_, place @ ..]) = frame.first_chunk_mut::<5>() {
        *place = length.to_be_bytes();
    }
    let mut response = Response::new(Body::new(Whole::Data(into_bytes(frame))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The body of an answer that is `OK`: its data, then its status.
enum Whole {
    Data(Bytes),
    Status,
    Ended,
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let (frame, next) = match std::mem::replace(&mut *self, Self::Ended) {
            Self::Data(data) => (Frame::data(data), Self::Status),
            Self::Status => {
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                (Frame::trailers(trailers), Self::Ended)
            }
            Self::Ended => return Poll::Ready(None),
        };
        *self = next;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Ended)
    }
}
