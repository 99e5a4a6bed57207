//! A service of gRPC behind a gateway: it answers with what it saw of the metadata, or sends back what comes.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::{Buf as _, BufMut as _};
use futures_util::{StreamExt as _, future::BoxFuture, stream::BoxStream};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::KeyAndValueRef,
    server::{Grpc, NamedService, StreamingService},
    transport::{Server, server::TcpIncoming},
};
use tower_service::Service;

/// Answers each message with the metadata of the call, as JSON.
pub(super) const UNARY: &str = "/example.v1.Templates/Get";
/// Sends each message back.
pub(super) const ECHO: &str = "/example.v1.Templates/Watch";

/// A running one; ends with the test's runtime.
pub(super) struct GrpcService {
    pub(super) address: SocketAddr,
    calls: Arc<AtomicUsize>,
}

impl GrpcService {
    pub(super) fn start() -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let server = Server::builder().add_service(Templates(Arc::clone(&calls)));
        tokio::spawn(server.serve_with_incoming(incoming));
        Self { address, calls }
    }

    /// How many calls have reached it.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[derive(Clone)]
struct Templates(Arc<AtomicUsize>);

impl NamedService for Templates {
    const NAME: &'static str = "example.v1.Templates";
}

impl Service<http::Request<Body>> for Templates {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.0.fetch_add(1, Ordering::SeqCst);
        let echo = request.uri().path() == ECHO;
        Box::pin(async move { Ok(Grpc::new(Texts).streaming(Answers { echo }, request).await) })
    }
}

struct Answers {
    echo: bool,
}

impl StreamingService<String> for Answers {
    type Response = String;
    type ResponseStream = BoxStream<'static, Result<String, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<String>>) -> Self::Future {
        let echo = self.echo;
        Box::pin(async move {
            let seen: Vec<(String, String)> = request
                .metadata()
                .iter()
                .filter_map(|pair| match pair {
                    KeyAndValueRef::Ascii(key, value) => {
                        Some((key.to_string(), value.to_str().ok()?.to_owned()))
                    }
                    KeyAndValueRef::Binary(..) => None,
                })
                .collect();
            let seen = serde_json::to_string(&seen).unwrap();
            let answers = request
                .into_inner()
                .map(move |message| message.map(|text| if echo { text } else { seen.clone() }));
            Ok(Response::new(answers.boxed()))
        })
    }
}

/// Messages are texts, and nothing else.
#[derive(Clone, Copy, Default)]
struct Texts;

impl Codec for Texts {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Texts {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Texts {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|_not_utf8| Status::internal("no text"))
    }
}
