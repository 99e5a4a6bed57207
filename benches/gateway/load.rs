//! The load generator: HTTP/1.1 with requests that were written before, one under way on each connection.

use std::{cell::Cell, io, net::SocketAddr, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::{JoinSet, LocalSet},
    time::Instant,
};

const OK: &[u8] = b"HTTP/1.1 200 ";

/// How much is asked at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: usize,
}

impl Load {
    /// Asks for this long, and says how many requests were let through: all of them.
    pub(crate) async fn run(self, gateway: SocketAddr, requests: &[Vec<u8>], time: Duration) -> u64 {
        let requests: Rc<[Vec<u8>]> = requests.into();
        LocalSet::new().run_until(self.ask(gateway, requests, time)).await
    }

    async fn ask(self, gateway: SocketAddr, requests: Rc<[Vec<u8>]>, time: Duration) -> u64 {
        let answers = Rc::new(Cell::new(0));
        let mut askers = JoinSet::new();
        let end = Instant::now() + time;
        for connection in 0..self.connections {
            let mut socket = connect(gateway).await.unwrap();
            let (requests, answers) = (Rc::clone(&requests), Rc::clone(&answers));
            askers.spawn_local(async move {
                let mut reply = Vec::with_capacity(4_096);
                // Apart from each other, and not in the order in which the keys were made.
                let mut next = connection * 7_919;
                while Instant::now() < end {
                    next = (next + 104_729) % requests.len();
                    exchange(&mut socket, &requests[next], &mut reply).await.unwrap();
                    assert!(reply.starts_with(OK), "{}", String::from_utf8_lossy(&reply));
                    answers.set(answers.get() + 1);
                }
            });
        }
        while let Some(ended) = askers.join_next().await {
            ended.unwrap();
        }
        answers.get()
    }
}

/// Whether this request is let through, by a gateway that may not be there yet.
pub(crate) async fn is_allowed(gateway: SocketAddr, request: &[u8]) -> bool {
    let mut reply = Vec::new();
    let asked = async { exchange(&mut connect(gateway).await?, request, &mut reply).await };
    asked.await.is_ok() && reply.starts_with(OK)
}

/// A request with a key.
pub(crate) fn request(path: &str, api_key: &str) -> Vec<u8> {
    let client = "accept: application/json\r\nuser-agent: bench/1\r\n";
    format!("GET {path} HTTP/1.1\r\nhost: service.example\r\n{client}authorization: Bearer {api_key}\r\n\r\n")
        .into_bytes()
}

async fn connect(gateway: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(gateway).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

async fn exchange(socket: &mut TcpStream, request: &[u8], reply: &mut Vec<u8>) -> io::Result<()> {
    socket.write_all(request).await?;
    reply.clear();
    while !is_whole(reply) {
        if socket.read_buf(reply).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// Whether this is a whole message with a Content-Length.
fn is_whole(message: &[u8]) -> bool {
    let text = std::str::from_utf8(message).unwrap();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let (_, length) = head.split_once("content-length: ").expect("a length");
    let length = length.split("\r\n").next().unwrap();
    body.len() == length.parse::<usize>().unwrap()
}
