//! Calls over bare h2, many at once, so that the one who asks takes as little as can be of the machine that answers.

use std::{cell::Cell, io, net::SocketAddr, rc::Rc, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request;
use keyward::wire::v1::{CheckRequest, CheckResponse, check_request::Subject};
use prost::Message;
use tokio::{
    net::TcpStream,
    task::{JoinSet, LocalSet},
    time::Instant,
};

use crate::process::Server;

/// Connections, and calls in flight on each. A connection has at most 128 streams.
pub(crate) const CONNECTIONS: usize = 8;
pub(crate) const IN_FLIGHT: usize = 8;

/// Several connections to one server. They live as long as this, within a `LocalSet`.
pub(crate) struct Connections {
    sends: Vec<SendRequest<Bytes>>,
    _tasks: JoinSet<()>,
}

/// What came back.
pub(crate) struct Answer {
    /// The status of gRPC, 0 where all is well.
    pub(crate) status: String,
    pub(crate) message: Bytes,
}

impl Connections {
    pub(crate) async fn new(server: SocketAddr, count: usize) -> io::Result<Self> {
        let (mut sends, mut tasks) = (Vec::new(), JoinSet::new());
        for _ in 0..count {
            let socket = TcpStream::connect(server).await?;
            socket.set_nodelay(true)?;
            let (send, connection) = h2::client::handshake(socket).await.map_err(io::Error::other)?;
            tasks.spawn_local(async move { drop(connection.await) });
            sends.push(send);
        }
        Ok(Self { sends, _tasks: tasks })
    }

    /// The connection that the caller of this number uses.
    pub(crate) fn of(&self, caller: usize) -> SendRequest<Bytes> {
        self.sends[caller % self.sends.len()].clone()
    }

    /// Asks with all callers at once until there is no next body, and says how often.
    pub(crate) async fn ask_all(&self, next: impl Fn() -> Option<Bytes> + 'static) -> u64 {
        let (next, answers) = (Rc::new(next), Rc::new(Cell::new(0)));
        let mut callers = JoinSet::new();
        for caller in 0..self.sends.len() * IN_FLIGHT {
            let (send, next, answers) = (self.of(caller), Rc::clone(&next), Rc::clone(&answers));
            callers.spawn_local(async move {
                while let Some(body) = next() {
                    let answer = call(send.clone(), CHECK, "", body).await.unwrap();
                    assert_eq!(answer.status, "0", "a Check was not answered");
                    answers.set(answers.get() + 1);
                }
            });
        }
        while let Some(ended) = callers.join_next().await {
            ended.unwrap();
        }
        answers.get()
    }
}

pub(crate) const CHECK: &str = "/keyward.v1.KeyService/Check";
pub(crate) const ISSUE: &str = "/keyward.v1.KeyService/Issue";
pub(crate) const UPDATE: &str = "/keyward.v1.KeyService/UpdateKey";

/// One call; with an administration key, where one is given.
pub(crate) async fn call(
    send: SendRequest<Bytes>,
    path: &str,
    admin_key: &str,
    body: Bytes,
) -> Result<Answer, h2::Error> {
    let mut request = Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if !admin_key.is_empty() {
        request = request.header("authorization", format!("Bearer {admin_key}"));
    }
    let (response, mut stream) = send.ready().await?.send_request(request.body(()).unwrap(), false)?;
    stream.send_data(body, true)?;
    let response = response.await?;
    let status = |headers: &http::HeaderMap| Some(headers.get("grpc-status")?.to_str().ok()?.to_owned());
    let at_once = status(response.headers());
    let mut answer = response.into_body();
    let mut message = BytesMut::new();
    while let Some(data) = answer.data().await {
        let data = data?;
        answer.flow_control().release_capacity(data.len())?;
        message.extend_from_slice(&data);
    }
    let trailers = answer.trailers().await?;
    let status = at_once.or_else(|| status(&trailers?)).unwrap_or_else(|| "none".to_owned());
    let message = message.freeze();
    Ok(Answer { status, message: message.slice(message.len().min(5)..) })
}

/// A message as it goes over the wire.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut frame).unwrap();
    frame.freeze()
}

pub(crate) fn check(api_key: &str, scope: &str) -> Bytes {
    framed(&CheckRequest {
        subject: Some(Subject::ApiKey(api_key.into())),
        scopes: vec![scope.into()],
        ..CheckRequest::default()
    })
}

/// Waits until the server lets this Check pass.
pub(crate) async fn until_allowed(server: &mut Server, body: &Bytes) {
    let end = Instant::now() + Duration::from_mins(5);
    while Instant::now() < end {
        assert!(server.lives(), "a server has ended: see server.log beside its data");
        if LocalSet::new().run_until(is_allowed(server.address, body.clone())).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("no right answer within five minutes");
}

async fn is_allowed(server: SocketAddr, body: Bytes) -> bool {
    let Ok(connections) = Connections::new(server, 1).await else { return false };
    let Ok(answer) = call(connections.of(0), CHECK, "", body).await else { return false };
    answer.status == "0" && CheckResponse::decode(answer.message).unwrap().allowed
}

/// Numbers in no order (splitmix64).
pub(crate) struct Choice(Cell<u64>);

impl Choice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    pub(crate) fn next(&self, bound: usize) -> usize {
        let mut mixed = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(mixed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }
}
