//! Pages of other origins: off as shipped, and with keyward-cors.conf for the origins that are listed.

use super::{Relay, nginx, replacing};
use crate::{
    config::{Behind, Changes},
    exchange::{Reply, exchange, request},
    house::{Holder, House, STRANGER},
    support,
};

const PAGE: &str = "https://app.example.com";

fn with_pages() -> Changes {
    replacing(&[
        ("# include keyward-cors.conf;", "include keyward-cors.conf;"),
        ("# https://app.example.com  $http_origin;", "https://app.example.com  $http_origin;"),
    ])
}

/// What a browser is told of this page.
fn cors(reply: &Reply) -> Vec<(&str, &str)> {
    let headers = reply.message.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    headers.filter(|(name, _)| name.starts_with("access-control-")).collect()
}

fn allowed(reply: &Reply) -> Option<&str> {
    reply.message.header("access-control-allow-origin")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_listed_origins_may_ask_and_read_denials_and_limits() {
    // H4, H10
    let house = House::alone(support::policy()).await;
    let relay = Relay::to(house.verify).await;
    let Some(running) = nginx(Behind { verify: relay.address, ..house.behind() }, &with_pages()).await else {
        return;
    };
    let asked = relay.connections();
    let preflight = [("origin", PAGE), ("access-control-request-method", "POST")];
    let reply = exchange(running.address, &request("OPTIONS", "/v1/templates", &preflight, "")).await;
    assert_eq!((reply.status, reply.text()), (204, ""), "{reply:?}");
    assert_eq!(allowed(&reply), Some(PAGE));
    let told = |name: &str| reply.message.header(name).unwrap_or_default().to_owned();
    assert!(told("access-control-allow-methods").contains("DELETE"), "{reply:?}");
    assert!(told("access-control-allow-headers").contains("authorization, x-api-key"), "{reply:?}");
    assert_eq!((told("access-control-max-age"), told("vary")), ("600".to_owned(), "origin".to_owned()));
    assert_eq!((relay.connections(), house.service.requests()), (asked, 1), "nobody is asked: {reply:?}");

    let (good, spent) = (house.key(Holder::Reader).await, house.key(Holder::SpentHour).await);
    for (key, status) in [(good.as_str(), 200), (STRANGER, 401), (&spent, 429)] {
        let headers = [("origin", PAGE), ("x-api-key", key)];
        let reply = exchange(running.address, &request("GET", "/v1/templates", &headers, "")).await;
        assert_eq!((reply.status, allowed(&reply)), (status, Some(PAGE)), "{reply:?}");
        let readable = reply.message.header("access-control-expose-headers").unwrap();
        let limits = reply.limits.iter().map(|(name, _)| name.as_str());
        let of_denial = ["retry-after", "www-authenticate"].into_iter();
        let of_denial = of_denial.filter(|name| reply.message.header(name).is_some());
        for name in limits.chain(of_denial) {
            assert!(readable.split(", ").any(|readable| readable == name), "{name}: {reply:?}");
        }
        assert!(reply.message.header("access-control-allow-methods").is_none(), "{reply:?}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_pages_may_not_and_as_shipped_none_may() {
    // H10
    let house = House::alone(support::policy()).await;
    let Some(shipped) = nginx(house.behind(), &Changes::default()).await else { return };
    let Some(listed) = nginx(house.behind(), &with_pages()).await else { return };
    let key = house.key(Holder::Reader).await;
    let method = ("access-control-request-method", "POST");
    for (running, origins) in [
        (&shipped, &[PAGE, "https://evil.example"][..]),
        (&listed, &["https://evil.example", "https://app.example.com.evil.example", "null", ""]),
    ] {
        for origin in origins {
            let preflight = request("OPTIONS", "/v1/templates", &[("origin", origin), method], "");
            let reply = exchange(running.address, &preflight).await;
            assert_eq!((reply.status, allowed(&reply)), (401, None), "{origin}: {reply:?}");
            let headers = [("origin", *origin), ("x-api-key", &key)];
            let reply = exchange(running.address, &request("GET", "/v1/templates", &headers, "")).await;
            assert_eq!((reply.status, allowed(&reply)), (200, None), "{origin}: {reply:?}");
        }
    }
    let plain = exchange(shipped.address, &request("GET", "/v1/templates", &[("origin", PAGE)], "")).await;
    assert_eq!((plain.status, cors(&plain)), (401, vec![]));
    // No preflight: it may be a request of a client that is no browser.
    let options = request("OPTIONS", "/v1/templates", &[("origin", PAGE)], "");
    assert_eq!(exchange(listed.address, &options).await.status, 401);
    house.stop().await;
}
