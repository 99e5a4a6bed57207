//! How the server ends.

use std::time::Duration;

use keyward::server::limits::ListenerLimits;
use tokio::net::TcpStream;
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    client::{H2, honest},
    handler::{ANSWER, NEVER, Server, WHEN_RELEASED, check_request, one},
};

// D10
#[tokio::test]
async fn what_is_in_flight_finishes_and_nothing_new_is_accepted() {
    let server = Server::start(ListenerLimits::default()).await;
    let address = server.address();
    let mut client = honest(address).await;
    let call = tokio::spawn(async move { client.check(check_request(WHEN_RELEASED)).await });
    one(&server.handler.entered).await;

    let (handler, health) = (server.handler, server.health);
    health.drain();
    let shutdown = tokio::spawn(server.running.shutdown());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!shutdown.is_finished());
    handler.release.add_permits(1);
    assert!(call.await.unwrap().unwrap().get_ref().allowed);
    shutdown.await.unwrap().unwrap();
}

// D10
#[tokio::test]
async fn an_open_connection_is_told_to_go_and_a_watch_ends() {
    let server = Server::start(ListenerLimits::default()).await;
    let idle = H2::connect(server.address()).await;
    assert_eq!(idle.check(ANSWER).await.unwrap().code(), Code::Ok);
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).unwrap();
    let mut client = HealthClient::new(endpoint.connect().await.unwrap());
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();

    server.health.drain();
    server.running.shutdown().await.unwrap();
    idle.ended().await.unwrap();
    watch.message().await.unwrap().unwrap();
    assert!(watch.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_call_that_does_not_finish_cannot_hold_up_the_end() {
    let limits = ListenerLimits { drain_deadline: Duration::from_millis(100), ..ListenerLimits::default() };
    let server = Server::start(limits).await;
    let mut client = honest(server.address()).await;
    let call = tokio::spawn(async move { client.check(check_request(NEVER)).await });
    one(&server.handler.entered).await;
    server.running.shutdown().await.unwrap();
    assert!(call.await.unwrap().is_err());
    one(&server.handler.dropped).await;
}

#[tokio::test]
async fn dropping_the_handle_ends_it_too() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    h2.check(ANSWER).await.unwrap();
    drop(server.running);
    h2.ended().await.unwrap();
}
