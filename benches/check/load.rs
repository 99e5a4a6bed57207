//! The load generator, the same for every server: h2 with requests that were encoded before.

use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request;
use keyward::wire::v1::{CheckRequest, check_request::Subject};
use prost::Message as _;
use tokio::{
    net::TcpStream,
    task::{JoinSet, LocalSet},
    time::Instant,
};

/// How much is asked at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
}

impl Load {
    /// Asks for this long, and says how many answers there were.
    pub(crate) async fn run(self, server: SocketAddr, bodies: &[Bytes], time: Duration) -> u64 {
        let bodies: Rc<[Bytes]> = bodies.into();
        LocalSet::new().run_until(self.ask(server, bodies, time)).await
    }

    async fn ask(self, server: SocketAddr, bodies: Rc<[Bytes]>, time: Duration) -> u64 {
        let answers = Rc::new(Cell::new(0));
        let mut connections = JoinSet::new();
        let mut askers = JoinSet::new();
        let end = Instant::now() + time;
        for connection in 0..self.connections {
            let send = connect(server, &mut connections).await;
            for asker in 0..self.in_flight {
                let (send, bodies, answers) = (send.clone(), Rc::clone(&bodies), Rc::clone(&answers));
                let mut choice = Choice::new(connection * self.in_flight + asker);
                askers.spawn_local(async move {
                    while Instant::now() < end {
                        let body = bodies[choice.next(bodies.len())].clone();
                        call(send.clone(), body).await;
                        answers.set(answers.get() + 1);
                    }
                });
            }
        }
        while let Some(ended) = askers.join_next().await {
            ended.unwrap();
        }
        answers.get()
    }
}

/// Asks once, and says how long the answer's message is.
pub(crate) async fn probe(server: SocketAddr, body: Bytes) -> usize {
    let mut connections = JoinSet::new();
    let once = async { call(connect(server, &mut connections).await, body).await };
    LocalSet::new().run_until(once).await
}

pub(crate) fn framed_check(api_key: &str, scope: &str) -> Bytes {
    let request = CheckRequest {
        subject: Some(Subject::ApiKey(api_key.into())),
        scopes: vec![scope.into()],
        ..CheckRequest::default()
    };
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(request.encoded_len()).unwrap());
    request.encode(&mut frame).unwrap();
    frame.freeze()
}

pub(crate) async fn connect(server: SocketAddr, connections: &mut JoinSet<()>) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(server).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (send, connection) = h2::client::handshake(socket).await.unwrap();
    connections.spawn_local(async move { drop(connection.await) });
    send
}

pub(crate) async fn call(send: SendRequest<Bytes>, body: Bytes) -> usize {
    let request = Request::post("http://localhost/keyward.v1.KeyService/Check")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, mut stream) = send.ready().await.unwrap().send_request(request, false).unwrap();
    stream.send_data(body, true).unwrap();
    let mut answer = response.await.unwrap().into_body();
    let mut length = 0;
    while let Some(data) = answer.data().await {
        let data = data.unwrap();
        length += data.len();
        answer.flow_control().release_capacity(data.len()).unwrap();
    }
    let trailers = answer.trailers().await.unwrap().expect("an answer without a message");
    assert_eq!(trailers["grpc-status"], "0");
    length - 5
}

/// Chooses keys in no order (splitmix64).
struct Choice(u64);

impl Choice {
    fn new(seed: usize) -> Self {
        Self(u64::try_from(seed).unwrap())
    }

    fn next(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }
}
