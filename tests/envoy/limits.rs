//! What a client is told of its limits through Envoy, to the byte.

use keyward::domain::policy::{LimitEntry, Policy, RouteEntry};

use crate::{
    House, READ,
    answers::{OF_LIMITS, assert_denied, assert_forbidden},
    config::Config,
    exchange::{Reply, exchange, request},
    service::OWN_LIMITS,
    support::{Issued, Keyward, START_MS},
};

/// A Keyward whose keys may read templates so often in an hour, and everybody may see `/open`.
async fn house(limit: u64) -> Option<House> {
    let mut document = Policy::default_document().unwrap().document().clone();
    let hour = LimitEntry {
        name: "hour".to_owned(),
        limit,
        calendar: Some("hour".to_owned()),
        ..LimitEntry::default()
    };
    document.tiers[0].limits = vec![hour];
    let (path, access) = ("/open".to_owned(), "public".to_owned());
    document.routes.push(RouteEntry { path, access, ..RouteEntry::default() });
    let keyward = Keyward::start_with(true, Policy::new(document).unwrap()).await;
    House::around(keyward, Config::default()).await
}

/// The reply of one Envoy, so that one request is one charge; again where that must be written first and the disk is busy.
async fn ask(house: &House, method: &str, path: &str, issued: &Issued) -> Reply {
    let request = request(method, path, &[("x-api-key", &issued.api_key)], "");
    for _retry in 0..100 {
        let reply = exchange(house.envoys[0].address, &request).await;
        if reply.status != 503 {
            return reply;
        }
    }
    panic!("always 503");
}

/// Passes if the reply tells this limit, of which so much is left, and nothing else.
#[track_caller]
fn assert_told(reply: &Reply, limit: u64, left: u64) {
    let reset = START_MS / 1_000 + 3_600;
    let values = [
        format!("\"default/hour\";r={left};t=3600"),
        format!("\"default/hour\";q={limit};w=3600"),
        limit.to_string(),
        left.to_string(),
        reset.to_string(),
    ];
    let expected: Vec<_> = OF_LIMITS.into_iter().zip(values.iter().map(String::as_str)).collect();
    assert_eq!(reply.told(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_sees_how_its_limit_stands_on_200_403_and_429() {
    // H2, H4, H5, L9
    let Some(house) = house(3).await else { return };
    let issued = house.keyward.issue_scopes(&[READ]).await;
    for (method, left) in [("GET", 2), ("HEAD", 1), ("GET", 0)] {
        let reply = ask(&house, method, "/v1/templates", &issued).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_told(&reply, 3, left);
        let others = reply.message.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        assert_eq!(others, ["content-type", "content-length", "server"], "the service's own, and Envoy's");
    }
    let presented = [("x-api-key", issued.api_key.as_str())];
    let spent = house.refused(&request("GET", "/v1/templates", &presented, "")).await;
    let message = "Rate limit exceeded. Retry after 3600 seconds.";
    assert_denied(&spent, "429 Too Many Requests", "", "RATE_LIMITED", message);
    assert_told(&spent, 3, 0);
    let head = house.refused(&request("HEAD", "/v1/templates", &presented, "")).await;
    assert_eq!((head.status, head.message.header("retry-after")), (429, Some("3600")));
    assert_told(&head, 3, 0);
    let lacks = house.refused(&request("POST", "/v1/templates", &presented, "")).await;
    let missing = "The API key lacks templates:write.";
    assert_forbidden(&lacks, r#", scope="templates:write""#, "SCOPE_INSUFFICIENT", missing);
    assert_told(&lacks, 3, 0);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_service_says_of_limits_is_overwritten() {
    // H4
    let Some(house) = house(1_000).await else { return };
    let issued = house.keyward.issue_scopes(&[READ]).await;
    for (method, left) in [("GET", 999), ("HEAD", 998)] {
        let path = format!("/v1/templates{OWN_LIMITS}");
        let reply = ask(&house, method, &path, &issued).await;
        assert_eq!(reply.status, 200);
        assert_told(&reply, 1_000, left);
        let latency = reply.limits.iter().find(|(name, _)| name == "x-ratelimit-latency").unwrap();
        assert!(latency.1.parse::<u64>().unwrap() < 9_000, "it is the service's: {latency:?}");
    }
    let open = ask(&house, "GET", "/open", &issued).await;
    assert_eq!((open.status, open.told()), (200, vec![]), "nobody was asked for");
    let theirs = ask(&house, "GET", &format!("/open{OWN_LIMITS}"), &issued).await;
    let (names, _): (Vec<_>, Vec<_>) = theirs.told().into_iter().unzip();
    let kept = ["ratelimit", "ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-limit"];
    assert_eq!(names, kept, "where Keyward has none, the service may have its own");
    house.stop().await;
}
