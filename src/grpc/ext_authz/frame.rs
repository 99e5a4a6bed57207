//! One message of gRPC in, one out, as bytes.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use tonic::body::Body;

use crate::wire::envoy::service::auth::v3::{CheckRequest, CheckResponse};

/// What was sent is not one message that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one message that can be read")]
pub struct Malformed;

/// Reads the one message of a body.
///
/// # Errors
/// There is none or more than one; it is cut off, compressed (which nobody offered), or no `CheckRequest`.
pub(super) fn read(body: &[u8]) -> Result<CheckRequest, Malformed> {
    let ([compressed, length @ ..], message) = body.split_first_chunk::<5>().ok_or(Malformed)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_too_long| Malformed)?;
    if *compressed != 0 || length != message.len() {
        return Err(Malformed);
    }
    CheckRequest::decode(message).map_err(|_undecodable| Malformed)
}

/// The answer to a call: `OK`, with this message.
pub(super) fn response(message: &CheckResponse) -> Response<Body> {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(length.saturating_add(5));
    frame.put_u8(0);
    // An answer is some kilobytes long at the most.
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    frame.put_slice(&message.encode_to_vec());

    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::<Bytes>::new(frame.freeze());
    let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(flag: u8, length: u32, message: &[u8]) -> Vec<u8> {
        [&[flag][..], &length.to_be_bytes(), message].concat()
    }

    #[test]
    fn only_one_whole_plain_message_is_read() {
        // X1
        assert!(read(&framed(0, 0, &[])) == Ok(CheckRequest::default()));
        assert!(read(&framed(0, 2, &[0x0a, 0])).is_ok());
        let one = framed(0, 2, &[0x0a, 0]);
        for bad in [
            Vec::new(),
            vec![0; 4],
            framed(1, 2, &[0x0a, 0]),
            framed(2, 2, &[0x0a, 0]),
            framed(0, 3, &[0x0a, 0]),
            framed(0, 1, &[0x0a, 0]),
            framed(0, u32::MAX, &[0x0a, 0]),
            framed(0, 2, &[0x0a, 9]),
            framed(0, 1, &[0xff]),
            [one.clone(), one].concat(),
        ] {
            assert!(read(&bad) == Err(Malformed), "{bad:?}");
        }
    }
}
