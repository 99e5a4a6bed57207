//! `Rotate`: a new secret of a key, beside the old one for a while.

use crate::{
    changes::{Changes, WithSecret},
    domain::admin::{AdminPermit, RotateKeys},
    error::OperationError,
    grpc::{
        convert,
        keys::{changed::changed, named::key_within_reach},
        lanes::Work,
        request_mark::request_mark,
        rpc::Rpc,
    },
    wire::v1,
};

impl Rpc for v1::RotateRequest {
    type Answer = v1::RotateResponse;
    type Permit = AdminPermit<RotateKeys>;

    const CALL: &'static str = "Rotate";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let id = key_within_reach(changes, &permit, "key_id", &asked.key_id)?;
        let grace = convert::grace(asked.grace_period)?;
        let mark = request_mark(permit.caller_id(), "request_id", &asked.request_id, "Rotate", &asked)?;
        let sight = permit.sight();
        let WithSecret { key, secret, revision } = changes.rotate(permit, id, grace, mark).await?;
        let key = changed(changes, sight, key).await;
        Ok(v1::RotateResponse { key: Some(key), api_key: secret.reveal(), revision: revision.0 })
    }
}
