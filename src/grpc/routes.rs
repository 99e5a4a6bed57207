//! Sends each call to the service that its path names, exactly; the generated services then match the whole path.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, Request, Response, header, request::Parts, uri::PathAndQuery};
use hyper::body::Incoming;
use tonic::{body::Body, codegen::BoxFuture};
use tonic_health::pb::health_server::{self, HealthServer};
use tonic_reflection::{
    pb::{v1, v1alpha},
    server::{self as reflection, v1::ServerReflection, v1alpha::ServerReflection as ServerReflectionAlpha},
};
use tower_service::Service as _;

use super::{
    check_call::{self, CheckAtOnce},
    cost::Costs,
    ext_authz::{self, ExtAuthz},
    frame, gate,
    health::HealthService,
    keys::batch_check,
    refusal::CallRefusal,
};
use crate::{
    server::{
        budget::Held,
        calls::{Calls, TakenRequest},
        connection::Peer,
        failure::CallFailure,
        gather::Gather,
        limits::ListenerLimits,
        request_body::RequestBody,
    },
    wire::{
        self,
        envoy::service::auth::v3::authorization_server,
        v1::{
            audit_service_server::{self, AuditService, AuditServiceServer},
            key_service_server::{self, KeyService, KeyServiceServer},
            policy_service_server::{self, PolicyService, PolicyServiceServer},
            workspace_service_server::{self, WorkspaceService, WorkspaceServiceServer},
        },
    },
};

/// The services that clients may ask the health of.
pub const HEALTH_NAMES: &[&str] = &[
    key_service_server::SERVICE_NAME,
    workspace_service_server::SERVICE_NAME,
    policy_service_server::SERVICE_NAME,
    audit_service_server::SERVICE_NAME,
    authorization_server::SERVICE_NAME,
];

/// Bytes of a message to health or reflection: names, mostly. Reflection's requests are streams without a deadline, so
/// this is what one of them can hold.
const SMALL_MESSAGE_BYTES: usize = 16 << 10;

/// What a handler holds while it waits, beside its message.
const HANDLER_BYTES: u64 = 4 << 10;

/// The descriptor sets cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the embedded descriptor sets cannot be read")]
pub enum DescriptorError {
    /// By reflection.
    Reflection(#[from] reflection::Error),
    /// As messages.
    Messages(#[from] prost::DecodeError),
}

/// Everything that is served, ready to be cloned for each connection.
///
/// # Errors
/// When the embedded descriptor sets are broken, which a test of this binary would have shown.
pub fn routes<K, W, P, A, E>(
    key: Arc<K>,
    workspace: Arc<W>,
    policy: Arc<P>,
    audit: Arc<A>,
    ext_authz: Arc<E>,
    health: HealthService,
    message_bytes: usize,
) -> Result<impl Calls<Body = Body> + Clone, DescriptorError>
where
    K: KeyService + CheckAtOnce,
    W: WorkspaceService,
    P: PolicyService,
    A: AuditService,
    E: ExtAuthz,
{
    Ok(Routes {
        costs: Arc::new(Costs::read(wire::DESCRIPTOR_SET)?),
        check: Arc::clone(&key),
        key: KeyServiceServer::from_arc(key).max_decoding_message_size(message_bytes),
        workspace: WorkspaceServiceServer::from_arc(workspace).max_decoding_message_size(message_bytes),
        policy: PolicyServiceServer::from_arc(policy).max_decoding_message_size(message_bytes),
        audit: AuditServiceServer::from_arc(audit).max_decoding_message_size(message_bytes),
        ext_authz,
        health: HealthServer::new(health).max_decoding_message_size(SMALL_MESSAGE_BYTES),
        reflection: descriptors().build_v1()?.max_decoding_message_size(SMALL_MESSAGE_BYTES),
        reflection_alpha: descriptors().build_v1alpha()?.max_decoding_message_size(SMALL_MESSAGE_BYTES),
    })
}

/// Our messages, health's, and google.rpc's, so that clients can print the details of an error.
fn descriptors() -> reflection::Builder<'static> {
    reflection::Builder::configure()
        .register_encoded_file_descriptor_set(wire::DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

#[derive(Debug)]
struct Routes<K, W, P, A, E, R, Q> {
    costs: Arc<Costs>,
    check: Arc<K>,
    key: KeyServiceServer<K>,
    workspace: WorkspaceServiceServer<W>,
    policy: PolicyServiceServer<P>,
    audit: AuditServiceServer<A>,
    ext_authz: Arc<E>,
    health: HealthServer<HealthService>,
    reflection: reflection::v1::ServerReflectionServer<R>,
    reflection_alpha: reflection::v1alpha::ServerReflectionServer<Q>,
}

// Derived, it would ask that the handlers be `Clone`, which they need not be.
impl<K, W, P, A, E, R, Q> Clone for Routes<K, W, P, A, E, R, Q> {
    fn clone(&self) -> Self {
        Self {
            costs: Arc::clone(&self.costs),
            check: Arc::clone(&self.check),
            key: self.key.clone(),
            workspace: self.workspace.clone(),
            policy: self.policy.clone(),
            audit: self.audit.clone(),
            ext_authz: Arc::clone(&self.ext_authz),
            health: self.health.clone(),
            reflection: self.reflection.clone(),
            reflection_alpha: self.reflection_alpha.clone(),
        }
    }
}

impl<K, W, P, A, E, R, Q> Calls for Routes<K, W, P, A, E, R, Q>
where
    K: KeyService + CheckAtOnce,
    W: WorkspaceService,
    P: PolicyService,
    A: AuditService,
    E: ExtAuthz,
    R: ServerReflection,
    Q: ServerReflectionAlpha,
{
    type Body = Body;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn admit(
        &self,
        request: &Request<Incoming>,
        limits: &ListenerLimits,
    ) -> Result<TakenRequest, Response<Body>> {
        let path = request.uri().path_and_query().map(PathAndQuery::as_str);
        let client_limit =
            gate::admit(request).map_err(|refusal| refusal.response_to(path, Duration::ZERO))?;
        let gather = match request.uri().path() {
            path if takes_a_stream(path) => Gather::Nothing,
            ext_authz::PATH => Gather::Message(limits.gateway_message_bytes),
            _ => Gather::Message(limits.message_bytes),
        };
        Ok(TakenRequest { client_limit, gather })
    }

    fn at_once(
        &self,
        head: &Parts,
        body: &RequestBody,
        peer: &Peer,
        paid: &mut Option<Held>,
    ) -> Option<Response<Body>> {
        if head.uri.path() != check_call::PATH {
            return None;
        }
        check_call::serve(&*self.check, &head.headers, body, peer, paid)
    }

    /// Those that [`Api`](super::api::Api) reads, and those that tonic does.
    fn reads(&self, name: &HeaderName) -> bool {
        name == header::AUTHORIZATION
            || name == header::CONTENT_TYPE
            || name == header::TE
            || name.as_str().starts_with("grpc-")
    }

    fn cost(&self, path: &str, body: &[u8]) -> u64 {
        let message = body.get(frame::PREFIX_BYTES..).unwrap_or_default();
        let questions = if path == batch_check::PATH { batch_check::cost(message) } else { 0 };
        self.costs.of(path, message).saturating_add(questions).saturating_add(HANDLER_BYTES)
    }

    fn failed(&self, failure: CallFailure, path: Option<&str>, took: Duration) -> Response<Body> {
        CallRefusal::from(failure).response_to(path, took)
    }

    fn cut_off(failure: CallFailure) -> Option<HeaderMap> {
        let mut trailers = HeaderMap::new();
        let added = CallRefusal::from(failure).status().add_header(&mut trailers);
        added.is_ok().then_some(trailers)
    }

    fn call(&self, request: Request<RequestBody>) -> Self::Future {
        let path = request.uri().path();
        // Envoy gets a denial for it, where it is read.
        if path != ext_authz::PATH && !takes_a_stream(path) && frame::is_not_one(request.body().gathered()) {
            return Box::pin(async { Ok(CallRefusal::NotOneMessage.response()) });
        }
        if path == batch_check::PATH
            && let Some(answer) = batch_check::serve(&self.check, &request)
        {
            return answer;
        }
        match service_of(path) {
            key_service_server::SERVICE_NAME => self.key.clone().call(request),
            workspace_service_server::SERVICE_NAME => self.workspace.clone().call(request),
            policy_service_server::SERVICE_NAME => self.policy.clone().call(request),
            audit_service_server::SERVICE_NAME => self.audit.clone().call(request),
            authorization_server::SERVICE_NAME if request.uri().path() == ext_authz::PATH => {
                let handler = Arc::clone(&self.ext_authz);
                Box::pin(async move { Ok(ext_authz::serve(handler, request).await) })
            }
            health_server::SERVICE_NAME => self.health.clone().call(request),
            v1::server_reflection_server::SERVICE_NAME => self.reflection.clone().call(request),
            v1alpha::server_reflection_server::SERVICE_NAME => self.reflection_alpha.clone().call(request),
            _ => Box::pin(async { Ok(CallRefusal::Unimplemented.response()) }),
        }
    }
}

/// Whether a path names a method whose request is a stream, so that its handler must run before its request has ended.
fn takes_a_stream(path: &str) -> bool {
    [v1::server_reflection_server::SERVICE_NAME, v1alpha::server_reflection_server::SERVICE_NAME]
        .contains(&service_of(path))
}

/// The `package.Service` of `/package.Service/Method`; empty if the path has another form.
fn service_of(path: &str) -> &str {
    path.strip_prefix('/').and_then(|path| path.split_once('/')).map_or("", |(service, _method)| service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_service_in_one_form_only() {
        for (path, service) in [
            ("/a.B/C", "a.B"),
            ("/a.B/", "a.B"),
            ("/a.B/C/D", "a.B"),
            ("//a.B/C", ""),
            ("/a.B", ""),
            ("a.B/C", ""),
            ("", ""),
            ("*", ""),
        ] {
            assert_eq!(service_of(path), service, "{path}");
        }
    }

    #[test]
    fn the_descriptors_can_be_read() {
        assert!(descriptors().build_v1().is_ok());
        assert!(descriptors().build_v1alpha().is_ok());
    }
}
