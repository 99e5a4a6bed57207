//! A server under test, whose Check does what its `api_key` says.

use std::{
    future::pending,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::HeaderMap;
use keyward::{
    grpc::{
        check_call::CheckAtOnce,
        ext_authz::{ExtAuthz, Malformed},
        health::HealthService,
        routes::{HEALTH_NAMES, routes},
    },
    health::{HealthConditions, HealthReporter, health},
    server::{
        budget::Budget,
        calls::Calls,
        connection::Peer,
        limits::ListenerLimits,
        listener::{Listener, Running},
        protocol::Protocol,
        tls::Tls,
    },
    wire::envoy::service::auth::v3 as envoy,
    wire::v1::{
        AuditAction, BatchCheckRequest, BatchCheckResponse, CheckRequest, CheckResponse, GetStatusRequest,
        GetStatusResponse, QueryLogRequest, QueryLogResponse, VerifyLogRequest, VerifyLogResponse,
        audit_service_server::AuditService, check_request::Subject,
    },
};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, async_trait, body::Body};

use crate::absent::{Absent, key_service_of_checks, not_here};

/// What Check is asked to do.
pub(crate) const ANSWER: &str = "answer";
pub(crate) const PANIC: &str = "panic";
/// Where it is served by hand.
pub(crate) const PANIC_AT_ONCE: &str = "panic at once";
pub(crate) const PANIC_LATER: &str = "panic later";
pub(crate) const NEVER: &str = "never";
pub(crate) const WHEN_RELEASED: &str = "when released";

/// Far more than anything here takes: what is not over by then has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Handler {
    /// Has a permit for each Check that waits.
    pub(crate) entered: Semaphore,
    /// A permit lets one Check of `WHEN_RELEASED` go on.
    pub(crate) release: Semaphore,
    /// Has a permit for each Check that was given up while it waited.
    pub(crate) dropped: Semaphore,
    /// The port that the last Check's peer came from.
    pub(crate) peer_port: AtomicU64,
}

impl Default for Handler {
    fn default() -> Self {
        let none = || Semaphore::new(0);
        Self { entered: none(), release: none(), dropped: none(), peer_port: AtomicU64::new(0) }
    }
}

/// Takes a permit of one of the above.
pub(crate) async fn one(semaphore: &Semaphore) {
    tokio::time::timeout(PATIENCE, semaphore.acquire()).await.unwrap().unwrap().forget();
}

pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) handler: Arc<Handler>,
    pub(crate) health: HealthReporter,
}

impl Server {
    pub(crate) async fn start(limits: ListenerLimits) -> Self {
        Self::start_under(limits, None).await
    }

    /// The same under TLS.
    #[expect(clippy::unused_async, reason = "what starts a server is waited for, whatever that does")]
    pub(crate) async fn start_under(limits: ListenerLimits, tls: Option<Arc<Tls>>) -> Self {
        let handler = Arc::new(Handler::default());
        let (reporter, watch) = health();
        reporter.report(HealthConditions::NONE);
        let service = HealthService::new(watch, HEALTH_NAMES);
        let routes = Self::routes(&handler, service, &limits);
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let running = listener
            .under(tls)
            .serve(
                Budget::new(limits.in_flight_bytes),
                Protocol::Grpc,
                NonZeroUsize::new(2).unwrap(),
                limits,
                move |_peer: &Peer| routes.clone(),
            )
            .unwrap();
        Self { running, handler, health: reporter }
    }

    pub(crate) fn routes(
        handler: &Arc<Handler>,
        health: HealthService,
        limits: &ListenerLimits,
    ) -> impl Calls<Body = Body> + Clone {
        let (absent, same) = (Arc::new(Absent), || Arc::clone(handler));
        let bytes = limits.message_bytes;
        routes(same(), Arc::clone(&absent), absent, same(), same(), health, bytes).unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.local_addr()
    }
}

pub(crate) fn check_request(what: &str) -> CheckRequest {
    CheckRequest { subject: Some(Subject::ApiKey(what.into())), ..CheckRequest::default() }
}

impl CheckAtOnce for Handler {
    fn check_at_once(
        &self,
        _headers: &HeaderMap,
        _peer: &Peer,
        asked: &CheckRequest,
        _answer: &mut Vec<u8>,
    ) -> Option<Result<(), Status>> {
        let at_once = Subject::ApiKey(PANIC_AT_ONCE.to_owned());
        assert!(asked.subject.as_ref() != Some(&at_once), "as asked, at once");
        // The generated service answers.
        None
    }
}

impl ExtAuthz for Handler {
    async fn authorize(
        &self,
        _caller: &Request<()>,
        asked: Result<envoy::CheckRequest, Malformed>,
    ) -> envoy::CheckResponse {
        assert!(asked.is_err(), "a panic on demand");
        envoy::CheckResponse::default()
    }
}

/// Notices that a call was given up.
struct Given<'a>(&'a Semaphore, bool);

impl Drop for Given<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.add_permits(1);
        }
    }
}

key_service_of_checks! {
    impl KeyService for Handler {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let peer = request.extensions().get::<Peer>().unwrap();
        self.peer_port.store(peer.address.port().into(), Ordering::Relaxed);
        let what = match &request.get_ref().subject {
            Some(Subject::ApiKey(what)) => what.as_str(),
            Some(Subject::KeyId(_)) | None => "",
        };
        let mut given = Given(&self.dropped, false);
        match what {
            PANIC => panic!("as asked: secret-in-a-panic"),
            PANIC_LATER => {
                tokio::task::yield_now().await;
                panic!("as asked, later");
            }
            NEVER => {
                self.entered.add_permits(1);
                pending::<()>().await;
            }
            WHEN_RELEASED => {
                self.entered.add_permits(1);
                self.release.acquire().await.unwrap().forget();
            }
            _ => {}
        }
        given.1 = true;
        Ok(Response::new(CheckResponse { allowed: true, ..CheckResponse::default() }))
    }

    async fn batch_check(
        &self,
        request: Request<BatchCheckRequest>,
    ) -> Result<Response<BatchCheckResponse>, Status> {
        let responses = vec![CheckResponse::default(); request.get_ref().requests.len()];
        Ok(Response::new(BatchCheckResponse { responses }))
    }
    }
}

#[async_trait]
impl AuditService for Handler {
    async fn query_log(
        &self,
        request: Request<QueryLogRequest>,
    ) -> Result<Response<QueryLogResponse>, Status> {
        assert_eq!(request.get_ref().action(), AuditAction::Unspecified);
        Ok(Response::new(QueryLogResponse::default()))
    }

    async fn query_denials(
        &self,
        _request: Request<keyward::wire::v1::QueryDenialsRequest>,
    ) -> Result<Response<keyward::wire::v1::QueryDenialsResponse>, Status> {
        not_here()
    }

    async fn verify_log(
        &self,
        _request: Request<VerifyLogRequest>,
    ) -> Result<Response<VerifyLogResponse>, Status> {
        not_here()
    }

    type StreamVerifyLogStream = tonic::codegen::BoxStream<keyward::wire::v1::StreamVerifyLogResponse>;

    async fn stream_verify_log(
        &self,
        _request: Request<keyward::wire::v1::StreamVerifyLogRequest>,
    ) -> Result<Response<Self::StreamVerifyLogStream>, Status> {
        not_here()
    }

    async fn get_status(
        &self,
        _request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        not_here()
    }
}
