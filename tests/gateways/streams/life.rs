//! Open streams: they outlive their key, and end when the gateway's own bound is over, where it has one.

use tokio::task::block_in_place;

use super::{
    Call, Client, HERE,
    grpc_service::{ECHO, GrpcService},
    websocket::open,
};
use crate::{
    config::Changes,
    gateway::{CADDY, ENVOY, Gateway, TRAEFIK},
    house::{Holder, House, policy},
};

/// What a gateway's file says of the life of a stream, and the same with less time.
struct Bound {
    gateway: &'static Gateway,
    shipped: &'static [(&'static str, &'static str)],
    ends_websockets: bool,
}

const BOUNDS: [Bound; 3] = [
    Bound {
        gateway: &ENVOY,
        shipped: &[("max_stream_duration: 3600s", "max_stream_duration: 1s")],
        ends_websockets: true,
    },
    Bound {
        gateway: &CADDY,
        shipped: &[("stream_timeout 1h", "stream_timeout 1s"), ("write 1h", "write 1s")],
        ends_websockets: true,
    },
    Bound {
        gateway: &TRAEFIK,
        shipped: &[("readTimeout: 60s", "readTimeout: 1s"), ("writeTimeout: 3600s", "writeTimeout: 1s")],
        ends_websockets: false,
    },
];

fn pairs(shipped: &[(&str, &str)]) -> Vec<(String, String)> {
    shipped.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_stream_outlives_its_key() {
    // H10
    let house = House::bare(policy()).await;
    for gateway in HERE {
        let Some(running) = house.beside(gateway, &Changes::default()).await else { return };
        let key = house.key(Holder::Reader).await;
        let Ok(mut socket) = open(&running, "/v1/templates", &key).await else { panic!("{}", gateway.name) };
        let id = house.keyward.check(&key, &[]).await.key.unwrap().id;
        house.keyward.revoke(&id).await;
        let again = open(&running, "/v1/templates", &key).await;
        assert_eq!(again.err().map(|reply| reply.status), Some(401), "{}", gateway.name);
        assert!(socket.echoes().await, "{} can cut it: docs/gateways.md says no", gateway.name);
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_when_the_bound_of_the_gateway_is_over() {
    // H10
    let house = House::bare(policy()).await;
    let service = GrpcService::start();
    for bound in &BOUNDS {
        let changes = Changes {
            replaced: pairs(bound.shipped),
            rpc_port: service.address.port(),
            ..Changes::default()
        };
        let Some(running) = house.beside(bound.gateway, &changes).await else { return };
        let (name, key) = (bound.gateway.name, house.key(Holder::Reader).await);
        let opened = open(&running, "/v1/templates", &key).await;
        let mut socket = opened.map_err(|reply| format!("{name}: {reply:?}")).unwrap();
        assert!(socket.echoes().await, "{name}");
        let call = Call { method: ECHO, metadata: &[("x-api-key", &key)], messages: &["one"], holds: true };
        // Its own deadline of a minute is beyond the test's patience.
        let Some(called) = block_in_place(|| Client::Grpcio.call(running.address, &call)) else { return };
        assert_eq!(called.messages, ["one"], "{name}: {called:?}");
        assert!(called.code != "OK" && called.code != "DEADLINE_EXCEEDED", "{name}: {called:?}");
        if bound.ends_websockets {
            assert!(socket.ended().await, "{name}");
        } else {
            assert!(socket.echoes().await, "{name} ends it: docs/gateways.md says no");
        }
    }
    house.stop().await;
}
