//! `ListImportSchemes`: the secrets of other systems that are here, without the secrets.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadKeys},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::ListImportSchemesRequest {
    type Answer = v1::ListImportSchemesResponse;
    type Permit = AdminPermit<ReadKeys>;

    const CALL: &'static str = "ListImportSchemes";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        _asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let schemes = changes.import_schemes(&permit)?;
        let schemes = schemes.iter().map(convert::key_import::scheme_to_wire).collect();
        Ok(v1::ListImportSchemesResponse { schemes })
    }
}
