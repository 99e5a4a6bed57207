//! Rotation and revocation while many connections go on checking.

use std::time::Duration;

use keyward::{
    domain::policy::Policy,
    wire::v1::{self, DenialReason, key_service_client::KeyServiceClient, revoke_request::Target},
};
use tonic::transport::Channel;

use crate::{
    steady_load::{Asker, SteadyLoad},
    support::{Issued, Keyward, check, policy, reason},
};

const CONNECTIONS: usize = 16;
const SCOPE: &str = "messaging:send";
const ALMOST_A_DAY: Duration = Duration::from_millis(24 * 60 * 60 * 1_000 - 1);
const LAST_MOMENT: Duration = Duration::from_millis(1);

impl Asker for KeyServiceClient<Channel> {
    type Answer = Option<DenialReason>;

    async fn ask(&mut self, secret: &str) -> Option<DenialReason> {
        reason(&self.check(check(secret, &[SCOPE])).await.unwrap().into_inner())
    }
}

/// Checks; `judge` is told whether the change had been noted before one was sent, and why it was denied.
async fn load(keyward: &Keyward, secret: &str, judge: fn(bool, Option<DenialReason>)) -> SteadyLoad {
    let mut connections = Vec::new();
    for _connection in 0..CONNECTIONS {
        connections.push(KeyServiceClient::new(keyward.new_channel().await));
    }
    SteadyLoad::start(connections, secret, judge)
}

/// A Keyward whose limits nobody reaches: what is under test is the secret.
async fn generous() -> Keyward {
    let mut document = policy().document().clone();
    for limit in document.tiers.iter_mut().flat_map(|tier| &mut tier.limits) {
        limit.limit = 1_000_000_000;
    }
    Keyward::start_with(true, Policy::new(document).unwrap()).await
}

async fn rotate(keyward: &Keyward, key_id: &str) -> Issued {
    let request = v1::RotateRequest { key_id: key_id.to_owned(), ..v1::RotateRequest::default() };
    let mut answer = keyward.keys().rotate(keyward.as_root(request)).await.unwrap().into_inner();
    Issued { key: answer.key.take().unwrap(), api_key: std::mem::take(&mut answer.api_key) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_with_either_secret_is_denied_through_a_rotation_within_its_grace() {
    // R1, R2, R3
    let keyward = generous().await;
    let first = keyward.issue_scopes(&[SCOPE]).await;
    let never_denied = |_: bool, denied: Option<DenialReason>| assert_eq!(denied, None);
    let load = load(&keyward, &first.api_key, never_denied).await;
    load.go_on(20).await;
    for _rotation in 0..2 {
        let rotated = rotate(&keyward, &first.key.id).await;
        load.present(&rotated.api_key);
        load.go_on(50).await;
    }
    keyward.clock.advance(ALMOST_A_DAY);
    load.go_on(50).await;
    load.end().await;
    keyward.clock.advance(LAST_MOMENT);
    assert_eq!(keyward.denied(&first.api_key, &[SCOPE]).await, Some(DenialReason::KeyExpired));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_that_starts_after_revoke_returned_is_allowed_on_any_connection() {
    // V1
    let keyward = generous().await;
    for _key in 0..5 {
        let issued = keyward.issue_scopes(&[SCOPE]).await;
        let judge = |revoked: bool, denied: Option<DenialReason>| match denied {
            None => assert!(!revoked, "allowed after Revoke returned"),
            Some(denied) => assert_eq!(denied, DenialReason::KeyRevoked),
        };
        let load = load(&keyward, &issued.api_key, judge).await;
        load.go_on(20).await;
        let target = Some(Target::KeyId(issued.key.id));
        let request = v1::RevokeRequest { target, ..v1::RevokeRequest::default() };
        keyward.keys().revoke(keyward.as_root(request)).await.unwrap();
        load.note_change();
        load.go_on(50).await;
        load.end().await;
    }
    keyward.stop().await;
}
