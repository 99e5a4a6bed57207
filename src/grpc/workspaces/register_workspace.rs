//! `RegisterWorkspace`: a new workspace, with its owner and its first key.

use crate::{
    changes::{
        Changes, WithSecret,
        workspaces::register::{FirstKey, Registered},
    },
    domain::{
        admin::{AdminPermit, Caller, IssueKeys, ManageWorkspaces, Party},
        parse::ParseError,
    },
    error::OperationError,
    grpc::{
        convert,
        lanes::Work,
        request_mark::request_mark,
        rpc::{CallerProof, Rpc},
    },
    wire::v1,
};

/// Proof that a global caller may register a workspace, and issue its first key where one is asked for.
pub(in crate::grpc) struct RegisterPermit {
    permit: AdminPermit<ManageWorkspaces>,
    issuer: Option<AdminPermit<IssueKeys>>,
}

impl CallerProof<v1::RegisterWorkspaceRequest> for RegisterPermit {
    fn of(caller: &Caller, asked: &v1::RegisterWorkspaceRequest) -> Result<Self, OperationError> {
        let permit: AdminPermit<ManageWorkspaces> = caller.permit()?;
        let issuer = asked.key.is_some().then(|| caller.permit()).transpose()?;
        permit.require_global()?;
        Ok(Self { permit, issuer })
    }

    fn party(&self) -> Party {
        Party::of(&self.permit)
    }
}

impl Rpc for v1::RegisterWorkspaceRequest {
    type Answer = v1::RegisterWorkspaceResponse;
    type Permit = RegisterPermit;

    const CALL: &'static str = "RegisterWorkspace";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        mut asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let RegisterPermit { permit, issuer } = permit;
        let text = asked.key.as_ref().map(|key| key.request_id.clone()).unwrap_or_default();
        let mark = request_mark(permit.caller_id(), "key.request_id", &text, "RegisterWorkspace", &asked)?;
        let workspace = convert::workspace::new_workspace(&asked)?;
        let first = asked.key.take().map(|key| first_key(key, &asked.owner)).transpose()?;
        let policy = changes.policy()?;
        let new = |key| convert::new_key::new_key("key", key, policy.policy.environments(), mark);
        let first = first.map(new).transpose()?.zip(issuer).map(|(key, issuer)| FirstKey { issuer, key });
        let sight = permit.sight();
        let Registered { workspace, member, first, revision } =
            changes.register(permit, workspace, first).await?;
        let mut answer = v1::RegisterWorkspaceResponse::default();
        answer.workspace = Some(convert::workspace::to_wire(&workspace));
        answer.revision = revision.0;
        answer.member = member.as_ref().map(convert::member::to_wire);
        if let Some(WithSecret { key, secret, .. }) = first {
            answer.key = Some(convert::key::to_wire(&key, &changes.moment(sight)));
            answer.api_key = secret.reveal();
        }
        Ok(answer)
    }
}

/// The first key is a holder's key of the new workspace, and belongs to the workspace's owner unless another is named.
fn first_key(mut first: v1::IssueRequest, owner: &str) -> Result<v1::IssueRequest, OperationError> {
    let invalid = |field: &str, allowed| Err(OperationError::invalid(field, ParseError::new(allowed)));
    if !first.workspace_id.is_empty() {
        return invalid("key.workspace_id", "empty: the key belongs to the workspace that is registered");
    }
    if first.admin.is_some() {
        return invalid("key.admin", "absent: the first key of a workspace is a holder's key");
    }
    if first.owner.is_empty() {
        owner.clone_into(&mut first.owner);
    }
    Ok(first)
}
