//! The examples themselves.

use std::process::Command;

use crate::{
    exchange::request,
    house::{Holder, House, READ, STRANGER},
    support::skip,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requests_of_each_readme_get_what_it_says() {
    let Some(curl) = skip::tool("curl") else { return };
    let Some(house) = House::build().await else { return };
    for running in &house.gateways {
        let readme = running.gateway.readme;
        let (_, issued) = readme.split_once("keyward issue reader --scope ").unwrap();
        let key = house.keyward.issue_scopes(&[issued.split(')').next().unwrap()]).await.api_key;
        let lines: Vec<_> =
            readme.lines().filter_map(|line| line.strip_prefix("curl -i ")?.split_once(" # ")).collect();
        assert_eq!(lines.len(), 4);
        for (arguments, expected) in lines {
            let arguments = arguments.replace("127.0.0.1:10000", &running.address.to_string());
            let command = format!("\"$CURL\" -s -o /dev/null -w '%{{http_code}}' {arguments}");
            let mut shell = Command::new("sh");
            shell.args(["-c", &command]).env("CURL", &curl).env("API_KEY", &key);
            let ended = shell.output().unwrap();
            let status = String::from_utf8_lossy(&ended.stdout).into_owned();
            assert_eq!(status, expected[..3], "{} {arguments}", running.gateway.name);
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_of_a_gateway_holds_a_secret() {
    // K2, H5
    let Some(house) = House::build().await else { return };
    let key = house.key(Holder::Reader).await;
    let spent = house.key(Holder::SpentHour).await;
    for running in &house.gateways {
        for key in [key.as_str(), &spent, STRANGER] {
            let bearer = format!("Bearer {key}");
            for header in [("x-api-key", key), ("authorization", &bearer)] {
                house.ask(running, &request("GET", "/v1/templates?q", &[header], "")).await;
                let path = format!("/v1/templates?api_key={key}");
                house.ask(running, &request("GET", &path, &[header], "")).await;
                house.ask(running, &request("POST", &path, &[header], key)).await;
                house.ask(running, &request("GET", &format!("/healthz?key={key}"), &[header], "")).await;
            }
            let joined = format!("{key},{key}");
            house.ask(running, &request("GET", "/v1/templates", &[("x-api-key", &joined)], "")).await;
        }
    }
    let id = house.keyward.check(&key, &[READ]).await.key.unwrap().id;
    for running in &house.gateways {
        let log = running.log_with(&id).await;
        for key in [key.as_str(), &spent, STRANGER] {
            assert!(!log.contains(&key[8..]), "{}: a secret: {log}", running.gateway.name);
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_gateway_warns_of_its_example() {
    let Some(house) = House::build().await else { return };
    for running in &house.gateways {
        let log = running.log();
        // Caddy says so of what the example wants: no administration, and HTTP without TLS. Envoy always does.
        let wanted =
            ["admin endpoint disabled", "skipped because it requires TLS", "There is no configured limit"];
        let warnings: Vec<_> = log
            .lines()
            .filter(|line| {
                ["warn", "WRN", "error", "ERR", "deprecated"].iter().any(|word| line.contains(word))
            })
            .filter(|line| !wanted.iter().any(|words| line.contains(words)))
            .collect();
        assert_eq!(warnings, [""; 0], "{}", running.gateway.name);
    }
    house.stop().await;
}
