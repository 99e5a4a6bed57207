//! `keyward.v1.KeyService`: Check on the core that took the connection, everything else in a lane of administration.

pub(super) mod batch_check;
mod change_keys;
mod check;
mod import_keys;
mod possession;
mod review;

use std::time::Duration;

use prost::Message;
use tonic::{Request, Response, Status};

use crate::grpc::{api::Api, convert};
use crate::{
    changes::{
        Changed, Changes, WithSecret,
        keys::{issue::IssuePermit, switch::Switch},
    },
    domain::{
        admin::{AdminPermit, Party, Sight, UpdateKeys},
        id::KeyId,
        key::Key,
    },
    error::OperationError,
    ports::RequestMark,
    server::budget::Purse,
    wire::v1::{self, get_key_request::Presented, key_service_server::KeyService, revoke_request::Target},
};

#[tonic::async_trait]
impl KeyService for Api {
    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        let caller = self.caller(&request)?;
        let query = self.question(&caller, "", request.get_ref()).await?;
        let mut answer = self.answer(&query).await?;
        answer.route = self.route(&caller, &query, request.get_ref())?;
        Ok(Response::new(answer))
    }

    async fn batch_check(
        &self,
        request: Request<v1::BatchCheckRequest>,
    ) -> Result<Response<v1::BatchCheckResponse>, Status> {
        let purse = request.extensions().get::<Purse>().cloned().unwrap_or_else(Purse::endless);
        let answers = self.answers(&request, request.get_ref(), &purse).await?;
        Ok(Response::new(answers.into_message()?))
    }

    async fn issue(&self, request: Request<v1::IssueRequest>) -> Result<Response<v1::IssueResponse>, Status> {
        let caller = self.caller(&request)?;
        let permit = if request.get_ref().admin.is_some() {
            IssuePermit::Admin(caller.permit().map_err(OperationError::from)?)
        } else {
            IssuePermit::Holder(caller.permit().map_err(OperationError::from)?)
        };
        self.administer(permit.party(), async move |changes| {
            let asked = request.into_inner();
            let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
            let workspace = permit.workspace(&changes, named)?;
            let mark = request_mark(permit.key_id(), "request_id", &asked.request_id, "Issue", &asked)?;
            let new = convert::new_key::new_key("", asked, changes.policy()?.policy.environments(), mark)?;
            let sight = permit.sight();
            let WithSecret { key, secret, revision } = changes.issue(permit, workspace, new).await?;
            let warnings = convert::key::warnings(&key);
            let key = Some(convert::key::to_wire(&key, &changes.moment(sight)));
            Ok(v1::IssueResponse { key, api_key: secret.reveal(), revision: revision.0, warnings })
        })
        .await
    }

    async fn rotate(
        &self,
        request: Request<v1::RotateRequest>,
    ) -> Result<Response<v1::RotateResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let asked = request.into_inner();
            let id = convert::key_id("key_id", &asked.key_id)?;
            changes.require_reach(&permit, id)?;
            let grace: Duration = convert::grace(asked.grace_period)?;
            let mark = request_mark(permit.key_id(), "request_id", &asked.request_id, "Rotate", &asked)?;
            let sight = permit.sight();
            let WithSecret { key, secret, revision } = changes.rotate(permit, id, grace, mark).await?;
            let key = changed(&changes, sight, key).await;
            Ok(v1::RotateResponse { key: Some(key), api_key: secret.reveal(), revision: revision.0 })
        })
        .await
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        if let Some(Target::ApiKey(_)) = request.get_ref().target {
            return self.revoke_presented(request).await;
        }
        let permit = self.permit(&request)?;
        self.end(Party::of(&permit), async move |changes| {
            let asked = request.into_inner();
            let text = match &asked.target {
                Some(Target::KeyId(text)) => text.as_str(),
                Some(Target::ApiKey(_)) | None => "",
            };
            let id = convert::key_id("key_id", text)?;
            changes.require_reach(&permit, id)?;
            let reason = convert::key::revoke_reason(asked.reason)?;
            let comment = convert::comment(&asked.comment)?;
            let sight = permit.sight();
            let Changed { key, revision } = changes.revoke(permit, id, reason, comment).await?;
            let key = changed(&changes, sight, key).await;
            Ok(v1::RevokeResponse { key: Some(key), revision: revision.0 })
        })
        .await
    }

    async fn get_key(
        &self,
        request: Request<v1::GetKeyRequest>,
    ) -> Result<Response<v1::GetKeyResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let (asked, sight) = (request.get_ref(), permit.sight());
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
        })
        .await
    }

    async fn list_keys(
        &self,
        request: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::ListKeysResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let asked = request.into_inner();
            let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
            let within = changes.within(&permit, named, asked.all_workspaces)?;
            let (selection, traits) = convert::select::listed(within, &asked)?;
            let size = convert::page_size(asked.page_size)?;
            let sight = permit.sight();
            let page = changes.list(permit, (&selection, &traits), &asked.page_token, size).await?;
            let moment = changes.moment(sight);
            let keys = page.keys.iter().map(|shown| convert::key::shown_to_wire(shown, &moment)).collect();
            let workspace_id = convert::workspace::looked_at(within);
            Ok(v1::ListKeysResponse { keys, next_page_token: page.next_page_token, workspace_id })
        })
        .await
    }

    async fn get_usage(
        &self,
        request: Request<v1::GetUsageRequest>,
    ) -> Result<Response<v1::GetUsageResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let asked = request.into_inner();
            let named = convert::workspace_id("workspace_id", &asked.workspace_id)?;
            let key = convert::optional_key_id("key_id", &asked.key_id)?;
            let within = changes.usage_within(&permit, named, asked.all_workspaces, key)?;
            let query = convert::usage::query(within, key, &asked)?;
            let size = convert::page_size(asked.page_size)?;
            let page = changes.usage(permit, query, &asked.page_token, size).await?;
            Ok(convert::usage::response(page, within))
        })
        .await
    }

    async fn get_effective_rights(
        &self,
        request: Request<v1::GetEffectiveRightsRequest>,
    ) -> Result<Response<v1::GetEffectiveRightsResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let id = convert::key_id("key_id", &request.get_ref().key_id)?;
            let found = changes.effective_rights(&permit, id)?;
            Ok(convert::effective::response(&found))
        })
        .await
    }

    async fn update_key(
        &self,
        request: Request<v1::UpdateKeyRequest>,
    ) -> Result<Response<v1::UpdateKeyResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let asked = request.into_inner();
            let id = asked.key.as_ref().map(|key| key.id.as_str()).unwrap_or_default();
            let id = convert::key_id("key.id", id)?;
            changes.require_reach(&permit, id)?;
            let wanted = convert::update::key_changes(asked)?;
            let sight = permit.sight();
            let Changed { key, revision } = changes.update(permit, id, wanted).await?;
            let key = changed(&changes, sight, key).await;
            Ok(v1::UpdateKeyResponse { key: Some(key), revision: revision.0 })
        })
        .await
    }

    async fn disable_key(
        &self,
        request: Request<v1::DisableKeyRequest>,
    ) -> Result<Response<v1::DisableKeyResponse>, Status> {
        let permit = self.permit(&request)?;
        self.end(Party::of(&permit), async move |changes| {
            let v1::DisableKeyRequest { key_id, comment } = request.into_inner();
            let (key, revision) = switch(&changes, permit, Switch::Disable, &key_id, &comment).await?;
            Ok(v1::DisableKeyResponse { key: Some(key), revision })
        })
        .await
    }

    async fn enable_key(
        &self,
        request: Request<v1::EnableKeyRequest>,
    ) -> Result<Response<v1::EnableKeyResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let v1::EnableKeyRequest { key_id, comment } = request.into_inner();
            let (key, revision) = switch(&changes, permit, Switch::Enable, &key_id, &comment).await?;
            Ok(v1::EnableKeyResponse { key: Some(key), revision })
        })
        .await
    }

    async fn change_keys(
        &self,
        request: Request<v1::ChangeKeysRequest>,
    ) -> Result<Response<v1::ChangeKeysResponse>, Status> {
        self.change_many(request).await
    }

    async fn import_keys(
        &self,
        request: Request<v1::ImportKeysRequest>,
    ) -> Result<Response<v1::ImportKeysResponse>, Status> {
        self.import(request).await
    }

    async fn add_import_scheme(
        &self,
        request: Request<v1::AddImportSchemeRequest>,
    ) -> Result<Response<v1::AddImportSchemeResponse>, Status> {
        self.add_scheme(request).await
    }

    async fn list_import_schemes(
        &self,
        request: Request<v1::ListImportSchemesRequest>,
    ) -> Result<Response<v1::ListImportSchemesResponse>, Status> {
        self.list_schemes(request).await
    }

    async fn get_rotation(
        &self,
        request: Request<v1::GetRotationRequest>,
    ) -> Result<Response<v1::GetRotationResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            review::rotation(&changes, permit, request.get_ref()).await
        })
        .await
    }

    async fn update_grace(
        &self,
        request: Request<v1::UpdateGraceRequest>,
    ) -> Result<Response<v1::UpdateGraceResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            review::grace(&changes, permit, request.get_ref()).await
        })
        .await
    }

    async fn get_least_privilege(
        &self,
        request: Request<v1::GetLeastPrivilegeRequest>,
    ) -> Result<Response<v1::GetLeastPrivilegeResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            review::least_privilege(&changes, permit, request.get_ref()).await
        })
        .await
    }

    async fn narrow_key(
        &self,
        request: Request<v1::NarrowKeyRequest>,
    ) -> Result<Response<v1::NarrowKeyResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            review::narrow(&changes, permit, request.get_ref()).await
        })
        .await
    }

    async fn review_keys(
        &self,
        request: Request<v1::ReviewKeysRequest>,
    ) -> Result<Response<v1::ReviewKeysResponse>, Status> {
        let permit = self.permit(&request)?;
        self.work_in(&self.lanes.looks, Party::of(&permit), async move |changes| {
            review::review(&changes, permit, request.get_ref()).await
        })
        .await
    }
}

/// Switches a key off or on: the two requests differ in nothing else.
async fn switch(
    changes: &Changes,
    permit: AdminPermit<UpdateKeys>,
    way: Switch,
    key_id: &str,
    comment: &str,
) -> Result<(v1::Key, u64), OperationError> {
    let id = convert::key_id("key_id", key_id)?;
    changes.require_reach(&permit, id)?;
    let sight = permit.sight();
    let Changed { key, revision } = changes.switch(permit, id, way, convert::comment(comment)?).await?;
    Ok((changed(changes, sight, key).await, revision.0))
}

/// A key that was just changed, for the wire.
pub(in crate::grpc) async fn changed(changes: &Changes, sight: Sight, key: Key) -> v1::Key {
    let shown = changes.with_use(key).await;
    convert::key::shown_to_wire(&shown, &changes.moment(sight))
}

/// What a request id stands for: whose it is, and a fingerprint of the whole request.
pub(in crate::grpc) fn request_mark(
    caller: KeyId,
    field: &str,
    text: &str,
    method: &'static str,
    arguments: &impl Message,
) -> Result<Option<RequestMark>, OperationError> {
    let id = convert::request_id(field, text)?;
    Ok(id.map(|id| RequestMark::new(caller, id, method, &arguments.encode_to_vec())))
}
