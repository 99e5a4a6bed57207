//! What a request id stands for.

use prost::Message;

use super::convert;
use crate::{domain::caller_id::CallerId, error::OperationError, ports::RequestMark};

/// What a request id stands for: whose it is, and a fingerprint of the whole request.
pub(super) fn request_mark(
    caller: CallerId,
    field: &str,
    text: &str,
    method: &'static str,
    arguments: &impl Message,
) -> Result<Option<RequestMark>, OperationError> {
    let id = convert::request_id(field, text)?;
    Ok(id.map(|id| RequestMark::new(caller, id, method, &arguments.encode_to_vec())))
}
