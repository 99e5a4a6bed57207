//! `keyward.v1.KeyService/Check`, served by hand: it is asked many thousand times a second, and the generated service makes
//! buffers, streams and boxes for each call that cost as much as the judgement.
//!
//! Only a call that is one plain message and can be answered without a wait is answered here. Every other one goes to the
//! generated service, which answers the same ([`CheckAtOnce`]); so what is no message is refused in tonic's own words.

use std::sync::Arc;

use http::{HeaderMap, Response};
use prost::Message as _;
use tonic::{Request, Status, body::Body, codegen::BoxFuture};

use super::{frame, refusal::CallRefusal};
use crate::{
    server::{
        budget::{Held, Purse},
        connection::Peer,
        request_body::RequestBody,
    },
    wire::v1,
};

/// The one method.
pub(super) const PATH: &str = "/keyward.v1.KeyService/Check";

/// Beside the bytes of an answer: its frame, and its stream until it is written.
const FRAME_BYTES: u64 = 1 << 10;

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
        _peer: &Peer,
        _asked: &v1::CheckRequest,
        _answer: &mut Vec<u8>,
    ) -> Option<Result<(), Status>> {
        None
    }

    /// Answers many questions, and pays for the answers from the purse. `None` where the generated service is to answer.
    fn batch(
        self: Arc<Self>,
        _caller: Request<()>,
        _asked: v1::BatchCheckRequest,
        _purse: Purse,
    ) -> Option<BoxFuture<Response<Body>, Status>> {
        None
    }
}

/// Answers a call if that can be done at once.
pub(super) fn serve(
    handler: &impl CheckAtOnce,
    headers: &HeaderMap,
    body: &RequestBody,
    peer: &Peer,
    held: &mut Option<Held>,
) -> Option<Response<Body>> {
    if headers.contains_key("grpc-encoding") {
        return None;
    }
    let asked = v1::CheckRequest::decode(frame::plain_message(body.whole()?)?).ok()?;
    let mut answer = frame::begin();
    Some(match handler.check_at_once(headers, peer, &asked, &mut answer)? {
        Ok(()) => match held.take() {
            None => frame::answer(answer),
            Some(mut held) => {
                let bytes = u64::try_from(answer.capacity()).unwrap_or(u64::MAX);
                // A usual answer is within what the call has paid; the rest of that is given back with it.
                if held.grow_to(bytes.saturating_add(FRAME_BYTES)).is_err() {
                    return Some(CallRefusal::OverBudget.response());
                }
                frame::paid_answer(answer, held)
            }
        },
        Err(status) => status.into_http(),
    })
}
