//! All listeners, served out of one budget.

use std::{io, net::SocketAddr, num::NonZeroUsize, sync::Arc};

use super::{error::AppError, settings::Settings};
use crate::{
    domain::surfaces::Surfaces,
    http::Site,
    server::{
        budget::Budget,
        calls::Calls,
        connection::Peer,
        figures::ListenerFigures,
        limits::ListenerLimits,
        listener::{Listener, ListenerError, Running},
        protocol::Protocol,
        tls::Tls,
    },
};

/// The listeners, bound.
pub(super) struct Listeners {
    grpc: BoundListener,
    http: BoundListener,
    probes: Option<BoundListener>,
}

/// A listener, and the address that was asked for.
struct BoundListener {
    listener: Listener,
    address: SocketAddr,
}

/// The listeners at work.
pub(super) struct Serving {
    pub(super) grpc: Running,
    pub(super) http: Running,
    pub(super) probes: Option<Running>,
}

impl BoundListener {
    fn bind(address: SocketAddr, tls: Option<&Arc<Tls>>) -> Result<Self, AppError> {
        let listener = Listener::bind(address).map_err(|why| not_bound(address, why))?;
        Ok(Self { listener: listener.under(tls.cloned()), address })
    }
}

impl Listeners {
    /// Binds all ports before the first key is made: one that is taken must not use that up.
    pub(super) fn bind(settings: &Settings, tls: Option<&Arc<Tls>>) -> Result<Self, AppError> {
        let (listen, http_listen) = (settings.listen, settings.http_listen);
        apart(("--listen", listen), ("--http-listen", http_listen))?;
        if let Some(address) = settings.probes_listen {
            apart(("--listen", listen), ("--probes-listen", address))?;
            apart(("--http-listen", http_listen), ("--probes-listen", address))?;
        }
        let (grpc, http) = (BoundListener::bind(listen, tls)?, BoundListener::bind(http_listen, tls)?);
        // In clear text: nothing that it serves shows a key or takes one.
        let probes = settings.probes_listen.map(|address| BoundListener::bind(address, None)).transpose()?;
        tracing::info!(
            grpc.bound = %grpc.listener.local_addr(),
            http.bound = %http.listener.local_addr(),
            probes.bound = probes.as_ref().map(|probes| tracing::field::display(probes.listener.local_addr())),
            "starting: connections are refused until the store is loaded"
        );
        Ok(Self { grpc, http, probes })
    }

    /// Serves all listeners, out of one budget: a client chooses which it floods.
    pub(super) fn serve<R>(
        self,
        workers: NonZeroUsize,
        limits: ListenerLimits,
        (routes, site): (R, Site),
    ) -> Result<Serving, AppError>
    where
        R: Calls + Clone,
    {
        let Self { grpc, http, probes } = self;
        let budget = Budget::new(limits.in_flight_bytes);
        tracing::info!(budget.bytes = budget.limit(), "memory for calls in flight");
        let shared = || Arc::clone(&budget);
        let made = move |_peer: &Peer| routes.clone();
        let served = grpc.listener.serve(shared(), Protocol::Grpc, workers, limits.clone(), made);
        let grpc = served.map_err(not_served(grpc.address))?;
        let watching = site.with(Surfaces::WATCHING);
        let served =
            http.listener
                .serve(shared(), Protocol::Http, workers, limits.clone(), move |_peer: &Peer| site.clone());
        let http = served.map_err(not_served(http.address))?;
        let serve = |probes: BoundListener| {
            let made = move |_peer: &Peer| watching.clone();
            let served = probes.listener.serve(shared(), Protocol::Http, NonZeroUsize::MIN, limits, made);
            served.map_err(not_served(probes.address))
        };
        Ok(Serving { grpc, http, probes: probes.map(serve).transpose()? })
    }
}

impl Serving {
    /// Each by its name, for metrics.
    pub(super) fn figures(&self) -> Vec<(&'static str, ListenerFigures)> {
        let mut named = vec![("grpc", self.grpc.figures()), ("http", self.http.figures())];
        named.extend(self.probes.as_ref().map(|probes| ("probes", probes.figures())));
        named
    }

    /// Waits until a part of one dies; while all is well, for ever.
    pub(super) async fn died(&mut self) -> String {
        let Self { grpc, http, probes } = self;
        let of_probes = async {
            match probes {
                Some(probes) => probes.died().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            part = grpc.died() => part.to_string(),
            part = http.died() => format!("of plain HTTP, {part}"),
            part = of_probes => format!("of the probes, {part}"),
        }
    }

    /// Ends them all; probes are answered for as long as calls are in flight.
    ///
    /// # Errors
    /// A part of one died, or does not end.
    pub(super) async fn shutdown(self) -> Result<(), ListenerError> {
        let Self { grpc, http, probes } = self;
        let (grpc, http) = tokio::join!(grpc.shutdown(), http.shutdown());
        let probes = match probes {
            Some(probes) => probes.shutdown().await,
            None => Ok(()),
        };
        grpc.and(http).and(probes)
    }
}

/// That two listeners have addresses of their own. The system notices an overlap later, and cannot say whose it is.
fn apart(one: (&'static str, SocketAddr), other: (&'static str, SocketAddr)) -> Result<(), AppError> {
    let ((flag, address), (other_flag, other_address)) = (one, other);
    let (ip, other_ip) = (address.ip(), other_address.ip());
    let meet = ip == other_ip || ip.is_unspecified() || other_ip.is_unspecified();
    if address.port() == 0 || address.port() != other_address.port() || !meet {
        return Ok(());
    }
    Err(AppError::SameAddress { flag, address, other_flag, other_address })
}

fn not_bound(address: SocketAddr, why: io::Error) -> AppError {
    if why.kind() == io::ErrorKind::PermissionDenied {
        AppError::ReservedPort(address)
    } else {
        AppError::Bind { address, why }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_meet_are_refused_with_both_flags() {
        let told = |one: &str, other: &str| {
            let parsed = [one, other].map(|address| address.parse().unwrap());
            apart(("--listen", parsed[0]), ("--http-listen", parsed[1])).map_err(|why| why.to_string())
        };
        for (one, other) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("127.0.0.1:80", "[::]:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            let why = told(one, other).unwrap_err();
            assert!(why.contains(&format!("--listen {one} and --http-listen {other}")), "{why}");
        }
        for (one, other) in [
            ("127.0.0.1:80", "127.0.0.1:81"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("127.0.0.1:80", "127.0.0.2:80"),
            ("127.0.0.1:80", "[::1]:80"),
        ] {
            assert_eq!(told(one, other), Ok(()), "{one} {other}");
        }
    }

    #[test]
    fn a_reserved_port_is_told_as_such() {
        let address = "127.0.0.1:443".parse().unwrap();
        let why = not_bound(address, io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(why.contains("cannot listen on 127.0.0.1:443") && why.contains("superuser"), "{why}");
    }
}
