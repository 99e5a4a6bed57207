//! `WebSocket`s through nginx, and how long a stream that is open stays.

use std::{net::SocketAddr, process::Command};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use super::{nginx, replacing};
use crate::{
    config::{Behind, Changes},
    exchange::{Message, exchange, request},
    gateway::Running,
    house::{Holder, House, policy},
    process::PATIENCE,
};

/// A service that takes every upgrade, tells of each request, and sends back what it gets.
struct Echo {
    address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Message>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(echo(socket, tell.clone()));
            }
        });
        Self { address, seen }
    }

    async fn seen(&mut self) -> Message {
        timeout(PATIENCE, self.seen.recv()).await.unwrap().unwrap()
    }

    /// Forgets what came so far, such as the first looks at a gateway.
    fn forget(&mut self) {
        while self.seen.try_recv().is_ok() {}
    }
}

async fn echo(socket: TcpStream, tell: mpsc::UnboundedSender<Message>) {
    let mut socket = BufReader::new(socket);
    while let Ok(Some(message)) = Message::read(&mut socket, true).await {
        let is_upgrade = message.header("upgrade").is_some();
        tell.send(message).unwrap();
        if !is_upgrade {
            let _gone = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            continue;
        }
        let head = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        let _gone = socket.write_all(head).await;
        let mut bytes = [0; 64];
        while let Ok(length @ 1..) = socket.read(&mut bytes).await {
            let _gone = socket.write_all(&bytes[..length]).await;
        }
        return;
    }
}

/// A handshake as browsers and clients send it.
fn handshake(headers: &[(&str, &str)], protocol: &str) -> Vec<u8> {
    let of_protocol = [
        ("connection", "Upgrade"),
        ("upgrade", protocol),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    request("GET", "/v1/events", &[headers, &of_protocol].concat(), "")
}

/// An open WebSocket: its stream after the handshake.
async fn open(running: &Running, key: &str) -> BufReader<TcpStream> {
    let mut socket = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    socket.write_all(&handshake(&[("x-api-key", key)], "websocket")).await.unwrap();
    let answer = timeout(PATIENCE, Message::read(&mut socket, false)).await.unwrap().unwrap().unwrap();
    assert!(answer.start.contains(" 101 "), "{answer:?}");
    assert_ne!(answer.header("x-ratelimit-latency"), None, "{answer:?}");
    socket
}

/// What comes back; nothing if the stream has ended.
async fn say(socket: &mut BufReader<TcpStream>, bytes: &[u8]) -> Option<Vec<u8>> {
    socket.write_all(bytes).await.ok()?;
    let mut back = vec![0; bytes.len()];
    timeout(PATIENCE, socket.read_exact(&mut back)).await.unwrap().ok()?;
    Some(back)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_goes_through_with_who_its_holder_is_and_no_other_protocol_does() {
    // H6, H10
    let house = House::alone(policy()).await;
    let mut echo = Echo::start().await;
    let behind = Behind { service: echo.address, ..house.behind() };
    let Some(running) = nginx(behind, &Changes::default()).await else { return };
    let key = house.key(Holder::Reader).await;
    echo.forget();
    let mut socket = open(&running, &key).await;
    assert_eq!(say(&mut socket, b"hello").await.as_deref(), Some(&b"hello"[..]));
    let seen = echo.seen().await;
    assert_eq!((seen.header("x-keyward-owner"), seen.header("x-api-key")), (Some("ann@example.com"), None));
    assert_eq!((seen.header("connection"), seen.header("upgrade")), (Some("upgrade"), Some("websocket")));

    let denied = exchange(running.address, &handshake(&[("x-keyward-owner", "mallory")], "websocket")).await;
    assert_eq!(denied.status, 401);
    for protocol in ["h2c", "websocket, h2c", "tls/1.0"] {
        exchange(running.address, &handshake(&[("x-api-key", &key)], protocol)).await;
        let seen = echo.seen().await;
        assert_eq!((seen.header("upgrade"), seen.header("connection")), (None, None), "{seen:?}");
    }
    assert!(echo.seen.try_recv().is_err(), "nothing else came");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_stream_outlives_its_key_until_nginx_is_told_to_reload() {
    // H10
    let house = House::alone(policy()).await;
    let echo = Echo::start().await;
    let behind = Behind { service: echo.address, ..house.behind() };
    let soon = replacing(&[("worker_shutdown_timeout 60s;", "worker_shutdown_timeout 1ms;")]);
    let Some(running) = nginx(behind, &soon).await else { return };
    let issued = house.keyward.issue_scopes(&["templates:read"]).await;
    let mut socket = open(&running, &issued.api_key).await;
    house.keyward.revoke(&issued.key.id).await;
    let denied = exchange(running.address, &handshake(&[("x-api-key", &issued.api_key)], "websocket")).await;
    assert_eq!(denied.status, 401);
    assert_eq!(say(&mut socket, b"still").await.as_deref(), Some(&b"still"[..]));

    let reload = ["-HUP", &running.id().to_string()];
    assert!(Command::new("kill").args(reload).status().unwrap().success());
    let ended = timeout(PATIENCE, socket.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    let again = exchange(running.address, &request("GET", "/v1/templates", &[], "")).await;
    assert_eq!(again.status, 401, "the next processes serve");
    house.stop().await;
}
