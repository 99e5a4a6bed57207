//! An answer that a caller of gRPC understands, as a gateway passes it on: "Trailers-Only" of the protocol gRPC over HTTP/2.
//!
//! Envoy takes `grpc-status` from here before its own table, which would make UNAVAILABLE of a 429; a gateway that asks at
//! `/verify` passes the headers on, with 200 in the place of the status where it can.

use super::{header::Header, status::StopStatus};

/// Whether a request with these values of `Content-Type` is a call of gRPC. gRPC-Web is not one: its clients read HTTP.
pub(super) fn is_call<'a>(mut content_type: impl Iterator<Item = &'a [u8]>) -> bool {
    content_type.any(|value| {
        let (name, rest) = value.split_at_checked(CONTENT_TYPE.len()).unwrap_or_default();
        name.eq_ignore_ascii_case(CONTENT_TYPE.as_bytes()) && matches!(rest.first(), None | Some(b'+' | b';'))
    })
}

/// The header that only an answer to a caller of gRPC has.
pub(super) const STATUS: &str = "grpc-status";
/// The media type of gRPC.
pub(super) const CONTENT_TYPE: &str = "application/grpc";

/// What stands in the place of a body: the status, the body as the message, and what retry policies are to do. A client
/// that was denied is not to ask again by itself; an outage is over soon.
pub(super) fn headers(status: StopStatus, body: &str) -> [Header; 3] {
    let wait = if status == StopStatus::Unavailable { "1000" } else { "-1" };
    [
        (STATUS, status.grpc_code().to_string()),
        // Of what stands in our bodies, the protocol wants this alone encoded.
        ("grpc-message", body.replace('%', "%25")),
        ("grpc-retry-pushback-ms", wait.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_grpc_is_known_by_its_media_type() {
        // H10
        let call = |values: &[&str]| is_call(values.iter().map(|value| value.as_bytes()));
        for good in ["application/grpc", "Application/gRPC", "application/grpc+proto", "application/grpc;x=y"]
        {
            assert!(call(&[good]), "{good}");
        }
        for bad in
            ["", "application/json", "application/grpc-web", "application/grpc-web+proto", "application/grp"]
        {
            assert!(!call(&[bad]), "{bad}");
        }
        assert!(!call(&[]));
        assert!(call(&["text/plain", "application/grpc"]));
    }

    #[test]
    fn a_message_is_encoded_and_only_an_outage_is_worth_another_try() {
        // H10
        let told = |status| headers(status, "100% {}").map(|(name, value)| format!("{name}: {value}"));
        let expected = ["grpc-status: 8", "grpc-message: 100%25 {}", "grpc-retry-pushback-ms: -1"];
        assert_eq!(told(StopStatus::TooManyRequests), expected);
        assert_eq!(told(StopStatus::Unavailable)[2], "grpc-retry-pushback-ms: 1000");
    }
}
