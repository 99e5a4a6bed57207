//! `UpdateKey`: other fields of a key.

use crate::{
    changes::{Changed, Changes},
    domain::admin::{AdminPermit, UpdateKeys},
    error::OperationError,
    grpc::{
        convert,
        keys::{changed::changed, named::key_within_reach},
        lanes::Work,
        rpc::Rpc,
    },
    wire::v1,
};

impl Rpc for v1::UpdateKeyRequest {
    type Answer = v1::UpdateKeyResponse;
    type Permit = AdminPermit<UpdateKeys>;

    const CALL: &'static str = "UpdateKey";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let id = asked.key.as_ref().map(|key| key.id.as_str()).unwrap_or_default();
        let id = key_within_reach(changes, &permit, "key.id", id)?;
        let wanted = convert::update::key_changes(asked)?;
        let sight = permit.sight();
        let Changed { key, revision } = changes.update(permit, id, wanted).await?;
        let key = changed(changes, sight, key).await;
        Ok(v1::UpdateKeyResponse { key: Some(key), revision: revision.0 })
    }
}
