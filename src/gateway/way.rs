//! What decides about a gateway's request: its own settings, or a route of the policy.

use std::borrow::Cow;

use super::GatewayRequest;
use crate::{
    domain::{
        decision::Requirement, policy::Policy, resource::Resource, route::RouteDecision, scope::ScopeText,
    },
    error::OperationError,
};

/// What decides about a request (H7).
pub(super) enum DecidedBy<'a> {
    /// The gateway's settings, which name scopes.
    AsTheGatewaySays,
    /// A route of the policy.
    Route { scopes: &'a [ScopeText], resource: Option<Cow<'a, str>>, cost: Option<u64> },
    /// A route of the policy that everybody may pass.
    Public,
    /// Nothing, or a route that nobody may pass.
    Closed,
}

/// Finds what decides: the gateway's settings where they name scopes, else the policy's routes. A request that is on no
/// route, or whose path could be read as another, is on none (X3).
pub(super) fn way<'a>(
    policy: &'a Policy,
    request: &impl GatewayRequest,
    said: &Requirement<'_>,
) -> DecidedBy<'a> {
    if !said.scopes.is_empty() {
        return DecidedBy::AsTheGatewaySays;
    }
    let found = policy.routes().find(request.host(), request.method(), request.path());
    let Ok(found) = found else { return DecidedBy::Closed };
    match &found.route.decision {
        RouteDecision::Require { scopes, cost, .. } => {
            DecidedBy::Route { scopes, resource: found.resource, cost: *cost }
        }
        RouteDecision::Public => DecidedBy::Public,
        RouteDecision::Denied => DecidedBy::Closed,
    }
}

/// What a route needs, within what the gateway's settings say of workspace, environment and resource.
pub(super) fn along<'a>(
    said: Requirement<'a>,
    scopes: &'a [ScopeText],
    resource: Option<&'a str>,
) -> Result<Requirement<'a>, OperationError> {
    let of_route = resource.map(Resource::parse).transpose();
    let of_route = of_route.map_err(|why| OperationError::invalid("routes.resource", why))?;
    let scopes = scopes.iter().map(ScopeText::as_scope).collect();
    Ok(Requirement { scopes, resource: of_route.or(said.resource), ..said })
}
