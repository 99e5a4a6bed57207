//! Plain HTTP: what gateways without gRPC ask (`/verify`), Check as JSON for services without it (`/v1/check`), probes, and metrics.
//!
//! Each request came [in](crate::server) over HTTP/1.1 or HTTP/2. Nothing is decided here: `/verify` is answered at the
//! same [`Desk`](crate::gateway::Desk) as Envoy, `/v1/check` is the Check of gRPC in other clothes.

mod check;
mod forwarded;
mod metrics;
mod probes;
mod respond;
mod verify;

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use self::respond::{json, refuse, respond, without_body};
use crate::{
    domain::surfaces::{Surface, Surfaces},
    grpc::api::Api,
    health::HealthWatch,
    http_answer::{HttpAnswer, undecided},
    metrics::Metrics,
    server::{
        calls::{Calls, RefusalTail, TakenRequest},
        failure::CallFailure,
        gather::Gather,
        limits::ListenerLimits,
        request_body::RequestBody,
    },
};

const VERIFY: &str = "/verify";
const CHECK: &str = "/v1/check";
const LIVE: &str = "/livez";
const READY: &str = "/readyz";
const METRICS: &str = "/metrics";
const DESCRIPTION: &str = "/openapi.json";

/// The description of what is served here.
const OPENAPI: &str = include_str!("../../openapi/keyward.json");

/// What is served over HTTP, ready to be cloned for each connection.
#[derive(Clone)]
pub struct Site {
    api: Arc<Api>,
    health: HealthWatch,
    metrics: Arc<dyn Metrics>,
    surfaces: Surfaces,
    unread: RefusalTail,
}

impl Site {
    /// Answers gateways and Checks by `api`, which also knows who may ask, probes by `health`, and who gathers metrics by
    /// `metrics`: as far as these `surfaces` are on.
    #[must_use]
    pub fn new(api: Arc<Api>, health: HealthWatch, metrics: Arc<dyn Metrics>, surfaces: Surfaces) -> Self {
        let unread = unread(&api.desk().unreadable());
        Self { api, health, metrics, surfaces, unread }
    }

    /// The same with other surfaces, for another listener.
    #[must_use]
    pub fn with(&self, surfaces: Surfaces) -> Self {
        Self { surfaces, ..self.clone() }
    }

    /// Whether there is anything at this path. What is off is not told apart from what does not exist.
    fn is_on(&self, path: &str) -> bool {
        let surface = match path {
            LIVE | READY => Surface::Probes,
            METRICS => Surface::Metrics,
            VERIFY => Surface::Verify,
            CHECK | DESCRIPTION => Surface::Check,
            _ => return false,
        };
        self.surfaces.has(surface)
    }

    fn nothing_here(&self) -> Response<Full<Bytes>> {
        let described = self.surfaces.has(Surface::Check);
        let words =
            if described { "There is nothing here; see /openapi.json." } else { "There is nothing here." };
        refuse(StatusCode::NOT_FOUND, "NOT_FOUND", words, None)
    }

    async fn answer(self, request: Request<RequestBody>) -> Response<Full<Bytes>> {
        if !self.is_on(request.uri().path()) {
            return self.nothing_here();
        }
        match (request.uri().path(), request.method()) {
            (METRICS, _) => metrics::answer(&*self.metrics, &request),
            (VERIFY, _) => verify::answer(&self.api, &request).await,
            (CHECK, &Method::POST) => check::answer(&self.api, request).await,
            (DESCRIPTION, &Method::GET | &Method::HEAD) => respond(StatusCode::OK, [json()], OPENAPI),
            (LIVE, &Method::GET | &Method::HEAD) => probes::live(&self.health),
            (READY, &Method::GET | &Method::HEAD) => probes::ready(&self.health, request.uri().query()),
            (CHECK, _) => {
                refuse(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Use POST.", Some("POST"))
            }
            (DESCRIPTION | LIVE | READY, _) => {
                refuse(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Use GET.", Some("GET"))
            }
            _ => self.nothing_here(),
        }
    }
}

impl Calls for Site {
    type Body = Full<Bytes>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

    fn admit(
        &self,
        request: &Request<Incoming>,
        limits: &ListenerLimits,
    ) -> Result<TakenRequest, Response<Full<Bytes>>> {
        // A 200 to it would be a tunnel.
        if request.method() == Method::CONNECT {
            return Err(refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "METHOD_NOT_ALLOWED",
                "Use GET.",
                Some("GET"),
            ));
        }
        // A gateway may send the body of the request that it asks about, which decides nothing.
        let gather = match (request.method(), request.uri().path()) {
            (&Method::POST, CHECK) if self.is_on(CHECK) => Gather::UpTo(limits.message_bytes),
            _ => Gather::Nothing,
        };
        Ok(TakenRequest { client_limit: None, gather })
    }

    fn call(&self, request: Request<RequestBody>) -> Self::Future {
        let site = self.clone();
        let is_head = request.method() == Method::HEAD;
        Box::pin(async move {
            let answer = site.answer(request).await;
            Ok(if is_head { without_body(answer) } else { answer })
        })
    }

    fn failed(&self, failure: CallFailure, _path: Option<&str>, took: Duration) -> Response<Full<Bytes>> {
        if failure == CallFailure::RequestBroken {
            let message = "The body is malformed, or ended before it was whole.";
            return refuse(StatusCode::BAD_REQUEST, "REQUEST_MALFORMED", message, None);
        }
        let answer = undecided(took);
        respond(StatusCode::SERVICE_UNAVAILABLE, answer.headers, answer.body)
    }

    fn unread(&self) -> Option<RefusalTail> {
        Some(self.unread.clone())
    }

    fn cut_off(_failure: CallFailure) -> Option<HeaderMap> {
        None
    }
}

/// What is said to a peer whose head cannot be read. A gateway that drops bodies finds the body in a header too: what it
/// asked for cannot be read either.
fn unread(answer: &HttpAnswer) -> RefusalTail {
    let body = (verify::BODY, answer.body.clone());
    let lines = answer.headers.iter().chain([&body]).map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines = lines.collect::<Vec<_>>().concat();
    RefusalTail { lines: format!("{lines}\r\n{}", answer.body).into(), body_bytes: answer.body.len() }
}
