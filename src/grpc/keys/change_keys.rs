//! `ChangeKeys`: one change of many keys.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, Caller, Party, Permission, RevokeKeys, UpdateKeys},
    error::OperationError,
    grpc::{
        convert,
        lanes::Work,
        request_mark::request_mark,
        rpc::{CallerProof, Rpc},
    },
    wire::v1::{self, change_keys_request::Action},
};

/// Proof that a caller may do to many keys what is asked for.
pub(in crate::grpc) enum ChangePermit {
    /// To revoke them.
    Revoke(AdminPermit<RevokeKeys>),
    /// To change them in another way.
    Update(AdminPermit<UpdateKeys>),
}

impl CallerProof<v1::ChangeKeysRequest> for ChangePermit {
    fn of(caller: &Caller, asked: &v1::ChangeKeysRequest) -> Result<Self, OperationError> {
        Ok(match asked.action {
            Some(Action::Revoke(_)) => Self::Revoke(caller.permit()?),
            Some(Action::Disable(_) | Action::Enable(_) | Action::Retire(_)) | None => {
                Self::Update(caller.permit()?)
            }
        })
    }

    fn party(&self) -> Party {
        match self {
            Self::Revoke(permit) => Party::of(permit),
            Self::Update(permit) => Party::of(permit),
        }
    }
}

impl Rpc for v1::ChangeKeysRequest {
    type Answer = v1::ChangeKeysResponse;
    type Permit = ChangePermit;

    const CALL: &'static str = "ChangeKeys";
    const WORK: Work = Work::Many;

    fn work(&self, _changes: &Changes, _permit: &ChangePermit) -> Result<Work, OperationError> {
        Ok(match &self.action {
            _ if self.validate_only => Work::Look,
            Some(Action::Revoke(_) | Action::Disable(_)) => Work::EndMany,
            Some(Action::Enable(_) | Action::Retire(_)) | None => Self::WORK,
        })
    }

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        match permit {
            ChangePermit::Revoke(permit) => change(changes, permit, asked).await,
            ChangePermit::Update(permit) => change(changes, permit, asked).await,
        }
    }
}

async fn change<P: Permission + Send + Sync + 'static>(
    changes: &Changes,
    permit: AdminPermit<P>,
    asked: v1::ChangeKeysRequest,
) -> Result<v1::ChangeKeysResponse, OperationError> {
    let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
    let within = changes.within(&permit, named, asked.all_workspaces)?;
    let act = convert::bulk::act(asked.action.as_ref())?;
    let mark = request_mark(permit.caller_id(), "request_id", &asked.request_id, "ChangeKeys", &asked)?;
    let bulk = convert::bulk::bulk_change(within, act, &asked, mark)?;
    let answer = changes.change_keys(permit, bulk).await?;
    Ok(convert::bulk::response(&answer, within))
}
