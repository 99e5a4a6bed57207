//! `/metrics`, for who gathers them.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;

use super::respond::{refuse, respond};
use crate::metrics::{Metrics, MetricsFormat};

/// Answers with all metrics, in the format that is asked for.
pub(super) fn answer<B>(metrics: &dyn Metrics, request: &Request<B>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Use GET.", Some("GET"));
    }
    let accept = request.headers().get_all(header::ACCEPT).iter().map(HeaderValue::as_bytes);
    let format = MetricsFormat::wanted(accept);
    let headers = [
        ("content-type", format.content_type().to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("vary", "accept".to_owned()),
    ];
    respond(StatusCode::OK, headers, metrics.expose(format))
}
