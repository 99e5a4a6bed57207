//! `/verify`: a gateway asks whether to let a request through (nginx `auth_request`, Caddy `forward_auth`, Traefik
//! `ForwardAuth`). The status is the answer, and the headers are for the service behind or for the client.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;

use super::{forwarded::Forwarded, respond::respond};
use crate::{
    domain::{
        correlation::{CorrelationId, REQUEST_ID_HEADER},
        parse::ParseError,
    },
    error::OperationError,
    gateway::{self, GatewayAnswer, GatewayRequest as _, Question, RequestOrigin, Unreadable},
    grpc::api::Api,
    http_answer::HttpAnswer,
    server::{connection::Peer, request_body::RequestBody},
};

/// Who asks: `Authorization` is the holder's.
const CALLER: &str = "x-keyward-caller";

/// What a denial's body is sent in, and not as a body, to gateways that do not read it, where the setting `body=header` says
/// so: nginx gives up a kept connection on which a body is left.
pub(super) const BODY: &str = "x-keyward-body";

/// Names and texts of the query.
type QueryFields<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Answers a gateway.
pub(super) async fn answer(api: &Api, request: &Request<RequestBody>) -> Response<Full<Bytes>> {
    let desk = api.desk();
    let headers = request.headers();
    let peer = request.extensions().get::<Peer>();
    let caller = api.checker(headers.get_all(CALLER).iter().map(http::HeaderValue::as_bytes), peer);
    let peer = peer.map(|peer| peer.address.ip());
    let query = request.uri().query().unwrap_or_default();
    let mut settings: QueryFields<'_> = form_urlencoded::parse(query.as_bytes()).collect();
    let body_in_header = take_body_in_header(&mut settings);

    // No peer that is not known is trusted.
    let peer = peer.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let asked = Forwarded::read(headers, peer, desk.settings());
    let asked = asked.and_then(|request| require_own(query, request.path()).map(|()| request));
    // Also where the request cannot be read: the gateway's log has it by this.
    let given = headers.get_all(REQUEST_ID_HEADER).iter();
    let request_id = CorrelationId::given(given.map(http::HeaderValue::as_bytes));
    let outcome = match asked {
        Ok(request) => {
            let settings = settings.iter().map(|(name, text)| (name.as_ref(), text.as_ref()));
            let said = gateway::said("query", settings, desk.origin(&request, RequestOrigin::Forwarded));
            desk.answer(caller, Ok(Question { request: &request, said }), request_id).await
        }
        Err(unreadable) => desk.answer::<Forwarded<'_>>(caller, Err(unreadable), request_id).await,
    };
    render(outcome, body_in_header)
}

/// Passes a query of the gateway's own. Some gateways pass their client's on, unless they are told not to; and a client
/// must not say what its request needs.
fn require_own(query: &str, uri: &str) -> Result<(), Unreadable> {
    let clients = uri.split_once('?').map_or("", |(_, clients)| clients);
    if clients.is_empty() || !format!("&{query}&").contains(&format!("&{clients}&")) {
        return Ok(());
    }
    let why =
        ParseError::new("the gateway's own: it must not hold that of the request, which is the client's");
    Err(Unreadable::Setup(OperationError::invalid("query", why)))
}

/// Takes the one setting out that is about the answer, and none that asks for something else.
fn take_body_in_header(settings: &mut QueryFields<'_>) -> bool {
    let before = settings.len();
    settings.retain(|(name, text)| !(name == "body" && text == "header"));
    settings.len() < before
}

fn render(outcome: GatewayAnswer, body_in_header: bool) -> Response<Full<Bytes>> {
    match outcome {
        GatewayAnswer::Passed(passed) => {
            let identity = passed.identity.into_iter().filter_map(|(name, value)| Some((name, value?)));
            respond(StatusCode::OK, identity.chain(passed.told), String::new())
        }
        GatewayAnswer::Stopped(stopped) => {
            let is_for_grpc = stopped.answer.is_for_grpc();
            let HttpAnswer { status, headers, body } = stopped.answer;
            // Every status here is one of HTTP's.
            let status = StatusCode::from_u16(status.code()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let told = body_in_header.then(|| (BODY, body.clone()));
            let body = if body_in_header || is_for_grpc { String::new() } else { body };
            respond(status, headers.into_iter().chain(told), body)
        }
    }
}
