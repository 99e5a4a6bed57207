//! What the client of a guarded service sees.

use std::{cmp::Ordering, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE, request::Parts};
use http_body_util::Full;
use tonic::{Code, Status};

use super::needs::Needs;
use crate::{
    domain::{
        correlation::{CorrelationId, REQUEST_ID_HEADER},
        decision::{Denial, DenialDetails, Requirement, Spent},
        text::Realm,
        time::Timestamp,
    },
    http_answer::{self, BodyFormat, HttpAnswer, Stop, StopForm, StopStatus},
    wire::v1::{self, CheckResponse, LimitState},
};

/// The answer to a request that was denied.
pub(super) fn denied(parts: &Parts, denial: &Denial, needs: Option<&Needs>) -> Response<Full<Bytes>> {
    let scopes = needs.iter().flat_map(|needs| needs.0.iter().map(|scope| scope.as_scope())).collect();
    let requirement = Requirement { scopes, ..Requirement::default() };
    let stop = Stop::Denied { denial, requirement: &requirement, answer: None };
    stopped(parts, stop)
}

/// The answer where there is no decision.
pub(super) fn undecided(parts: &Parts) -> Response<Full<Bytes>> {
    stopped(parts, Stop::Undecided)
}

/// The answer, with the id that the request came with.
fn stopped(parts: &Parts, stop: Stop<'_>) -> Response<Full<Bytes>> {
    let request_id = request_id(parts);
    let form = StopForm { format: BodyFormat::Plain, request_id: request_id.as_ref() };
    let mut response = render(parts, http_answer::stopped(stop, &Realm::default(), form));
    if let Some(id) = &request_id {
        set(response.headers_mut(), REQUEST_ID_HEADER, id.as_str());
    }
    response
}

/// The id that a request came with.
pub(super) fn request_id(parts: &Parts) -> Option<CorrelationId> {
    let values = parts.headers.get_all(REQUEST_ID_HEADER).iter();
    CorrelationId::given(values.map(HeaderValue::as_bytes))
}

/// A gRPC client does not look at the status of HTTP.
fn render(parts: &Parts, answer: HttpAnswer) -> Response<Full<Bytes>> {
    let is_grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    if parts.headers.get(CONTENT_TYPE).is_some_and(is_grpc) {
        return Status::new(code(answer.status), message(&answer)).into_http();
    }
    let mut response = Response::new(Full::from(answer.body));
    *response.status_mut() = status(answer.status);
    for (name, value) in answer.headers {
        set(response.headers_mut(), name, &value);
    }
    response
}

const fn status(status: StopStatus) -> StatusCode {
    match status {
        StopStatus::BadRequest => StatusCode::BAD_REQUEST,
        StopStatus::Unauthorized => StatusCode::UNAUTHORIZED,
        StopStatus::Forbidden => StatusCode::FORBIDDEN,
        StopStatus::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        StopStatus::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

const fn code(status: StopStatus) -> Code {
    match status {
        StopStatus::BadRequest => Code::InvalidArgument,
        StopStatus::Unauthorized => Code::Unauthenticated,
        StopStatus::Forbidden => Code::PermissionDenied,
        StopStatus::TooManyRequests => Code::ResourceExhausted,
        StopStatus::Unavailable => Code::Unavailable,
    }
}

/// The message of the body.
fn message(answer: &HttpAnswer) -> String {
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let message = body.pointer("/error/message").and_then(serde_json::Value::as_str);
    message.unwrap_or_default().to_owned()
}

/// The denial of an answer. One that is new is taken for a bad key: that tells a stranger least.
pub(super) fn denial(answer: &CheckResponse, needs: &Needs) -> Denial {
    let Some(told) = &answer.denial else { return Denial::KeyUnknown };
    let bound: Vec<_> = needs.0.iter().map(|scope| scope.as_str().to_owned()).collect();
    let details = DenialDetails {
        at: Timestamp::EPOCH,
        missing: &told.missing_scopes,
        bound: &bound,
        named: false,
        address: None,
        spent: &spent(told),
    };
    let found =
        Denial::every(&details).into_iter().find(|denial| denial.facts().reason.number == told.reason);
    // An expiry tells its time, which no client is told.
    found.filter(|denial| !matches!(denial, Denial::KeyExpired(_))).unwrap_or(Denial::KeyUnknown)
}

fn spent(told: &v1::Denial) -> Spent {
    let wait = told.retry_after.map(|wait| Duration::from_secs(wait.seconds.try_into().unwrap_or_default()));
    Spent { limit: "".into(), admits: 0, wait }
}

/// Adds how the scarcest limit stands; on a 429 that is one that is spent. `limits` is empty where it may not be told.
pub(super) fn add_limits(headers: &mut HeaderMap, limits: &[LimitState]) {
    let Some(scarcest) = limits.iter().min_by(|one, other| scarcer(one, other)) else { return };
    let reset = scarcest.reset_time.unwrap_or_default();
    let seconds = reset.seconds.saturating_add(i64::from(reset.nanos > 0));
    set(headers, "x-ratelimit-limit", &scarcest.limit.to_string());
    set(headers, "x-ratelimit-remaining", &scarcest.remaining.to_string());
    set(headers, "x-ratelimit-reset", &seconds.to_string());
}

/// By the share that is left; of two of which the same is left, the one that takes longer to be whole comes first.
fn scarcer(one: &LimitState, other: &LimitState) -> Ordering {
    let of_one = u128::from(one.remaining).saturating_mul(u128::from(other.limit));
    let of_other = u128::from(other.remaining).saturating_mul(u128::from(one.limit));
    let reset = |limit: &LimitState| limit.reset_time.map(|time| (time.seconds, time.nanos));
    of_one.cmp(&of_other).then(reset(other).cmp(&reset(one)))
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    // Every value of the table is visible ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
