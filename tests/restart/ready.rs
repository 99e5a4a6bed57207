//! When a probe may believe that Checks are answered.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream as StdTcpStream},
    path::Path,
    process::Command,
};

use tokio::{net::TcpStream, time::timeout};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    Client,
    process::{PATIENCE, Server, Stage, keyward, run},
    support::{check, holder_key},
};

/// Puts a pipe in the place of a file: whoever reads it waits until it is written.
fn make_slow(file: &Path) -> Vec<u8> {
    let content = fs::read(file).unwrap();
    fs::remove_file(file).unwrap();
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(file).status().unwrap().success());
    content
}

/// What a probe over HTTP hears: its status, and the body.
fn probe(address: SocketAddr, target: &str) -> (u16, String) {
    let mut socket = StdTcpStream::connect(address).unwrap();
    write!(socket, "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The exit code of `keyward health`, and what it says.
fn asked(server: &Server, flags: &[&str]) -> (Option<i32>, String) {
    let mut command = keyward();
    command.arg("health").args(flags).env("KEYWARD_SERVER", server.url());
    let ended = run(command, "");
    (ended.code, ended.out)
}

async fn status(client: &Client, name: &str) -> ServingStatus {
    let mut health = HealthClient::new(client.channel.clone());
    let asked = HealthCheckRequest { service: name.to_owned() };
    health.check(asked).await.unwrap().into_inner().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_probes_a_server_that_is_still_opening_its_store_is_refused() {
    // M2
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    Server::start(&data_dir).stop();
    let content = make_slow(&data_dir.join("roots"));

    let mut command = keyward();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data_dir);
    let server = Server::start_until(command, Stage::Bound);
    for address in [server.address, server.http_address] {
        let early = TcpStream::connect(address).await.map(|_| ()).map_err(|error| error.kind());
        assert_eq!(early, Err(io::ErrorKind::ConnectionRefused), "{address}");
    }
    assert!(!server.log().contains("serving"), "{}", server.log());

    fs::write(data_dir.join("roots"), content).unwrap();
    server.until_logged("serving gRPC");
    let client = Client::of(&server, &data_dir).await;
    for name in ["", "keyward.v1.KeyService", "envoy.service.auth.v3.Authorization", "keyward.changes"] {
        assert_eq!(status(&client, name).await, ServingStatus::Serving, "{name:?}");
    }
    client.keys().check(check("kw_live_nobodys", &["messaging:send"])).await.unwrap();
    for (target, body) in [("/livez", "alive\n"), ("/readyz", "ready\n")] {
        assert_eq!(probe(server.http_address, target), (200, body.to_owned()));
    }
    assert_eq!(asked(&server, &[]), (Some(0), "Checks are answered\n".to_owned()));
    assert_eq!(asked(&server, &["--changes"]).0, Some(0));
    let mut gone = keyward();
    gone.args(["health", "--timeout", "2s", "--server", "http://127.0.0.1:1"]);
    assert_eq!(run(gone, "").code, Some(1), "nothing answers there");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_no_changes_says_so_and_is_ready_all_the_same() {
    // M2
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    assert_eq!(status(&client, "keyward.changes").await, ServingStatus::Serving);

    // Another file in the place of the database: the store seals itself at the next change.
    let database = data_dir.join("keyward.db");
    fs::copy(&database, data_dir.join("copy")).unwrap();
    fs::rename(data_dir.join("copy"), &database).unwrap();
    let refused = client.keys().issue(client.signed(holder_key(&["messaging:send"]))).await;
    assert!(refused.is_err());
    // Told by a task of its own, so perhaps a moment after the answer.
    let told = async { while status(&client, "keyward.changes").await != ServingStatus::NotServing {} };
    timeout(PATIENCE, told).await.unwrap();
    for name in ["", "keyward.v1.KeyService", "envoy.service.auth.v3.Authorization"] {
        assert_eq!(status(&client, name).await, ServingStatus::Serving, "{name:?}");
    }
    assert_eq!(probe(server.http_address, "/livez"), (200, "alive\n".to_owned()));
    let (ready, told) = probe(server.http_address, "/readyz?verbose");
    assert_eq!(ready, 200, "{told}");
    assert!(told.contains("sealed: YES, and Checks are answered\n") && told.ends_with("\nready\n"), "{told}");
    assert_eq!(told.matches(": YES").count(), 1, "{told}");
    assert_eq!(asked(&server, &[]).0, Some(0));
    assert_eq!(asked(&server, &["--changes"]), (Some(1), "changes are not taken\n".to_owned()));
    client.keys().check(check("kw_live_nobodys", &["messaging:send"])).await.unwrap();
}
