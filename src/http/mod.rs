//! Plain HTTP: what gateways without gRPC ask (`/verify`), and Check as JSON for services without it (`/v1/check`).
//!
//! Each request came [in](crate::way_in) over HTTP/1.1 or HTTP/2. Nothing is decided here: `/verify` is answered at the
//! same [`Desk`] as Envoy, `/v1/check` is the Check of gRPC in other clothes.

mod check;
mod forwarded;
mod verify;

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::{
    gateway::Desk,
    grpc::api::Api,
    http_answer::{Header, undecided},
    way_in::{
        gate::{Calls, Failure, Gather, Taken},
        limits::ListenerLimits,
        request_body::RequestBody,
    },
};

const VERIFY: &str = "/verify";
const CHECK: &str = "/v1/check";
const DESCRIPTION: &str = "/openapi.json";

/// The description of what is served here.
const OPENAPI: &str = include_str!("../../openapi/keyward.json");

/// What is served over HTTP, ready to be cloned for each connection.
#[derive(Clone)]
pub struct Site {
    desk: Arc<Desk>,
    api: Arc<Api>,
}

impl Site {
    /// Answers gateways at `desk`, and Checks by `api`, which also knows who may ask.
    #[must_use]
    pub const fn new(desk: Arc<Desk>, api: Arc<Api>) -> Self {
        Self { desk, api }
    }

    async fn answer(self, request: Request<RequestBody>) -> Response<Full<Bytes>> {
        match (request.uri().path(), request.method()) {
            (VERIFY, _) => verify::answer(&self.desk, &self.api, &request).await,
            (CHECK, &Method::POST) => check::answer(&self.api, request).await,
            (DESCRIPTION, &Method::GET | &Method::HEAD) => {
                respond(StatusCode::OK, [json()], OPENAPI.to_owned())
            }
            (CHECK, _) => {
                refuse(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Use POST.", Some("POST"))
            }
            (DESCRIPTION, _) => {
                refuse(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Use GET.", Some("GET"))
            }
            _ => {
                refuse(StatusCode::NOT_FOUND, "NOT_FOUND", "There is nothing here; see /openapi.json.", None)
            }
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
    ) -> Result<Taken, Response<Full<Bytes>>> {
        // A gateway may send the body of the request that it asks about, which decides nothing.
        let gather = match request.uri().path() {
            CHECK => Gather::UpTo(limits.message_bytes),
            _ => Gather::Nothing,
        };
        Ok(Taken { client_limit: None, gather })
    }

    fn call(&self, request: Request<RequestBody>) -> Self::Future {
        let site = self.clone();
        Box::pin(async move { Ok(site.answer(request).await) })
    }

    fn failed(&self, _failure: Failure, _path: Option<&str>, took: Duration) -> Response<Full<Bytes>> {
        let answer = undecided(took);
        respond(StatusCode::SERVICE_UNAVAILABLE, answer.headers, answer.body)
    }

    fn cut_off(_failure: Failure) -> Option<HeaderMap> {
        None
    }
}

fn json() -> Header {
    ("content-type", "application/json".to_owned())
}

fn respond(
    status: StatusCode,
    headers: impl IntoIterator<Item = Header>,
    body: String,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    for (name, value) in headers {
        // All are made of visible ASCII; what is not could only be a mistake of ours, and is not sent.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// An answer to what is no question.
fn refuse(status: StatusCode, code: &str, message: &str, allow: Option<&str>) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "success": false, "error": { "code": code, "message": message } });
    let mut response = respond(status, [json()], body.to_string());
    if let Some(allow) = allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}
