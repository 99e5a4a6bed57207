//! The methods of `KeyService` that look at keys in use, and act on what is seen: each from its message to its answer.

use super::convert;
use crate::{
    domain::admin::{AdminPermit, ReadKeys, RotateKeys},
    operations::{Changed, Operations, error::OperationError},
    wire::v1,
};

/// Who uses which secret of a key.
pub(super) async fn rotation(
    operations: &Operations,
    permit: AdminPermit<ReadKeys>,
    asked: &v1::GetRotationRequest,
) -> Result<v1::GetRotationResponse, OperationError> {
    let id = convert::key_id("key_id", &asked.key_id)?;
    operations.require_reach(&permit, id)?;
    let quiet = convert::rotation::quiet_period(asked.quiet_period)?;
    let secrets = operations.rotation(permit, id, quiet).await?;
    Ok(convert::rotation::response(&secrets, operations.now()))
}

/// When the retiring secrets of a key end.
pub(super) async fn grace(
    operations: &Operations,
    permit: AdminPermit<RotateKeys>,
    asked: &v1::UpdateGraceRequest,
) -> Result<v1::UpdateGraceResponse, OperationError> {
    let id = convert::key_id("key_id", &asked.key_id)?;
    operations.require_reach(&permit, id)?;
    let grace = convert::required_grace(asked.grace)?;
    let Changed { key, revision } = operations.regrace(permit, id, asked.generation, grace).await?;
    let key = convert::key::to_wire(&key, &operations.moment());
    Ok(v1::UpdateGraceResponse { key: Some(key), revision: revision.0 })
}
