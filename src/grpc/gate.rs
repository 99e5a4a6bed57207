//! In front of every method: what is no gRPC call is turned away.

use std::time::Duration;

use http::{HeaderMap, Method, Request, header, uri::PathAndQuery};

use super::{refusal::CallRefusal, timeout::grpc_timeout};

/// Says how long the client will wait, or why this is no call.
pub(super) fn admit<B>(request: &Request<B>) -> Result<Option<Duration>, CallRefusal> {
    if request.method() != Method::POST {
        return Err(CallRefusal::MethodNotAllowed);
    }
    if !is_grpc(request.headers()) {
        return Err(CallRefusal::UnsupportedMediaType);
    }
    // A query or an escape would leave the method the same here and another for a proxy that guards paths.
    let exact = |path: &PathAndQuery| !path.as_str().bytes().any(|byte| matches!(byte, b'?' | b'%'));
    if !request.uri().path_and_query().is_some_and(exact) {
        return Err(CallRefusal::Unimplemented);
    }
    grpc_timeout(request.headers()).map_err(|_malformed| CallRefusal::TimeoutMalformed)
}

/// Whether there is one content type, and it is gRPC with protobuf. gRPC-Web and JSON are not.
fn is_grpc(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    media_type.eq_ignore_ascii_case(b"application/grpc")
        || media_type.eq_ignore_ascii_case(b"application/grpc+proto")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &str, content_types: &[&str]) -> Request<()> {
        let mut request = Request::post(format!("http://localhost{path}"));
        for content_type in content_types {
            request = request.header(header::CONTENT_TYPE, *content_type);
        }
        request.body(()).unwrap()
    }

    // X4
    #[test]
    fn content_types_are_grpc_with_protobuf_only() {
        for good in [
            "application/grpc",
            "application/grpc+proto",
            "Application/GRPC",
            "application/grpc;charset=utf-8",
            "application/grpc ; a=b",
        ] {
            assert_eq!(admit(&post("/s/m", &[good])), Ok(None), "{good}");
        }
        for bad in [
            "",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc+json",
            "application/json",
            "text/plain",
            " application/grpc",
            "application/grpcx",
        ] {
            assert_eq!(admit(&post("/s/m", &[bad])), Err(CallRefusal::UnsupportedMediaType), "{bad}");
        }
        assert_eq!(admit(&post("/s/m", &[])), Err(CallRefusal::UnsupportedMediaType));
        let twice = ["application/grpc", "application/grpc"];
        assert_eq!(admit(&post("/s/m", &twice)), Err(CallRefusal::UnsupportedMediaType));
    }

    // X4
    #[test]
    fn a_path_is_taken_as_it_is_or_not_at_all() {
        for path in ["/s/m?", "/s/m?a=b", "/s/%6d", "/%73/m", "/s/m%00"] {
            assert_eq!(admit(&post(path, &["application/grpc"])), Err(CallRefusal::Unimplemented), "{path}");
        }
    }

    #[test]
    fn a_malformed_timeout_is_refused_even_if_the_answer_would_be_ready() {
        let mut request = post("/s/m", &["application/grpc"]);
        request.headers_mut().insert("grpc-timeout", header::HeaderValue::from_static("soon"));
        assert_eq!(admit(&request), Err(CallRefusal::TimeoutMalformed));
    }
}
