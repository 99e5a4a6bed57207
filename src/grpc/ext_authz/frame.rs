//! Envoy's question out of the bytes of a call, and the answer to it into them.

use http::Response;
use prost::Message as _;
use tonic::body::Body;

use crate::{
    grpc::frame,
    wire::envoy::service::auth::v3::{CheckRequest, CheckResponse},
};

/// What was sent is not one message that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one message that can be read")]
pub struct Malformed;

/// Reads the one message of a body.
///
/// # Errors
/// There is none or more than one; it is cut off, compressed (which Keyward never offers), or no `CheckRequest`.
pub(super) fn read(body: &[u8]) -> Result<CheckRequest, Malformed> {
    let message = frame::plain_message(body).ok_or(Malformed)?;
    CheckRequest::decode(message).map_err(|_undecodable| Malformed)
}

/// The answer to a call: `OK`, with this message.
pub(super) fn response(message: &CheckResponse) -> Response<Body> {
    let mut answer = frame::begin();
    message.encode_raw(&mut answer);
    frame::answer(answer)
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
