//! `DisableKey`: a key off, until it is enabled.

use crate::{
    changes::{Changes, keys::switch::Switch},
    domain::admin::{AdminPermit, UpdateKeys},
    error::OperationError,
    grpc::{keys::switch::switch, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::DisableKeyRequest {
    type Answer = v1::DisableKeyResponse;
    type Permit = AdminPermit<UpdateKeys>;

    const CALL: &'static str = "DisableKey";
    const WORK: Work = Work::End;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let Self { key_id, comment } = asked;
        let (key, revision) = switch(changes, permit, Switch::Disable, &key_id, &comment).await?;
        Ok(v1::DisableKeyResponse { key: Some(key), revision })
    }
}
