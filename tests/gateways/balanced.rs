//! A second proxy in front of each gateway, at an address that is no trusted peer: what is judged is the client's own
//! address, method, path, host and scheme, whatever the client writes (H9).

use std::net::{Ipv4Addr, SocketAddr};

use keyward::{
    domain::{
        client_address::{ClientAddress, Hops, TrustedProxies},
        gateway::Gateway as Settings,
        network::parse_network,
        text::HeaderName,
    },
    wire::v1,
};

use crate::{
    balancer::{BALANCER, BALANCERS, Balancer, CLIENT, OUTER, Writes, ask_from},
    config::Changes,
    exchange::{Reply, request},
    gateway::{self, CADDY, Gateway, TRAEFIK},
    house::{House, READ},
    service::Seen,
    support::{gateway_trusting, holder_key, verbs::strings},
};

/// Nobody's address: clients only claim it.
const CLAIMED: &str = "127.0.0.9";

/// What a client writes to be taken for somebody else, or to have asked something else.
const FORGERIES: [(&str, &str); 39] = [
    ("x-forwarded-for", CLAIMED),
    ("x-forwarded-for", "127.0.0.9, 127.0.0.3"),
    ("x-forwarded-for", "127.0.0.9:80, [::1]:80"),
    ("x-forwarded-for", "unknown"),
    ("x-forwarded-for", ""),
    ("x-forwarded-for", ","),
    ("x_forwarded_for", CLAIMED),
    ("forwarded", "for=127.0.0.9;host=open.example;proto=https"),
    ("x-real-ip", CLAIMED),
    ("true-client-ip", CLAIMED),
    ("cf-connecting-ip", CLAIMED),
    ("x-client-ip", CLAIMED),
    ("x-cluster-client-ip", CLAIMED),
    ("x-envoy-external-address", CLAIMED),
    ("x-keyward-client-address", CLAIMED),
    ("x-forwarded-uri", "/open/a"),
    ("x-forwarded-uri", "/v1/templates"),
    ("x-forwarded-path", "/open/a"),
    ("x-forwarded-prefix", "/open"),
    ("x-original-uri", "/open/a"),
    ("x-original-url", "/open/a"),
    ("x-rewrite-url", "/open/a"),
    ("x-envoy-original-path", "/open/a"),
    ("x-forwarded-method", "OPTIONS"),
    ("x-forwarded-method", "GET"),
    ("x-original-method", "OPTIONS"),
    ("x-http-method", "OPTIONS"),
    ("x-http-method-override", "OPTIONS"),
    ("x-method-override", "OPTIONS"),
    ("x-forwarded-host", "open.example"),
    ("x-host", "open.example"),
    ("x-original-host", "open.example"),
    ("x-forwarded-server", "open.example"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-proto", "ws"),
    ("x-forwarded-scheme", "https"),
    ("x-forwarded-port", "443"),
    ("connection", "x-forwarded-for, x-forwarded-uri, x-real-ip"),
    ("x-keyward-caller", "Bearer kw_admin_x"),
];

/// Asks for `path` through a balancer.
struct Client<'a> {
    house: &'a House,
    through: SocketAddr,
}

impl Client<'_> {
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let before = self.house.service.requests();
        let reply = ask_from(CLIENT, self.through, &request(method, path, headers, "")).await;
        let reached = self.house.service.requests() - before;
        assert_eq!(reached, usize::from(reply.status == 200), "{method} {path} {headers:?}: {reply:?}");
        reply
    }
}

/// Keys that are good from one address only.
struct Keys {
    clients: String,
    balancers: String,
    claimed: String,
    gateways: String,
}

async fn keys(house: &House) -> Keys {
    let of = async |network: &str| {
        let request = v1::IssueRequest { allowed_cidrs: strings(&[network]), ..holder_key(&[READ]) };
        house.keyward.issue(request).await.api_key
    };
    Keys {
        clients: of("127.0.0.2/32").await,
        balancers: of("127.0.0.3/32").await,
        claimed: of("127.0.0.9/32").await,
        gateways: of("127.0.0.1/32").await,
    }
}

/// Only the gateway may ask.
fn settings(believed: ClientAddress) -> Settings {
    gateway_trusting(&["127.0.0.1/32"]).believing(believed).unwrap()
}

fn proxies() -> ClientAddress {
    let networks = BALANCERS.iter().map(|network| parse_network(network).unwrap()).collect();
    ClientAddress::Proxies(TrustedProxies::new(networks).unwrap())
}

/// With this header of a client, and without: nothing else than what came is judged.
async fn assert_judged_by_what_came(client: &Client<'_>, keys: &Keys, name: &str, forgery: (&str, &str)) {
    let with = |key| [forgery, ("x-api-key", key)];
    let name = format!("{name} {forgery:?}");
    for other in [&keys.balancers, &keys.claimed, &keys.gateways] {
        let reply = client.ask("GET", "/v1/templates", &with(other.as_str())).await;
        assert!([400, 403].contains(&reply.status), "{name}: {reply:?}");
    }
    let own = client.ask("GET", "/v1/templates", &with(&keys.clients)).await;
    if own.status != 400 {
        let seen = Seen::of(&own);
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/v1/templates"), "{name}");
        assert_eq!(seen.values("host"), ["service.example"], "{name}");
    }
    // On no route, on one of another method, on one of another host.
    for (method, path) in [("GET", "/no"), ("GET", "/m/a"), ("GET", "/h/a"), ("POST", "/v1/templates")] {
        let reply = client.ask(method, path, &with(&keys.clients)).await;
        assert!([400, 403].contains(&reply.status), "{method} {path} {name}: {reply:?}");
        let reply = client.ask(method, path, &[forgery]).await;
        assert!([400, 401, 403].contains(&reply.status), "{method} {path} {name}: {reply:?}");
    }
}

/// What is good without a forgery is good; otherwise nothing above means anything.
async fn assert_honest(client: &Client<'_>, keys: &Keys, name: &str) {
    for (method, path, key, status) in [
        ("GET", "/v1/templates", &keys.clients, 200),
        ("GET", "/v1/templates", &keys.balancers, 403),
        ("OPTIONS", "/m/a", &keys.clients, 200),
        ("GET", "/m/a", &keys.clients, 403),
        ("GET", "/open/a", &keys.clients, 200),
    ] {
        let reply = client.ask(method, path, &[("x-api-key", key.as_str())]).await;
        assert_eq!(reply.status, status, "{name} {method} {path}: {reply:?}");
    }
}

fn behind(hops: u8) -> Changes {
    Changes { balancers: hops, ..Changes::default() }
}

async fn assert_all_judged_by_what_came(believed: ClientAddress, which: &[&'static Gateway]) {
    let changes = async |_: &_| behind(1);
    let Some(house) = House::set(settings(believed), which, changes).await else { return };
    let keys = keys(&house).await;
    for running in &house.gateways {
        let name = running.gateway.name;
        let balancer = Balancer::start(BALANCER, running.address, Writes::Address).await;
        let client = Client { house: &house, through: balancer.address };
        assert_honest(&client, &keys, name).await;
        for forgery in FORGERIES {
            assert_judged_by_what_came(&client, &keys, name, forgery).await;
        }
    }
    house.stop().await;
}

/// Those whose own settings are enough.
const BY_THEIR_OWN: [&Gateway; 3] = [&gateway::ENVOY, &gateway::NGINX, &gateway::CADDY];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_balancer_the_gateways_own_settings_are_enough_but_for_traefik() {
    // H9, X3, S8
    assert_all_judged_by_what_came(ClientAddress::default(), &BY_THEIR_OWN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_balancer_trusted_proxies_are_believed_through_every_gateway() {
    // H9, X3, S8
    assert_all_judged_by_what_came(proxies(), &gateway::ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_balancer_hops_are_counted() {
    // H9, X3, S8
    let hops = ClientAddress::Hops(Hops::new(1).unwrap());
    assert_all_judged_by_what_came(hops, &[&gateway::ENVOY, &TRAEFIK]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_of_the_operators_choice_is_believed() {
    // H9, S8
    let header = ClientAddress::Header(HeaderName::parse("x-seen-from").unwrap());
    let changes = async |_: &_| Changes { seen_from: true, ..behind(1) };
    let Some(house) = House::set(settings(header), &[&gateway::NGINX], changes).await else { return };
    let keys = keys(&house).await;
    let balancer = Balancer::start(BALANCER, house.gateways[0].address, Writes::Address).await;
    let client = Client { house: &house, through: balancer.address };
    assert_honest(&client, &keys, "nginx").await;
    assert_judged_by_what_came(&client, &keys, "nginx", ("x-seen-from", CLAIMED)).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_balancers_in_a_row_are_passed_over() {
    // H9, S8
    let changes = async |_: &_| behind(2);
    let Some(house) = House::set(settings(proxies()), &gateway::ALL, changes).await else { return };
    let keys = keys(&house).await;
    for running in &house.gateways {
        let inner = Balancer::start(BALANCER, running.address, Writes::Address).await;
        let outer = Balancer::start(OUTER, inner.address, Writes::Address).await;
        let client = Client { house: &house, through: outer.address };
        assert_honest(&client, &keys, running.gateway.name).await;
        for forgery in FORGERIES.into_iter().filter(|(name, _)| *name == "x-forwarded-for") {
            assert_judged_by_what_came(&client, &keys, running.gateway.name, forgery).await;
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_read_with_a_port_and_in_brackets_and_else_never_believed() {
    // H9, S8
    let changes = async |_: &_| behind(1);
    let Some(house) = House::set(settings(proxies()), &gateway::ALL, changes).await else { return };
    let keys = keys(&house).await;
    let v6 = v1::IssueRequest { allowed_cidrs: strings(&["2001:db8::/32"]), ..holder_key(&[READ]) };
    let v6 = house.keyward.issue(v6).await.api_key;
    for running in &house.gateways {
        let name = running.gateway.name;
        for (writes, good) in [
            (Writes::WithPort, Some(&keys.clients)),
            (Writes::Text("2001:db8::1"), Some(&v6)),
            (Writes::Text("[2001:db8::1]"), Some(&v6)),
            (Writes::Text("[2001:db8::1]:443"), Some(&v6)),
            (Writes::Text("unknown"), None),
            (Writes::Text("127.0.0.2.x"), None),
            (Writes::Text("office.example"), None),
        ] {
            let balancer = Balancer::start(BALANCER, running.address, writes).await;
            let client = Client { house: &house, through: balancer.address };
            for key in [&keys.clients, &keys.balancers, &keys.claimed, &keys.gateways, &v6] {
                let reply = client.ask("GET", "/v1/templates", &[("x-api-key", key.as_str())]).await;
                // Caddy reads no brackets without a port.
                let is_read = !(name == CADDY.name && writes == Writes::Text("[2001:db8::1]"));
                let expected = if is_read && good.is_some_and(|good| good == key) { 200 } else { 403 };
                assert_eq!(reply.status, expected, "{name} {writes:?}: {reply:?}");
            }
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_balancer_a_client_is_judged_by_its_connection_in_the_shipped_files() {
    // H9, X3, S8
    let Some(house) =
        House::set(settings(ClientAddress::default()), &gateway::ALL, async |_: &_| behind(0)).await
    else {
        return;
    };
    let keys = keys(&house).await;
    for running in &house.gateways {
        let client = Client { house: &house, through: running.address };
        assert_honest(&client, &keys, running.gateway.name).await;
        for forgery in FORGERIES {
            assert_judged_by_what_came(&client, &keys, running.gateway.name, forgery).await;
        }
    }
    house.stop().await;
}

/// A stranger that stands beside the balancers gains nothing by talking to a gateway directly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_round_the_balancer_is_judged_by_its_connection() {
    // H9, S8
    let changes = async |_: &_| behind(1);
    let Some(house) = House::set(settings(proxies()), &gateway::ALL, changes).await else { return };
    let keys = keys(&house).await;
    let stranger = Ipv4Addr::new(127, 0, 0, 5);
    for running in &house.gateways {
        // Envoy counts proxies, so that its own word is the client's here; Keyward, who knows networks, does not take it.
        for chain in ["127.0.0.2", "127.0.0.2, 127.0.0.3", "127.0.0.9"] {
            for key in [&keys.clients, &keys.balancers, &keys.claimed] {
                let headers = [("x-forwarded-for", chain), ("x-api-key", key.as_str())];
                let request = request("GET", "/v1/templates", &headers, "");
                let reply = ask_from(stranger, running.address, &request).await;
                assert_eq!(reply.status, 403, "{} {chain}: {reply:?}", running.gateway.name);
            }
        }
    }
    house.stop().await;
}
