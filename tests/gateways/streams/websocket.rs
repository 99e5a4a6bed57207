//! Web sockets through each gateway: who may open one, what the service is told, and that bytes go both ways.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::HERE;
use crate::{
    config::Changes,
    exchange::{Message, Reply, request},
    gateway::Running,
    house::{Holder, House, policy},
    process::PATIENCE,
    service::Seen,
};

/// What a client says that is no browser.
const HANDSHAKE: [(&str, &str); 4] = [
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
/// The same, as Chromium sends it for a page.
const OF_CHROMIUM: [(&str, &str); 11] = [
    ("Connection", "Upgrade"),
    ("Pragma", "no-cache"),
    ("Cache-Control", "no-cache"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
    ),
    ("Upgrade", "websocket"),
    ("Origin", "https://app.example.com"),
    ("Sec-WebSocket-Version", "13"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-US,en;q=0.9"),
    ("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw=="),
    ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
];
/// A text frame of a client, masked (RFC 6455 section 5.7).
const FRAME: [u8; 11] = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];

/// An open WebSocket.
pub(super) struct Socket {
    stream: BufReader<TcpStream>,
    /// What the service saw of the request.
    pub(super) seen: Seen,
}

impl Socket {
    /// Asks for one; an answer that is none comes back.
    pub(super) async fn open(
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Reply> {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let mut stream = BufReader::new(socket);
        stream.write_all(&request("GET", path, headers, "")).await.unwrap();
        let answer = timeout(PATIENCE, Message::read(&mut stream, false)).await.unwrap().unwrap().unwrap();
        let mut reply = Reply::from(answer);
        if reply.status != 101 {
            let length = reply.message.header("content-length").map_or(0, |length| length.parse().unwrap());
            reply.message.body.resize(length, 0);
            stream.read_exact(&mut reply.message.body).await.unwrap();
            return Err(reply);
        }
        assert_eq!(reply.message.header("upgrade"), Some("websocket"), "{reply:?}");
        let mut line = String::new();
        timeout(PATIENCE, stream.read_line(&mut line)).await.unwrap().unwrap();
        Ok(Self { stream, seen: serde_json::from_str(&line).unwrap() })
    }

    /// Sends a frame; whether it came back.
    pub(super) async fn echoes(&mut self) -> bool {
        let mut back = [0; FRAME.len()];
        let round = async {
            self.stream.write_all(&FRAME).await?;
            self.stream.read_exact(&mut back).await
        };
        timeout(PATIENCE, round).await.unwrap().is_ok() && back == FRAME
    }

    /// Waits until the other side ends it.
    pub(super) async fn ended(mut self) -> bool {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.is_ok()
    }
}

/// A handshake with this key.
pub(super) async fn open(running: &Running, path: &str, key: &str) -> Result<Socket, Reply> {
    let headers = [&HANDSHAKE[..], &[("x-api-key", key)]].concat();
    Socket::open(running.address, path, &headers).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_opens_for_who_may_and_for_nobody_else() {
    // H10, H6
    let house = House::bare(policy()).await;
    let key = house.key(Holder::Reader).await;
    for gateway in HERE {
        let Some(running) = house.beside(gateway, &Changes::default()).await else { return };
        let name = gateway.name;
        // Firefox names two; who would have headers removed by it names more.
        for connection in ["Upgrade", "keep-alive, Upgrade", "upgrade, x-keyward-owner, x-keyward-key-id"] {
            let mut headers =
                [&HANDSHAKE[..], &[("x-api-key", key.as_str()), ("x-keyward-plan", "forged")]].concat();
            headers[1].1 = connection;
            let opened = Socket::open(running.address, "/v1/templates", &headers).await;
            let mut socket = opened.map_err(|reply| format!("{name} {connection}: {reply:?}")).unwrap();
            assert!(socket.echoes().await && socket.echoes().await, "{name}");
            let seen = &socket.seen;
            assert_eq!(seen.values("x-keyward-owner"), ["ann@example.com"], "{name} {connection}: {seen:?}");
            assert_eq!(seen.values("x-keyward-plan"), ["starter"], "{name} {connection}: {seen:?}");
            assert_eq!(seen.identity().len(), 6, "{name} {connection}: {seen:?}");
            assert_eq!(seen.values("x-api-key"), [""; 0], "{name}");
        }
        let before = house.service.requests();
        let stranger = Socket::open(running.address, "/v1/templates", &HANDSHAKE).await;
        let stranger = stranger.err().unwrap_or_else(|| panic!("{name} lets strangers in"));
        assert_eq!((stranger.status, house.service.requests()), (401, before), "{name} {stranger:?}");
        assert_eq!(stranger.json()["error"]["code"], "CREDENTIALS_MISSING", "{name}");
        let spent = open(&running, "/v1/templates", &house.key(Holder::SpentHour).await).await;
        assert_eq!(spent.err().map(|reply| reply.status), Some(429), "{name}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_opens_a_websocket_on_a_public_route_only() {
    // H10
    let house = House::bare(policy()).await;
    for gateway in HERE {
        let Some(running) = house.beside(gateway, &Changes::default()).await else { return };
        let name = gateway.name;
        let public = Socket::open(running.address, "/open/a", &OF_CHROMIUM).await;
        let mut public = public.map_err(|reply| format!("{name}: {reply:?}")).unwrap();
        assert!(public.echoes().await, "{name}");
        assert_eq!(public.seen.identity(), [], "{name}");
        let guarded = Socket::open(running.address, "/v1/templates", &OF_CHROMIUM).await;
        assert_eq!(guarded.err().map(|reply| reply.status), Some(401), "{name}");
    }
    house.stop().await;
}
