//! `EnableKey`: a key on again.

use crate::{
    changes::{Changes, keys::switch::Switch},
    domain::admin::{AdminPermit, UpdateKeys},
    error::OperationError,
    grpc::{keys::switch::switch, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::EnableKeyRequest {
    type Answer = v1::EnableKeyResponse;
    type Permit = AdminPermit<UpdateKeys>;

    const CALL: &'static str = "EnableKey";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let Self { key_id, comment } = asked;
        let (key, revision) = switch(changes, permit, Switch::Enable, &key_id, &comment).await?;
        Ok(v1::EnableKeyResponse { key: Some(key), revision })
    }
}
