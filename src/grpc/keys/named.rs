//! The key that a request names, once it is known that the caller reaches it.

use crate::{
    changes::Changes,
    domain::{admin::AdminPermit, id::KeyId},
    error::OperationError,
    grpc::convert,
};

/// The key whose id stands in this field. That it is within reach comes before every other field: a caller learns nothing of
/// a key that it does not reach (T1).
pub(super) fn key_within_reach<P>(
    changes: &Changes,
    permit: &AdminPermit<P>,
    field: &str,
    text: &str,
) -> Result<KeyId, OperationError> {
    let id = convert::key_id(field, text)?;
    changes.require_reach(permit, id)?;
    Ok(id)
}
