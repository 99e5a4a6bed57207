//! Every decision through every gateway: what a client gets of Keyward's answer, header by header and byte by byte.

use std::collections::BTreeMap;

use crate::{
    config::Changes,
    document::assert_table,
    exchange::{Reply, exchange, request},
    gateway::{self, Running},
    house::{Holder, House, STRANGER, decided},
    service::Seen,
    support::Keyward,
};

/// The headers of Keyward's answer that are for the client.
const TOLD: [&str; 12] = [
    "content-type",
    "cache-control",
    "www-authenticate",
    "retry-after",
    "x-keyward-secret-generation",
    "x-keyward-secret-retiring-at",
    "ratelimit",
    "ratelimit-policy",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    LATENCY,
];
const LATENCY: &str = "x-ratelimit-latency";
/// Where in `TOLD` those of limits begin.
const OF_LIMITS: usize = 6;

/// How a key is presented.
#[derive(Debug, Clone, Copy)]
enum Presented {
    No,
    Stranger,
    Key(Holder),
    Bearer(Holder),
    /// By both headers.
    Both(Holder),
    /// A stranger's beside it, in the other header.
    Two,
    /// The same in one header, twice.
    TwoKeys,
    TwoBearers,
    /// In one value.
    Joined,
    /// In the query too.
    InUrl,
    /// What no key looks like.
    Malformed,
}

/// A request, and what it shows.
struct Row {
    decision: &'static str,
    presented: Presented,
    method: &'static str,
    path: &'static str,
    /// Another header.
    also: Option<(&'static str, &'static str)>,
}

const fn row(decision: &'static str, presented: Presented, method: &'static str, path: &'static str) -> Row {
    Row { decision, presented, method, path, also: None }
}

const TEMPLATES: &str = "/v1/templates";
const ROWS: &[Row] = &[
    row("the key may", Presented::Key(Holder::Reader), "GET", TEMPLATES),
    row("the same, as a Bearer", Presented::Bearer(Holder::Reader), "GET", TEMPLATES),
    row("the same, in both headers", Presented::Both(Holder::Reader), "GET", TEMPLATES),
    row("the same, HEAD", Presented::Key(Holder::Reader), "HEAD", TEMPLATES),
    row("the same, OPTIONS", Presented::Key(Holder::Reader), "OPTIONS", TEMPLATES),
    row("the same, by a route of the policy", Presented::Key(Holder::Reader), "PUT", "/files/cdn-eu/a?b=%20"),
    row("the same, of more scopes than there is room for", Presented::Key(Holder::Wide), "GET", TEMPLATES),
    row("the secret was replaced", Presented::Key(Holder::Retiring), "GET", TEMPLATES),
    row("a public route", Presented::No, "GET", "/open/a"),
    row("two keys in two headers", Presented::Two, "GET", TEMPLATES),
    row("two `x-api-key`", Presented::TwoKeys, "GET", TEMPLATES),
    row("two `authorization`", Presented::TwoBearers, "GET", TEMPLATES),
    row("two keys in one value", Presented::Joined, "GET", TEMPLATES),
    row("one of Keyward's keys in the URL", Presented::InUrl, "GET", TEMPLATES),
    row("no key", Presented::No, "GET", TEMPLATES),
    row("no key, OPTIONS", Presented::No, "OPTIONS", TEMPLATES),
    row("an unknown key", Presented::Stranger, "GET", TEMPLATES),
    row("an unknown key, HEAD", Presented::Stranger, "HEAD", TEMPLATES),
    row("a key that is none", Presented::Malformed, "GET", TEMPLATES),
    row("a revoked key", Presented::Key(Holder::Revoked), "GET", TEMPLATES),
    row("a scope is missing", Presented::Key(Holder::Reader), "POST", TEMPLATES),
    row("another resource", Presented::Key(Holder::OfOtherSpace), "GET", "/v1/spaces/cdn-eu"),
    row("another environment", Presented::Key(Holder::Test), "GET", "/v1/exports"),
    row("another network", Presented::Key(Holder::Elsewhere), "GET", TEMPLATES),
    Row {
        also: Some(("origin", "https://page.example")),
        ..row("a browser, where keys are not for browsers", Presented::Key(Holder::Reader), "GET", TEMPLATES)
    },
    row("a denied route", Presented::Key(Holder::Reader), "GET", "/open/vault/a"),
    row("a path that is not ASCII", Presented::Key(Holder::Reader), "GET", "/no/caf\u{e9}"),
    row("no route", Presented::Key(Holder::Reader), "GET", "/no"),
    row("a rate is spent", Presented::Key(Holder::SpentHour), "GET", TEMPLATES),
    row("the same, HEAD", Presented::Key(Holder::SpentHour), "HEAD", TEMPLATES),
    Row {
        also: Some(("accept", "application/problem+json")),
        ..row("the same, as `application/problem+json`", Presented::Key(Holder::SpentHour), "GET", TEMPLATES)
    },
    row("a quota is spent", Presented::Key(Holder::SpentDay), "GET", TEMPLATES),
    row("it costs more than the limit admits", Presented::Key(Holder::Ten), "GET", "/dear"),
];
/// With settings that a test adds.
const OF_OTHER_WORKSPACE: Row = row("another workspace", Presented::Key(Holder::Writer), "POST", TEMPLATES);
const MISSPELT: Row = row("the settings are wrong", Presented::Key(Holder::Test), "GET", "/v1/exports");
const MISSPELT_SETTING: &str = "enviroment";

/// A row's request, with a key of its own.
struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
}

impl Request {
    async fn of(row: &Row, house: &House) -> Self {
        let bearer = |key: &str| ("authorization", format!("Bearer {key}"));
        let x_api_key = |key: &str| ("x-api-key", key.to_owned());
        let holder = match row.presented {
            Presented::Key(holder) | Presented::Bearer(holder) | Presented::Both(holder) => holder,
            Presented::No
            | Presented::Stranger
            | Presented::Two
            | Presented::TwoKeys
            | Presented::TwoBearers
            | Presented::Joined
            | Presented::Malformed
            | Presented::InUrl => Holder::Reader,
        };
        let key = house.key(holder).await;
        let mut path = row.path.to_owned();
        let mut headers = match row.presented {
            Presented::No => vec![],
            Presented::Stranger => vec![x_api_key(STRANGER)],
            Presented::Key(_) => vec![x_api_key(&key)],
            Presented::Bearer(_) => vec![bearer(&key)],
            Presented::Both(_) => vec![bearer(&key), x_api_key(&key)],
            Presented::Two => vec![bearer(STRANGER), x_api_key(&key)],
            Presented::TwoKeys => vec![x_api_key(STRANGER), x_api_key(&key)],
            Presented::TwoBearers => vec![bearer(STRANGER), bearer(&key)],
            Presented::Joined => vec![x_api_key(&format!("{STRANGER},{key}"))],
            Presented::Malformed => vec![bearer(&format!("{key} {key}"))],
            Presented::InUrl => {
                path = format!("{path}?api_key={key}");
                vec![x_api_key(&key)]
            }
        };
        headers.extend(row.also.map(|(name, value)| (name, value.to_owned())));
        Self { method: row.method, path, headers }
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        request(self.method, &self.path, &self.headers(), "")
    }
}

impl Row {
    /// What Keyward itself answers.
    async fn verdict(&self, house: &House, settings: &str) -> Reply {
        let request = Request::of(self, house).await;
        house.verdict(request.method, &request.path, &request.headers(), settings).await
    }

    /// What comes of it through a gateway, in the words of the table. Passes if it reached the service as far as Keyward
    /// lets it, with what Keyward says of the holder.
    async fn through(&self, house: &House, running: &Running, verdict: &Reply) -> String {
        let request = Request::of(self, house).await;
        let (reply, reached) = house.ask(running, &request.bytes()).await;
        let name = format!("{} through {}: {reply:?}", self.decision, running.gateway.name);
        assert_eq!(reached, usize::from(verdict.status == 200), "{name}");
        assert_eq!(reply.status == 200, verdict.status == 200, "{name}");
        if verdict.status == 200 && self.method != "HEAD" {
            assert_passed_on(&Seen::of(&reply), self, verdict);
        }
        let told_by_others = |name: &str| name.starts_with("x-keyward-") && !TOLD.contains(&name);
        let foreign = reply.message.headers.iter().find(|(name, _)| told_by_others(name));
        assert_eq!(foreign, None, "{name}");
        difference(verdict, &reply, self.method == "HEAD")
    }
}

/// Passes if the service got the request as it was, with what Keyward says of the holder, and not the key.
#[track_caller]
fn assert_passed_on(seen: &Seen, row: &Row, verdict: &Reply) {
    assert_eq!((seen.method.as_str(), seen.path.as_str()), (row.method, row.path));
    let of_identity = |name: &str| name.starts_with("x-keyward-") && name != "x-keyward-key-id";
    let mut said: Vec<_> = verdict
        .message
        .headers
        .iter()
        .filter(|(name, _)| of_identity(name) && !TOLD.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    said.sort_unstable();
    let seen_of = |name: &str| seen.values(name);
    let mut identity = seen.identity();
    // Each asks with a key of its own.
    let ids: Vec<_> = identity.extract_if(.., |(name, _)| *name == "x-keyward-key-id").collect();
    assert_eq!(ids.len(), usize::from(!said.is_empty()), "{seen:?}");
    // Traefik cannot tell the client, and so tells the service.
    identity.retain(|(name, _)| !TOLD.contains(name));
    assert_eq!(identity, said, "{seen:?}");
    assert_eq!((seen_of("authorization"), seen_of("x-api-key")), (vec![], vec![]), "{seen:?}");
}

/// What a client is told, but for the latency, which only must be there.
fn told(reply: &Reply) -> BTreeMap<&str, &str> {
    let headers = reply.message.headers.iter().chain(&reply.limits);
    let of_keyward = headers
        .filter(|(name, _)| TOLD.contains(&name.as_str()) && (name != "content-type" || reply.status != 200));
    let mut told = BTreeMap::new();
    for (name, value) in of_keyward {
        let value = if name == LATENCY { "" } else { value };
        assert_eq!(told.insert(name.as_str(), value), None, "{name} twice: {reply:?}");
    }
    told
}

/// What a client gets otherwise than Keyward says it.
fn difference(verdict: &Reply, reply: &Reply, is_head: bool) -> String {
    let (wanted, got) = (told(verdict), told(reply));
    let mut words = Vec::new();
    if reply.status != verdict.status {
        words.push(reply.status.to_string());
    }
    let is_missing = |name: &&&str| wanted.contains_key(**name) && !got.contains_key(**name);
    let (others, limits) = TOLD.split_at(OF_LIMITS);
    let others: Vec<_> = others.iter().filter(is_missing).collect();
    let limits: Vec<_> = limits.iter().filter(is_missing).collect();
    words.extend(others.iter().map(|name| format!("no `{name}`")));
    let of_limits = TOLD[OF_LIMITS..].iter().filter(|name| wanted.contains_key(**name)).count();
    if !limits.is_empty() && limits.len() == of_limits {
        words.push("no limits".to_owned());
    } else {
        words.extend(limits.iter().map(|name| format!("no `{name}`")));
    }
    let is_other = |name: &&&str| got.get(**name).is_some_and(|value| wanted.get(**name) != Some(value));
    words.extend(TOLD.iter().filter(is_other).map(|name| format!("its own `{name}`")));
    let is_whole = verdict.status == 200 || is_head || reply.message.body == verdict.message.body;
    if !is_whole {
        words.push(if reply.message.body.is_empty() { "no body" } else { "its own body" }.to_owned());
    }
    if words.is_empty() { "the same".to_owned() } else { words.join(", ") }
}

/// The row of the table: what Keyward says, and what comes through each gateway.
async fn cells(house: &House, row: &Row, settings: &str) -> Vec<String> {
    let verdict = row.verdict(house, settings).await;
    let mut cells = vec![row.decision.to_owned(), in_short(&verdict)];
    for running in &house.gateways {
        cells.push(row.through(house, running, &verdict).await);
    }
    cells
}

fn in_short(verdict: &Reply) -> String {
    if verdict.status == 200 {
        return "200".to_owned();
    }
    let body = verdict.json();
    // Problem details have it on top.
    let code = body["error"]["code"].as_str().or_else(|| body["code"].as_str()).unwrap();
    format!("{} `{code}`", verdict.status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_decision_comes_to_the_client_as_the_document_says() {
    // H2, H3, H4, H5, H6, X1, X2
    let Some(house) = House::build().await else { return };
    let heading = ["decision", "Keyward"].into_iter().chain(gateway::ALL.map(|gateway| gateway.name));
    let mut table = vec![heading.map(str::to_owned).collect()];
    for row in ROWS {
        table.push(cells(&house, row, "").await);
    }
    house.stop().await;

    let mut other = String::new();
    let with_settings = async |keyward: &Keyward| {
        other = keyward.register("another").await.0.id;
        let settings = vec![
            ("templates:write", "workspace_id", other.clone()),
            ("exports:create", MISSPELT_SETTING, "live".to_owned()),
        ];
        Changes { settings, ..Changes::default() }
    };
    let Some(house) = House::with(with_settings).await else { return };
    table.push(cells(&house, &OF_OTHER_WORKSPACE, &format!("&workspace_id={other}")).await);
    let misspelt = format!("&{MISSPELT_SETTING}=live");
    table.push(cells(&house, &MISSPELT, &misspelt).await);
    let undecided = MISSPELT.verdict(&house, &misspelt).await;
    let request = request("GET", TEMPLATES, &[("x-api-key", &house.key(Holder::Reader).await)], "");
    let (gateways, service) = house.without_keyward().await;
    let before = service.requests();
    let mut away = vec!["Keyward is away".to_owned(), "(503)".to_owned()];
    for running in &gateways {
        let reply = exchange(running.address, &request).await;
        away.push(difference(&undecided, &reply, false));
    }
    assert_eq!(service.requests(), before);
    table.push(away);
    assert_table("decisions", &table);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_admits_exactly_as_many_through_each_gateway() {
    // H1, L6
    let Some(house) = House::build().await else { return };
    for running in &house.gateways {
        let key = house.key(Holder::Ten).await;
        let bearer = format!("Bearer {key}");
        let mut statuses = Vec::new();
        for place in 0..12 {
            let headers = [[("x-api-key", key.as_str())], [("authorization", &bearer)]];
            let request = request("GET", TEMPLATES, &headers[place % 2], "");
            statuses.push(decided(running.address, &request).await.status);
        }
        let expected = [[200; 10].as_slice(), &[429; 2]].concat();
        assert_eq!(statuses, expected, "{}", running.gateway.name);
    }
    house.stop().await;
}
