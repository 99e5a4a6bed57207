//! HTTP/1.1 as bytes: requests that no proper client would send, and messages as they came.
#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fmt, io, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpStream, tcp::OwnedWriteHalf},
    time::timeout,
};

#[path = "request_id.rs"]
mod request_id;

pub(crate) use request_id::{REQUEST_ID, without_request_id};

use crate::process::PATIENCE;

/// Headers that differ between two replies that are the same.
const OF_THE_MOMENT: [&str; 2] = ["date", "x-envoy-upstream-service-time"];

/// A message as it came: its first line, its headers with their names in lower case, its body.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {:?}, {}", self.start, self.headers, String::from_utf8_lossy(&self.body))
    }
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values =
            self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice: {self:?}");
        value
    }

    /// Reads one; nothing if the connection ended before it began.
    pub(crate) async fn read(
        from: &mut (impl tokio::io::AsyncBufRead + Unpin),
        has_body: bool,
    ) -> io::Result<Option<Self>> {
        let start = line(from).await?;
        if start.is_empty() {
            return Ok(None);
        }
        let mut message = Self { start, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = line(from).await?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            message.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if has_body {
            message.read_body(from).await?;
        }
        Ok(Some(message))
    }

    async fn read_body(&mut self, from: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> io::Result<()> {
        if let Some(length) = self.header("content-length") {
            self.body.resize(length.parse().unwrap(), 0);
            from.read_exact(&mut self.body).await?;
        } else if self.header("transfer-encoding") == Some("chunked") {
            loop {
                let length = usize::from_str_radix(&line(from).await?, 16).unwrap();
                let start = self.body.len();
                self.body.resize(start + length, 0);
                from.read_exact(&mut self.body[start..]).await?;
                line(from).await?;
                if length == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// A line without its end; bytes that are not UTF-8 are replaced.
async fn line(from: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.read_until(b'\n', &mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned())
}

/// A reply, without what differs from moment to moment.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) message: Message,
    /// The headers that tell of limits, which go on from request to request, sorted; no others are in `message`.
    pub(crate) limits: Vec<(String, String)>,
    /// The id of the request, as the header says it; `message` has it nowhere.
    pub(crate) request_id: Option<String>,
    /// The message as it came.
    pub(crate) whole: Message,
}

impl Reply {
    /// Whether this is the same but for what went on between the two.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let names = |reply: &Self| reply.limits.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        (self.status, &self.message, names(self)) == (other.status, &other.message, names(other))
    }

    /// The headers that tell of limits, but for the latency, which must be there, once.
    #[track_caller]
    pub(crate) fn told(&self) -> Vec<(&str, &str)> {
        let told = self.limits.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let (latency, told): (Vec<_>, Vec<_>) = told.partition(|(name, _)| *name == "x-ratelimit-latency");
        let [(_, latency)] = latency.as_slice() else { panic!("not one latency: {self:?}") };
        assert!(latency.bytes().all(|byte| byte.is_ascii_digit()) && !latency.is_empty(), "{latency}");
        told
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.message.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.message.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl From<Message> for Reply {
    fn from(mut message: Message) -> Self {
        let (whole, status) = (message.clone(), message.start.split(' ').nth(1).unwrap().parse().unwrap());
        message.headers.retain(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()));
        let of_limits = |(name, _): &mut (String, String)| name.contains("ratelimit");
        let mut limits: Vec<_> = message.headers.extract_if(.., of_limits).collect();
        limits.sort();
        let request_id = message.header(REQUEST_ID).map(str::to_owned);
        message.headers.retain(|(name, _)| name != REQUEST_ID);
        for (name, value) in &mut message.headers {
            if name == "grpc-message" {
                *value = without_request_id(value, request_id.as_deref());
            }
        }
        if let Ok(body) = std::str::from_utf8(&message.body).map(str::to_owned) {
            message.body = without_request_id(&body, request_id.as_deref()).into_bytes();
            let shorter = body.len() - message.body.len();
            for (name, value) in &mut message.headers {
                if name == "content-length" && shorter > 0 {
                    *value = (value.parse::<usize>().unwrap() - shorter).to_string();
                }
            }
        }
        Self { status, message, limits, request_id, whole }
    }
}

/// A connection that is kept open between requests.
pub(crate) struct Connection {
    reader: BufReader<tokio::net::tcp::OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let (reader, writer) = socket.into_split();
        Ok(Self { reader: BufReader::new(reader), writer })
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<Option<Reply>> {
        // Who refuses a request may close before all of it was sent, and the reply is there nonetheless.
        let _closed_early = self.writer.write_all(request).await;
        let has_body = !request.starts_with(b"HEAD ");
        Ok(Message::read(&mut self.reader, has_body).await?.map(Reply::from))
    }
}

/// Sends these bytes on a connection of their own.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> Reply {
    let reply = timeout(PATIENCE, try_exchange(address, request)).await.unwrap();
    reply.unwrap_or_else(|| panic!("no reply to {}", String::from_utf8_lossy(request)))
}

/// The same where nobody may be there.
pub(crate) async fn try_exchange(address: SocketAddr, request: &[u8]) -> Option<Reply> {
    Connection::open(address).await.ok()?.ask(request).await.ok().flatten()
}

/// A request's bytes; what is in it is not looked at.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    use std::fmt::Write as _;
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: service.example\r\n");
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    if !body.is_empty() {
        write!(text, "content-length: {}\r\n", body.len()).unwrap();
    }
    write!(text, "\r\n{body}").unwrap();
    text.into_bytes()
}
