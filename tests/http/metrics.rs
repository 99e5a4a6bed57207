//! `/metrics` over a real socket: what is counted, by whom it was asked for, and what is never told.
#![allow(clippy::float_cmp, reason = "what is counted is whole")]

use std::collections::BTreeMap;

use keyward::{metrics::families::FAMILIES, wire::v1};

use crate::{
    exchange::{self, Reply, exchange},
    support::{Keyward, check, holder_key, policy, policy_with_routes},
    twins::limited,
};

const OPEN_METRICS: &str =
    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// Samples by their name and labels, as they are written.
type Samples = BTreeMap<String, f64>;

async fn scrape(keyward: &Keyward, accept: &str) -> Reply {
    let headers: &[(&str, &str)] = if accept.is_empty() { &[] } else { &[("accept", accept)] };
    exchange(keyward.service.http_address(), &exchange::request("GET", "/metrics", headers, "")).await
}

async fn samples(keyward: &Keyward) -> Samples {
    let reply = scrape(keyward, "").await;
    assert_eq!(reply.status, 200);
    let lines = reply.text().lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.rsplit_once(' ').unwrap());
    let mut found = Samples::new();
    for (name, value) in pairs {
        assert_eq!(found.insert(name.to_owned(), value.parse().unwrap()), None, "{name} twice");
    }
    found
}

/// What has been decided by one door, without what was counted before.
fn decided(samples: &Samples, door: &str) -> BTreeMap<String, f64> {
    let (start, end) = ("keyward_decisions_total{", format!(",door=\"{door}\"}}"));
    let labels = |name: &str| name.strip_prefix(start)?.strip_suffix(&end).map(str::to_owned);
    samples.iter().filter_map(|(name, value)| Some((labels(name)?, *value))).collect()
}

async fn verify(keyward: &Keyward, uri: &str, api_key: &str) {
    let headers = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", uri),
        ("x-forwarded-host", "api.example.com"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-api-key", api_key),
    ];
    exchange(keyward.service.http_address(), &exchange::request("GET", "/verify", &headers, "")).await;
}

#[tokio::test]
async fn every_decision_is_counted_once_by_its_reason_environment_tier_and_door() {
    // M1
    let routes = [("GET", "/v1/messages", "messaging:send", ""), ("GET", "/open", "public", "")];
    let keyward = Keyward::start_with(true, limited(&policy_with_routes(&routes), &[(3, "hour")])).await;
    let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let send = ["messaging:send"];

    keyward.check(&key, &send).await;
    keyward.check(&key, &["storage:read"]).await;
    keyward.check("kw_live_nobodys", &send).await;
    let batch = v1::BatchCheckRequest { requests: vec![check(&key, &send); 3], ..Default::default() };
    keyward.keys().batch_check(batch).await.unwrap();
    // Nothing is charged by these, and nothing counted.
    for mode in [v1::CheckMode::Peek, v1::CheckMode::Explain] {
        let look = v1::CheckRequest { mode: mode.into(), ..check(&key, &send) };
        keyward.keys().check(keyward.as_root(look)).await.unwrap();
    }
    verify(&keyward, "/v1/messages", &key).await;
    verify(&keyward, "/open", "").await;
    verify(&keyward, "/nowhere", &key).await;
    let question = format!("{{\"api_key\":\"{key}\",\"scopes\":[\"storage:read\"]}}");
    let json = [("content-type", "application/json")];
    exchange(keyward.service.http_address(), &exchange::request("POST", "/v1/check", &json, &question)).await;

    let seen = samples(&keyward).await;
    let reason = |reason: &str| format!("reason=\"{reason}\",environment=\"live\",tier=\"default\"");
    let without_key = |reason: &str| format!("reason=\"{reason}\",environment=\"\",tier=\"\"");
    let expected = |each: &[(String, f64)]| each.iter().cloned().collect::<BTreeMap<_, _>>();
    assert_eq!(
        decided(&seen, "grpc"),
        expected(&[
            (reason("ALLOWED"), 3.0),
            (reason("SCOPE_INSUFFICIENT"), 1.0),
            (reason("RATE_LIMITED"), 1.0),
            (without_key("CREDENTIALS_MALFORMED"), 1.0),
        ])
    );
    assert_eq!(
        decided(&seen, "verify"),
        expected(&[
            (reason("RATE_LIMITED"), 1.0),
            (without_key("ALLOWED"), 1.0),
            (without_key("ROUTE_NOT_FOUND"), 1.0),
        ])
    );
    assert_eq!(decided(&seen, "json"), expected(&[(reason("SCOPE_INSUFFICIENT"), 1.0)]));
    let refused: Vec<_> = seen.iter().filter(|(name, _)| name.starts_with("keyward_limit_ref")).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(*refused[0].1, 2.0);
    // A batch is one call; looks are calls too.
    for (door, calls) in [("grpc", 6.0), ("verify", 3.0), ("json", 1.0), ("envoy", 0.0)] {
        assert_eq!(
            seen[&format!("keyward_check_duration_seconds_count{{door=\"{door}\"}}")],
            calls,
            "{door}"
        );
    }
}

#[tokio::test]
async fn no_label_says_whose_it_is() {
    // M1, A5
    let keyward = Keyward::start().await;
    let (workspace, issued) = keyward.register("acme").await;
    let named = keyward.issue(v1::IssueRequest { owner: "user_1".into(), ..holder_key(&["messaging:send"]) });
    let named = named.await;
    for key in [&issued.api_key, &named.api_key] {
        keyward.check(key, &["messaging:send"]).await;
        keyward.check(key, &["storage:read"]).await;
    }
    let text = scrape(&keyward, "").await.text().to_owned();
    for secret in [
        issued.api_key.as_str(),
        &named.api_key,
        &issued.key.id,
        &named.key.id,
        &workspace.id,
        "user_1",
        "acme",
        "test key",
        "kw_",
        "key_",
        "ws_",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn both_formats_are_served_and_each_family_is_told_once() {
    // M1
    let keyward = Keyward::start().await;
    let plain = scrape(&keyward, "*/*").await;
    assert_eq!(plain.message.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(!plain.text().contains("# EOF") && !plain.text().contains("# UNIT"));
    let open = scrape(&keyward, OPEN_METRICS).await;
    let open_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.message.header("content-type"), Some(open_type));
    assert!(open.text().ends_with("\n# EOF\n") && open.text().contains("# TYPE keyward_build info\n"));
    // What has no sample yet is not told of: decisions, refusals, and a certificate that is not there.
    let absent = [
        "keyward_decisions",
        "keyward_limit_refusals",
        "keyward_admin_calls_denied",
        "keyward_certificate_expiry_timestamp_seconds",
    ];
    for family in FAMILIES {
        let told = open.text().matches(&format!("# TYPE {} ", family.name)).count();
        assert_eq!(told, usize::from(!absent.contains(&family.name)), "{}", family.name);
    }
    let post = exchange::request("POST", "/metrics", &[], "");
    let refused = exchange(keyward.service.http_address(), &post).await;
    assert_eq!((refused.status, refused.message.header("allow")), (405, Some("GET")));
}

#[tokio::test]
async fn what_the_parts_count_is_told_as_it_stands() {
    // M1
    let keyward = Keyward::start_with(true, policy()).await;
    let before = samples(&keyward).await;
    keyward.issue_scopes(&["messaging:send"]).await;
    let after = samples(&keyward).await;
    for (name, more) in [
        ("keyward_keys", 1.0),
        ("keyward_index_revision", 1.0),
        ("keyward_store_revision", 1.0),
        ("keyward_commit_group_size_sum", 1.0),
    ] {
        assert!(after[name] >= before[name] + more, "{name}: {} and {}", before[name], after[name]);
    }
    assert_eq!(after["keyward_keys"], before["keyward_keys"] + 1.0);
    assert!(after["keyward_commits_total"] > before["keyward_commits_total"]);
    assert_eq!(after["keyward_index_age_seconds"], 0.0);
    assert_eq!(after["keyward_condition{condition=\"sealed\"}"], 0.0);
    assert_eq!(after["keyward_connections_open{listener=\"grpc\"}"], 1.0);
    assert!(after["process_resident_memory_bytes"] > 1e6 && after["process_open_fds"] > 3.0);
    // As many as a policy with few names can make, however much is asked.
    assert!(after.len() < 400, "{}", after.len());
}

#[tokio::test]
async fn where_callers_must_say_who_they_are_nobody_reads_metrics() {
    // M1
    let keyward = Keyward::start_closed().await;
    assert_eq!(scrape(&keyward, "").await.status, 404);
}
