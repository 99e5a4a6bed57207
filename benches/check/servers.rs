//! The two servers of a constant answer: tonic's, and ours.

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    num::NonZeroUsize,
    process,
    sync::Arc,
    thread,
};

use keyward::{
    grpc::{
        check_call::CheckAtOnce,
        ext_authz::{ExtAuthz, Malformed},
        health::HealthService,
        routes::{HEALTH_NAMES, routes},
    },
    health::health,
    server::{
        budget::Budget, connection::Peer, limits::ListenerLimits, listener::Listener, protocol::Protocol,
    },
    wire::envoy::service::auth::v3 as envoy,
    wire::v1::{
        BatchCheckRequest, BatchCheckResponse, CheckRequest, CheckResponse, Denial, GetStatusRequest,
        GetStatusResponse, QueryLogRequest, QueryLogResponse, VerifyLogRequest, VerifyLogResponse,
        audit_service_server::AuditService, key_service_server::KeyServiceServer,
    },
};
use prost::Message as _;
use tokio::runtime::{Builder, Runtime};
use tonic::{
    Request, Response, Status, async_trait,
    transport::{Server, server::TcpIncoming},
};

use crate::absent::{Absent, key_service_of_checks, not_here};

/// tonic as it comes, on one single-threaded runtime.
pub(crate) fn bare(answer_bytes: usize) -> io::Result<()> {
    runtime()?.block_on(async {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap())?.with_nodelay(Some(true));
        announce(incoming.local_addr()?)?;
        let service = KeyServiceServer::new(Constant::new(answer_bytes));
        Server::builder().serve_with_incoming(service, incoming).await.map_err(io::Error::other)
    })
}

/// The way in, with one worker.
pub(crate) fn way_in(answer_bytes: usize) -> io::Result<()> {
    runtime()?.block_on(async {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap())?;
        announce(listener.local_addr())?;
        let handler = Arc::new(Constant::new(answer_bytes));
        let (_reporter, watch) = health();
        let health = HealthService::new(watch, HEALTH_NAMES);
        let limits = ListenerLimits::default();
        let (absent, same) = (Arc::new(Absent), || Arc::clone(&handler));
        let routes =
            routes(same(), Arc::clone(&absent), absent, same(), same(), health, limits.message_bytes);
        let routes = routes.map_err(io::Error::other)?;
        let mut running = listener.serve(
            Budget::new(limits.in_flight_bytes),
            Protocol::Grpc,
            NonZeroUsize::MIN,
            limits,
            move |_peer: &Peer| routes.clone(),
        )?;
        Err(io::Error::other(running.died().await))
    })
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Says where the server is, and sees to it that it does not outlive the bench.
fn announce(address: SocketAddr) -> io::Result<()> {
    writeln!(io::stdout(), "{address}")?;
    thread::spawn(|| {
        drop(io::stdin().read_to_end(&mut Vec::new()));
        process::exit(0);
    });
    Ok(())
}

/// Gives one answer, of a given size.
#[derive(Debug)]
struct Constant(CheckResponse);

impl Constant {
    fn new(answer_bytes: usize) -> Self {
        let answer = |filler: usize| CheckResponse {
            allowed: true,
            denial: Some(Denial { message: "a".repeat(filler), ..Denial::default() }),
            ..CheckResponse::default()
        };
        let filled = (0..=answer_bytes).map(answer).find(|answer| answer.encoded_len() >= answer_bytes);
        Self(filled.unwrap_or_default())
    }
}

// The generated service answers.
impl CheckAtOnce for Constant {}

impl ExtAuthz for Constant {
    async fn authorize(
        &self,
        _caller: &Request<()>,
        _asked: Result<envoy::CheckRequest, Malformed>,
    ) -> envoy::CheckResponse {
        // Without a status, it goes out as a 503.
        envoy::CheckResponse::default()
    }
}

key_service_of_checks! {
    impl KeyService for Constant {
    async fn check(&self, _request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(self.0.clone()))
    }

    async fn batch_check(
        &self,
        _request: Request<BatchCheckRequest>,
    ) -> Result<Response<BatchCheckResponse>, Status> {
        not_here()
    }
    }
}

#[async_trait]
impl AuditService for Constant {
    async fn query_log(
        &self,
        _request: Request<QueryLogRequest>,
    ) -> Result<Response<QueryLogResponse>, Status> {
        not_here()
    }

    async fn verify_log(
        &self,
        _request: Request<VerifyLogRequest>,
    ) -> Result<Response<VerifyLogResponse>, Status> {
        not_here()
    }

    async fn query_denials(
        &self,
        _request: Request<keyward::wire::v1::QueryDenialsRequest>,
    ) -> Result<Response<keyward::wire::v1::QueryDenialsResponse>, Status> {
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
