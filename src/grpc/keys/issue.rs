//! `Issue`: a new key, of a holder or of administration.

use crate::{
    changes::{Changes, WithSecret, keys::issue::IssuePermit},
    domain::admin::{Caller, Party},
    error::OperationError,
    grpc::{
        convert,
        lanes::Work,
        request_mark::request_mark,
        rpc::{CallerProof, Rpc},
    },
    wire::v1,
};

impl Rpc for v1::IssueRequest {
    type Answer = v1::IssueResponse;
    type Permit = IssuePermit;

    const CALL: &'static str = "Issue";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
        let workspace = permit.workspace(changes, named)?;
        let mark = request_mark(permit.caller_id(), "request_id", &asked.request_id, "Issue", &asked)?;
        let new = convert::new_key::new_key("", asked, changes.policy()?.policy.environments(), mark)?;
        let sight = permit.sight();
        let WithSecret { key, secret, revision } = changes.issue(permit, workspace, new).await?;
        let warnings = convert::key::warnings(&key);
        let key = Some(convert::key::to_wire(&key, &changes.moment(sight)));
        Ok(v1::IssueResponse { key, api_key: secret.reveal(), revision: revision.0, warnings })
    }
}

/// A request for an administration key needs another permission than one for a holder's.
impl CallerProof<v1::IssueRequest> for IssuePermit {
    fn of(caller: &Caller, asked: &v1::IssueRequest) -> Result<Self, OperationError> {
        Ok(if asked.admin.is_some() { Self::Admin(caller.permit()?) } else { Self::Holder(caller.permit()?) })
    }

    fn party(&self) -> Party {
        Self::party(self)
    }
}
