//! What is allowed goes through as it is, many at once and in any form, each as its own.

use tokio::task::JoinSet;

use crate::{
    exchange::{Connection, request},
    house::{Holder, House},
    service::{HANGS_UP, OWN_STATUS, Seen},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_reach_the_service_and_those_of_strangers_do_not() {
    // H6
    let Some(house) = House::build().await else { return };
    let key = house.key(Holder::Writer).await;
    let big = "b".repeat(1 << 20);
    let presented = ("x-api-key", key.as_str());
    for running in &house.gateways {
        let name = running.gateway.name;
        for body in ["hello", &big] {
            let (reply, _) = house.ask(running, &request("POST", "/v1/templates", &[presented], body)).await;
            assert!(Seen::of(&reply).body == body, "{name}");
            let denied = house.refused(running, &request("POST", "/v1/templates", &[], "hello")).await;
            assert_eq!(denied.status, 401, "{name}");
        }
        let chunked = ("transfer-encoding", "chunked");
        let chunks = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        let head = request("POST", "/v1/templates", &[presented, chunked], "");
        let (reply, _) = house.ask(running, &[&head[..], chunks].concat()).await;
        assert_eq!(Seen::of(&reply).body, "hello world", "{name}");
        let head = request("POST", "/v1/templates", &[chunked], "");
        assert_eq!(house.refused(running, &[&head[..], chunks].concat()).await.status, 401, "{name}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_service_answers_is_not_taken_for_keywards_word() {
    // H2
    let Some(house) = House::build().await else { return };
    let key = house.key(Holder::Reader).await;
    for running in &house.gateways {
        let name = running.gateway.name;
        let of = |path: String| request("GET", &path, &[("x-api-key", &key)], "");
        for status in [201, 302, 400, 401, 403, 404, 429, 500, 502, 503] {
            let path = format!("/v1/templates{OWN_STATUS}{status}");
            let (reply, reached) = house.ask(running, &of(path.clone())).await;
            assert_eq!((reply.status, reached), (status, 1), "{name}");
            assert_eq!(reply.json()["path"], path, "{name}: {reply:?}");
        }
        let (reply, _) = house.ask(running, &of(format!("/v1/templates{HANGS_UP}"))).await;
        assert!([502, 503].contains(&reply.status), "{name}: {reply:?}");
        assert!(!reply.text().contains("UNAVAILABLE"), "{name}: {reply:?}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_each_is_answered_as_its_own() {
    // H6, T1
    const AT_ONCE: usize = 16;
    const EACH: usize = 20;
    let Some(house) = House::build().await else { return };
    let mut keys = Vec::new();
    for _ in 0..AT_ONCE {
        let key = house.key(Holder::Reader).await;
        let id = house.keyward.check(&key, &[]).await.key.unwrap().id;
        keys.push((key, id));
    }
    for running in &house.gateways {
        let (address, name) = (running.address, running.gateway.name);
        let mut clients = JoinSet::new();
        for (key, id) in keys.clone() {
            clients.spawn(async move {
                let mut connection = Connection::open(address).await.unwrap();
                for place in 0..EACH {
                    // nginx hangs up after some denials.
                    if place % 2 == 1 {
                        let denied = connection.ask(&request("GET", "/v1/templates", &[], "")).await.unwrap();
                        assert_eq!(denied.unwrap().status, 401, "{name}");
                    }
                    let path = format!("/v1/templates?{id}-{place}");
                    let mine = request("GET", &path, &[("x-api-key", &key)], "");
                    let seen = Seen::of(&connection.ask(&mine).await.unwrap().unwrap());
                    assert_eq!(seen.values("x-keyward-key-id"), [id.as_str()], "{name}");
                    assert_eq!(seen.path, path, "{name}");
                }
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
    }
    house.stop().await;
}
