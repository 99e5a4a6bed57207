//! Balancers in front of a gateway, and clients of an address of their own: loopback has the whole of 127.0.0.0/8.
//!
//! A balancer here is what most are: it adds whom it saw to `x-forwarded-for`, says the scheme, and passes everything else on
//! as its client wrote it.

use std::{
    fmt::Write as _,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    exchange::{Message, Reply},
    process::PATIENCE,
};

/// Where clients are.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Where the balancer is that a gateway sees.
pub(crate) const BALANCER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Where another is, in front of that one.
pub(crate) const OUTER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);
/// The network of both, and of no client, as a setting names it.
pub(crate) const BALANCERS: [&str; 2] = ["127.0.0.3/32", "127.0.0.4/32"];

/// How a balancer writes whom it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    Address,
    /// As Azure's application gateway does.
    WithPort,
    /// Whatever it saw, this.
    Text(&'static str),
}

/// A running one; ends with the test's runtime.
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
}

impl Balancer {
    /// At this address, in front of that one.
    pub(crate) async fn start(at: Ipv4Addr, upstream: SocketAddr, writes: Writes) -> Self {
        let listener = TcpListener::bind((at, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((socket, peer)) = listener.accept().await {
                tokio::spawn(async move { pass_on(socket, peer, at, upstream, writes).await });
            }
        });
        Self { address }
    }
}

/// One request and its reply.
async fn pass_on(
    socket: TcpStream,
    peer: SocketAddr,
    at: Ipv4Addr,
    upstream: SocketAddr,
    writes: Writes,
) -> io::Result<()> {
    let mut socket = BufReader::new(socket);
    let Some(message) = Message::read(&mut socket, true).await? else { return Ok(()) };
    let is_head = message.start.starts_with("HEAD ");
    let seen = match writes {
        Writes::Address => peer.ip().to_string(),
        Writes::WithPort => peer.to_string(),
        Writes::Text(text) => text.to_owned(),
    };
    let mut onward = BufReader::new(connect(at, upstream).await?);
    onward.write_all(&bytes(&with_address(message, &seen))).await?;
    if let Some(reply) = Message::read(&mut onward, !is_head).await? {
        socket.write_all(&bytes(&reply)).await?;
    }
    socket.shutdown().await
}

fn with_address(mut message: Message, seen: &str) -> Message {
    let of = |name: &'static str| move |(known, _): &(String, String)| known == name;
    let before = message.headers.iter().filter(|header| of("x-forwarded-for")(header));
    let chain: Vec<&str> = before.map(|(_, value)| value.as_str()).chain([seen]).collect();
    let chain = chain.join(", ");
    message.headers.retain(|(name, _)| name != "x-forwarded-for" && name != "x-forwarded-proto");
    message.headers.push(("x-forwarded-for".to_owned(), chain));
    message.headers.push(("x-forwarded-proto".to_owned(), "https".to_owned()));
    message
}

fn bytes(message: &Message) -> Vec<u8> {
    let headers = message.headers.iter().filter(|(name, _)| name != "transfer-encoding");
    let mut text = message.start.clone() + "\r\n";
    let mut has_length = false;
    for (name, value) in headers {
        has_length |= name == "content-length";
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    if !has_length && !message.body.is_empty() {
        write!(text, "content-length: {}\r\n", message.body.len()).unwrap();
    }
    [text.as_bytes(), b"\r\n", &message.body].concat()
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((IpAddr::V4(from), 0).into())?;
    socket.connect(to).await
}

/// The reply to a client of this address.
pub(crate) async fn ask_from(client: Ipv4Addr, address: SocketAddr, request: &[u8]) -> Reply {
    let reply = async {
        let mut socket = BufReader::new(connect(client, address).await?);
        socket.write_all(request).await?;
        Message::read(&mut socket, !request.starts_with(b"HEAD ")).await
    };
    let reply = timeout(PATIENCE, reply).await.unwrap().unwrap();
    reply.map_or_else(|| panic!("no reply to {}", String::from_utf8_lossy(request)), Reply::from)
}
