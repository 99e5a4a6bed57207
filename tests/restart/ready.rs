//! When a probe may believe that Checks are answered.

use std::{fs, io, path::Path, process::Command};

use tokio::{net::TcpStream, time::timeout};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    Client,
    process::{PATIENCE, Server, Stage, keyward},
    support::{check, holder_key},
};

/// Puts a pipe in the place of a file: whoever reads it waits until it is written.
fn make_slow(file: &Path) -> Vec<u8> {
    let content = fs::read(file).unwrap();
    fs::remove_file(file).unwrap();
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(file).status().unwrap().success());
    content
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
    assert!(TcpStream::connect(server.http_address).await.is_ok());
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
    client.keys().check(check("kw_live_nobodys", &["messaging:send"])).await.unwrap();
}
