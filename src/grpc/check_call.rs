//! `keyward.v1.KeyService/Check`, served by hand: it is asked many thousand times a second, and the generated service makes
//! buffers, streams and boxes for each call that cost as much as the judgement.
//!
//! Only a call that is one plain message and can be answered without a wait is answered here. Every other one goes to the
//! generated service, which answers the same ([`CheckAtOnce`]); so what is no message is refused in tonic's own words.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut as _, Bytes};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Frame;
use prost::Message as _;
use tonic::{Status, body::Body};

use crate::{
    way_in::{connection::Peer, request_body::RequestBody},
    wire::v1,
};

/// The one method.
pub(super) const PATH: &str = "/keyward.v1.KeyService/Check";

/// Before a message: one byte that says whether it is compressed, four that say how long it is.
const PREFIX: [u8; 5] = [0; 5];

/// Answers Checks that need no wait.
pub trait CheckAtOnce: Send + Sync + 'static {
    /// Appends the message to `answer` that answers what was asked with these headers from there. `None` where the generated
    /// service is to answer, for example because something must be waited for: nothing is charged then, and nothing
    /// counted.
    ///
    /// # Errors
    /// Those of the generated service.
    fn check_at_once(
        &self,
        _headers: &HeaderMap,
        _peer: Peer,
        _asked: &v1::CheckRequest,
        _answer: &mut Vec<u8>,
    ) -> Option<Result<(), Status>> {
        None
    }
}

/// Answers a call if that can be done at once.
pub(super) fn serve(
    handler: &impl CheckAtOnce,
    headers: &HeaderMap,
    body: &RequestBody,
    peer: Peer,
) -> Option<Response<Body>> {
    if headers.contains_key("grpc-encoding") {
        return None;
    }
    let asked = v1::CheckRequest::decode(plain_message(body.whole()?)?).ok()?;
    let mut frame = Vec::with_capacity(USUAL_BYTES);
    frame.put_slice(&PREFIX);
    Some(match handler.check_at_once(headers, peer, &asked, &mut frame)? {
        Ok(()) => answer(frame),
        Err(status) => status.into_http(),
    })
}

/// What most answers take.
const USUAL_BYTES: usize = 512;

/// The message of a body that is one message and not compressed.
fn plain_message(body: &[u8]) -> Option<&[u8]> {
    let ([0, length @ ..], message) = body.split_first_chunk::<5>()? else { return None };
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    (length == message.len()).then_some(message)
}

/// `OK`, with the message that stands behind the prefix.
fn answer(mut frame: Vec<u8>) -> Response<Body> {
    // An answer is some kilobytes long at the most.
    let length = u32::try_from(frame.len().saturating_sub(PREFIX.len())).unwrap_or(u32::MAX);
    if let Some([_, place @ ..]) = frame.first_chunk_mut::<5>() {
        *place = length.to_be_bytes();
    }
    let mut response = Response::new(Body::new(Whole::Data(frame.into())));
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
