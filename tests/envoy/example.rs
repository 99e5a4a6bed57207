//! The example itself.

use std::process::Command;

use crate::{House, exchange::request, service::Seen, support::skip};

#[test]
fn envoy_takes_the_example_as_it_is() {
    let Some(envoy) = skip::tool("envoy") else { return };
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/envoy/envoy.yaml");
    let ended = Command::new(envoy).args(["--mode", "validate", "-c", example]).output().unwrap();
    let log = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{log}");
    assert!(!log.contains("[warning]") && !log.contains("deprecated"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_open_route_is_open_and_believes_no_claim() {
    let Some(house) = House::build().await else { return };
    let claims = [("x-keyward-owner", "mallory"), ("X-Keyward-Anything", "1")];
    let seen = Seen::of(&house.ask(&request("GET", "/healthz", &claims, "")).await);
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/healthz"));
    assert_eq!(seen.identity(), []);
    house.stop().await;
}
