//! `GetLeastPrivilege`: what a key used of what it has.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadKeys},
    error::OperationError,
    grpc::{convert, keys::named::key_within_reach, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::GetLeastPrivilegeRequest {
    type Answer = v1::GetLeastPrivilegeResponse;
    type Permit = AdminPermit<ReadKeys>;

    const CALL: &'static str = "GetLeastPrivilege";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let id = key_within_reach(changes, &permit, "key_id", &asked.key_id)?;
        let since = convert::least_privilege::since(asked.since)?;
        let found = changes.least_privilege(&permit, id, since).await?;
        Ok(convert::least_privilege::response(found))
    }
}
