//! One id by which a request is found: in what its client is answered, at the service, and in the gateway's access log.

use crate::{
    exchange::request,
    house::{Holder, House, STRANGER},
};

/// What a client calls its request.
const CLAIMED: &str = "claimed-by-a-client-7";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_one_id_from_the_answer_to_the_access_log() {
    // M7
    let Some(house) = House::build().await else { return };
    let key = house.key(Holder::Reader).await;
    let spent = house.key(Holder::SpentHour).await;
    for running in &house.gateways {
        let name = running.gateway.name;
        let mut ids = Vec::new();
        for (key, method, status) in
            [(key.as_str(), "GET", 200), (&key, "POST", 403), (STRANGER, "GET", 401), (&spent, "GET", 429)]
        {
            let headers = [("x-api-key", key), ("x-request-id", CLAIMED)];
            let (reply, _) = house.ask(running, &request(method, "/v1/templates", &headers, "")).await;
            assert_eq!(reply.status, status, "{name}: {reply:?}");
            // That the body of a denial has the same one, the reply was held against.
            let Some(id) = reply.request_id else {
                // It tells a client nothing of what is allowed, as of limits.
                assert!(name == "Traefik" && status == 200, "{name} {status}: no id");
                continue;
            };
            assert!(id.len() >= 32 && id != CLAIMED, "{name} {status}: {id}");
            ids.push(id);
        }
        for id in &ids {
            running.log_with(id).await;
        }
        assert!(!running.log().contains(CLAIMED), "{name}: a client names no line of the log");
        ids.dedup();
        assert!(ids.len() >= 3, "{name}: {ids:?}");
    }
    house.stop().await;
}
