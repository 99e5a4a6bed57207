//! The service behind a gateway: it answers every request with what it saw of it, as JSON, and counts.
#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::exchange::{Message, Reply};

/// A gateway's own header, another one each time: not told, so that the same request has the same answer.
const REQUEST_ID: &str = "x-request-id";

/// The end of a path on which the service claims limits of its own.
pub(crate) const OWN_LIMITS: &str = "?own-limits";
/// The end of a path on which the service hangs up without an answer.
pub(crate) const HANGS_UP: &str = "?hangs-up";
/// What a path has before the status that the service is to answer with.
pub(crate) const OWN_STATUS: &str = "?own-status=";
const LIMITS: &str = concat!(
    "x-ratelimit-limit: 7\r\nX-RateLimit-Limit: 8\r\nx-ratelimit-latency: 9000\r\n",
    "RateLimit: \"theirs\";r=1\r\nRateLimit: \"more\";r=2\r\nRateLimit-Policy: \"theirs\";q=1\r\n"
);

/// What the service saw of a request.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    /// What it saw of the request of this reply, which must be its own.
    #[track_caller]
    pub(crate) fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_slice(&reply.message.body).unwrap()
    }

    /// The values of a header, each where it stood.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The headers that say who the holder is.
    pub(crate) fn identity(&self) -> Vec<(&str, &str)> {
        let mut found: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| name.replace('_', "-").starts_with("x-keyward-"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        found.sort_unstable();
        found
    }
}

/// A running one; ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    /// The path of each request that has reached it.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let paths = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, Arc::clone(&paths)));
            }
        });
        Self { address, requests }
    }

    /// How many requests have reached it.
    pub(crate) fn requests(&self) -> usize {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many whose path ends so.
    pub(crate) fn requests_of(&self, end: &str) -> usize {
        let paths = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        paths.iter().filter(|path| path.ends_with(end)).count()
    }
}

async fn answer(socket: TcpStream, paths: Arc<Mutex<Vec<String>>>) {
    socket.set_nodelay(true).unwrap();
    let mut socket = BufReader::new(socket);
    while let Ok(Some(message)) = Message::read(&mut socket, true).await {
        let mut words = message.start.split(' ').map(str::to_owned);
        let mut headers = message.headers;
        headers.retain(|(name, _)| name != REQUEST_ID);
        let seen = Seen {
            method: words.next().unwrap(),
            path: words.next().unwrap(),
            headers,
            body: String::from_utf8_lossy(&message.body).into_owned(),
        };
        paths.lock().unwrap_or_else(PoisonError::into_inner).push(seen.path.clone());
        if seen.path.ends_with(HANGS_UP) {
            break;
        }
        if seen.values("upgrade") == ["websocket"] {
            let _gone = upgraded(socket, &seen).await;
            break;
        }
        let status = seen.path.split_once(OWN_STATUS).map_or("200", |(_, status)| status);
        let body = serde_json::to_string(&seen).unwrap();
        let own = if seen.path.ends_with(OWN_LIMITS) { LIMITS } else { "" };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\n{own}content-length: {length}\r\n\r\n"
        );
        let body = if seen.method == "HEAD" { "" } else { &body };
        if socket.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            break;
        }
    }
}

/// Agrees to a WebSocket, says what it saw on a line, and sends back whatever comes, as it comes, until the other side ends.
async fn upgraded(mut socket: BufReader<TcpStream>, seen: &Seen) -> std::io::Result<()> {
    let seen = serde_json::to_string(seen).unwrap();
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    socket.write_all(format!("{head}{seen}\n").as_bytes()).await?;
    let mut bytes = [0; 1024];
    loop {
        let length = socket.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        socket.write_all(&bytes[..length]).await?;
    }
}
