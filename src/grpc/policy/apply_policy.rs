//! `ApplyPolicy`: another policy in force.

use crate::{
    changes::{Changes, policy::Expected},
    domain::admin::ApplyPolicy,
    error::OperationError,
    grpc::{
        convert,
        lanes::Work,
        rpc::{Global, Rpc},
    },
    wire::v1,
};

impl Rpc for v1::ApplyPolicyRequest {
    type Answer = v1::ApplyPolicyResponse;
    type Permit = Global<ApplyPolicy>;

    const CALL: &'static str = "ApplyPolicy";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        Global(permit): Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let expected = Expected { version: asked.expected_version, gains: asked.expected_gains };
        let comment = convert::comment(&asked.comment)?;
        let policy = convert::policy::applied(asked)?;
        let (version, effect) = changes.apply_policy(permit, policy, expected, comment).await?;
        Ok(v1::ApplyPolicyResponse {
            version: Some(convert::policy::version_to_wire(&version)),
            effect: Some(convert::policy::effect_to_wire(&effect)),
        })
    }
}
