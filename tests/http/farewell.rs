//! How connections of HTTP/1.1 end: with an answer that says so, and with no request lost that was on its way.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream as Blocking},
    time::Duration,
};

use keyward::server::limits::ListenerLimits;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use crate::{
    exchange::{Message, Reply},
    process::PATIENCE,
    support::Keyward,
};

const DESCRIPTION: &[u8] = b"GET /openapi.json HTTP/1.1\r\nhost: k\r\n\r\n";

/// Limits under which nothing is closed only because time has passed.
fn patient() -> ListenerLimits {
    ListenerLimits { last_request_grace: PATIENCE, farewell_deadline: PATIENCE, ..ListenerLimits::default() }
}

async fn answer(socket: &mut TcpStream) -> Option<Reply> {
    let mut reader = tokio::io::BufReader::new(socket);
    timeout(PATIENCE, Message::read(&mut reader, true)).await.unwrap().ok().flatten().map(Reply::from)
}

fn says_close(reply: &Reply) -> bool {
    reply.message.header("connection") == Some("close")
}

/// Waits until nobody listens any more.
async fn until_refused(address: SocketAddr) {
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.expect("it listens");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_its_way_when_the_end_is_ordered_is_answered_and_the_answer_says_close() {
    // D10
    let keyward = Keyward::start_within(patient()).await;
    let address = keyward.service.http_address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(DESCRIPTION).await.unwrap();
    assert!(!says_close(&answer(&mut idle).await.unwrap()));
    let mut begun = TcpStream::connect(address).await.unwrap();
    let (first, rest) = DESCRIPTION.split_at(9);
    begun.write_all(first).await.unwrap();
    let mut fresh = TcpStream::connect(address).await.unwrap();

    let ending = tokio::spawn(keyward.stop());
    until_refused(address).await;
    for (socket, bytes) in [(&mut idle, DESCRIPTION), (&mut begun, rest), (&mut fresh, DESCRIPTION)] {
        // Its worker may not have heard yet.
        for bytes in std::iter::once(bytes).chain(std::iter::repeat(DESCRIPTION)) {
            socket.write_all(bytes).await.unwrap();
            let reply = answer(socket).await.expect("a request was lost");
            assert_eq!(reply.status, 200);
            if says_close(&reply) {
                break;
            }
        }
        assert!(answer(socket).await.is_none(), "it said close, and goes on");
    }
    timeout(PATIENCE, ending).await.expect("the end is held up").unwrap();
}

#[tokio::test]
async fn who_has_connected_and_was_not_accepted_yet_is_answered_at_the_end() {
    // D10
    let keyward = Keyward::start_within(patient()).await;
    let address = keyward.service.http_address();
    // Nothing is accepted while this thread, which also accepts, does this.
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let mut socket = Blocking::connect(address).unwrap();
            socket.write_all(DESCRIPTION).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        })
        .collect();
    timeout(PATIENCE, keyward.stop()).await.expect("the end is held up");
    for mut socket in waiting {
        let mut reply = String::new();
        socket.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 "), "{reply:?}");
        assert!(reply.contains("\r\nconnection: close\r\n"), "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_idle_for_long_is_closed_in_the_same_way() {
    // D10
    let limits = ListenerLimits { idle_time: Duration::from_millis(100), ..patient() };
    let keyward = Keyward::start_within(limits).await;
    let mut idle = TcpStream::connect(keyward.service.http_address()).await.unwrap();
    loop {
        idle.write_all(DESCRIPTION).await.unwrap();
        if says_close(&answer(&mut idle).await.expect("a request was lost")) {
            break;
        }
        // Until it has been idle for so long.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert!(answer(&mut idle).await.is_none());
}
