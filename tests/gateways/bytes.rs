//! Bytes that no header may hold: whoever sends them through a gateway gets a whole answer, the gateway's or ours.

use crate::{
    exchange::{exchange, request},
    gateway::NGINX,
    house::{Holder, House},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_in_a_header_gets_a_whole_answer_through_each_gateway() {
    // H5, X2
    let Some(house) = House::build().await else { return };
    let key = house.key(Holder::Reader).await;
    for running in &house.gateways {
        let name = running.gateway.name;
        for byte in (0..=0x1f_u8).chain([0x7f]).filter(|byte| !b"\r\n".contains(byte)) {
            for header in ["x-api-key", "authorization", "accept"] {
                let value = format!("{key}{}x", char::from(byte));
                let honest = if header == "accept" { ("x-api-key", key.as_str()) } else { ("x-other", "x") };
                let bytes = request("GET", "/v1/templates", &[(header, &value), honest], "");
                let before = house.service.requests();
                let reply = exchange(running.address, &bytes).await;
                let reached = house.service.requests() - before;
                let what = format!("{byte:#x} in {header} through {name}: {reply:?}");
                assert_eq!(reached, usize::from(reply.status == 200), "{what}");
                assert!([200, 400, 401].contains(&reply.status), "{what}");
                // Only nginx passes such bytes on, all but NUL: then it is Keyward that answers.
                if name == NGINX.name && byte != 0 && reply.status == 400 {
                    assert_eq!(reply.json()["error"]["code"], "REQUEST_MALFORMED", "{what}");
                    let challenge = "Bearer realm=\"keyward\", error=\"invalid_request\"";
                    assert_eq!(reply.message.header("www-authenticate"), Some(challenge), "{what}");
                    assert_eq!(reply.message.header("cache-control"), Some("no-store"), "{what}");
                }
            }
        }
    }
    house.stop().await;
}
