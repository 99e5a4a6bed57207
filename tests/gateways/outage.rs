//! Keyward dies, hangs and talks nonsense: nothing is let through that it has not allowed.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use keyward::wire::v1::key_service_client::KeyServiceClient;
use tonic::transport::Channel;

use crate::{
    config::{Behind, Changes},
    exchange::{exchange, request},
    gateway::{self, Running, TRAEFIK},
    house::{READ, decided, policy},
    process::Server,
    service::Service,
    support::{holder_key, signed, skip},
};

/// What may stand where Keyward should: how it answers, and whether it hangs up.
const OTHERS: [(&[u8], bool); 11] = [
    (b"", true),
    (b"\0\x01\x02\x03\r\n\r\n", true),
    (b"SSH-2.0-OpenSSH_9.2\r\n", true),
    (b"200 OK\r\n\r\n", true),
    (b"HTTP/1.1 200", true),
    (b"HTTP/1.1 100 Continue\r\n\r\n", true),
    (b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", true),
    (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", true),
    (b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n", true),
    (b"HTTP/1.1 999 \r\ncontent-length: 0\r\n\r\n", true),
    (b"", false),
];

/// Answers each connection so as soon as it says something.
async fn answering(bytes: &'static [u8], hangs_up: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut question = [0; 4096];
                let _gone = socket.read(&mut question).await;
                let _gone = socket.write_all(bytes).await;
                while !hangs_up && socket.read(&mut question).await.is_ok_and(|length| length > 0) {}
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_answers_in_the_place_of_keyward_lets_nothing_through() {
    // H2, X1
    let service = Service::start().await;
    for (bytes, hangs_up) in OTHERS {
        let other = answering(bytes, hangs_up).await;
        let behind = Behind { grpc: other, verify: other, service: service.address };
        let changes = Changes { without_keyward: true, ..Changes::default() };
        for gateway in gateway::ALL {
            if !hangs_up && gateway.name == TRAEFIK.name {
                // It would wait for half a minute, each time.
                continue;
            }
            let Some(program) = skip::tool(gateway.program) else { return };
            let running = Running::start(gateway, &program, behind, &changes).await;
            for headers in [&[("x-api-key", "k")][..], &[("x-keyward-owner", "mallory")]] {
                for path in ["/v1/templates", "/open/a"] {
                    let before = service.requests();
                    let reply = exchange(running.address, &request("GET", path, headers, "")).await;
                    let name = format!("{} asks {}: {reply:?}", gateway.name, bytes.escape_ascii());
                    assert_eq!(service.requests(), before, "{name}");
                    assert_ne!(reply.status, 200, "{name}");
                    assert!(hangs_up || reply.status == 503, "{name}");
                }
            }
        }
    }
}

/// Issues a key as the root of a server process.
async fn issue(server: &Server, data_dir: &std::path::Path) -> String {
    let root = std::fs::read_to_string(data_dir.join("root-key")).unwrap();
    let channel = Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
    let answer = KeyServiceClient::new(channel).issue(signed(root.trim_end(), holder_key(&[READ]))).await;
    answer.unwrap().into_inner().api_key.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_keyward_is_down_nothing_passes_and_when_it_is_back_it_decides() {
    // H2, X1, D1
    let files = tempfile::tempdir().unwrap();
    let data_dir = files.path().join("data");
    let declared = files.path().join("policy.toml");
    std::fs::write(&declared, policy().to_toml()).unwrap();
    let flags = ["--listen", "127.0.0.1:0", "--policy", declared.to_str().unwrap()];
    let mut keyward = Server::start_with(&data_dir, &flags);
    let service = Service::start().await;
    let behind = Behind { grpc: keyward.address, verify: keyward.http_address, service: service.address };
    let mut gateways = Vec::new();
    for gateway in gateway::ALL {
        let Some(program) = skip::tool(gateway.program) else { return };
        gateways.push(Running::start(gateway, &program, behind, &Changes::default()).await);
    }
    let key = issue(&keyward, &data_dir).await;
    let good = request("GET", "/v1/templates", &[("x-api-key", &key)], "");
    let bad = request("GET", "/v1/templates", &[("x-api-key", "nobody"), ("x-keyward-owner", "mallory")], "");
    let (grpc, http) = (behind.grpc.to_string(), behind.verify.to_string());
    for _outage in 0..2 {
        for running in &gateways {
            let address = running.address;
            let statuses = (decided(address, &good).await.status, decided(address, &bad).await.status);
            assert_eq!(statuses, (200, 401), "{}", running.gateway.name);
        }
        keyward.kill();
        let before = service.requests();
        for running in &gateways {
            for request in [&good, &bad] {
                let reply = exchange(running.address, request).await;
                let expected = if running.gateway.name == TRAEFIK.name { 500 } else { 503 };
                assert_eq!(reply.status, expected, "{}: {reply:?}", running.gateway.name);
                assert_eq!(reply.text().is_empty(), expected == 500, "{}: {reply:?}", running.gateway.name);
            }
        }
        assert_eq!(service.requests(), before);
        keyward = Server::start_with(&data_dir, &["--listen", &grpc, "--http-listen", &http]);
    }
    keyward.stop();
}
