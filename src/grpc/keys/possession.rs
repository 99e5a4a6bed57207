//! Revoke by possession: whoever holds a secret may end it, and hears nothing of whether there was anything to end.

use std::time::Duration;

use tonic::{Request, Response, Status};

use crate::grpc::{
    api::{Api, source},
    convert,
};
use crate::{
    changes::keys::revoke::Presenter,
    domain::admin::{Caller, Party},
    wire::v1::{self, revoke_request::Target},
};

/// How long every answer takes at the least: what a change takes beyond the write, which all answers wait for, is less.
const ANSWERED_AFTER: Duration = Duration::from_millis(25);

impl Api {
    /// Ends what was presented. A caller need not say who he is, but one who does must be good for it.
    pub(super) async fn revoke_presented(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        let caller = self.caller(&request)?;
        let (is_known, party) = (matches!(caller, Caller::Admin(_)), Party::of_caller(&caller));
        let presenter = Presenter { source: source(&request), is_known };
        let ended = self.end(party, async move |changes| {
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
