//! `envoy.service.auth.v3.Authorization`: Envoy asks whether to let a request through.
//!
//! Envoy takes a gRPC error for an outage of ours, and may be set to let everything through then
//! (`failure_mode_allow`); it takes an answer without a status for an allow. So every call of [`PATH`] gets a whole
//! answer: an allow, a denial, or a 503 to pass on (X1). The method is served by hand, because a generated server answers
//! with errors. A message is decoded, judged and answered without a pause, but for that of a Check whose charge must be written first: then it is held for 50 ms at most.

mod complaints;
mod frame;

pub(super) use self::complaints::Complaints;
pub use self::frame::Malformed;

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::Response;
use tonic::{Request, body::Body, metadata::MetadataMap};

use super::{api::Api, convert::ext_authz as convert};
use crate::{
    domain::{
        admin::Caller,
        decision::{Decision, Denial, Requirement},
        policy::Policy,
        resource::Resource,
        route::RouteDecision,
        scope::ScopeText,
        time::Timestamp,
    },
    http_answer::{Stop, identity, latency, limits, nobody, stopped, undecided},
    operations::{
        check::{Mode, Query, Subject},
        error::OperationError,
        trusted,
    },
    way_in::request_body::RequestBody,
    wire::envoy::service::auth::v3 as envoy,
};

/// The one method.
pub(super) const PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

/// What answers Envoy.
pub trait ExtAuthz: Send + Sync + 'static {
    /// Answers what was asked, as far as it can be read; `caller` is the call itself, without its message.
    fn authorize(
        &self,
        caller: &Request<()>,
        asked: Result<envoy::CheckRequest, Malformed>,
    ) -> impl Future<Output = envoy::CheckResponse> + Send;
}

/// Answers one call whose request has arrived, as far as it is taken.
pub(super) async fn serve(
    handler: Arc<impl ExtAuthz>,
    request: http::Request<RequestBody>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let asked = body.into_whole().ok_or(Malformed).and_then(|bytes| frame::read(&bytes));
    let caller = Request::from_parts(MetadataMap::from_headers(head.headers), head.extensions, ());
    let answer = handler.authorize(&caller, asked).await;
    // Envoy would let the request through.
    if answer.status.is_none() || answer.http_response.is_none() {
        return unavailable(Duration::ZERO);
    }
    frame::response(&answer)
}

/// The answer to a call that does not reach its handler, or whose handler does not answer, after so long.
pub(super) fn unavailable(took: Duration) -> Response<Body> {
    frame::response(&convert::stopped(undecided(took), Stop::Undecided.reason(), None))
}

impl ExtAuthz for Api {
    async fn authorize(
        &self,
        caller: &Request<()>,
        asked: Result<envoy::CheckRequest, Malformed>,
    ) -> envoy::CheckResponse {
        let began = self.operations().reading();
        let mut answer = self.answer_gateway(caller, asked, began.time).await;
        let took = self.operations().reading().steady.saturating_since(began.steady);
        convert::tell_client(&mut answer, latency(took));
        answer
    }
}

impl Api {
    async fn answer_gateway(
        &self,
        caller: &Request<()>,
        asked: Result<envoy::CheckRequest, Malformed>,
        now: Timestamp,
    ) -> envoy::CheckResponse {
        if self.operations().sealed() {
            self.complaints().of_store(now);
            return self.stop(Stop::Undecided);
        }
        let caller = match self.checker(caller) {
            Ok(caller) => caller,
            Err(error) => {
                self.complaints().of_caller(now, &error);
                return self.stop(Stop::Undecided);
            }
        };
        let Some((attributes, http)) = asked.as_ref().ok().and_then(convert::request) else {
            return self.stop(Stop::Malformed);
        };
        self.answer_envoy(&caller, attributes, http).await.unwrap_or_else(|error| {
            self.complaints().of_question(now, &error);
            self.stop(Stop::Undecided)
        })
    }

    fn checker(&self, request: &Request<()>) -> Result<Caller, OperationError> {
        let caller = self.caller(request)?;
        self.require_checker(&caller)?;
        Ok(caller)
    }

    fn stop(&self, stop: Stop<'_>) -> envoy::CheckResponse {
        convert::stopped(stopped(stop, &self.gateway().realm), stop.reason(), None)
    }

    /// # Errors
    /// Keyward cannot decide; where the error names a field, the gateway's configuration is wrong.
    async fn answer_envoy(
        &self,
        caller: &Caller,
        attributes: &envoy::AttributeContext,
        http: &envoy::attribute_context::HttpRequest,
    ) -> Result<envoy::CheckResponse, OperationError> {
        let gateway = self.gateway();
        let requirement = requirement(attributes, caller)?;
        let policy = self.operations().policy_now();
        let way = way(&trusted(policy.as_ref())?.policy, http, &requirement);
        let spent = || if gateway.remove_credential { convert::spent(http, gateway) } else { Vec::new() };
        if matches!(way, Way::Public) {
            return Ok(convert::allowed(nobody(), spent(), Vec::new()));
        }
        let denied = |denial: &Denial, requirement: &Requirement<'_>| {
            self.stop(Stop::Denied { denial, requirement, answer: None })
        };
        let requirement = match &way {
            Way::Public | Way::Closed => None,
            Way::AsTheGatewaySays => Some(requirement),
            Way::Route { scopes, resource, cost } => Some(Requirement {
                cost: cost.or(requirement.cost),
                ..along(requirement, scopes, resource.as_deref())?
            }),
        };
        let presented = match convert::presented(http, gateway) {
            Ok(presented) => presented,
            Err(denial) => return Ok(denied(&denial, &requirement.unwrap_or_default())),
        };
        let Some(requirement) = requirement else {
            return Ok(denied(&Denial::RouteNotFound, &Requirement::default()));
        };
        let query = Query {
            subject: Subject::Presented(presented),
            requirement,
            mode: Mode::Enforce,
            bound_to: caller.bound_to(),
        };
        let answer = self.operations().check(&query).await?;
        match (&answer.decision, &answer.subject) {
            (Decision::Allow(_), Some(subject)) => {
                Ok(convert::allowed(identity(subject), spent(), limits(&answer)))
            }
            // An allow of nobody cannot be; it would let somebody through whom nobody knows.
            (Decision::Allow(_), None) => Ok(self.stop(Stop::Undecided)),
            (Decision::Deny(denial), subject) => {
                let (requirement, answer) = (&query.requirement, Some(&answer));
                let stop = Stop::Denied { denial, requirement, answer };
                let identity = subject.as_ref().map(identity);
                Ok(convert::stopped(stopped(stop, &gateway.realm), stop.reason(), identity.as_ref()))
            }
        }
    }
}

/// What the gateway's own settings say that a request needs.
fn requirement<'a>(
    attributes: &'a envoy::AttributeContext,
    caller: &Caller,
) -> Result<Requirement<'a>, OperationError> {
    let requirement = convert::requirement(attributes)?;
    if let (Some(named), Some(bound)) = (requirement.workspace, caller.bound_to())
        && named != bound
    {
        return Err(OperationError::WorkspaceNotFound);
    }
    Ok(requirement)
}

/// What decides about a request (H7).
enum Way<'a> {
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
fn way<'a>(
    policy: &'a Policy,
    http: &envoy::attribute_context::HttpRequest,
    said: &Requirement<'_>,
) -> Way<'a> {
    if !said.scopes.is_empty() {
        return Way::AsTheGatewaySays;
    }
    let Ok(found) = policy.routes().find(&http.host, &http.method, &http.path) else { return Way::Closed };
    match &found.route.decision {
        RouteDecision::Require { scopes, cost, .. } => {
            Way::Route { scopes, resource: found.resource, cost: *cost }
        }
        RouteDecision::Public => Way::Public,
        RouteDecision::Denied => Way::Closed,
    }
}

/// What a route needs, within what the gateway's settings say of workspace, environment and resource.
fn along<'a>(
    said: Requirement<'a>,
    scopes: &'a [ScopeText],
    resource: Option<&'a str>,
) -> Result<Requirement<'a>, OperationError> {
    let of_route = resource.map(Resource::parse).transpose();
    let of_route = of_route.map_err(|why| OperationError::invalid("routes.resource", why))?;
    let scopes = scopes.iter().map(ScopeText::as_scope).collect();
    Ok(Requirement { scopes, resource: of_route.or(said.resource), ..said })
}
