//! `envoy.service.auth.v3.Authorization`: Envoy asks whether to let a request through.
//!
//! Envoy takes a gRPC error for an outage of ours, and may be set to let everything through then
//! (`failure_mode_allow`); it takes an answer without a status for an allow. So every call of [`PATH`] gets a whole
//! answer: an allow, a denial, or a 503 to pass on (X1). The method is served by hand, because a generated server answers
//! with errors. A message is decoded, judged and answered without a pause, but for that of a Check whose charge must be written first: then it is held for 50 ms at most.

mod frame;

pub use self::frame::Malformed;

use std::{sync::Arc, time::Duration};

use http::Response;
use tonic::{Request, body::Body, metadata::MetadataMap};

use super::{
    api::{Api, CHECK},
    convert::ext_authz as convert,
};
use crate::{
    domain::correlation::{CorrelationId, REQUEST_ID_HEADER},
    gateway::{GatewayAnswer, GatewayRequest as _, Question, StoppedRequest, Unreadable},
    http_answer::{Stop, undecided},
    server::request_body::RequestBody,
    wire::envoy::service::auth::v3 as envoy,
};

/// The one method.
pub(super) const PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

/// What answers Envoy.
pub trait ExtAuthz: Send + Sync + 'static {
    /// Answers what was asked, as far as it can be read; `caller` is the call itself, without its message.
    fn authorize(
        &self,
        caller: &Request<()>,
        asked: Result<envoy::CheckRequest, Malformed>,
    ) -> impl Future<Output = envoy::CheckResponse> + Send;
}

/// Answers one call whose request has arrived, as far as it is taken.
pub(super) async fn serve(
    handler: Arc<impl ExtAuthz>,
    request: http::Request<RequestBody>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let asked = body.into_whole().ok_or(Malformed).and_then(|bytes| frame::read(&bytes));
    let caller = Request::from_parts(MetadataMap::from_headers(head.headers), head.extensions, ());
    let answer = handler.authorize(&caller, asked).await;
    // Envoy would let the request through.
    if answer.status.is_none() || answer.http_response.is_none() {
        return unavailable(Duration::ZERO);
    }
    frame::response(&answer)
}

/// The answer to a call that does not reach its handler, or whose handler does not answer, after so long.
pub(super) fn unavailable(took: Duration) -> Response<Body> {
    let stopped =
        StoppedRequest { answer: undecided(took), reason: Stop::Undecided.reason(), identity: None };
    frame::response(&convert::answer(GatewayAnswer::Stopped(stopped)))
}

impl ExtAuthz for Api {
    async fn authorize(
        &self,
        caller: &Request<()>,
        asked: Result<envoy::CheckRequest, Malformed>,
    ) -> envoy::CheckResponse {
        let caller = self.caller(caller, CHECK);
        let caller = caller.and_then(|(caller, asked_as)| self.require_gateway(asked_as, caller));
        let asked = asked.as_ref().ok().and_then(convert::request).ok_or(Unreadable::Malformed);
        let desk = self.desk();
        let given = asked.as_ref().ok().map(|(_, request)| request.values(REQUEST_ID_HEADER));
        let request_id = given.and_then(CorrelationId::given);
        let asked = asked.map(|(attributes, request)| {
            let address = desk.origin(request, convert::origin(attributes));
            Question { request, said: convert::said(attributes, address) }
        });
        convert::answer(desk.answer(caller, asked, request_id).await)
    }
}
