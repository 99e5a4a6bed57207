//! `ChangeKeys`: who may, which keys, what is done to them.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::grpc::{api::Api, convert, keys::request_mark};
use crate::{
    changes::Changes,
    domain::admin::{Party, Permission, RevokeKeys, UpdateKeys},
    wire::v1::{self, change_keys_request::Action},
};

impl Api {
    /// Changes many keys.
    pub(super) async fn change_many(
        &self,
        request: Request<v1::ChangeKeysRequest>,
    ) -> Result<Response<v1::ChangeKeysResponse>, Status> {
        match request.get_ref().action {
            Some(Action::Revoke(_)) => self.change_many_with::<RevokeKeys>(request).await,
            Some(Action::Disable(_) | Action::Enable(_) | Action::Retire(_)) | None => {
                self.change_many_with::<UpdateKeys>(request).await
            }
        }
    }

    async fn change_many_with<P: Permission + Send + Sync + 'static>(
        &self,
        request: Request<v1::ChangeKeysRequest>,
    ) -> Result<Response<v1::ChangeKeysResponse>, Status> {
        let permit = self.permit::<_, P>(&request)?;
        let party = Party::of(&permit);
        let lane = match &request.get_ref().action {
            _ if request.get_ref().validate_only => &self.lanes.looks,
            Some(Action::Revoke(_) | Action::Disable(_)) => &self.lanes.mass_revocations,
            Some(Action::Enable(_) | Action::Retire(_)) | None => &self.lanes.changes,
        };
        let work = async move |changes: Arc<Changes>| {
            let asked = request.into_inner();
            let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
            let within = changes.within(&permit, named, asked.all_workspaces)?;
            let act = convert::bulk::act(asked.action.as_ref())?;
            let mark = request_mark(permit.key_id(), "request_id", &asked.request_id, "ChangeKeys", &asked)?;
            let bulk = convert::bulk::bulk_change(within, act, &asked, mark)?;
            let answer = changes.change_keys(permit, bulk).await?;
            Ok(convert::bulk::response(&answer, within))
        };
        self.work_in(lane, party, work).await
    }
}
