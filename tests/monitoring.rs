//! The dashboard and the alerts of examples/monitoring, held against what a real server tells a real Prometheus.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/process.rs"]
mod process;
#[path = "support/skip.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of it is used")]
mod skip;

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use desk::{Desk, text};
use process::run;
use regex::Regex;
use serde_json::Value;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/monitoring");

/// What there is no sample of where there is no certificate, and no limit has refused anything.
const ABSENT: [&str; 2] = ["keyward_certificate_expiry_timestamp_seconds", "keyward_limit_refusals_total"];

struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _gone = (self.child.kill(), self.child.wait());
    }
}

impl Prometheus {
    /// One with the example's rules, that asks the server at this address every second.
    fn start(program: &Path, folder: &Path, asked: SocketAddr) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let example = fs::read_to_string(format!("{EXAMPLES}/prometheus.yml")).unwrap();
        let config = example
            .replace("127.0.0.1:8080", &asked.to_string())
            .replace("15s", "1s")
            .replace("keyward-alerts.yml", &format!("{EXAMPLES}/keyward-alerts.yml"));
        assert!(config.contains(&asked.to_string()) && config.contains(": 1s"), "{config}");
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        let mut command = Command::new(program);
        command.current_dir(folder).args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"]);
        command.arg(format!("--web.listen-address={address}"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, address }
    }

    /// What its API answers; nothing while it starts.
    fn ask(&self, target: &str) -> Option<Value> {
        let answer: Value = serde_json::from_str(&get(self.address, target, "")?).ok()?;
        assert_eq!(answer["status"], "success", "{target}: {answer}");
        Some(answer["data"].clone())
    }

    /// How many samples a query finds.
    fn found(&self, query: &str) -> Option<usize> {
        let encoded: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        Some(self.ask(&format!("/api/v1/query?query={encoded}"))?["result"].as_array()?.len())
    }
}

/// The body of an answer.
fn get(address: SocketAddr, target: &str, accept: &str) -> Option<String> {
    let mut socket = TcpStream::connect(address).ok()?;
    write!(socket, "GET {target} HTTP/1.0\r\nhost: {address}\r\naccept: {accept}\r\n\r\n").ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

/// The queries of the dashboard, as Grafana would send them.
fn of_the_dashboard() -> Vec<String> {
    let dashboard = fs::read_to_string(format!("{EXAMPLES}/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<_> = targets
        .map(|target| text(&target["expr"]).replace("$job", "keyward").replace("$__rate_interval", "1m"))
        .collect();
    assert!(queries.len() > 30 && queries.iter().all(|query| !query.contains('$')), "{queries:?}");
    queries
}

#[test]
fn every_query_finds_what_a_real_server_tells() {
    // M1
    let Some((prometheus, promtool)) = skip::rare_tool("prometheus").zip(skip::rare_tool("promtool")) else {
        return;
    };
    let desk = Desk::new();
    let made = desk.json(&["issue", "first", "--scope", "messaging:send"]);
    let secret = text(&made["api_key"]);
    for scope in ["messaging:send", "storage:read"] {
        desk.run(&["check", "--scope", scope], &secret);
    }
    let told = get(desk.server.http_address, "/metrics", "text/plain").unwrap();
    let mut lint = Command::new(&promtool);
    lint.args(["check", "metrics"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let linted = run(lint, &told);
    assert_eq!((linted.code, linted.err.as_str()), (Some(0), ""), "{linted:?}");

    let prometheus = Prometheus::start(&prometheus, desk.folder.path(), desk.server.http_address);
    // Twice, so that there are rates; Prometheus takes OpenMetrics unless told otherwise.
    while prometheus.found("count_over_time(keyward_build_info[1m]) > 1") != Some(1) {
        std::thread::yield_now();
    }
    assert_eq!(prometheus.found("up{job=\"keyward\"} == 1"), Some(1));
    let rules = prometheus.ask("/api/v1/rules").unwrap();
    let rules: Vec<_> = rules["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() > 15);
    assert!(rules.iter().all(|rule| rule["health"] != "err"), "{rules:?}");
    let mut queries = of_the_dashboard();
    for query in &queries {
        assert!(prometheus.found(query).is_some(), "{query}");
    }
    queries.extend(rules.iter().map(|rule| text(&rule["query"])));

    let name = Regex::new("(?:keyward|process)_[a-z_]+").unwrap();
    let names: BTreeSet<_> =
        queries.iter().flat_map(|query| name.find_iter(query).map(|found| found.as_str())).collect();
    assert!(names.len() > 25, "{names:?}");
    for name in names {
        let there = prometheus.found(name).unwrap() > 0;
        assert_eq!(there, !ABSENT.contains(&name), "{name}");
    }
    let denied =
        "keyward_decisions_total{reason=\"SCOPE_INSUFFICIENT\",environment=\"live\",door=\"grpc\"} == 1";
    assert_eq!(prometheus.found(denied), Some(1));
}
