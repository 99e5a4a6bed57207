//! Probes of platforms, over a real socket. What each condition does to them is a matter of `src/http/probes.rs`.

use crate::{
    exchange::{self, Reply, exchange},
    support::Keyward,
};

const YEAR_MS: i64 = 365 * 24 * 60 * 60 * 1_000;

async fn ask(keyward: &Keyward, method: &str, target: &str) -> Reply {
    exchange(keyward.service.http_address(), &exchange::request(method, target, &[], "")).await
}

#[tokio::test]
async fn probes_are_answered_to_anybody_by_get() {
    // M2, O3
    let keyward = Keyward::start_closed().await;
    for (target, body) in [("/livez", "alive\n"), ("/readyz", "ready\n"), ("/readyz?x=verbose", "ready\n")] {
        let reply = ask(&keyward, "GET", target).await;
        assert_eq!((reply.status, reply.text()), (200, body), "{target}");
        assert_eq!(reply.message.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(reply.message.header("cache-control"), Some("no-store"));
        let refused = ask(&keyward, "POST", target).await;
        assert_eq!((refused.status, refused.message.header("allow")), (405, Some("GET")), "{target}");
    }
    assert_eq!(ask(&keyward, "GET", "/readyz/").await.status, 404);
    let long = ask(&keyward, "GET", "/readyz?verbose").await;
    assert!(long.text().starts_with("loading: no\n") && long.text().ends_with("\nready\n"), "{long:?}");
}

#[tokio::test]
async fn a_clock_that_is_not_believed_is_named_and_leaves_it_ready() {
    // M2, D6
    let keyward = Keyward::start().await;
    keyward.clock.leap(YEAR_MS);
    // Looked at once a second.
    loop {
        let reply = ask(&keyward, "GET", "/readyz?verbose").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        if reply.text().contains("clock-not-believed: YES, and Checks are answered\n") {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&keyward, "GET", "/livez").await.status, 200);
}
