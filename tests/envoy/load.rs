//! Rotation and revocation while requests go on through Envoy.

use keyward::domain::policy::Policy;

use crate::{
    House, READ,
    config::Config,
    exchange::{Connection, request},
    steady_load::{Asker, SteadyLoad},
    support::{
        Keyward, roomy,
        verbs::{HOUR, MS},
    },
};

/// To each Envoy.
const CONNECTIONS: usize = 4;

impl Asker for Connection {
    type Answer = u16;

    async fn ask(&mut self, secret: &str) -> u16 {
        let request = request("GET", "/v1/templates", &[("x-api-key", secret)], "");
        Self::ask(self, &request).await.unwrap().unwrap().status
    }
}

/// With limits that no load reaches.
async fn build() -> Option<House> {
    let policy = roomy(&Policy::default_document().unwrap());
    House::around(Keyward::start_with(true, policy).await, Config::default()).await
}

/// Requests to all Envoys; `judge` is told whether the change had been noted before one was sent, and its status.
async fn load(house: &House, secret: &str, judge: fn(bool, u16)) -> SteadyLoad {
    let mut connections = Vec::new();
    for address in house.envoys.iter().flat_map(|envoy| [envoy.address; CONNECTIONS]) {
        connections.push(Connection::open(address).await.unwrap());
    }
    SteadyLoad::start(connections, secret, judge)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_through_a_rotation_with_either_secret_within_its_grace() {
    // R3
    let Some(house) = build().await else { return };
    let issued = house.keyward.issue_scopes(&[READ]).await;
    let load = load(&house, &issued.api_key, |_, status| assert_eq!(status, 200)).await;
    load.go_on(20).await;
    for _rotation in 0..2 {
        let rotated = house.keyward.rotate(&issued.key.id, Some(HOUR)).await;
        load.present(&rotated.api_key);
        load.go_on(50).await;
    }
    house.keyward.clock.advance(HOUR.checked_sub(MS).unwrap());
    load.go_on(50).await;
    load.end().await;
    house.keyward.clock.advance(MS);
    let late = request("GET", "/v1/templates", &[("x-api-key", &issued.api_key)], "");
    assert_eq!(house.refused(&late).await.status, 401);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_that_starts_after_revoke_returned_is_let_through() {
    // V1
    let Some(house) = build().await else { return };
    for _key in 0..3 {
        let issued = house.keyward.issue_scopes(&[READ]).await;
        let judge = |revoked: bool, status: u16| match status {
            200 => assert!(!revoked, "let through after Revoke returned"),
            status => assert_eq!(status, 401),
        };
        let load = load(&house, &issued.api_key, judge).await;
        load.go_on(20).await;
        house.keyward.revoke(&issued.key.id).await;
        load.note_change();
        load.go_on(50).await;
        load.end().await;
    }
    house.stop().await;
}
