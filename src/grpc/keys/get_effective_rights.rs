//! `GetEffectiveRights`: what a key may do now, and through what.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadKeys},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::GetEffectiveRightsRequest {
    type Answer = v1::GetEffectiveRightsResponse;
    type Permit = AdminPermit<ReadKeys>;

    const CALL: &'static str = "GetEffectiveRights";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let id = convert::key_id("key_id", &asked.key_id)?;
        let found = changes.effective_rights(&permit, id).await?;
        Ok(convert::effective::response(&found))
    }
}
