//! `UpdateGrace`: when the retiring secrets of a key end.

use crate::{
    changes::{Changed, Changes},
    domain::admin::{AdminPermit, RotateKeys},
    error::OperationError,
    grpc::{
        convert,
        keys::{changed::changed, named::key_within_reach},
        lanes::Work,
        rpc::Rpc,
    },
    wire::v1,
};

impl Rpc for v1::UpdateGraceRequest {
    type Answer = v1::UpdateGraceResponse;
    type Permit = AdminPermit<RotateKeys>;

    const CALL: &'static str = "UpdateGrace";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let id = key_within_reach(changes, &permit, "key_id", &asked.key_id)?;
        let grace = convert::required_grace(asked.grace)?;
        let sight = permit.sight();
        let Changed { key, revision } = changes.regrace(permit, id, asked.generation, grace).await?;
        let key = changed(changes, sight, key).await;
        Ok(v1::UpdateGraceResponse { key: Some(key), revision: revision.0 })
    }
}
