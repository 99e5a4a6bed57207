//! A real Envoy in front of a real Keyward and a service that says what it saw, by the example's own configuration.
//!
//! What a client gets is asserted twice: as the example has it, and with `failure_mode_allow: true`, where a request
//! that Keyward cannot answer is let through: nothing that a client can send may be such a request.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/exchange.rs"]
mod exchange;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/service.rs"]
mod service;
#[path = "../support/steady_load.rs"]
mod steady_load;
#[path = "../support/mod.rs"]
mod support;

mod answers;
mod config;
mod credentials;
mod envoy;
mod example;
mod flood;
mod hostile;
mod identity;
mod limits;
mod load;
mod outage;
mod routes;

use keyward::domain::policy::Policy;

use crate::{
    config::Config,
    envoy::Envoy,
    exchange::{Reply, exchange},
    service::Service,
    support::{Keyward, skip},
};

/// What `GET /v1/templates` needs in the example.
const READ: &str = "templates:read";
/// A key that is well-formed, and nobody's (docs/security.md).
const STRANGER: &str = "kw_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg418bBM";

/// Keyward, the service that it guards, and two Envoys between a client and them: one as the example has it, and one
/// with `failure_mode_allow: true`.
struct House {
    keyward: Keyward,
    service: Service,
    envoys: Vec<Envoy>,
}

/// A Keyward as a first-time user has it: with the default policy, whose scopes the example names.
async fn keyward() -> Keyward {
    Keyward::start_with(true, Policy::default_document().unwrap()).await
}

impl House {
    /// With the example as it is. `None`, said loudly, where there is no Envoy.
    async fn build() -> Option<Self> {
        Self::around(keyward().await, Config::default()).await
    }

    async fn around(keyward: Keyward, config: Config) -> Option<Self> {
        let program = skip::tool("envoy")?;
        let service = Service::start().await;
        let closed = config.between(keyward.address, service.address);
        let open = closed.clone().failing_open();
        let (closed, open) = tokio::join!(Envoy::start(&program, &closed), Envoy::start(&program, &open));
        Some(Self { keyward, service, envoys: vec![closed, open] })
    }

    /// The one reply that all Envoys give to these bytes.
    async fn ask(&self, request: &[u8]) -> Reply {
        let mut replies = Vec::new();
        for envoy in &self.envoys {
            replies.push(exchange(envoy.address, request).await);
        }
        let first = replies.remove(0);
        assert!(replies.iter().all(|reply| reply.is_like(&first)), "{first:?} or {replies:?}");
        first
    }

    /// The reply to a request that must not reach the service.
    async fn refused(&self, request: &[u8]) -> Reply {
        let before = self.service.requests();
        let reply = self.ask(request).await;
        assert_eq!(self.service.requests(), before, "it reached the service: {reply:?}");
        reply
    }

    async fn stop(self) {
        self.keyward.stop().await;
    }
}
