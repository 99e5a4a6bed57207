//! Real pages in a real Chromium: what a page at the origin that an example names can read through the gateway, and that a page
//! at another origin can read nothing.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    config::Changes,
    gateway::{ALL, CADDY, ENVOY, Gateway, NGINX, TRAEFIK},
    house::{Holder, House},
    process::run,
    streams::pages,
    support::skip,
};

/// The origin that the examples name.
const NAMED: &str = "https://app.example.com";
/// Parts of a port that a file of an example would take for a port of its own.
const PORTS_OF_EXAMPLES: [&str; 6] = ["10000", "9901", "50051", "8080", "8000", "8001"];
/// What the page asks, one after the other: the scripts of a page have no way round the browser's rules.
const SCRIPT: &str = r#"
const told = [];
for (const [method, path, key] of questions) {
    const headers = key ? { authorization: "Bearer " + key } : {};
    try {
        const answer = await fetch(gateway + path, { method, headers });
        const body = await answer.text();
        told.push({ status: answer.status, headers: Object.fromEntries(answer.headers), body });
    } catch (unreadable) {
        told.push({ status: 0, headers: {}, body: String(unreadable) });
    }
}
document.getElementById("told").textContent = btoa(JSON.stringify(told));
"#;

/// What a page could read of an answer; status 0 is nothing at all.
#[derive(Debug, Deserialize)]
struct Read {
    status: u16,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
}

/// A site of one page, at an origin of its own.
struct Site {
    address: SocketAddr,
}

impl Site {
    fn of(listener: TcpListener, page: String) -> Self {
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let _read = socket.read(&mut head).await;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                    page.len()
                );
                let _gone_already = socket.write_all(answer.as_bytes()).await;
            }
        });
        Self { address }
    }
}

/// A port that an example's file can name as it is.
async fn listener() -> TcpListener {
    for _ in 0..100 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = origin_of(&listener);
        if !PORTS_OF_EXAMPLES.iter().any(|port| origin.contains(port)) {
            return listener;
        }
    }
    panic!("no port is free that no example names");
}

fn origin_of(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().unwrap())
}

fn page(gateway: SocketAddr, questions: &[(&str, &str, &str)]) -> String {
    let questions = serde_json::to_string(questions).unwrap();
    format!(
        "<!doctype html><p id=told></p><script type=module>\nconst gateway = \"http://{gateway}\", questions = {questions};{SCRIPT}</script>"
    )
}

/// What the page at this address could read.
async fn browse(chromium: &Path, site: SocketAddr) -> Vec<Read> {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(chromium);
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.args(["--disable-dev-shm-usage", "--virtual-time-budget=60000", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.path().display())).arg(format!("http://{site}/"));
    command.env("HOME", profile.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = tokio::task::spawn_blocking(move || run(command, "")).await.unwrap();
    let told = ended.out.split_once("<p id=\"told\">").and_then(|(_, rest)| rest.split_once("</p>"));
    let (told, _) = told.unwrap_or_else(|| panic!("no page: {ended:?}"));
    let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, told);
    serde_json::from_slice(&bytes.unwrap()).unwrap_or_else(|_| panic!("not told: {ended:?}"))
}

/// The example with its pages switched on, for this origin.
fn for_origin(gateway: &Gateway, origin: &str) -> Changes {
    let mut changes = pages::changes(gateway);
    let lines: &[&str] = if gateway.name == CADDY.name {
        &["@page header Origin ", ">Access-Control-Allow-Origin ", "\t\t\theader Origin "]
    } else if gateway.name == NGINX.name {
        changes.replaced.push(("# include keyward-cors.conf;".into(), "include keyward-cors.conf;".into()));
        &["# "]
    } else if gateway.name == ENVOY.name {
        &["exact: \""]
    } else {
        &["accessControlAllowOriginList: ["]
    };
    for before in lines {
        let after = before.trim_start_matches("# ");
        changes.replaced.push((format!("{before}{NAMED}"), format!("{after}{origin}")));
    }
    changes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_in_chromium_reads_answers_denials_and_limits_and_another_page_nothing() {
    // H10, H4
    let Some(chromium) = skip::browser() else { return };
    let house = House::bare(pages::for_pages()).await;
    for gateway in ALL {
        let (named, other) = (listener().await, listener().await);
        let Some(running) = house.beside(gateway, &for_origin(gateway, &origin_of(&named))).await else {
            return;
        };
        let (good, revoked) = (house.key(Holder::Reader).await, house.key(Holder::Revoked).await);
        let (writer, spent) = (house.key(Holder::Writer).await, house.key(Holder::SpentHour).await);
        let questions = [
            ("GET", "/v1/templates", good.as_str()),
            ("GET", "/v1/templates", &revoked),
            ("GET", "/v1/templates", &writer),
            ("GET", "/v1/templates", &spent),
            ("GET", "/v1/templates", ""),
        ];
        let page = page(running.address, &questions);
        let named = Site::of(named, page.clone());
        let other = Site::of(other, page);

        let read = browse(&chromium, named.address).await;
        let statuses: Vec<u16> = read.iter().map(|read| read.status).collect();
        assert_eq!(statuses, [200, 401, 403, 429, 401], "{}: {read:?}", gateway.name);
        let has = |place: usize, name: &str| read[place].headers.contains_key(name);
        for (place, name) in [
            (1, "www-authenticate"),
            (2, "www-authenticate"),
            (3, "retry-after"),
            (3, "x-ratelimit-reset"),
            (4, "www-authenticate"),
        ] {
            assert!(has(place, name), "{} {place} {name}: {read:?}", gateway.name);
        }
        // Traefik adds nothing to what a service answers (docs/gateways.md).
        let tells_limits = has(0, "x-ratelimit-remaining") && has(0, "ratelimit");
        assert_eq!(tells_limits, gateway.name != TRAEFIK.name, "{}: {read:?}", gateway.name);
        assert!(read[3].body.contains("RATE_LIMITED"), "{}: {read:?}", gateway.name);

        let read = browse(&chromium, other.address).await;
        assert!(read.iter().all(|read| read.status == 0), "{}: {read:?}", gateway.name);
    }
    house.stop().await;
}
