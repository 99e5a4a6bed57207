//! `NarrowKey`: leaves a key no more than it used.

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

impl Rpc for v1::NarrowKeyRequest {
    type Answer = v1::NarrowKeyResponse;
    type Permit = AdminPermit<UpdateKeys>;

    const CALL: &'static str = "NarrowKey";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let id = key_within_reach(changes, &permit, "key_id", &asked.key_id)?;
        let how = convert::least_privilege::narrowing(&asked)?;
        let sight = permit.sight();
        let (Changed { key, revision }, since) = changes.narrow(permit, id, how).await?;
        let key = changed(changes, sight, key).await;
        let watched_since = Some(convert::least_privilege::watched_since(since));
        Ok(v1::NarrowKeyResponse { key: Some(key), revision: revision.0, watched_since })
    }
}
