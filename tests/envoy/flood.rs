//! More requests at once than one connection to Keyward, or Envoy by default, has room for.

use std::{collections::BTreeMap, net::SocketAddr};

use bytes::Bytes;
use futures_util::future::join_all;
use h2::client::SendRequest;
use http::Request;
use tokio::{net::TcpStream, time::timeout};

use crate::{House, config::Config, keyward, process::PATIENCE};

/// To each Envoy: 1,500 requests together.
const CONNECTIONS: usize = 15;
const REQUESTS: usize = 100;

/// How often each status came.
type Statuses = BTreeMap<u16, usize>;

/// Sends everything on HTTP/2 before it reads anything.
async fn flood(envoy: SocketAddr, headers: &[(&str, &str)]) -> Statuses {
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        senders.push(connect(envoy).await);
    }
    let mut statuses = Statuses::new();
    let answers = join_all(senders.iter().map(|sender| burst(sender, headers)));
    for status in timeout(PATIENCE, answers).await.unwrap().into_iter().flatten() {
        *statuses.entry(status).or_default() += 1;
    }
    statuses
}

async fn connect(envoy: SocketAddr) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(envoy).await.unwrap();
    let builder = h2::client::Builder::new().initial_max_send_streams(REQUESTS).handshake(socket);
    let (sender, connection) = builder.await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn burst(sender: &SendRequest<Bytes>, headers: &[(&str, &str)]) -> Vec<u16> {
    let mut answers = Vec::new();
    for _ in 0..REQUESTS {
        let mut request = Request::get("http://service.example/v1/templates");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut sender = sender.clone().ready().await.unwrap();
        answers.push(sender.send_request(request.body(()).unwrap(), true).unwrap().0);
    }
    join_all(answers).await.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_requests_is_no_outage() {
    // X1, H2
    let config = Config::default().with_all_headers();
    let Some(house) = House::around(keyward().await, config).await else { return };
    let long = "a".repeat(8 << 10);
    for envoy in &house.envoys {
        let before = house.service.requests();
        // The first is also the first that this Envoy asks Keyward.
        let all = CONNECTIONS * REQUESTS;
        assert_eq!(flood(envoy.address, &[]).await, [(401, all)].into());
        assert_eq!(flood(envoy.address, &[("cookie", &long)]).await, [(401, all)].into());
        assert_eq!(house.service.requests(), before);
    }
    house.stop().await;
}
