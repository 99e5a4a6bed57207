//! Keyward dies and comes back under Envoy.

use keyward::wire::v1::key_service_client::KeyServiceClient;
use tokio::time::timeout;
use tonic::transport::Channel;

use crate::{
    READ,
    config::Config,
    envoy::Envoy,
    exchange::{Reply, exchange, request},
    process::{PATIENCE, Server},
    service::{Seen, Service},
    support::{Issued, holder_key, policy, signed, skip},
};

/// Issues a key as the root of a server process.
async fn issue(server: &Server, data_dir: &std::path::Path) -> Issued {
    let root = std::fs::read_to_string(data_dir.join("root-key")).unwrap();
    let channel = Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
    let answer = KeyServiceClient::new(channel).issue(signed(root.trim_end(), holder_key(&[READ]))).await;
    Issued::from(answer.unwrap().into_inner())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_keyward_is_down_envoy_answers_503_and_passes_all_only_where_it_was_told_to() {
    // H2, X1, D1
    let Some(program) = skip::tool("envoy") else { return };
    let files = tempfile::tempdir().unwrap();
    let data_dir = files.path().join("data");
    let declared = files.path().join("policy.toml");
    std::fs::write(&declared, policy().to_toml()).unwrap();
    let flags = ["--listen", "127.0.0.1:0", "--policy", declared.to_str().unwrap()];
    let mut keyward = Server::start_with(&data_dir, &flags);
    let service = Service::start().await;
    let config = Config::default().between(keyward.address, service.address);
    let open = config.clone().failing_open();
    let (closed, open) = tokio::join!(Envoy::start(&program, &config), Envoy::start(&program, &open));
    let key = issue(&keyward, &data_dir).await.api_key;
    let good = request("GET", "/v1/templates", &[("x-api-key", &key)], "");
    let bad = request("GET", "/v1/templates", &[("x-api-key", "nobody"), ("x-keyward-owner", "mallory")], "");
    let assert_decided = |good: &Reply, bad: &Reply| assert_eq!((good.status, bad.status), (200, 401));

    for envoy in [&closed, &open] {
        assert_decided(&decided(envoy, &good).await, &decided(envoy, &bad).await);
    }
    for _outage in 0..2 {
        let listen = keyward_address(&keyward);
        keyward.kill();
        for request in [&good, &bad] {
            let before = service.requests();
            let reply = exchange(closed.address, request).await;
            assert_eq!(reply.status, 503);
            assert_eq!(reply.json()["error"]["code"], "UNAVAILABLE", "what Keyward would say");
            assert_eq!(service.requests(), before);
            let seen = Seen::of(&exchange(open.address, request).await);
            assert_eq!(seen.identity(), [], "nobody said who it is");
            assert_eq!(seen.values("x-api-key"), [""; 0]);
        }
        keyward = Server::start_with(&data_dir, &["--listen", &listen]);
        for envoy in [&closed, &open] {
            assert_decided(&decided(envoy, &good).await, &decided(envoy, &bad).await);
        }
    }
    keyward.stop();
}

/// The reply as soon as there is a decision: a Keyward that has come back is believed after the next health check.
async fn decided(envoy: &Envoy, request: &[u8]) -> Reply {
    let until_decided = async {
        loop {
            let reply = exchange(envoy.address, request).await;
            if reply.status != 503 {
                break reply;
            }
        }
    };
    timeout(PATIENCE, until_decided).await.unwrap()
}

fn keyward_address(keyward: &Server) -> String {
    format!("127.0.0.1:{}", keyward.address.port())
}
