//! `GetRotation`: who uses which secret of a key.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadKeys},
    error::OperationError,
    grpc::{convert, keys::named::key_within_reach, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::GetRotationRequest {
    type Answer = v1::GetRotationResponse;
    type Permit = AdminPermit<ReadKeys>;

    const CALL: &'static str = "GetRotation";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let id = key_within_reach(changes, &permit, "key_id", &asked.key_id)?;
        let quiet = convert::rotation::quiet_period(asked.quiet_period)?;
        let secrets = changes.rotation(permit, id, quiet).await?;
        Ok(convert::rotation::response(&secrets, changes.now()))
    }
}
