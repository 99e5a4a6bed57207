//! `GetStatus`: how the store stands.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadAudit},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::GetStatusRequest {
    type Answer = v1::GetStatusResponse;
    type Permit = AdminPermit<ReadAudit>;

    const CALL: &'static str = "GetStatus";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        _asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let moment = changes.moment(permit.sight());
        Ok(convert::store_status::response(&changes.store_status(&permit), &moment))
    }
}
