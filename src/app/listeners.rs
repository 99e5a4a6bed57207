//! Both listeners, served out of one budget.

use std::{io, net::SocketAddr, num::NonZeroUsize, sync::Arc};

use super::error::AppError;
use crate::{
    http::Site,
    server::{
        budget::Budget,
        calls::Calls,
        limits::ListenerLimits,
        listener::{Listener, Running},
        protocol::Protocol,
        tls::Tls,
    },
};

/// The two listeners, bound.
pub(super) struct Listeners {
    grpc: (Listener, SocketAddr),
    http: (Listener, SocketAddr),
}

impl Listeners {
    /// Binds both ports before the first key is made: one that is taken must not use that up.
    pub(super) fn bind(
        listen: SocketAddr,
        http_listen: SocketAddr,
        tls: Option<&Arc<Tls>>,
    ) -> Result<Self, AppError> {
        let bind = |address| {
            let bound = Listener::bind(address).map_err(|why| AppError::Bind { address, why });
            bound.map(|listener| listener.under(tls.cloned()))
        };
        let (grpc, http) = (bind(listen)?, bind(http_listen)?);
        tracing::info!(
            grpc.bound = %grpc.local_addr(),
            http.bound = %http.local_addr(),
            "starting: connections are refused until the store is loaded"
        );
        Ok(Self { grpc: (grpc, listen), http: (http, http_listen) })
    }

    /// Serves both listeners, out of one budget: a client chooses which it floods.
    pub(super) fn serve<R>(
        self,
        workers: NonZeroUsize,
        limits: ListenerLimits,
        (routes, site): (R, Site),
    ) -> Result<(Running, Running), AppError>
    where
        R: Calls + Clone,
    {
        let ((grpc, listen), (http, http_listen)) = (self.grpc, self.http);
        let budget = Budget::new(limits.in_flight_bytes);
        tracing::info!(budget.bytes = budget.limit(), "memory for calls in flight");
        let both = Arc::clone(&budget);
        let grpc = grpc.serve(both, Protocol::Grpc, workers, limits.clone(), move |_peer| routes.clone());
        let grpc = grpc.map_err(not_served(listen))?;
        let http = http.serve(budget, Protocol::Http, workers, limits, move |_peer| site.clone());
        Ok((grpc, http.map_err(not_served(http_listen))?))
    }
}

/// Another process may have begun to listen since, or a thread cannot be had.
fn not_served(address: SocketAddr) -> impl FnOnce(io::Error) -> AppError {
    move |why| {
        if why.kind() == io::ErrorKind::AddrInUse {
            AppError::Bind { address, why }
        } else {
            AppError::Runtime(why)
        }
    }
}
