//! `Revoke`: the end of a key, by its id or by possession.
//!
//! The holder of a secret may end it. The answer does not tell whether there was a key to end.

use std::time::Duration;

use tonic::{Request, Response, Status};

use crate::{
    changes::{Changed, Changes, keys::revoke::Presenter},
    domain::admin::{AdminPermit, Caller, Party, RevokeKeys},
    error::OperationError,
    grpc::{
        api::Api,
        convert,
        keys::{changed::changed, named::key_within_reach},
        lanes::Work,
        rpc::Rpc,
    },
    wire::v1::{self, revoke_request::Target},
};

/// How long every answer by possession takes at the least: what a change takes beyond the write, which all answers wait for, is
/// less.
const ANSWERED_AFTER: Duration = Duration::from_millis(25);

impl Api {
    /// Ends a key: by its id with a permission, or by possession.
    pub(super) async fn revoke_key(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        match request.get_ref().target {
            Some(Target::ApiKey(_)) => self.revoke_presented(request).await,
            Some(Target::KeyId(_)) | None => self.serve(request).await,
        }
    }

    /// Ends what was presented. A caller need not say who he is, but one who does must be good for it.
    async fn revoke_presented(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        let (caller, asked_as) = self.caller(&request, v1::RevokeRequest::CALL)?;
        let (is_known, party) = (matches!(caller, Caller::Admin(_)), Party::of_caller(&caller));
        let presenter = Presenter { source: asked_as.address, is_known };
        let lane = self.lanes.of(Work::End);
        let ended = self.work_in(lane, party, async move |changes| {
            let asked = request.into_inner();
            let reason = convert::key::revoke_reason(asked.reason)?;
            let comment = convert::comment(&asked.comment)?;
            if let Some(Target::ApiKey(text)) = &asked.target {
                changes.revoke_presented(text, reason, comment, presenter).await?;
            }
            Ok(v1::RevokeResponse::default())
        });
        let (answer, ()) = tokio::join!(ended, tokio::time::sleep(ANSWERED_AFTER));
        answer
    }
}

impl Rpc for v1::RevokeRequest {
    type Answer = v1::RevokeResponse;
    type Permit = AdminPermit<RevokeKeys>;

    const CALL: &'static str = "Revoke";
    const WORK: Work = Work::End;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let text = match &asked.target {
            Some(Target::KeyId(text)) => text.as_str(),
            Some(Target::ApiKey(_)) | None => "",
        };
        let id = key_within_reach(changes, &permit, "key_id", text)?;
        let reason = convert::key::revoke_reason(asked.reason)?;
        let comment = convert::comment(&asked.comment)?;
        let sight = permit.sight();
        let Changed { key, revision } = changes.revoke(permit, id, reason, comment).await?;
        let key = changed(changes, sight, key).await;
        Ok(v1::RevokeResponse { key: Some(key), revision: revision.0 })
    }
}
