//! Lines that somebody adds where lines are added: they drop no protection, or a check of the configuration says so.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::HERE;
use crate::{
    config::Changes,
    exchange::{exchange, request},
    gateway::{CADDY, ENVOY, Gateway, Running, TRAEFIK},
    house::{Holder, House, policy},
    process::run,
    service::Seen,
    support::skip,
};

/// Where lines are added in a file, and the lines, which pass `/added/…` on.
struct Added {
    gateway: &'static Gateway,
    before: &'static str,
    lines: &'static [&'static str],
}

const ENVOY_ROUTE: &str =
    "                        # A scope by method: reading and writing are two rights.\n";
const CADDY_SITE: &str = "\tinvoke keyward\n";
const TRAEFIK_ROUTER: &str = "    # A scope by method: reading and writing are two rights.\n";

const ADDED: [Added; 4] = [
    Added {
        gateway: &ENVOY,
        before: ENVOY_ROUTE,
        lines: &[
            "- { match: { prefix: /added/ }, route: { cluster: service } }",
            "- { match: { prefix: /added/ }, route: { cluster: service, timeout: 0s, upgrade_configs: [{ upgrade_type: websocket }] } }",
            "- { match: { prefix: /added/ }, route: { cluster: service }, request_headers_to_add: [{ header: { key: x-own, value: v } }] }",
            "- { match: { prefix: /added/ }, route: { cluster: service }, request_headers_to_remove: [x-own], response_headers_to_add: [{ header: { key: x-own, value: v } }] }",
            "- { match: { prefix: /added/ }, route: { cluster: service, host_rewrite_literal: other.example, prefix_rewrite: /added/ } }",
            "- { match: { prefix: /added/ }, route: { cluster: service }, typed_per_filter_config: { envoy.filters.http.cors: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy, allow_methods: GET } } }",
        ],
    },
    Added {
        gateway: &CADDY,
        before: CADDY_SITE,
        lines: &[
            "reverse_proxy /added/* 127.0.0.1:8000",
            "handle /added/* {\n reverse_proxy 127.0.0.1:8000\n}",
            "route /added/* {\n reverse_proxy 127.0.0.1:8000 {\n header_up X-Own v\n }\n}",
            "@added path /added/*\nheader @added X-Own v\nrequest_header @added X-Own v",
            "@added path /added/*\nhandle @added {\n request_header -X-Own\n reverse_proxy 127.0.0.1:8000 {\n header_up Connection {header.Connection}\n header_up Upgrade {header.Upgrade}\n }\n}",
            "encode gzip\nlog_skip /added/*",
        ],
    },
    Added {
        gateway: &TRAEFIK,
        before: TRAEFIK_ROUTER,
        lines: &[
            "    added: { rule: PathPrefix(`/added/`), priority: 70, service: everything-else }\n",
            "    added: { rule: PathPrefix(`/added/`), priority: 70, service: everything-else, middlewares: [] }\n",
            "    added: { rule: Host(`service.example`) && PathPrefix(`/added/`), priority: 70, service: everything-else, middlewares: [own] }\n  middlewares:\n    own: { headers: { customRequestHeaders: { X-Own: v } } }\n",
        ],
    },
    Added {
        gateway: &TRAEFIK,
        before: "  services:\n    open:\n",
        lines: &["    own: { headers: { customRequestHeaders: { X-Own: v, X-Other: \"\" } } }\n"],
    },
];

impl Added {
    fn changes(&self, lines: &str) -> Changes {
        let indented = if self.gateway.name == ENVOY.name {
            format!("{}{lines}\n", " ".repeat(24))
        } else {
            format!("{lines}\n")
        };
        let mut replaced = vec![(self.before.to_owned(), format!("{indented}{}", self.before))];
        // YAML takes no name twice: a middleware goes among the others.
        if let Some((router, middleware)) = lines.split_once("  middlewares:\n    own:") {
            replaced = vec![
                (self.before.to_owned(), format!("{router}{}", self.before)),
                ("\n  middlewares:\n".to_owned(), format!("\n  middlewares:\n    own:{middleware}")),
            ];
        }
        Changes { replaced, ..Changes::default() }
    }
}

/// Keyward is asked about what is added, and what it says is kept.
async fn assert_guarded(house: &House, running: &Running, lines: &str) {
    let what = format!("{}: {lines}", running.gateway.name);
    let ask = |headers: &[(&str, &str)]| request("GET", "/added/a", headers, "");
    let refused = house.refused(running, &ask(&[])).await;
    assert_eq!(refused.status, 401, "{what}: {refused:?}");
    let writer = house.key(Holder::Writer).await;
    assert_eq!(house.refused(running, &ask(&[("x-api-key", &writer)])).await.status, 403, "{what}");
    let key = house.key(Holder::Reader).await;
    let bearer = format!("Bearer {key}");
    let claims = [
        ("authorization", bearer.as_str()),
        ("x-keyward-owner", "forged"),
        ("X-Keyward-Plan", "forged"),
        ("x-keyward-caller", "forged"),
        ("x-forwarded-host", "forged"),
    ];
    let reply = exchange(running.address, &ask(&claims)).await;
    let seen = Seen::of(&reply);
    assert_eq!(seen.values("x-keyward-owner"), ["ann@example.com"], "{what}: {seen:?}");
    assert_eq!(seen.identity().len(), 6, "{what}: {seen:?}");
    assert_eq!(seen.values("authorization"), [""; 0], "{what}");
    assert!(!seen.headers.iter().any(|(_, value)| value.contains("forged")), "{what}: {seen:?}");
    let odd = house.refused(running, &request("GET", "/added/%2e%2e/healthz%00", &[], "")).await;
    assert!([400, 403].contains(&odd.status), "{what}: {odd:?}");
}

/// A policy whose routes say what the added paths need.
fn with_added() -> keyward::domain::policy::Policy {
    let mut document = policy().document().clone();
    document.routes.push(keyward::domain::policy::RouteEntry {
        path: "/added/{rest=**}".to_owned(),
        scopes: vec![crate::house::READ.to_owned()],
        ..keyward::domain::policy::RouteEntry::default()
    });
    keyward::domain::policy::Policy::new(document).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_added_in_the_ordinary_place_drop_no_protection() {
    // H13
    let house = House::bare(with_added()).await;
    for added in &ADDED {
        for lines in added.lines {
            let Some(running) = house.beside(added.gateway, &added.changes(lines)).await else { return };
            assert_guarded(&house, &running, lines).await;
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_caddy_answers_by_itself_it_answers_to_those_who_may_only() {
    // H13
    let house = House::bare(with_added()).await;
    for lines in
        ["respond /added/* own 200", "redir /added/* /open/a", "handle_path /added/* {\n respond own\n}"]
    {
        let added = &ADDED[1];
        let Some(running) = house.beside(&CADDY, &added.changes(lines)).await else { return };
        let refused = house.refused(&running, &request("GET", "/added/a", &[], "")).await;
        assert_eq!(refused.status, 401, "{lines}: {refused:?}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_of_its_own_asks_where_it_says_so_and_not_otherwise() {
    // H13
    let house = House::bare(with_added()).await;
    for (guard, status, reached) in [("\tinvoke keyward\n", 401, 0), ("", 200, 1)] {
        let site =
            format!(":9901 {{\n\tbind 127.0.0.1\n{guard}\treverse_proxy 127.0.0.1:8000\n}}\n\n:10000 {{\n");
        let changes = Changes { replaced: vec![(":10000 {\n".to_owned(), site)], ..Changes::default() };
        let Some(running) = house.beside(&CADDY, &changes).await else { return };
        let before = house.service.requests();
        let reply = exchange(running.second, &request("GET", "/added/a", &[], "")).await;
        assert_eq!(
            (reply.status, house.service.requests() - before),
            (status, reached),
            "{guard}: {reply:?}"
        );
    }
    house.stop().await;
}

/// What `check.py` says of a running Traefik.
fn checked(running: &Running) -> Option<crate::process::Ended> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/traefik/check.py");
    let mut command = Command::new(skip::tool("python3")?);
    command
        .arg(here)
        .arg(format!("http://{}", running.second))
        .arg("open")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(run(command, ""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_traefik_cannot_prevent_its_check_finds() {
    // H13
    let house = House::bare(with_added()).await;
    let Some(running) = house.beside(&TRAEFIK, &Changes::default()).await else { return };
    let Some(fine) = checked(&running) else { return };
    assert_eq!(fine.code, Some(0), "{fine:?}");
    drop(running);
    let router = "    added: { rule: PathPrefix(`/added/`), priority: 70, service: added }\n";
    for (service, problem) in [
        ("loadBalancer: { servers: [{ url: http://127.0.0.1:8000 }] }", "does not ask Keyward"),
        (
            "middlewares: [ask], loadBalancer: { servers: [{ url: http://127.0.0.1:8000 }] }",
            "passes the secret on",
        ),
    ] {
        let changes = Changes {
            replaced: vec![
                (TRAEFIK_ROUTER.to_owned(), format!("{router}{TRAEFIK_ROUTER}")),
                ("  services:\n".to_owned(), format!("  services:\n    added: {{ {service} }}\n")),
            ],
            ..Changes::default()
        };
        let Some(running) = house.beside(&TRAEFIK, &changes).await else { return };
        let found = checked(&running).unwrap();
        assert_eq!(found.code, Some(1), "{found:?}");
        assert!(found.out.contains("added@file") && found.out.contains(problem), "{found:?}");
    }
    house.stop().await;
}

#[test]
fn no_route_of_the_examples_is_without_what_guards_it_but_the_open_one() {
    // H13
    let file = |gateway: &Gateway, name: &str| {
        let (_, text) = gateway.files.iter().find(|(known, _)| *known == name).unwrap();
        (*text).to_owned()
    };
    let envoy = file(&ENVOY, "envoy.yaml");
    assert_eq!(envoy.matches("disabled: true").count(), 1);
    assert!(
        !envoy.contains("upgrade_configs: [{ upgrade_type: websocket, filters"),
        "it would replace the filters"
    );
    let routes = file(&TRAEFIK, "routes.yaml");
    let (_, services) = routes.split_once("\n  services:\n").unwrap();
    let unasked = services.matches("middlewares: [without-secret]").count();
    assert_eq!(
        (unasked, services.matches("loadBalancer:").count()),
        (1, services.matches("middlewares: [").count())
    );
    assert_eq!(file(&CADDY, "Caddyfile").matches("\tinvoke keyward\n").count(), 1);
    assert!(fs::exists(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/traefik/check.py")).unwrap());
    assert_eq!(HERE.len(), 3);
}
