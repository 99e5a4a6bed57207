//! Which headers of a client reach the service: one of each kind through each gateway, on a route that needs a key and on an
//! open one. Made into a table of docs/gateways.md.

use keyward::domain::policy::Policy;

use crate::{
    config::Changes,
    document::assert_table,
    exchange::{exchange, request},
    gateway::{self, Running},
    house::{Holder, House, policy},
    service::Seen,
};

const GUARDED: &str = "/v1/templates";
const OPEN: &str = "/healthz";
const SECRET: &str = "the key";

/// A name, a value, and another header where it takes two to show it.
type Sent = (&'static str, &'static str, Option<(&'static str, &'static str)>);

/// What a client sends, each in a request of its own.
const SENT: &[Sent] = &[
    ("x-api-key", SECRET, None),
    ("authorization", SECRET, None),
    ("cookie", "session=1", None),
    ("proxy-authorization", "Basic dTpw", None),
    ("x-keyward-owner", "sent", None),
    ("x-keyward-role", "sent", None),
    ("x_keyward_owner", "sent", None),
    ("x.keyward.owner", "sent", None),
    ("x-keyward-caller", "sent", None),
    ("x-forwarded-for", "10.0.0.1", None),
    ("x-forwarded-host", "sent.example", None),
    ("x-forwarded-proto", "gopher", None),
    ("x-forwarded-port", "7", None),
    ("x-forwarded-method", "PUT", None),
    ("x-forwarded-uri", "/sent", None),
    ("x-forwarded-prefix", "/sent", None),
    ("x-real-ip", "10.0.0.1", None),
    ("forwarded", "for=10.0.0.1", None),
    ("via", "1.1 sent", None),
    ("x-original-url", "/sent", None),
    ("x-envoy-external-address", "10.0.0.1", None),
    ("x-envoy-original-path", "/sent", None),
    ("x-own", "sent", None),
    ("x_own", "sent", None),
    ("x-own", "sent", Some(("connection", "x-own"))),
    ("te", "trailers", None),
    ("keep-alive", "timeout=5", None),
    ("proxy-connection", "keep-alive", None),
    ("trailer", "x-own", None),
    ("upgrade", "h2c", Some(("connection", "upgrade"))),
    ("upgrade", "websocket", Some(("connection", "upgrade"))),
    ("origin", "https://sent.example", None),
    ("referer", "https://sent.example/", None),
    ("sec-fetch-site", "cross-site", None),
    ("user-agent", "sent/1", None),
    ("accept", "text/sent", None),
    ("accept-encoding", "sent", None),
    ("accept-language", "eo", None),
    ("content-type", "text/sent", None),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
    ("host", "sent.example", None),
];

/// Keys may be used in browsers.
fn with_browsers() -> Policy {
    let mut document = policy().document().clone();
    for environment in &mut document.environments {
        "allow".clone_into(&mut environment.browsers);
    }
    Policy::new(document).unwrap()
}

/// What becomes of a header on a path.
async fn fate(
    running: &Running,
    path: &str,
    key: &str,
    (name, value, beside): (&str, &str, Option<(&str, &str)>),
) -> String {
    let bearer = format!("Bearer {key}");
    let value = match (name, value) {
        ("authorization", SECRET) => bearer.as_str(),
        (_, SECRET) => key,
        (_, other) => other,
    };
    let mut headers = vec![(name, value)];
    headers.extend(beside);
    if name != "x-api-key" && name != "authorization" {
        headers.push(("x-api-key", key));
    }
    let mut bytes = request("GET", path, &headers, "");
    if name == "host" {
        // The one of the request itself.
        bytes = String::from_utf8(bytes).unwrap().replacen("host: service.example\r\n", "", 1).into_bytes();
    }
    let reply = exchange(running.address, &bytes).await;
    if reply.status == 101 {
        return "as sent".to_owned();
    }
    if reply.status != 200 {
        return format!("{}", reply.status);
    }
    let seen = Seen::of(&reply);
    let values = seen.values(name);
    let joined = values.join(", ");
    if values.is_empty() {
        "–".to_owned()
    } else if joined == value {
        "as sent".to_owned()
    } else if joined.contains(value) {
        "sent, and more".to_owned()
    } else if name.starts_with("x-keyward-") {
        "Keyward's".to_owned()
    } else {
        "the gateway's".to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_says_which_headers_reach_the_service() {
    // H6
    let house = House::bare(with_browsers()).await;
    let key = house.key(Holder::Reader).await;
    let heading = std::iter::once("header").chain(gateway::ALL.map(|gateway| gateway.name));
    let mut table = vec![heading.map(str::to_owned).collect::<Vec<_>>()];
    for (name, value, beside) in SENT {
        let also = beside.map(|(name, value)| format!(", with `{name}: {value}`")).unwrap_or_default();
        let shown =
            if *name == "te" || *name == "upgrade" { format!("{name}: {value}") } else { (*name).to_owned() };
        table.push(vec![format!("`{shown}`{also}")]);
    }
    for gateway in gateway::ALL {
        let Some(running) = house.beside(gateway, &Changes::default()).await else { return };
        for (place, sent) in SENT.iter().enumerate() {
            let guarded = fate(&running, GUARDED, &key, *sent).await;
            let open = fate(&running, OPEN, &key, *sent).await;
            assert!(!sent.0.contains("api-key") || guarded == "–", "{} {guarded}", gateway.name);
            assert!(
                !sent.0.contains("authorization") || sent.0.contains("proxy") || guarded == "–",
                "{}",
                gateway.name
            );
            let cell = if guarded == open { guarded } else { format!("{guarded}; open: {open}") };
            table[place + 1].push(cell);
        }
    }
    house.stop().await;
    assert_table("headers", &table);
}
