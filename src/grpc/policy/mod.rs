//! `keyward.v1.PolicyService`.

use tonic::{Request, Response, Status};

use crate::grpc::{api::Api, convert};
use crate::{
    changes::policy::Expected,
    domain::{
        admin::{AdminPermit, ApplyPolicy, Party, ReadPolicy},
        parse::ParseError,
    },
    error::OperationError,
    wire::v1::{self, policy_service_server::PolicyService},
};

#[tonic::async_trait]
impl PolicyService for Api {
    async fn get_policy(
        &self,
        request: Request<v1::GetPolicyRequest>,
    ) -> Result<Response<v1::GetPolicyResponse>, Status> {
        let permit: AdminPermit<ReadPolicy> = self.permit(&request)?;
        permit.require_global().map_err(OperationError::from)?;
        self.administer(Party::of(&permit), async move |changes| {
            let found = changes.policy_version(&permit, request.get_ref().version).await?;
            Ok(v1::GetPolicyResponse {
                version: Some(convert::policy::version_to_wire(&found)),
                policy: Some(convert::policy::to_wire(found.policy.document())),
                toml: found.policy.to_toml(),
            })
        })
        .await
    }

    async fn validate_policy(
        &self,
        request: Request<v1::ValidatePolicyRequest>,
    ) -> Result<Response<v1::ValidatePolicyResponse>, Status> {
        let permit: AdminPermit<ReadPolicy> = self.permit(&request)?;
        permit.require_global().map_err(OperationError::from)?;
        self.administer(Party::of(&permit), async move |changes| {
            let policy = convert::policy::validated(request.into_inner())?;
            let (current_version, effect) = changes.validate_policy(&permit, &policy)?;
            let effect = Some(convert::policy::effect_to_wire(&effect));
            Ok(v1::ValidatePolicyResponse { current_version, effect })
        })
        .await
    }

    async fn apply_policy(
        &self,
        request: Request<v1::ApplyPolicyRequest>,
    ) -> Result<Response<v1::ApplyPolicyResponse>, Status> {
        let permit: AdminPermit<ApplyPolicy> = self.permit(&request)?;
        permit.require_global().map_err(OperationError::from)?;
        self.administer(Party::of(&permit), async move |changes| {
            let asked = request.into_inner();
            let expected = Expected { version: asked.expected_version, gains: asked.expected_gains };
            let comment = convert::comment(&asked.comment)?;
            let policy = convert::policy::applied(asked)?;
            let (version, effect) = changes.apply_policy(permit, policy, expected, comment).await?;
            Ok(v1::ApplyPolicyResponse {
                version: Some(convert::policy::version_to_wire(&version)),
                effect: Some(convert::policy::effect_to_wire(&effect)),
            })
        })
        .await
    }

    async fn explain_route(
        &self,
        request: Request<v1::ExplainRouteRequest>,
    ) -> Result<Response<v1::ExplainRouteResponse>, Status> {
        let permit: AdminPermit<ReadPolicy> = self.permit(&request)?;
        permit.require_global().map_err(OperationError::from)?;
        self.administer(Party::of(&permit), async move |changes| {
            let v1::ExplainRouteRequest { method, host, path } = request.get_ref();
            for (name, text, most) in [("method", method, 64), ("host", host, 512), ("path", path, 8_192)] {
                if text.is_empty() || text.len() > most {
                    let why = ParseError::owned(format!("1 to {most} characters"));
                    return Err(OperationError::invalid(name, why));
                }
            }
            let in_force = changes.policy()?;
            let explanation = convert::route::explained(&in_force.policy, (host, method, path));
            Ok(v1::ExplainRouteResponse { version: in_force.version, explanation: Some(explanation) })
        })
        .await
    }

    async fn list_policy_versions(
        &self,
        request: Request<v1::ListPolicyVersionsRequest>,
    ) -> Result<Response<v1::ListPolicyVersionsResponse>, Status> {
        let permit: AdminPermit<ReadPolicy> = self.permit(&request)?;
        permit.require_global().map_err(OperationError::from)?;
        self.administer(Party::of(&permit), async move |changes| {
            let asked = request.into_inner();
            let size = convert::page_size(asked.page_size)?;
            let page = changes.policy_versions(&permit, &asked.page_token, size).await?;
            let shown = page.versions.iter().map(convert::policy::version_to_wire);
            Ok(v1::ListPolicyVersionsResponse {
                versions: shown.collect(),
                next_page_token: page.next_page_token,
            })
        })
        .await
    }
}
