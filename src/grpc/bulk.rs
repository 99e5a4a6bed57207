//! `ChangeKeys`: who may, which keys, what is done to them.

use tonic::{Request, Response, Status};

use super::{api::Api, convert, key_service::request_mark};
use crate::{
    domain::admin::Caller,
    operations::{bulk::BulkPermit, error::OperationError},
    wire::v1::{self, change_keys_request::Action},
};

impl Api {
    /// Changes many keys.
    pub(super) async fn change_many(
        &self,
        request: Request<v1::ChangeKeysRequest>,
    ) -> Result<Response<v1::ChangeKeysResponse>, Status> {
        let permit = permit(&self.caller(&request)?, request.get_ref().action.as_ref())?;
        self.administer(async move |operations| {
            let asked = request.into_inner();
            let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
            let workspace = permit.workspace(&operations, named)?;
            let act = convert::bulk::act(asked.action.as_ref())?;
            let mark = request_mark(permit.key_id(), "request_id", &asked.request_id, "ChangeKeys", &asked)?;
            let bulk = convert::bulk::bulk_change(workspace, &asked, mark)?;
            let answer = operations.change_keys(permit, act, bulk).await?;
            Ok(convert::bulk::response(&answer))
        })
        .await
    }
}

fn permit(caller: &Caller, action: Option<&Action>) -> Result<BulkPermit, OperationError> {
    Ok(match action {
        Some(Action::Revoke(_)) => BulkPermit::Revoke(caller.permit()?),
        Some(Action::Disable(_) | Action::Enable(_) | Action::Retire(_)) | None => {
            BulkPermit::Update(caller.permit()?)
        }
    })
}
