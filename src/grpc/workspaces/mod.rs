//! `keyward.v1.WorkspaceService`.

use tonic::{Request, Response, Status};

use crate::grpc::{api::Api, convert, keys::request_mark, lanes::Lane};
use crate::{
    changes::{
        Changes, WithSecret,
        workspaces::register::{FirstKey, Registered},
    },
    domain::{
        admin::{AdminPermit, IssueKeys, ManageWorkspaces, Party, ReadWorkspaces},
        id::WorkspaceId,
        member::MemberId,
        parse::ParseError,
        workspace::{Within, WorkspaceState},
    },
    error::OperationError,
    wire::v1::{self, workspace_service_server::WorkspaceService},
};

#[tonic::async_trait]
impl WorkspaceService for Api {
    async fn register_workspace(
        &self,
        request: Request<v1::RegisterWorkspaceRequest>,
    ) -> Result<Response<v1::RegisterWorkspaceResponse>, Status> {
        let permit: AdminPermit<ManageWorkspaces> = self.permit(&request)?;
        let issues = request.get_ref().key.is_some();
        let for_first: Option<AdminPermit<IssueKeys>> = issues.then(|| self.permit(&request)).transpose()?;
        permit.require_global().map_err(OperationError::from)?;
        self.administer(Party::of(&permit), async move |changes| {
            let mut asked = request.into_inner();
            let text = asked.key.as_ref().map(|key| key.request_id.clone()).unwrap_or_default();
            let mark = request_mark(permit.key_id(), "key.request_id", &text, "RegisterWorkspace", &asked)?;
            let workspace = convert::workspace::new_workspace(&asked)?;
            let first = asked.key.take().map(|key| first_key(key, &asked.owner)).transpose()?;
            let policy = changes.policy()?;
            let new = |key| convert::new_key::new_key("key", key, policy.policy.environments(), mark);
            let first =
                first.map(new).transpose()?.zip(for_first).map(|(key, issuer)| FirstKey { issuer, key });
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
        })
        .await
    }

    async fn get_workspace(
        &self,
        request: Request<v1::GetWorkspaceRequest>,
    ) -> Result<Response<v1::GetWorkspaceResponse>, Status> {
        let permit: AdminPermit<ReadWorkspaces> = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let named = convert::workspace_id("workspace_id", &request.get_ref().workspace_id)?;
            let shown = changes.show_workspace(&permit, named)?;
            let quotas = changes.quota_uses(shown.id).iter().map(convert::workspace::quota_use).collect();
            Ok(v1::GetWorkspaceResponse { workspace: Some(convert::workspace::to_wire(&shown)), quotas })
        })
        .await
    }

    async fn update_workspace(
        &self,
        request: Request<v1::UpdateWorkspaceRequest>,
    ) -> Result<Response<v1::UpdateWorkspaceResponse>, Status> {
        let permit: AdminPermit<ManageWorkspaces> = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let asked = request.into_inner();
            let named = asked.workspace.as_ref().map(|workspace| workspace.id.as_str()).unwrap_or_default();
            let named = convert::workspace_id("workspace.id", named)?;
            let id = changes.workspace(&permit, named)?;
            if convert::workspace::sets_limits(&asked) {
                permit.require_global()?;
            }
            let validate_only = asked.validate_only;
            let wanted = convert::workspace::changes(asked)?;
            let (effect, revision) = if validate_only {
                let effect = changes.preview_workspace(&permit, id, &wanted).await?;
                let revision = effect.before.revision;
                (effect, revision)
            } else {
                changes.update_workspace(permit, id, wanted).await?
            };
            Ok(v1::UpdateWorkspaceResponse {
                workspace: Some(convert::workspace::to_wire(&effect.after)),
                revision: revision.0,
                effect: convert::workspace::effect_to_wire(&effect),
            })
        })
        .await
    }

    async fn list_workspaces(
        &self,
        request: Request<v1::ListWorkspacesRequest>,
    ) -> Result<Response<v1::ListWorkspacesResponse>, Status> {
        let permit: AdminPermit<ReadWorkspaces> = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let asked = request.into_inner();
            let filter = convert::workspace::filter(&asked)?;
            let size = convert::page_size(asked.page_size)?;
            let page = changes.list_workspaces(&permit, &filter, &asked.page_token, size)?;
            let workspaces = page.workspaces.iter().map(convert::workspace::to_wire).collect();
            Ok(v1::ListWorkspacesResponse { workspaces, next_page_token: page.next_page_token })
        })
        .await
    }

    async fn suspend_workspace(
        &self,
        request: Request<v1::SuspendWorkspaceRequest>,
    ) -> Result<Response<v1::SuspendWorkspaceResponse>, Status> {
        let permit = self.permit(&request)?;
        self.end(Party::of(&permit), async move |changes| {
            let v1::SuspendWorkspaceRequest { workspace_id, comment } = request.into_inner();
            let state = WorkspaceState::Suspended;
            let (workspace, revision) = bring(&changes, permit, state, &workspace_id, &comment).await?;
            Ok(v1::SuspendWorkspaceResponse { workspace: Some(workspace), revision })
        })
        .await
    }

    async fn resume_workspace(
        &self,
        request: Request<v1::ResumeWorkspaceRequest>,
    ) -> Result<Response<v1::ResumeWorkspaceResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let v1::ResumeWorkspaceRequest { workspace_id, comment } = request.into_inner();
            let state = WorkspaceState::Active;
            let (workspace, revision) = bring(&changes, permit, state, &workspace_id, &comment).await?;
            Ok(v1::ResumeWorkspaceResponse { workspace: Some(workspace), revision })
        })
        .await
    }

    async fn close_workspace(
        &self,
        request: Request<v1::CloseWorkspaceRequest>,
    ) -> Result<Response<v1::CloseWorkspaceResponse>, Status> {
        let permit = self.permit(&request)?;
        let lane = if request.get_ref().validate_only { &self.lanes.looks } else { &self.lanes.revocations };
        self.work_in(lane, Party::of(&permit), async move |changes| {
            close(&changes, permit, request.get_ref()).await
        })
        .await
    }

    async fn add_member(
        &self,
        request: Request<v1::AddMemberRequest>,
    ) -> Result<Response<v1::AddMemberResponse>, Status> {
        let permit: AdminPermit<ManageWorkspaces> = self.permit(&request)?;
        let v1::AddMemberRequest { workspace_id, subject, role, expected_gains } = request.into_inner();
        let id = member_id(self.changes(), &permit, &workspace_id, &subject)?;
        self.work_in(self.lane_of(&id), Party::of(&permit), async move |changes| {
            let role = convert::member::role(&role)?;
            let member = changes.add_member(permit, id, role, expected_gains).await?;
            let revision = member.revision.0;
            Ok(v1::AddMemberResponse { member: Some(convert::member::to_wire(&member)), revision })
        })
        .await
    }

    async fn update_member(
        &self,
        request: Request<v1::UpdateMemberRequest>,
    ) -> Result<Response<v1::UpdateMemberResponse>, Status> {
        let permit: AdminPermit<ManageWorkspaces> = self.permit(&request)?;
        let v1::UpdateMemberRequest { workspace_id, subject, role, expected_gains } = request.into_inner();
        let id = member_id(self.changes(), &permit, &workspace_id, &subject)?;
        self.work_in(self.lane_of(&id), Party::of(&permit), async move |changes| {
            let role = convert::member::role(&role)?;
            let member = changes.update_member(permit, id, role, expected_gains).await?;
            let revision = member.revision.0;
            Ok(v1::UpdateMemberResponse { member: Some(convert::member::to_wire(&member)), revision })
        })
        .await
    }

    async fn remove_member(
        &self,
        request: Request<v1::RemoveMemberRequest>,
    ) -> Result<Response<v1::RemoveMemberResponse>, Status> {
        let permit: AdminPermit<ManageWorkspaces> = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let asked = request.into_inner();
            let v1::RemoveMemberRequest { workspace_id, subject, comment, all_workspaces } = asked;
            let named = convert::workspace_id("workspace_id", &workspace_id)?;
            let within = changes.within(&permit, named, all_workspaces)?;
            let subject = convert::member::subject(&subject)?;
            let comment = convert::comment(&comment)?;
            let removed = match within {
                Within::One(workspace) => {
                    changes.remove_member(permit, MemberId { workspace, subject }, comment).await?
                }
                Within::All => changes.remove_member_everywhere(permit, subject, comment).await?,
            };
            Ok(convert::member::removed(&removed, within))
        })
        .await
    }

    async fn get_member(
        &self,
        request: Request<v1::GetMemberRequest>,
    ) -> Result<Response<v1::GetMemberResponse>, Status> {
        let permit: AdminPermit<ReadWorkspaces> = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let v1::GetMemberRequest { workspace_id, subject } = request.into_inner();
            let id = member_id(&changes, &permit, &workspace_id, &subject)?;
            let member = changes.show_member(&permit, &id)?;
            Ok(v1::GetMemberResponse { member: Some(convert::member::to_wire(&member)) })
        })
        .await
    }

    async fn list_members(
        &self,
        request: Request<v1::ListMembersRequest>,
    ) -> Result<Response<v1::ListMembersResponse>, Status> {
        let permit: AdminPermit<ReadWorkspaces> = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let asked = request.into_inner();
            let workspace = named(&changes, &permit, &asked.workspace_id)?;
            let role = convert::member::optional_role(&asked.role)?;
            let size = convert::page_size(asked.page_size)?;
            let page = changes.list_members(&permit, workspace, role.as_ref(), &asked.page_token, size)?;
            let members = page.members.iter().map(|member| convert::member::to_wire(member)).collect();
            let (next_page_token, workspace_id) = (page.next_page_token, workspace.to_string());
            Ok(v1::ListMembersResponse { members, next_page_token, workspace_id })
        })
        .await
    }
}

impl Api {
    /// Where a member gets a role: as a change of many keys where many follow it.
    fn lane_of(&self, id: &MemberId) -> &Lane {
        if self.changes().has_many_followers(id) { &self.lanes.changes } else { &self.lanes.administration }
    }
}

/// The workspace that a request means.
fn named<P>(
    changes: &Changes,
    permit: &AdminPermit<P>,
    workspace_id: &str,
) -> Result<WorkspaceId, OperationError> {
    changes.workspace(permit, convert::workspace_id("workspace_id", workspace_id)?)
}

/// The member that a request means, once it is known that the caller reaches the workspace.
fn member_id<P>(
    changes: &Changes,
    permit: &AdminPermit<P>,
    workspace_id: &str,
    subject: &str,
) -> Result<MemberId, OperationError> {
    convert::member::id(named(changes, permit, workspace_id)?, subject)
}

/// Closes a workspace, or says what would come of it.
async fn close(
    changes: &Changes,
    permit: AdminPermit<ManageWorkspaces>,
    asked: &v1::CloseWorkspaceRequest,
) -> Result<v1::CloseWorkspaceResponse, OperationError> {
    let id = required(changes, &permit, &asked.workspace_id)?;
    let comment = convert::comment(&asked.comment)?;
    let (workspace, revision, key_count) = if asked.validate_only {
        let (workspace, keys) = changes.preview_close(&permit, id).await?;
        let revision = workspace.revision;
        (workspace, revision, keys)
    } else {
        changes.close_workspace(permit, id, asked.expected_key_count, comment).await?
    };
    let workspace = Some(convert::workspace::to_wire(&workspace));
    Ok(v1::CloseWorkspaceResponse { workspace, revision: revision.0, key_count })
}

/// The workspace that a global caller names.
fn required(
    changes: &Changes,
    permit: &AdminPermit<ManageWorkspaces>,
    workspace_id: &str,
) -> Result<WorkspaceId, OperationError> {
    permit.require_global()?;
    let missing = || OperationError::invalid("workspace_id", ParseError::new("given"));
    let id = convert::workspace_id("workspace_id", workspace_id)?.ok_or_else(missing)?;
    changes.workspace(permit, Some(id))
}

/// Suspends or resumes a workspace: the requests differ in nothing else.
async fn bring(
    changes: &Changes,
    permit: AdminPermit<ManageWorkspaces>,
    state: WorkspaceState,
    workspace_id: &str,
    comment: &str,
) -> Result<(v1::Workspace, u64), OperationError> {
    let id = required(changes, &permit, workspace_id)?;
    let (workspace, revision) =
        changes.bring_workspace(permit, id, state, convert::comment(comment)?).await?;
    Ok((convert::workspace::to_wire(&workspace), revision.0))
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
