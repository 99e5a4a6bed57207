//! Who the holder is, only Keyward says, and where a request came from, only the gateway.

use crate::{
    exchange::request,
    gateway::{self, Running},
    house::{Holder, House},
    service::Seen,
};

/// The headers that the service may believe.
const NAMES: [&str; 6] = [
    "x-keyward-key-id",
    "x-keyward-workspace-id",
    "x-keyward-owner",
    "x-keyward-environment",
    "x-keyward-scopes",
    "x-keyward-plan",
];
/// What many services take for one of them.
const ALIASES: [&str; 6] = [
    "x_keyward_owner",
    "X_Keyward-Key-Id",
    "x-keyward_owner",
    "X.Keyward.Owner",
    "x!keyward~owner",
    "x-keyward.scopes",
];
/// The address that the client claims.
const CLAIMED: &str = "10.0.0.1";

/// What of these the service gets on a path: the names and values by which it could know a holder.
async fn identity(
    house: &House,
    running: &Running,
    path: &str,
    headers: &[(&str, &str)],
) -> Vec<(String, String)> {
    let (reply, _) = house.ask(running, &request("GET", path, headers, "")).await;
    if reply.status == 400 {
        return Vec::new();
    }
    let headers = Seen::of(&reply).headers;
    let spelled = |name: &str| name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    headers.into_iter().filter(|(name, _)| spelled(name).starts_with("x-keyward-")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_claims_never_reaches_the_service() {
    // H6
    let Some(house) = House::build().await else { return };
    let key = house.key(Holder::Test).await;
    let key_of_ann = house.key(Holder::Reader).await;
    let claims: Vec<(&str, &str)> = NAMES.iter().chain(&ALIASES).map(|name| (*name, "forged")).collect();
    for running in &house.gateways {
        for path in ["/healthz", "/open/a"] {
            for claim in &claims {
                let seen = identity(&house, running, path, &[*claim, ("x-api-key", &key)]).await;
                assert_eq!(seen, [], "{} {path} {claim:?}", running.gateway.name);
            }
        }
        let honest = identity(&house, running, "/v1/templates", &[("x-api-key", &key_of_ann)]).await;
        assert_eq!(honest.len(), NAMES.len(), "{} {honest:?}", running.gateway.name);
        for claim in &claims {
            for name in [claim.0.to_owned(), claim.0.to_uppercase()] {
                let headers = [(name.as_str(), claim.1), ("x-api-key", key_of_ann.as_str())];
                let seen = identity(&house, running, "/v1/templates", &headers).await;
                assert!(seen.is_empty() || seen == honest, "{} {claim:?}: {seen:?}", running.gateway.name);
            }
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_name_no_header_to_be_removed() {
    // H6
    let Some(house) = House::build().await else { return };
    let key = house.key(Holder::Reader).await;
    for running in &house.gateways {
        let honest = identity(&house, running, "/v1/templates", &[("x-api-key", &key)]).await;
        for named in NAMES.into_iter().chain(["close, x-keyward-owner, x-keyward-key-id", "x-forwarded-for"])
        {
            let headers = [("connection", named), ("x-api-key", &key)];
            let (reply, _) = house.ask(running, &request("GET", "/v1/templates", &headers, "")).await;
            let name = running.gateway.name;
            if reply.status == 400 {
                continue;
            }
            let seen = Seen::of(&reply);
            assert_eq!(seen.identity().len(), honest.len(), "{name} {named}: {seen:?}");
            assert_ne!(seen.values("x-forwarded-for"), [""; 0], "{name} {named}");
        }
        let headers = [("connection", "x-api-key, authorization"), ("x-api-key", &key)];
        let (reply, _) = house.ask(running, &request("GET", "/v1/templates", &headers, "")).await;
        if reply.status == 200 {
            assert_eq!(Seen::of(&reply).values("x-api-key"), [""; 0], "{}", running.gateway.name);
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_the_method_and_the_path_are_the_connections_whatever_a_header_says() {
    // S8, X3
    let Some(house) = House::build().await else { return };
    let (here, elsewhere) = (house.key(Holder::Reader).await, house.key(Holder::Elsewhere).await);
    let claims = [
        ("x-forwarded-for", CLAIMED),
        ("X-Forwarded-For", "127.0.0.1, 10.0.0.1"),
        ("x-real-ip", CLAIMED),
        ("forwarded", "for=10.0.0.1"),
        ("x-forwarded-uri", "/open/a"),
        ("x-forwarded-method", "OPTIONS"),
        ("x-forwarded-host", "other.example"),
        ("x-original-url", "/open/a"),
        ("x-keyward-caller", "Bearer kw_admin_x"),
    ];
    for running in &house.gateways {
        for claim in claims {
            let name = format!("{} {claim:?}", running.gateway.name);
            let to = |path: &str, key: &str| request("GET", path, &[claim, ("x-api-key", key)], "");
            assert_eq!(house.refused(running, &to("/v1/templates", &elsewhere)).await.status, 403, "{name}");
            assert_eq!(house.refused(running, &to("/no", &here)).await.status, 403, "{name}");
            let seen = Seen::of(&house.ask(running, &to("/v1/templates", &here)).await.0);
            let from = seen.values("x-forwarded-for");
            if running.gateway.is_envoy() {
                // It appends its own idea of the address.
                assert!(from.len() == 1 && !from[0].ends_with(CLAIMED), "{name}: {from:?}");
            } else {
                assert_eq!(from, ["127.0.0.1"], "{name}");
            }
            assert_eq!(
                seen.values("x-forwarded-host").iter().find(|host| host.contains("other")),
                None,
                "{name}"
            );
            assert_eq!(seen.values("x-keyward-caller"), [""; 0], "{name}");
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_service_says_of_limits_is_overwritten_where_the_gateway_can() {
    // H4
    let Some(house) = House::build().await else { return };
    let path = format!("/v1/templates{}", crate::service::OWN_LIMITS);
    for running in &house.gateways {
        let key = house.key(Holder::Reader).await;
        let (reply, _) = house.ask(running, &request("GET", &path, &[("x-api-key", &key)], "")).await;
        let latencies = reply.limits.iter().filter(|(name, _)| name == "x-ratelimit-latency");
        let is_theirs = latencies.map(|(_, value)| value == "9000").collect::<Vec<_>>();
        assert_eq!(is_theirs, [running.gateway.name == gateway::TRAEFIK.name], "{reply:?}");
    }
    house.stop().await;
}
