//! What stands in Keyward's place and gives the same error to every Check, or no answer at all; it counts them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body};
use tonic::{
    Code, Status,
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_types::{ErrorDetails, StatusExt as _};

/// A running one; ends with the test's runtime.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    checks: Arc<AtomicUsize>,
}

impl Fake {
    /// Answers each Check with this code and reason; without them, with nothing.
    pub(crate) fn start(error: Option<(Code, &'static str)>) -> Self {
        let checks = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&checks);
        let answer = move || {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                let Some((code, reason)) = error else { return std::future::pending().await };
                let details = ErrorDetails::with_error_info(reason, "keyward", []);
                Status::with_error_details(code, "not now", details).into_http::<Body>()
            }
        };
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let routes = Routes::from(Router::new().fallback(answer));
        tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(incoming));
        Self { address, checks }
    }

    /// How many Checks it has got.
    pub(crate) fn checks(&self) -> usize {
        self.checks.load(Ordering::SeqCst)
    }
}
