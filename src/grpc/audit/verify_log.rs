//! `VerifyLog`: whether the log is whole, and as it was written.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadAudit},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::VerifyLogRequest {
    type Answer = v1::VerifyLogResponse;
    type Permit = AdminPermit<ReadAudit>;

    const CALL: &'static str = "VerifyLog";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        _asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        Ok(convert::audit::verification(changes.verify_log(permit).await?))
    }
}
