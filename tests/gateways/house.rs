//! Keyward, the service that it guards, and every gateway between a client and them.

use std::{net::SocketAddr, path::PathBuf};

use keyward::{
    domain::{
        gateway::Gateway as Settings,
        policy::{Policy, RouteEntry},
    },
    wire::v1::{self, PolicyCalendar, policy_limit::Window},
};

use tokio::time::timeout;

use crate::{
    config::{Behind, Changes},
    exchange::{Reply, exchange, request},
    gateway::{self, Gateway, Running},
    process::PATIENCE,
    service::Service,
    support::{
        self, Keyward, holder_key, skip,
        verbs::{HOUR, bound, strings},
    },
};

/// What `GET /v1/templates` needs in the examples.
pub(crate) const READ: &str = "templates:read";
/// A key that is well-formed, and nobody's (docs/security.md).
pub(crate) const STRANGER: &str = "kw_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg418bBM";

pub(crate) struct House {
    pub(crate) keyward: Keyward,
    /// Where Keyward answers gateways that speak HTTP.
    pub(crate) verify: SocketAddr,
    pub(crate) service: Service,
    pub(crate) gateways: Vec<Running>,
}

/// Who asks: each time a key of its own, so that nobody else's requests count for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// May read templates and the files of one space.
    Reader,
    /// The same, with a secret that was replaced and is still good.
    Retiring,
    Revoked,
    /// May write templates.
    Writer,
    /// Has more scopes than there is room for.
    Wide,
    /// Of the environment `test`.
    Test,
    /// Its resources are others.
    OfOtherSpace,
    /// Not from this machine.
    Elsewhere,
    /// Its hour's limit is spent.
    SpentHour,
    /// Its day's limit is spent.
    SpentDay,
    /// Ten units an hour.
    Ten,
}

/// The policy that Keyward begins with, whose scopes the examples name, and more, with routes.
pub(crate) fn policy() -> Policy {
    let mut document = support::policy().document().clone();
    let route = |path: &str, access: &str| RouteEntry {
        path: path.to_owned(),
        access: access.to_owned(),
        ..RouteEntry::default()
    };
    let needing =
        |path: &str, scope: &str, cost| RouteEntry { scopes: strings(&[scope]), cost, ..route(path, "") };
    for environment in &mut document.environments {
        "deny".clone_into(&mut environment.browsers);
    }
    document.routes = vec![
        route("/open/{rest=**}", "public"),
        route("/open/vault/{rest=**}", "denied"),
        RouteEntry { host: "open.example".to_owned(), ..route("/h/{rest=**}", "public") },
        RouteEntry {
            resource: "space/{space}".to_owned(),
            ..needing("/files/{space}/{file=**}", "storage:read", None)
        },
        needing("/dear", READ, Some(50)),
        RouteEntry { method: "OPTIONS".to_owned(), ..route("/m/{rest=**}", "public") },
    ];
    Policy::new(document).unwrap()
}

impl House {
    /// With the examples as they are. `None`, said loudly, where a gateway is not there.
    pub(crate) async fn build() -> Option<Self> {
        Self::with(async |_keyward: &Keyward| Changes::default()).await
    }

    /// Without a gateway: the test starts its own.
    pub(crate) async fn alone(policy: Policy) -> Self {
        let keyward = Keyward::start_with(true, policy).await;
        let (service, verify) = (Service::start().await, keyward.service.http_address());
        Self { keyward, verify, service, gateways: Vec::new() }
    }

    /// What a gateway stands in front of.
    pub(crate) fn behind(&self) -> Behind {
        Behind { grpc: self.keyward.address, verify: self.verify, service: self.service.address }
    }

    pub(crate) async fn with(changes: impl AsyncFnOnce(&Keyward) -> Changes) -> Option<Self> {
        Self::set(Settings::default(), &gateway::ALL, changes).await
    }

    /// With a Keyward that is set to this, behind these gateways.
    pub(crate) async fn set(
        settings: Settings,
        which: &[&'static Gateway],
        changes: impl AsyncFnOnce(&Keyward) -> Changes,
    ) -> Option<Self> {
        let programs = programs(which)?;
        Self::around(Keyward::start_behind(settings, true, policy()).await, programs, changes).await
    }

    /// With a Keyward that answers nobody who does not say who he is.
    pub(crate) async fn closed(changes: impl AsyncFnOnce(&Keyward) -> Changes) -> Option<Self> {
        let programs = programs(&gateway::ALL)?;
        Self::around(Keyward::start_with(false, policy()).await, programs, changes).await
    }

    /// Without a gateway.
    pub(crate) async fn bare(policy: Policy) -> Self {
        let keyward = Keyward::start_with(true, policy).await;
        let verify = keyward.service.http_address();
        Self { keyward, verify, service: Service::start().await, gateways: Vec::new() }
    }

    /// One gateway more, if it is there.
    pub(crate) async fn beside(&self, gateway: &'static Gateway, changes: &Changes) -> Option<Running> {
        let program = skip::tool(gateway.program)?;
        let behind =
            Behind { grpc: self.keyward.address, verify: self.verify, service: self.service.address };
        Some(Running::start(gateway, &program, behind, changes).await)
    }

    async fn around(
        keyward: Keyward,
        programs: Vec<(&'static Gateway, PathBuf)>,
        changes: impl AsyncFnOnce(&Keyward) -> Changes,
    ) -> Option<Self> {
        let service = Service::start().await;
        let verify = keyward.service.http_address();
        let behind = Behind { grpc: keyward.address, verify, service: service.address };
        let changes = changes(&keyward).await;
        let mut gateways = Vec::new();
        for (gateway, program) in &programs {
            gateways.push(Running::start(gateway, program, behind, &changes).await);
        }
        Some(Self { keyward, verify, service, gateways })
    }

    pub(crate) async fn stop(self) {
        drop(self.gateways);
        self.keyward.stop().await;
    }

    /// What is left when Keyward has ended.
    pub(crate) async fn without_keyward(self) -> (Vec<Running>, Service) {
        self.keyward.stop().await;
        (self.gateways, self.service)
    }

    /// The reply of a gateway, and what reached the service meanwhile.
    pub(crate) async fn ask(&self, gateway: &Running, request: &[u8]) -> (Reply, usize) {
        let before = self.service.requests();
        let reply = exchange(gateway.address, request).await;
        (reply, self.service.requests() - before)
    }

    /// The reply of a gateway that must not pass this on.
    pub(crate) async fn refused(&self, gateway: &Running, request: &[u8]) -> Reply {
        let (reply, reached) = self.ask(gateway, request).await;
        let name = gateway.gateway.name;
        assert_eq!(reached, 0, "{name} passed it on: {} {reply:?}", String::from_utf8_lossy(request));
        reply
    }

    /// What Keyward itself answers to the question that the examples ask about such a request.
    pub(crate) async fn verdict(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        settings: &str,
    ) -> Reply {
        let question = format!("/verify{}{settings}", question(method, path));
        let forwarded = [
            ("x-forwarded-method", method),
            ("x-forwarded-uri", path),
            ("x-forwarded-host", "service.example"),
            ("x-forwarded-for", "127.0.0.1"),
        ];
        exchange(self.verify, &request("GET", &question, &[headers, &forwarded].concat(), "")).await
    }

    /// A key that is new.
    pub(crate) async fn key(&self, holder: Holder) -> String {
        let keyward = &self.keyward;
        let reader = || v1::IssueRequest {
            owner: "ann@example.com".to_owned(),
            grants: vec![bound("storage:*", &["space/cdn-eu"])],
            ..holder_key(&[READ])
        };
        let limited = |calendar: PolicyCalendar| v1::LimitOverrides {
            limits: vec![v1::PolicyLimit {
                name: "own".to_owned(),
                limit: 10,
                window: Some(Window::Calendar(calendar.into())),
                ..v1::PolicyLimit::default()
            }],
            tiers: Vec::new(),
        };
        let request = match holder {
            Holder::Reader | Holder::Retiring | Holder::Revoked => reader(),
            Holder::Writer => holder_key(&["templates:write"]),
            Holder::Wide => {
                let long = (0..100).map(|place| format!("resource{place}:{}", "a".repeat(64)));
                let scopes = long.chain([READ.to_owned()]).collect();
                v1::IssueRequest { scopes, ..holder_key(&[]) }
            }
            Holder::Test => {
                v1::IssueRequest { environment: "test".to_owned(), ..holder_key(&["exports:create"]) }
            }
            Holder::OfOtherSpace => {
                v1::IssueRequest { grants: vec![bound("storage:*", &["space/cdn-us"])], ..holder_key(&[]) }
            }
            Holder::Elsewhere => v1::IssueRequest { allowed_cidrs: strings(&["10.0.0.0/8"]), ..reader() },
            Holder::SpentHour | Holder::Ten => {
                v1::IssueRequest { limits: Some(limited(PolicyCalendar::Hour)), ..reader() }
            }
            Holder::SpentDay => v1::IssueRequest { limits: Some(limited(PolicyCalendar::Day)), ..reader() },
        };
        let issued = keyward.issue(request).await;
        match holder {
            Holder::Retiring => {
                keyward.rotate(&issued.key.id, Some(HOUR)).await;
            }
            Holder::Revoked => {
                keyward.revoke(&issued.key.id).await;
            }
            Holder::SpentHour | Holder::SpentDay => self.spend(&issued.api_key).await,
            Holder::Reader
            | Holder::Writer
            | Holder::Wide
            | Holder::Test
            | Holder::OfOtherSpace
            | Holder::Elsewhere
            | Holder::Ten => {}
        }
        issued.api_key
    }

    /// All ten of a key's limit; again where a charge must be written first and the disk is busy.
    async fn spend(&self, api_key: &str) {
        let mut left = 10;
        for _retry in 0..1_000 {
            if left == 0 {
                return;
            }
            let answer = self.keyward.keys().check(support::check(api_key, &[READ])).await;
            left -= u32::from(answer.is_ok_and(|answer| answer.into_inner().allowed));
        }
        panic!("{left} are left");
    }
}

/// The reply to these bytes as soon as Keyward can decide: where a charge must be written first, a busy disk can be too slow,
/// and Envoy believes a Keyward that has come back after its next health check.
pub(crate) async fn decided(gateway: SocketAddr, request: &[u8]) -> Reply {
    let until_decided = async {
        loop {
            let reply = exchange(gateway, request).await;
            if reply.status != 503 {
                break reply;
            }
        }
    };
    timeout(PATIENCE, until_decided).await.unwrap()
}

/// Where each gateway is.
fn programs(which: &[&'static Gateway]) -> Option<Vec<(&'static Gateway, PathBuf)>> {
    which.iter().map(|gateway| Some((*gateway, skip::tool(gateway.program)?))).collect()
}

/// What the examples say in the query of their question about such a request.
fn question(method: &str, path: &str) -> &'static str {
    let path = path.split('?').next().unwrap();
    match (method, path) {
        ("POST", "/v1/templates") => "?scopes=templates:write",
        (_, "/v1/templates") => "?scopes=templates:read",
        (_, "/v1/spaces/cdn-eu") => "?scopes=storage:read%20storage:upload&resource=space/cdn-eu",
        (_, "/v1/exports") => "?scopes=exports:create&environment=live",
        _ => "",
    }
}
