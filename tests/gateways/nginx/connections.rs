//! Between nginx and Keyward: connections are kept, whatever is answered; of two Keywards one is enough; and what nginx writes
//! when one is away holds no key.

use tokio::{net::TcpStream, time::timeout};

use super::{Relay, nginx, replacing};
use crate::{
    config::{Behind, Changes},
    exchange::{exchange, request},
    house::{Holder, House, STRANGER, policy},
    process::PATIENCE,
};

type Headers<'a> = &'a [(&'a str, &'a str)];

/// Sends each of these so often, each time on a connection of its own.
async fn deny(address: std::net::SocketAddr, requests: &[(&[u8], u16)], times: usize) {
    for (request, status) in requests {
        for _ in 0..times {
            assert_eq!(exchange(address, request).await.status, *status);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_denials_take_few_connections_to_keyward() {
    // H2, H5
    let house = House::alone(policy()).await;
    let relay = Relay::to(house.verify).await;
    let behind = Behind { verify: relay.address, ..house.behind() };
    let Some(running) = nginx(behind, &Changes::default()).await else { return };
    let spent = house.key(Holder::SpentHour).await;
    let (stranger, none) = ([("x-api-key", STRANGER)], [("x-api-key", "k")]);
    let denied: [(&[u8], u16); 4] = [
        (&request("GET", "/v1/templates", &stranger, ""), 401),
        (&request("POST", "/v1/templates", &none, "hello"), 401),
        (&request("GET", "/no", &[("x-api-key", &spent)], ""), 403),
        (&request("GET", "/v1/templates", &[("x-api-key", &spent)], ""), 429),
    ];
    deny(running.address, &denied, 250).await;
    // nginx keeps them for each of its processes, of which there is one for each core; and some are for its start.
    let few = 8 * std::thread::available_parallelism().unwrap().get();
    assert!(relay.connections() <= few, "{}", relay.connections());

    // Asked for the body itself, nginx gives each connection up.
    let table = "default                         /verify?body=header;";
    let with_body = replacing(&[(table, "default /verify;")]);
    let before = relay.connections();
    let Some(running) = nginx(behind, &with_body).await else { return };
    deny(running.address, &denied[2..3], 250).await;
    assert!(relay.connections() - before >= 250, "{}", relay.connections());
    house.stop().await;
}

/// The status of a request over HTTP/2.
async fn over_http2(send: &mut h2::client::SendRequest<bytes::Bytes>, key: &str) -> u16 {
    let request = http::Request::get("http://service.example/v1/templates").header("x-api-key", key);
    let (answer, _) = send.send_request(request.body(()).unwrap(), true).unwrap();
    timeout(PATIENCE, answer).await.unwrap().unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_http_2_keeps_its_connection_whatever_is_denied() {
    // H2
    let house = House::alone(policy()).await;
    let Some(running) = nginx(house.behind(), &Changes::default()).await else { return };
    let (good, spent) = (house.key(Holder::Reader).await, house.key(Holder::SpentHour).await);
    let two = format!("{good},{good}");
    let denied = [(STRANGER, 401, false), (two.as_str(), 400, true), (spent.as_str(), 429, true)];
    for (key, status, closes) in denied {
        let reply =
            exchange(running.address, &request("GET", "/v1/templates", &[("x-api-key", key)], "")).await;
        assert_eq!((reply.status, reply.message.header("connection") == Some("close")), (status, closes));
    }
    let socket = TcpStream::connect(running.address).await.unwrap();
    let (mut send, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    for (key, status, _) in denied {
        assert_eq!(over_http2(&mut send, key).await, status);
    }
    assert_eq!(over_http2(&mut send, &good).await, 200);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_keywards_the_living_one_decides_and_all_that_it_says_arrives() {
    // H2, H4, H5
    let house = House::alone(policy()).await;
    let one = "        server 127.0.0.1:8080;\n";
    let two = "        server 127.0.0.1:1 max_fails=0;\n        server 127.0.0.1:8080 max_fails=0;\n";
    let settings = vec![("exports:create", "enviroment", "live".to_owned())];
    let changes = Changes { settings, ready_when_open: true, ..replacing(&[(one, two)]) };
    let Some(running) = nginx(house.behind(), &changes).await else { return };
    let (good, spent) = (house.key(Holder::Reader).await, house.key(Holder::SpentHour).await);
    let two_keys = [("x-api-key", good.as_str()), ("authorization", "Bearer k")];
    let table: [(&str, &str, Headers<'_>, &str, u16); 6] = [
        ("GET", "/v1/templates", &[("x-api-key", &good)], "", 200),
        ("GET", "/v1/templates", &two_keys, "", 400),
        ("GET", "/v1/templates", &[("x-api-key", STRANGER)], "", 401),
        ("POST", "/v1/templates", &[("x-api-key", &good)], "", 403),
        ("GET", "/v1/templates", &[("x-api-key", &spent)], "", 429),
        ("GET", "/v1/exports", &[("x-api-key", &good)], "&enviroment=live", 503),
    ];
    for (method, path, headers, settings, status) in table {
        let verdict = house.verdict(method, path, headers, settings).await;
        assert_eq!(verdict.status, status, "{path}: {verdict:?}");
        // The dead one is asked first every other time.
        for _ in 0..6 {
            let reply = exchange(running.address, &request(method, path, headers, "")).await;
            assert_eq!(reply.status, status, "{path}: {reply:?}");
            if status != 200 {
                assert_eq!(reply.text(), verdict.text(), "{path}");
            }
            for name in ["retry-after", "www-authenticate", "cache-control"] {
                let wanted = if status == 200 { None } else { verdict.message.header(name) };
                assert_eq!(reply.message.header(name), wanted, "{path} {name}: {reply:?}");
            }
            assert_eq!(reply.limits.len(), verdict.limits.len(), "{path}: {reply:?}");
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nginx_writes_while_others_are_away_holds_no_query() {
    // K2
    const IN_QUERY: &str = "sk_of_another_system";
    let house = House::alone(policy()).await;
    let health = "        # Open to everyone.";
    let gone = "location /v1/spaces/ { proxy_pass http://unix:/nobody.sock; }\n        # Open to everyone.";
    let keyward = ("        server 127.0.0.1:8080;\n", "        server unix:/nobody.sock;\n");
    for (changes, status) in [(replacing(&[(health, gone)]), 502), (replacing(&[keyward]), 503)] {
        let changes = Changes { ready_when_open: true, ..changes };
        let Some(running) = nginx(house.behind(), &changes).await else { return };
        let key = house.key(Holder::Reader).await;
        for path in ["/v1/spaces/cdn-eu", "/v1/after"] {
            let path = format!("{path}?key={IN_QUERY}");
            let reply = exchange(running.address, &request("GET", &path, &[("x-api-key", &key)], "")).await;
            assert!([status, 403].contains(&reply.status), "{reply:?}");
        }
        let log = running.log_with("/v1/after").await;
        assert!(log.contains(&format!("\"status\":{status}")) && !log.contains(IN_QUERY), "{log}");
    }
    house.stop().await;
}
