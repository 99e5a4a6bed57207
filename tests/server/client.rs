//! Clients: an honest one (tonic), one that chooses every header (h2), and one that writes frames by hand.

use std::net::SocketAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request, StatusCode};
use keyward::wire::v1::key_service_client::KeyServiceClient;
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
    time::timeout,
};
use tonic::transport::{Channel, Endpoint};

use crate::{
    handler::{ANSWER, PATIENCE, check_request},
    http2::{
        DATA, END_HEADERS, END_STREAM, FRAME_BYTES, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
        put_frame,
    },
};

pub(crate) const CHECK: &str = "/keyward.v1.KeyService/Check";

/// Does what an honest client does.
pub(crate) async fn honest(address: SocketAddr) -> KeyServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_timeout(PATIENCE);
    KeyServiceClient::new(endpoint.connect().await.unwrap())
}

/// Waits until the peer has closed; what it still sent is returned.
pub(crate) async fn until_closed(socket: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset is as good an end as any.
    drop(timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("the peer did not close"));
    rest
}

/// A message as gRPC frames it.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut frame).unwrap();
    frame.freeze()
}

/// An h2 connection.
pub(crate) struct H2 {
    pub(crate) send: SendRequest<Bytes>,
    /// Ends when the connection does.
    pub(crate) connection: JoinHandle<Result<(), h2::Error>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answer {
    /// The gRPC status, from wherever it stands.
    pub(crate) fn code(&self) -> tonic::Code {
        self.grpc().map_or(tonic::Code::Unknown, |status| status.code())
    }

    pub(crate) fn grpc(&self) -> Option<tonic::Status> {
        let trailers = self.trailers.as_ref().and_then(tonic::Status::from_header_map);
        trailers.or_else(|| tonic::Status::from_header_map(&self.headers))
    }
}

impl H2 {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        let (send, connection) = h2::client::handshake(socket).await.unwrap();
        Self { send, connection: tokio::spawn(connection) }
    }

    /// Sends a whole request and reads the whole answer.
    pub(crate) async fn call(&self, request: Request<()>, body: Bytes) -> Result<Answer, h2::Error> {
        let (response, mut stream) = self.open(request).await?;
        // Where the head alone was answered, nobody takes the body.
        drop(stream.send_data(body, true));
        read_answer(response).await
    }

    /// Sends the head of a request, and leaves it open.
    pub(crate) async fn open(
        &self,
        request: Request<()>,
    ) -> Result<(ResponseFuture, h2::SendStream<Bytes>), h2::Error> {
        let mut send = self.send.clone().ready().await?;
        send.send_request(request, false)
    }

    pub(crate) async fn check(&self, what: &str) -> Result<Answer, h2::Error> {
        self.call(post(CHECK), framed(&check_request(what))).await
    }

    /// Waits for the server to end the connection; the client would, if `send` were dropped.
    pub(crate) async fn ended(self) -> Result<(), h2::Error> {
        let _kept = self.send;
        timeout(PATIENCE, self.connection).await.expect("the connection did not end").unwrap()
    }
}

pub(crate) async fn read_answer(response: ResponseFuture) -> Result<Answer, h2::Error> {
    let response = timeout(PATIENCE, response).await.expect("there was no answer")?;
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    let trailers = body.trailers().await?;
    Ok(Answer { status: head.status, headers: head.headers, body: bytes, trailers })
}

/// The head of a gRPC call.
pub(crate) fn post(path: &str) -> Request<()> {
    Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

pub(crate) fn with_header(mut request: Request<()>, name: &'static str, value: &str) -> Request<()> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

/// Frames by hand (RFC 9113 §4.1 and §6).
pub(crate) struct Frames {
    pub(crate) socket: TcpStream,
    next_stream: u32,
}

/// The frames that these tests look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Headers(u32),
    Data { stream: u32, bytes: usize },
    Reset { stream: u32, code: u32 },
    GoAway { code: u32 },
    Other,
    Closed,
}

pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

const SETTINGS_INITIAL_WINDOW_SIZE: u8 = 4;

impl Frames {
    /// Connects and sends the preface and empty settings.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[]).await
    }

    /// Connects, and leaves no window for answers.
    pub(crate) async fn connect_without_window(address: SocketAddr) -> Self {
        Self::connect_with(address, &[0, SETTINGS_INITIAL_WINDOW_SIZE, 0, 0, 0, 0]).await
    }

    /// Connects with this window for each answer.
    pub(crate) async fn connect_with_window(address: SocketAddr, bytes: u16) -> Self {
        let [high, low] = bytes.to_be_bytes();
        Self::connect_with(address, &[0, SETTINGS_INITIAL_WINDOW_SIZE, 0, 0, high, low]).await
    }

    async fn connect_with(address: SocketAddr, settings: &[u8]) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), settings).await
    }

    /// Begins on a connection that is there.
    pub(crate) async fn over(mut socket: TcpStream, settings: &[u8]) -> Self {
        socket.set_nodelay(true).unwrap();
        let mut opening = BytesMut::from(PREFACE);
        put_frame(&mut opening, SETTINGS, 0, 0, settings);
        socket.write_all(&opening).await.unwrap();
        Self { socket, next_stream: 1 }
    }

    /// The head of a Check, without the end of its stream.
    pub(crate) fn put_half_open(&mut self, out: &mut BytesMut) -> u32 {
        self.put_head_of(CHECK, out)
    }

    /// The number of the next stream.
    pub(crate) fn new_stream(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    fn put_head_of(&mut self, path: &str, out: &mut BytesMut) -> u32 {
        let stream = self.new_stream();
        put_frame(out, HEADERS, END_HEADERS, stream, &head_of(path));
        stream
    }

    /// A whole call of this method.
    pub(crate) fn put_call(&mut self, path: &str, message: &impl Message, out: &mut BytesMut) -> u32 {
        self.put_call_in_pieces(path, message, FRAME_BYTES, out)
    }

    /// The same, with so many bytes of the message in a frame.
    pub(crate) fn put_call_in_pieces(
        &mut self,
        path: &str,
        message: &impl Message,
        bytes: usize,
        out: &mut BytesMut,
    ) -> u32 {
        let stream = self.put_head_of(path, out);
        let message = framed(message);
        let last = message.len().saturating_sub(1) / bytes;
        for (number, piece) in message.chunks(bytes).enumerate() {
            put_frame(out, DATA, if number == last { END_STREAM } else { 0 }, stream, piece);
        }
        stream
    }

    /// A whole Check.
    pub(crate) fn put_check(&mut self, out: &mut BytesMut) {
        self.put_check_of(ANSWER, out);
    }

    /// A whole Check that is asked to do this.
    pub(crate) fn put_check_of(&mut self, what: &str, out: &mut BytesMut) {
        let stream = self.put_half_open(out);
        put_frame(out, DATA, END_STREAM, stream, &framed(&check_request(what)));
    }

    pub(crate) fn put_reset(out: &mut BytesMut, stream: u32) {
        put_frame(out, RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    }

    pub(crate) fn put_ping(out: &mut BytesMut) {
        put_frame(out, PING, 0, 0, &[0; 8]);
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.socket.write_all(bytes).await
    }

    pub(crate) async fn next(&mut self) -> Seen {
        next_from(&mut self.socket).await
    }

    /// The two directions, so that it can be read while it is written.
    pub(crate) fn split(self) -> (Reader, OwnedWriteHalf) {
        let (reader, writer) = self.socket.into_split();
        (Reader(reader), writer)
    }
}

/// The frames that come.
pub(crate) struct Reader(OwnedReadHalf);

impl Reader {
    pub(crate) async fn next(&mut self) -> Seen {
        next_from(&mut self.0).await
    }
}

async fn next_from(socket: &mut (impl AsyncRead + Unpin)) -> Seen {
    timeout(PATIENCE, read_from(socket)).await.expect("no frame came").unwrap_or(Seen::Closed)
}

async fn read_from(socket: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Seen> {
    let head = u64::from(socket.read_u32().await?) << 8 | u64::from(socket.read_u8().await?);
    let (length, kind) = (usize::try_from(head >> 16).unwrap(), u8::try_from(head >> 8 & 0xff).unwrap());
    let stream = socket.read_u32().await? & 0x7fff_ffff;
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload).await?;
    let word = |at: usize| {
        let bytes = payload.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    };
    Ok(match kind {
        HEADERS => Seen::Headers(stream),
        DATA => Seen::Data { stream, bytes: length },
        RST_STREAM => Seen::Reset { stream, code: word(0) },
        GOAWAY => Seen::GoAway { code: word(4) },
        _ => Seen::Other,
    })
}

/// HPACK (RFC 7541) without a dynamic table and without Huffman coding.
fn head_of(path: &str) -> BytesMut {
    let mut block = BytesMut::from(&[0x83, 0x86][..]); // :method POST, :scheme http
    put_literal(&mut block, &[0x01], b"localhost"); // :authority
    put_literal(&mut block, &[0x04], path.as_bytes()); // :path
    put_literal(&mut block, &[0x0f, 0x10], b"application/grpc"); // content-type
    block
}

fn put_literal(block: &mut BytesMut, name: &[u8], value: &[u8]) {
    block.put_slice(name);
    block.put_u8(u8::try_from(value.len()).unwrap());
    block.put_slice(value);
}
