//! `GetKey`: one key, by its id or by its secret.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ReadKeys},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1::{self, get_key_request::Presented},
};

impl Rpc for v1::GetKeyRequest {
    type Answer = v1::GetKeyResponse;
    type Permit = AdminPermit<ReadKeys>;

    const CALL: &'static str = "GetKey";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let sight = permit.sight();
        let (shown, presented_generation) = match &asked.presented {
            Some(Presented::ApiKey(text)) => {
                permit.require_global()?;
                convert::absent_key_id(&asked.key_id)?;
                changes.show_presented(permit, text).await?
            }
            None => (changes.show(permit, convert::key_id("key_id", &asked.key_id)?).await?, 0),
        };
        let key = convert::key::shown_to_wire(&shown, &changes.moment(sight));
        Ok(v1::GetKeyResponse { key: Some(key), presented_generation })
    }
}
