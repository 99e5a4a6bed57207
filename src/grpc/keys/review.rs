//! The methods of `KeyService` that look at keys in use, and act on what is seen: each from its message to its answer.

use crate::grpc::{convert, keys::changed};
use crate::{
    changes::{Changed, Changes},
    domain::admin::{AdminPermit, ReadKeys, RotateKeys, UpdateKeys},
    error::OperationError,
    wire::v1,
};

/// Who uses which secret of a key.
pub(super) async fn rotation(
    changes: &Changes,
    permit: AdminPermit<ReadKeys>,
    asked: &v1::GetRotationRequest,
) -> Result<v1::GetRotationResponse, OperationError> {
    let id = convert::key_id("key_id", &asked.key_id)?;
    changes.require_reach(&permit, id)?;
    let quiet = convert::rotation::quiet_period(asked.quiet_period)?;
    let secrets = changes.rotation(permit, id, quiet).await?;
    Ok(convert::rotation::response(&secrets, changes.now()))
}

/// When the retiring secrets of a key end.
pub(super) async fn grace(
    changes: &Changes,
    permit: AdminPermit<RotateKeys>,
    asked: &v1::UpdateGraceRequest,
) -> Result<v1::UpdateGraceResponse, OperationError> {
    let id = convert::key_id("key_id", &asked.key_id)?;
    changes.require_reach(&permit, id)?;
    let grace = convert::required_grace(asked.grace)?;
    let sight = permit.sight();
    let Changed { key, revision } = changes.regrace(permit, id, asked.generation, grace).await?;
    let key = changed(changes, sight, key).await;
    Ok(v1::UpdateGraceResponse { key: Some(key), revision: revision.0 })
}

/// What a key used of what it has.
pub(super) async fn least_privilege(
    changes: &Changes,
    permit: AdminPermit<ReadKeys>,
    asked: &v1::GetLeastPrivilegeRequest,
) -> Result<v1::GetLeastPrivilegeResponse, OperationError> {
    let id = convert::key_id("key_id", &asked.key_id)?;
    changes.require_reach(&permit, id)?;
    let since = convert::least_privilege::since(asked.since)?;
    let found = changes.least_privilege(&permit, id, since).await?;
    Ok(convert::least_privilege::response(found))
}

/// Leaves a key no more than it used.
pub(super) async fn narrow(
    changes: &Changes,
    permit: AdminPermit<UpdateKeys>,
    asked: &v1::NarrowKeyRequest,
) -> Result<v1::NarrowKeyResponse, OperationError> {
    let id = convert::key_id("key_id", &asked.key_id)?;
    changes.require_reach(&permit, id)?;
    let how = convert::least_privilege::narrowing(asked)?;
    let sight = permit.sight();
    let (Changed { key, revision }, since) = changes.narrow(permit, id, how).await?;
    let key = changed(changes, sight, key).await;
    let watched_since = Some(convert::least_privilege::watched_since(since));
    Ok(v1::NarrowKeyResponse { key: Some(key), revision: revision.0, watched_since })
}

/// The keys that need somebody's attention.
pub(super) async fn review(
    changes: &Changes,
    permit: AdminPermit<ReadKeys>,
    asked: &v1::ReviewKeysRequest,
) -> Result<v1::ReviewKeysResponse, OperationError> {
    let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
    let within = changes.within(&permit, named, asked.all_workspaces)?;
    let query = convert::review::query(within, asked)?;
    let size = convert::page_size(asked.page_size)?;
    let page = changes.review(permit, query, &asked.page_token, size).await?;
    Ok(convert::review::response(page, within))
}
