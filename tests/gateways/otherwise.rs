//! What the READMEs say of other files than the shipped ones: that they would not do.

use keyward::wire::v1;

use crate::{
    balancer::{BALANCER, Balancer, CLIENT, Writes, ask_from},
    config::Changes,
    exchange::{exchange, request},
    gateway::{CADDY, ENVOY, Gateway, Running, TRAEFIK},
    house::{Holder, House, READ, policy},
    service::Seen,
    support::{holder_key, skip, verbs::strings},
};

fn with(old: &str, new: &str) -> Changes {
    Changes { replaced: vec![(old.to_owned(), new.to_owned())], ..Changes::default() }
}

/// A gateway with its files as they are, and one with these changes.
async fn both(house: &House, gateway: &'static Gateway, changes: &Changes) -> Option<[Running; 2]> {
    let shipped = Changes { balancers: changes.balancers, ..Changes::default() };
    Some([house.beside(gateway, &shipped).await?, house.beside(gateway, changes).await?])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_of_envoy_that_removes_claims_removes_what_keyward_says() {
    // H6
    let house = House::bare(policy()).await;
    let removing = with("[authorization, x-api-key]", "[authorization, x-api-key, x-keyward-owner]");
    let Some(running) = both(&house, &ENVOY, &removing).await else { return };
    let key = house.key(Holder::Reader).await;
    let owner = async |running: &Running| {
        let reply =
            exchange(running.address, &request("GET", "/v1/templates", &[("x-api-key", &key)], "")).await;
        Seen::of(&reply).values("x-keyward-owner").len()
    };
    assert_eq!([owner(&running[0]).await, owner(&running[1]).await], [1, 0]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_asks_no_keyward_that_does_not_answer_where_another_does() {
    // X1
    let house = House::bare(policy()).await;
    let living = "port_value: 50051 }\n";
    let dead = "              - endpoint:\n                  address:\n                    socket_address: { address: 127.0.0.1, port_value: 1 }\n";
    let two = with(living, &format!("{living}{dead}"));
    let Some(running) = house.beside(&ENVOY, &two).await else { return };
    let key = house.key(Holder::Reader).await;
    for _ in 0..40 {
        let reply =
            exchange(running.address, &request("GET", "/v1/templates", &[("x-api-key", &key)], "")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_of_caddy_that_is_no_expression_takes_other_spellings() {
    // X3
    let house = House::bare(policy()).await;
    let path = with("@open path_regexp ^/healthz$", "@open path /healthz");
    let Some(running) = both(&house, &CADDY, &path).await else { return };
    let other = request("GET", "/HEALTHZ", &[], "");
    let statuses = [
        exchange(running[0].address, &other).await.status,
        exchange(running[1].address, &other).await.status,
    ];
    assert_eq!(statuses, [401, 200]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caddy_that_is_not_strict_takes_what_a_client_writes_for_its_address() {
    // S8, H9
    let house = House::bare(policy()).await;
    let lenient = Changes { balancers: 1, ..with("\t\ttrusted_proxies_strict\n", "") };
    let Some(running) = both(&house, &CADDY, &lenient).await else { return };
    let claimed = v1::IssueRequest { allowed_cidrs: strings(&["127.0.0.9/32"]), ..holder_key(&[READ]) };
    let key = house.keyward.issue(claimed).await.api_key;
    let headers = [("x-api-key", key.as_str()), ("x-forwarded-for", "127.0.0.9")];
    let mut statuses = Vec::new();
    for running in &running {
        let balancer = Balancer::start(BALANCER, running.address, Writes::Address).await;
        let asked = request("GET", "/v1/templates", &headers, "");
        statuses.push(ask_from(CLIENT, balancer.address, &asked).await.status);
    }
    assert_eq!(statuses, [403, 200]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_traefik_that_takes_nothing_away_tells_what_a_client_wrote() {
    // X3, H9
    let house = House::bare(policy()).await;
    let trusting = Changes { balancers: 1, ..with("          X-Forwarded-Uri: \"\"\n", "") };
    let Some(running) = both(&house, &TRAEFIK, &trusting).await else { return };
    let forged = [("x-forwarded-uri", "/open/a")];
    let mut statuses = Vec::new();
    for running in &running {
        let balancer = Balancer::start(BALANCER, running.address, Writes::Address).await;
        let asked = request("GET", "/no", &forged, "");
        statuses.push(ask_from(CLIENT, balancer.address, &asked).await.status);
    }
    assert_eq!(statuses, [401, 200]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_router_of_traefik_answers_without_what_takes_claims_away() {
    // H13
    let Some(program) = skip::tool(TRAEFIK.program) else { return };
    let house = House::bare(policy()).await;
    let gone = with("    as-it-came:\n", "    as-it-went:\n");
    let fault = "as-it-came@file";
    let running = Running::start_with_fault(&TRAEFIK, &program, house.behind(), &gone, fault).await;
    let key = house.key(Holder::Reader).await;
    for path in ["/healthz", "/v1/templates", "/open/a"] {
        let reply = house.refused(&running, &request("GET", path, &[("x-api-key", &key)], "")).await;
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_traefik_says_which_route_it_was_and_no_path() {
    // K2
    let house = House::bare(policy()).await;
    let Some(running) = house.beside(&TRAEFIK, &Changes::default()).await else { return };
    let key = house.key(Holder::Reader).await;
    exchange(running.address, &request("GET", "/v1/templates?q=1", &[("x-api-key", &key)], "")).await;
    let log = running.log_with("ann@example.com").await;
    assert!(log.contains("\"RouterName\":\"read@file\"") && !log.contains("/v1/templates"), "{log}");
    house.stop().await;
}
