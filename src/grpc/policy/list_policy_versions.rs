//! `ListPolicyVersions`: the policies that ever were in force.

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

impl Rpc for v1::ListPolicyVersionsRequest {
    type Answer = v1::ListPolicyVersionsResponse;
    type Permit = Global<ReadPolicy>;

    const CALL: &'static str = "ListPolicyVersions";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        Global(permit): Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let size = convert::page_size(asked.page_size)?;
        let page = changes.policy_versions(&permit, &asked.page_token, size).await?;
        let versions = page.versions.iter().map(convert::policy::version_to_wire).collect();
        Ok(v1::ListPolicyVersionsResponse { versions, next_page_token: page.next_page_token })
    }
}
