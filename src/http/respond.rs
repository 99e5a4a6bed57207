//! Answers of HTTP, put together.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::Full;

use crate::http_answer::{Header, error_body};

/// The content type of JSON.
pub(super) fn json() -> Header {
    ("content-type", "application/json".to_owned())
}

/// An answer of these parts.
pub(super) fn respond(
    status: StatusCode,
    headers: impl IntoIterator<Item = Header>,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    for (name, value) in headers {
        // All are made of visible ASCII; what is not could only be a mistake of ours, and is not sent.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The answer to a HEAD: the head of the answer to a GET. Over HTTP/2, hyper would send the body.
pub(super) fn without_body(answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let length = answer.body().size_hint().exact().unwrap_or_default();
    let (mut head, _body) = answer.into_parts();
    head.headers.insert(header::CONTENT_LENGTH, length.into());
    Response::from_parts(head, Full::default())
}

/// An answer to what is no question.
pub(super) fn refuse(
    status: StatusCode,
    code: &str,
    message: &str,
    allow: Option<&str>,
) -> Response<Full<Bytes>> {
    let no_store = ("cache-control", "no-store".to_owned());
    let mut response = respond(status, [json(), no_store], error_body(code, message, None));
    if let Some(allow) = allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}
