//! Callers of gRPC, by real clients that ask again when they hear UNAVAILABLE: what they hear of each decision, and how often
//! they ask.

use keyward::wire::v1;
use serde_json::Value;
use tokio::task::block_in_place;

use super::{
    Call, Called, Client,
    grpc_service::{ECHO, GrpcService},
    unary,
};
use crate::{
    config::{Behind, Changes},
    document::assert_table,
    gateway::{self, ENVOY, Gateway, Running, TRAEFIK},
    house::{Holder, House, policy},
    service::Service,
    support::{signed, skip},
};

const KEY: &str = "x-api-key";

/// A decision, what is presented for it, and the code and the status of HTTP that a caller hears.
struct Row {
    decision: &'static str,
    presented: Presented,
    /// What Keyward says in JSON; empty is an allow.
    code: &'static str,
}

#[derive(Clone, Copy)]
enum Presented {
    Nothing,
    Two,
    Key(Holder),
}

const ROWS: [Row; 6] = [
    Row { decision: "the key may", presented: Presented::Key(Holder::Reader), code: "" },
    Row { decision: "two keys (400)", presented: Presented::Two, code: "CREDENTIALS_AMBIGUOUS" },
    Row { decision: "no key (401)", presented: Presented::Nothing, code: "CREDENTIALS_MISSING" },
    Row {
        decision: "a scope is missing (403)",
        presented: Presented::Key(Holder::Writer),
        code: "SCOPE_INSUFFICIENT",
    },
    Row {
        decision: "a rate is spent (429)",
        presented: Presented::Key(Holder::SpentHour),
        code: "RATE_LIMITED",
    },
    Row {
        decision: "a quota is spent (429)",
        presented: Presented::Key(Holder::SpentDay),
        code: "QUOTA_EXCEEDED",
    },
];

/// What both clients heard, as the table says it.
fn cell(heard: &[(Client, Called)]) -> String {
    let words = heard.iter().map(|(client, called)| format!("{}: `{}`", client.name(), called.code));
    let codes: Vec<&str> = heard.iter().map(|(_, called)| called.code.as_str()).collect();
    if codes.iter().all(|code| *code == codes[0]) {
        format!("`{}`", codes[0])
    } else {
        words.collect::<Vec<_>>().join(", ")
    }
}

async fn start(house: &House, gateway: &'static Gateway, service: &GrpcService) -> Option<Running> {
    let changes = Changes { rpc_port: service.address.port(), ..Changes::default() };
    house.beside(gateway, &changes).await
}

/// The id of a key; of none, nothing.
async fn id_of(house: &House, api_key: &str) -> String {
    if api_key.is_empty() { String::new() } else { house.keyward.check(api_key, &[]).await.key.unwrap().id }
}

/// How often the key of this id was denied.
async fn denials(house: &House, id: &str) -> u64 {
    let keyward = &house.keyward;
    if id.is_empty() {
        return 0;
    }
    let request = v1::GetUsageRequest { key_id: id.to_owned(), ..v1::GetUsageRequest::default() };
    let page = keyward.keys().get_usage(signed(&keyward.root, request)).await.unwrap().into_inner();
    page.usage.iter().flat_map(|usage| &usage.denied).map(|denied| denied.count).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_of_grpc_hears_what_a_caller_of_http_hears_and_asks_once() {
    // H10, H6, H4
    let house = House::bare(policy()).await;
    let service = GrpcService::start();
    let mut running = Vec::new();
    for gateway in gateway::ALL {
        let Some(one) = start(&house, gateway, &service).await else { return };
        running.push(one);
    }
    let mut table = vec![heading()];
    for row in &ROWS {
        let mut cells = vec![row.decision.to_owned()];
        for gateway in &running {
            let mut heard = Vec::new();
            for client in Client::ALL {
                let Some(called) = decided(&house, gateway, &service, client, row).await else { return };
                heard.push((client, called));
            }
            cells.push(cell(&heard));
        }
        table.push(cells);
    }
    drop(running);
    table.push(away(&service).await);
    house.stop().await;
    assert_table("callers of gRPC", &table);
}

fn heading() -> Vec<String> {
    std::iter::once("decision").chain(gateway::ALL.map(|gateway| gateway.name)).map(str::to_owned).collect()
}

/// What a client hears of a decision, and that nobody asks more than once, or hears less than he should.
async fn decided(
    house: &House,
    gateway: &Running,
    service: &GrpcService,
    client: Client,
    row: &Row,
) -> Option<Called> {
    let key = match row.presented {
        Presented::Key(holder) => house.key(holder).await,
        Presented::Nothing | Presented::Two => String::new(),
    };
    let metadata: &[(&str, &str)] = match row.presented {
        Presented::Nothing => &[],
        Presented::Two => &[(KEY, "a"), ("authorization", "Bearer b")],
        Presented::Key(_) => &[(KEY, &key), ("x-keyward-owner", "forged"), ("x.keyward.plan", "forged")],
    };
    let id = id_of(house, &key).await;
    let before = (service.calls(), denials(house, &id).await);
    let called = block_in_place(|| client.call(gateway.address, &unary(metadata)))?;
    let what = format!("{} {} {}: {called:?}", gateway.gateway.name, client.name(), row.decision);
    if row.code.is_empty() {
        assert_eq!((called.code.as_str(), service.calls()), ("OK", before.0 + 1), "{what}");
        assert_identity(&called, &what);
        return Some(called);
    }
    assert_eq!(service.calls(), before.0, "{what}");
    let asked = u64::from(!id.is_empty());
    assert_eq!(denials(house, &id).await, before.1 + asked, "asked again: {what}");
    let body: Value = serde_json::from_str(&called.details).unwrap_or_else(|_| panic!("{what}"));
    assert_eq!(body["error"]["code"], row.code, "{what}");
    let of_limits = row.decision.contains("429");
    for name in ["retry-after", "ratelimit", "ratelimit-policy", "x-ratelimit-limit"] {
        assert!(called.value(name).is_some() || !of_limits, "{name}: {what}");
    }
    Some(called)
}

/// The service knows the holder, by Keyward's word alone, and gets no secret.
fn assert_identity(called: &Called, what: &str) {
    let seen: Vec<(String, String)> = serde_json::from_str(&called.messages[0]).unwrap();
    let value = |name: &str| {
        let values: Vec<&str> =
            seen.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
        values.join("|")
    };
    assert_eq!(value("x-keyward-owner"), "ann@example.com", "{what}");
    for name in ["x-keyward-key-id", "x-keyward-workspace-id", "x-keyward-scopes", "x-keyward-plan"] {
        assert!(!value(name).is_empty() && !value(name).contains("forged"), "{name}: {what}");
    }
    for name in [KEY, "authorization", "x.keyward.plan"] {
        assert_eq!(value(name), "", "{name}: {what}");
    }
}

/// Where nobody answers in Keyward's place: nothing passes, and the caller hears of an outage, which is worth another try.
async fn away(service: &GrpcService) -> Vec<String> {
    let plain = Service::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let changes = Changes { rpc_port: service.address.port(), without_keyward: true, ..Changes::default() };
    let before = service.calls();
    let mut cells = vec!["Keyward is away".to_owned()];
    for gateway in gateway::ALL {
        let behind = Behind { grpc: nobody, verify: nobody, service: plain.address };
        let running = Running::start(gateway, &skip::tool(gateway.program).unwrap(), behind, &changes).await;
        let called = |client: Client| {
            let call = unary(&[(KEY, "k")]);
            (client, block_in_place(|| client.call(running.address, &call)).unwrap())
        };
        cells.push(cell(&Client::ALL.map(called)));
    }
    assert_eq!(service.calls(), before);
    cells
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_grpc_are_known_by_a_header_that_has_to_be_passed_on() {
    // H10
    let house = House::bare(policy()).await;
    let service = GrpcService::start();
    let without = [
        (&ENVOY, "                          - { exact: content-type }\n", ""),
        (&TRAEFIK, "Accept, Content-Type, Origin", "Accept, Origin"),
    ];
    for (gateway, old, new) in without {
        let replaced = vec![(old.to_owned(), new.to_owned())];
        let changes = Changes { rpc_port: service.address.port(), replaced, ..Changes::default() };
        let Some(unknown) = house.beside(gateway, &changes).await else { return };
        let Some(known) = start(&house, gateway, &service).await else { return };
        let key = house.key(Holder::SpentHour).await;
        let code = |running: &Running| {
            let metadata = [(KEY, key.as_str())];
            let call = unary(&metadata);
            Some(block_in_place(|| Client::Grpcio.call(running.address, &call))?.code)
        };
        let (Some(unknown), Some(known)) = (code(&unknown), code(&known)) else { return };
        assert_eq!(known, "RESOURCE_EXHAUSTED", "{}", gateway.name);
        assert_ne!(
            unknown, "RESOURCE_EXHAUSTED",
            "{}: the README says that it takes the header",
            gateway.name
        );
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_grpc_go_through_in_both_directions() {
    // H10
    let house = House::bare(policy()).await;
    let service = GrpcService::start();
    let key = house.key(Holder::Reader).await;
    for gateway in gateway::ALL {
        let Some(running) = start(&house, gateway, &service).await else { return };
        for client in Client::ALL {
            let messages: Vec<String> = (0..20).map(|place| format!("message {place}")).collect();
            let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
            let call = Call { method: ECHO, metadata: &[(KEY, &key)], messages: &messages, holds: false };
            let Some(called) = block_in_place(|| client.call(running.address, &call)) else { return };
            let what = format!("{} {}", gateway.name, client.name());
            assert_eq!((called.code.as_str(), called.messages.len()), ("OK", 20), "{what}: {called:?}");
            assert_eq!(called.messages, messages, "{what}");
            let before = service.calls();
            let denied = Call { metadata: &[], ..call };
            let denied = block_in_place(|| client.call(running.address, &denied)).unwrap();
            assert_eq!(denied.code, "UNAUTHENTICATED", "{what}: {denied:?}");
            assert_eq!((denied.messages.len(), service.calls()), (0, before), "{what}");
        }
    }
    house.stop().await;
}
