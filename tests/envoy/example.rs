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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requests_of_the_readme_get_what_it_says() {
    let Some(curl) = skip::tool("curl") else { return };
    let Some(house) = House::build().await else { return };
    let readme = include_str!("../../examples/envoy/README.md");
    let (_, issued) = readme.split_once("keyward issue reader --scope ").unwrap();
    let scope = issued.split(')').next().unwrap();
    let key = house.keyward.issue_scopes(&[scope]).await.api_key;
    let lines: Vec<_> =
        readme.lines().filter_map(|line| line.strip_prefix("curl -i ")?.split_once(" # ")).collect();
    assert_eq!(lines.len(), 4);
    for (arguments, expected) in lines {
        let arguments = arguments.replace("127.0.0.1:10000", &house.envoys[0].address.to_string());
        let command = format!("\"$CURL\" -s -o /dev/null -w '%{{http_code}}' {arguments}");
        let mut shell = Command::new("sh");
        let ended = shell.args(["-c", &command]).env("CURL", &curl).env("API_KEY", &key).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.stdout), expected[..3], "{arguments}");
    }
    house.stop().await;
}
