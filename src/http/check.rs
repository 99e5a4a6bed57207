//! `POST /v1/check`: Check as JSON.

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;

use super::respond::{json, refuse, respond};
use crate::{
    grpc::{api::Api, transcode::JsonAnswer},
    server::{connection::Peer, request_body::RequestBody},
};

/// Answers a Check.
pub(super) async fn answer(api: &Api, request: Request<RequestBody>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let mut types = head.headers.get_all(header::CONTENT_TYPE).iter();
    let is_json = types.next().is_some_and(|value| is_json(value.as_bytes())) && types.next().is_none();
    if !is_json {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return refuse(status, "UNSUPPORTED_MEDIA_TYPE", "Use the content type application/json.", None);
    }
    let Some(body) = body.into_whole() else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "The body is over 512 KiB.", None);
    };
    let peer = head.extensions.get::<Peer>().cloned();
    let callers = head.headers.get_all(header::AUTHORIZATION).iter();
    let JsonAnswer { status, headers, body } =
        api.check_json(callers.map(http::HeaderValue::as_bytes), peer, &body).await;
    // Every status here is one of HTTP's.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    respond(status, headers.into_iter().chain([json()]), body)
}

fn is_json(media_type: &[u8]) -> bool {
    let name = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"application/json")
}
