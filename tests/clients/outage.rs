//! Keyward is away, or does not want this caller: that is no denial, and no permission.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::{
    example::Recipe,
    exchange::Reply,
    house::{House, READ},
    process::PATIENCE,
};

/// Ten times what a program waits for Keyward: on a busy machine nothing is at once.
const SOON: Duration = Duration::from_secs(2);

/// `GET /v1/templates` with this key, again and again until the status is this one.
async fn until(house: &House, status: u16, api_key: &str) -> Reply {
    let seen = async {
        loop {
            let reply = house.ask("GET", "/v1/templates", &[("x-api-key", api_key)]).await;
            if reply.status == status {
                return reply;
            }
        }
    };
    timeout(PATIENCE, seen).await.unwrap()
}

// H2
pub(crate) async fn closed(recipe: &Recipe) {
    let Some(mut house) = House::build(recipe, &[]) else { return };
    let key = house.issue(&["--scope", READ]);
    assert_eq!(house.read(&key).await.status, 200);

    house.stop_keyward();
    for _ in 0..3 {
        let begun = Instant::now();
        let reply = house.ask("GET", "/v1/templates", &[("x-api-key", &key)]).await;
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        assert_eq!((reply.status, reply.message.header("retry-after")), (503, Some("1")), "{reply:?}");
        assert_eq!(reply.json()["error"]["code"], "UNAVAILABLE");
        assert_eq!(reply.message.header("www-authenticate"), None);
    }
    assert_eq!(house.ask("GET", "/v1/templates", &[]).await.status, 401, "what needs no Keyward");

    house.start_keyward();
    until(&house, 200, &key).await;
    let log = house.stop(&[&key]);
    assert!(log.to_uppercase().contains("NO ANSWER"), "the operator is not told: {log}");
}

// H2
pub(crate) async fn open(recipe: &Recipe) {
    let Some(mut house) = House::build(recipe, &[("FAIL_OPEN", "yes")]) else { return };
    let key = house.issue(&["--scope", READ]);
    assert_eq!(house.read(&key).await.status, 200);
    assert_eq!(house.read("nobody's").await.status, 401);

    house.stop_keyward();
    let reply = until(&house, 200, &key).await;
    assert_eq!(reply.json()["key"], serde_json::Value::Null, "{reply:?}");
    assert_eq!(house.ask("GET", "/v1/templates", &[]).await.status, 401);
    let two = [("x-api-key", key.as_str()), ("authorization", "Bearer other")];
    assert_eq!(house.ask("GET", "/v1/templates", &two).await.status, 400);

    house.start_keyward();
    until(&house, 401, "nobody's").await;
    let log = house.stop(&[&key]);
    assert!(log.contains("let through unchecked: GET /v1/templates"), "{log}");

    // A mistake of the operator is no outage: it lets nothing through, and the log says which.
    let wrong = "kw_admin_wrong";
    let settings = [("FAIL_OPEN", "yes"), ("KEYWARD_ADMIN_KEY", wrong)];
    let Some(house) = House::build(recipe, &settings) else { return };
    until(&house, 503, "nobody's").await;
    let log = house.stop(&[wrong]);
    assert!(log.contains("CALLER_INVALID"), "{log}");
}
