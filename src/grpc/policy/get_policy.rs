//! `GetPolicy`: the policy in force, or one before it.

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

impl Rpc for v1::GetPolicyRequest {
    type Answer = v1::GetPolicyResponse;
    type Permit = Global<ReadPolicy>;

    const CALL: &'static str = "GetPolicy";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        Global(permit): Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let found = changes.policy_version(&permit, asked.version).await?;
        Ok(v1::GetPolicyResponse {
            version: Some(convert::policy::version_to_wire(&found)),
            policy: Some(convert::policy::to_wire(found.policy.document())),
            toml: found.policy.to_toml(),
        })
    }
}
