//! What `DisableKey` and `EnableKey` share.

use super::{changed::changed, named::key_within_reach};
use crate::{
    changes::{Changed, Changes, keys::switch::Switch},
    domain::admin::{AdminPermit, UpdateKeys},
    error::OperationError,
    grpc::convert,
    wire::v1,
};

/// Switches a key off or on: the two requests differ in nothing else.
pub(super) async fn switch(
    changes: &Changes,
    permit: AdminPermit<UpdateKeys>,
    way: Switch,
    key_id: &str,
    comment: &str,
) -> Result<(v1::Key, u64), OperationError> {
    let id = key_within_reach(changes, &permit, "key_id", key_id)?;
    let sight = permit.sight();
    let Changed { key, revision } = changes.switch(permit, id, way, convert::comment(comment)?).await?;
    Ok((changed(changes, sight, key).await, revision.0))
}
