//! Who can reach what, and who must prove what: told in one block at the start.

use std::net::SocketAddr;

use super::settings::Settings;
use crate::domain::surfaces::{Surface, Surfaces};

const OR_ACTOR: &str = ", or the client certificate of an actor";

/// What the settings let in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exposure {
    is_encrypted: bool,
    check_is_open: bool,
    http_check_is_open: bool,
    http_surfaces: Surfaces,
    /// What proves an actor, where there are any.
    or_actor: &'static str,
}

impl Exposure {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            is_encrypted: settings.tls.is_some(),
            check_is_open: settings.check_is_open,
            http_check_is_open: settings.http_check_is_open,
            http_surfaces: settings.http_surfaces,
            or_actor: if settings.actors.is_empty() { "" } else { OR_ACTOR },
        }
    }

    /// What is on over plain HTTP.
    pub(super) const fn http_surfaces(self) -> Surfaces {
        self.http_surfaces
    }

    /// A line for each listener and what it serves.
    pub(super) fn lines(self, grpc: SocketAddr, http: SocketAddr, probes: Option<SocketAddr>) -> Vec<String> {
        let mut lines = vec!["who can reach what, and must prove what:".to_owned()];
        let at = |address, is_encrypted| format!("  {} {}", from(address), channel(is_encrypted));
        let place = at(grpc, self.is_encrypted);
        let or_actor = if self.check_is_open { "" } else { self.or_actor };
        lines.push(format!("{place} grpc {grpc} Check, gateways: {}{or_actor}", asker(self.check_is_open)));
        lines.push(format!("{place} grpc {grpc} administration: an administration key{}", self.or_actor));
        lines.push(format!("{place} grpc {grpc} health: nothing"));
        let surfaces = |address, is_encrypted, surfaces: Surfaces| {
            let place = at(address, is_encrypted);
            let on = Surface::ALL.into_iter().filter(move |surface| surfaces.has(*surface));
            on.map(move |surface| {
                format!("{place} http {address} {}: {}", surface.name(), self.proof(surface))
            })
        };
        lines.extend(surfaces(http, self.is_encrypted, self.http_surfaces));
        lines.extend(probes.into_iter().flat_map(|address| surfaces(address, false, Surfaces::WATCHING)));
        lines
    }

    const fn proof(self, surface: Surface) -> &'static str {
        match surface {
            Surface::Probes | Surface::Metrics => "nothing",
            Surface::Verify if self.http_check_is_open => "an address in gateway.trusted_peers",
            Surface::Verify => {
                "an address in gateway.trusted_peers, and an administration key with keys:check"
            }
            Surface::Check => asker(self.http_check_is_open),
        }
    }
}

fn from(address: SocketAddr) -> &'static str {
    if address.ip().is_loopback() { "this machine" } else { "the network" }
}

const fn channel(is_encrypted: bool) -> &'static str {
    if is_encrypted { "(TLS)" } else { "(clear text)" }
}

const fn asker(is_open: bool) -> &'static str {
    if is_open { "nothing" } else { "an administration key with keys:check" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_listener_says_what_it_serves_to_whom() {
        // O1
        let reach = Exposure {
            is_encrypted: true,
            check_is_open: true,
            http_check_is_open: false,
            http_surfaces: Surfaces::BEYOND_LOOPBACK,
            or_actor: OR_ACTOR,
        };
        let [grpc, http, probes] =
            ["127.0.0.1:50051", "192.0.2.1:8080", "192.0.2.1:9090"].map(|address| address.parse().unwrap());
        assert_eq!(
            reach.lines(grpc, http, Some(probes)),
            [
                "who can reach what, and must prove what:",
                "  this machine (TLS) grpc 127.0.0.1:50051 Check, gateways: nothing",
                "  this machine (TLS) grpc 127.0.0.1:50051 administration: an administration key, or the client certificate of \
                 an actor",
                "  this machine (TLS) grpc 127.0.0.1:50051 health: nothing",
                "  the network (TLS) http 192.0.2.1:8080 probes: nothing",
                "  the network (TLS) http 192.0.2.1:8080 verify: an address in gateway.trusted_peers, and an administration key \
                 with keys:check",
                "  the network (clear text) http 192.0.2.1:9090 probes: nothing",
                "  the network (clear text) http 192.0.2.1:9090 metrics: nothing",
            ]
        );
    }
}
