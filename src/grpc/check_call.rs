//! `keyward.v1.KeyService/Check`, served by hand: it is asked many thousand times a second, and the generated service makes
//! buffers, streams and boxes for each call that cost as much as the judgement.
//!
//! Only a call that is one plain message and can be answered without a wait is answered here. Every other one goes to the
//! generated service, which answers the same ([`CheckAtOnce`]); so what is no message is refused in tonic's own words.

use http::{HeaderMap, Response};
use prost::Message as _;
use tonic::{Status, body::Body};

use super::frame;
use crate::{
    way_in::{connection::Peer, request_body::RequestBody},
    wire::v1,
};

/// The one method.
pub(super) const PATH: &str = "/keyward.v1.KeyService/Check";

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
    let asked = v1::CheckRequest::decode(frame::plain_message(body.whole()?)?).ok()?;
    let mut answer = frame::begin();
    Some(match handler.check_at_once(headers, peer, &asked, &mut answer)? {
        Ok(()) => frame::answer(answer),
        Err(status) => status.into_http(),
    })
}
