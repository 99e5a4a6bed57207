//! Where Keyward demands to know who asks, a gateway says so, and nobody behind it learns how.

use crate::{
    config::Changes,
    exchange::request,
    house::{Holder, House},
    service::Seen,
    support::{Keyward, admin_rights},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_can_say_who_it_is_and_its_clients_can_not() {
    // O1, O2, X9
    let mut caller = String::new();
    let say = async |keyward: &Keyward| {
        caller = keyward.issue_admin("", admin_rights(&["keys:check"], true)).await.api_key;
        Changes { caller: caller.clone(), ..Changes::default() }
    };
    let Some(house) = House::closed(say).await else { return };
    let key = house.key(Holder::Reader).await;
    for running in &house.gateways {
        let name = running.gateway.name;
        for claimed in ["", "Bearer kw_admin_x"] {
            let headers = [("x-api-key", key.as_str()), ("x-keyward-caller", claimed)];
            let (reply, _) = house.ask(running, &request("GET", "/v1/templates", &headers, "")).await;
            let seen = Seen::of(&reply);
            assert_eq!(seen.values("x-keyward-caller"), [""; 0], "{name}");
            assert!(!format!("{seen:?} {reply:?}").contains(&caller[9..]), "{name}");
        }
        assert!(!running.log().contains(&caller[9..]), "{name}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_does_not_say_who_it_is_gets_no_answer_whatever_its_client_says() {
    // O1, X9
    let unsaid = async |_keyward: &Keyward| Changes { without_keyward: true, ..Changes::default() };
    let Some(house) = House::closed(unsaid).await else { return };
    let key = house.key(Holder::Reader).await;
    let root = format!("Bearer {}", house.keyward.root);
    for running in &house.gateways {
        for headers in
            [&[("x-api-key", key.as_str())][..], &[("x-api-key", &key), ("x-keyward-caller", &root)]]
        {
            let reply = house.refused(running, &request("GET", "/v1/templates", headers, "")).await;
            assert_eq!(reply.status, 503, "{}: {reply:?}", running.gateway.name);
        }
    }
    house.stop().await;
}
