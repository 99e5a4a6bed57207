//! `ValidatePolicy`: what a policy would change, without changing it.

use crate::{
    changes::Changes,
    domain::admin::ReadPolicy,
    error::OperationError,
    grpc::{
        convert,
        lanes::Work,
        rpc::{Global, Rpc},
    },
    wire::v1,
};

impl Rpc for v1::ValidatePolicyRequest {
    type Answer = v1::ValidatePolicyResponse;
    type Permit = Global<ReadPolicy>;

    const CALL: &'static str = "ValidatePolicy";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        Global(permit): Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let policy = convert::policy::validated(asked)?;
        let (current_version, effect) = changes.validate_policy(&permit, &policy).await?;
        let effect = Some(convert::policy::effect_to_wire(&effect));
        Ok(v1::ValidatePolicyResponse { current_version, effect })
    }
}
