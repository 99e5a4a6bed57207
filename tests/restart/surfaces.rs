//! What each listener offers to whom: surfaces of plain HTTP, and addresses that are refused in words.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use crate::process::{PATIENCE, Server, keyward, run};

const PATHS: [(&str, &str); 6] = [
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/verify"),
    ("POST", "/v1/check"),
    ("GET", "/openapi.json"),
];

/// The status of an answer, and its body.
fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(("127.0.0.1", address.port())).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = if method == "POST" { r#"{"api_key": "kw_live_none"}"# } else { "" };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: keyward.example\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Passes where exactly these paths are there; what is not answers as a path does that never was.
fn has_only(address: SocketAddr, on: &[&str]) {
    let nothing = ask(address, "GET", "/never");
    assert_eq!(nothing.0, 404, "{nothing:?}");
    for (method, path) in PATHS {
        let answer = ask(address, method, path);
        assert_eq!(answer == nothing, !on.contains(&path), "{path}: {answer:?}");
        assert_eq!(answer.0 == 404, !on.contains(&path), "{path}: {answer:?}");
        // Nor do other methods tell what there would be.
        if !on.contains(&path) {
            assert_eq!(ask(address, "PUT", path), nothing, "{path}");
        }
    }
}

fn refused(flags: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut command = keyward();
    command.args(["serve", "--data-dir"]).arg(&data_dir).args(flags);
    let ended = run(command, "");
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(!data_dir.exists(), "nothing was made: {flags:?}");
    ended.err
}

/// The address that a line of the log tells.
fn told(log: &str, words: &str) -> SocketAddr {
    let line = log.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {log}"));
    line.split_once("listen=").unwrap().1.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_surface_that_is_off_answers_as_if_it_were_not_there() {
    // O1
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    for (named, on) in [
        ("probes", &["/livez", "/readyz"][..]),
        ("metrics", &["/metrics"]),
        ("verify", &["/verify"]),
        ("check", &["/v1/check", "/openapi.json"]),
        ("verify,check", &["/verify", "/v1/check", "/openapi.json"]),
    ] {
        let flags = ["--listen", "127.0.0.1:0", "--http-surfaces", named];
        let server = Server::start_with(&data_dir, &flags);
        has_only(server.http_address, on);
        server.stop();
    }
    let server = Server::start(&data_dir);
    has_only(server.http_address, &PATHS.map(|(_, path)| path));
    server.stop();
    let why = refused(&["--http-surfaces", "probes,admin"]);
    assert!(why.contains("probes, metrics, verify, check"), "{why}");
}

#[test]
fn beyond_loopback_only_probes_and_verify_are_on_unless_others_are_named() {
    // O1
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--http-listen",
        "0.0.0.0:0",
        "--insecure-listen-beyond-loopback-without-tls",
    ];
    let server = Server::start_with(&data_dir, &flags);
    has_only(server.http_address, &["/livez", "/readyz", "/verify"]);
    let log = server.stop();
    for line in [
        "who can reach what, and must prove what:",
        "this machine (clear text) grpc 127.0.0.1:",
        "the network (clear text) http 0.0.0.0:",
        " probes: nothing",
        " verify: an address in gateway.trusted_peers, and an administration key with keys:check",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains(" metrics: ") && !log.contains(" check: "), "{log}");
    let named = [&flags[..], &["--http-surfaces", "check"]].concat();
    let server = Server::start_with(&data_dir, &named);
    has_only(server.http_address, &["/v1/check", "/openapi.json"]);
    assert_eq!(ask(server.http_address, "POST", "/v1/check").0, 401);
    server.stop();
}

#[test]
fn what_serves_probes_and_metrics_alone_may_be_plain_beyond_loopback() {
    // O1
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let watching = ["/livez", "/readyz", "/metrics"];
    let server = Server::start_with(&data_dir, &["--listen", "127.0.0.1:0", "--probes-listen", "0.0.0.0:0"]);
    let probes = told(&server.log(), "serving probes and metrics alone");
    has_only(probes, &watching);
    let metrics = ask(probes, "GET", "/metrics").1;
    assert!(metrics.contains("keyward_connections_open{listener=\"probes\"} 1"), "{metrics}");
    has_only(server.http_address, &PATHS.map(|(_, path)| path));
    server.stop();

    let alone = ["--listen", "127.0.0.1:0", "--http-listen", "0.0.0.0:0", "--http-surfaces"];
    let server = Server::start_with(&data_dir, &[&alone[..], &["probes,metrics"]].concat());
    has_only(server.http_address, &watching);
    server.stop();
    let why = refused(&[&alone[..], &["probes,metrics,verify"]].concat());
    assert!(why.contains("there is no TLS"), "{why}");
}

#[test]
fn addresses_that_cannot_be_meant_are_refused_in_words() {
    // O1
    for flag in ["--listen", "--http-listen", "--probes-listen"] {
        let why = refused(&[flag, "localhost:50051"]);
        assert!(why.contains("localhost is a host name") && why.contains("127.0.0.1 for localhost"), "{why}");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (flag, other) in
        [("--listen", "--http-listen"), ("--listen", "--probes-listen"), ("--http-listen", "--probes-listen")]
    {
        let mut flags = vec![flag, &free, other, &free];
        if flag != "--listen" {
            flags.extend(["--listen", "127.0.0.1:0"]);
        }
        let why = refused(&flags);
        let said = format!("{flag} {free} and {other} {free} are one address");
        assert!(why.contains(&said), "{why}");
    }
}
