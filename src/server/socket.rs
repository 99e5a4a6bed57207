//! The socket as hyper sees it, reporting to the connection's [`Pulse`] what hyper does not tell: what the peer speaks, that
//! the preface has arrived, that the peer has stopped reading, and what work its frames make. What the libraries below would
//! take out of a path is put out of their reach ([`Paths`]).

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    allowance,
    connection::{Pulse, Unfinished},
    frames::{self, FrameHead, FrameKind, Frames, PREFACE, Piece},
    paths::Paths,
};

/// A socket that reports to a pulse; what it reads and writes is untouched, but for fragments of paths, and that it ends
/// where its peer makes work without progress ([`Allowance`](super::allowance::Allowance)).
#[derive(Debug)]
pub(super) struct Watched<T> {
    socket: T,
    pulse: Arc<Pulse>,
    heard: Heard,
    /// The frames that were written, if the peer speaks HTTP/2.
    written: Frames,
    /// Whether a write has been tried; see [`Watched::is_write_vectored`].
    has_written: bool,
}

/// What has been read.
#[derive(Debug)]
enum Heard {
    /// So many bytes of the preface of HTTP/2, and nothing else.
    Preface(usize),
    Http2(Box<Http2>),
    /// Something else, in so many bytes up to the preface's length.
    Other(usize),
}

/// What was read of HTTP/2.
#[derive(Debug, Default)]
struct Http2 {
    frames: Frames,
    paths: Paths,
    last_stream: u32,
    /// Whether a header block has begun and not ended.
    in_block: bool,
}

impl Http2 {
    /// Passes over the bytes that come next, and says what work they make.
    fn read(&mut self, mut bytes: &mut [u8]) -> u64 {
        let mut cost = 0;
        while !bytes.is_empty() {
            let (length, piece) = self.frames.take(bytes);
            let (now, rest) = std::mem::take(&mut bytes).split_at_mut(length);
            match piece {
                Piece::Payload => self.paths.pass(now),
                Piece::Head(Some(head)) => cost += self.begin(head),
                Piece::Head(None) => {}
            }
            bytes = rest;
        }
        cost
    }

    fn begin(&mut self, head: FrameHead) -> u64 {
        if head.kind == FrameKind::Headers {
            self.last_stream = head.stream.max(self.last_stream);
        }
        self.in_block = head.is_continued();
        self.paths.begin(head);
        allowance::cost(head)
    }
}

impl<T> Watched<T> {
    pub(super) fn new(socket: T, pulse: Arc<Pulse>) -> TokioIo<Self> {
        let (heard, written) = (Heard::Preface(0), Frames::default());
        TokioIo::new(Self { socket, pulse, heard, written, has_written: false })
    }

    /// Notes what was read, and says whether the peer may go on.
    fn note_read(&mut self, bytes: &mut [u8]) -> bool {
        let rest = self.note_opening(bytes);
        let cost = if let Heard::Http2(http2) = &mut self.heard { http2.read(rest) } else { 0 };
        self.pulse.allowance.spend(1 + cost)
    }

    /// The first bytes say what the peer speaks; what comes behind them is returned.
    fn note_opening<'a>(&mut self, bytes: &'a mut [u8]) -> &'a mut [u8] {
        let (heard, is_preface) = match self.heard {
            Heard::Preface(heard) => (heard, true),
            Heard::Other(heard) => (heard, false),
            Heard::Http2(_) => return bytes,
        };
        let expected = PREFACE.get(heard..).unwrap_or_default();
        let (opening, rest) = bytes.split_at_mut(bytes.len().min(expected.len()));
        let now = heard.saturating_add(opening.len());
        if now > heard && now == PREFACE.len() {
            self.pulse.preface_arrives();
        }
        self.heard = if !is_preface || !expected.starts_with(opening) {
            Heard::Other(now)
        } else if now < PREFACE.len() {
            Heard::Preface(now)
        } else {
            self.pulse.hears_http2();
            Heard::Http2(Box::default())
        };
        rest
    }

    /// What may have arrived of a head that is not whole.
    fn unfinished(&self) -> Unfinished {
        match &self.heard {
            Heard::Http2(http2) if http2.in_block => Unfinished::Block,
            Heard::Preface(_) | Heard::Http2(_) => Unfinished::Nothing,
            Heard::Other(_) => Unfinished::Lines,
        }
    }

    /// Notes how far these were written.
    fn note_write<'a>(
        &mut self,
        result: Poll<io::Result<usize>>,
        bufs: impl IntoIterator<Item = &'a [u8]>,
    ) -> Poll<io::Result<usize>> {
        self.has_written = true;
        self.pulse.write_stalls(result.is_pending());
        if let Poll::Ready(Ok(written)) = result {
            self.pulse.allowance.earn_by_answer(written);
            // Our settings may be written before the preface is read.
            if !matches!(self.heard, Heard::Other(_)) {
                self.pass_written(written, bufs);
            }
        }
        result
    }

    fn pass_written<'a>(&mut self, mut written: usize, bufs: impl IntoIterator<Item = &'a [u8]>) {
        for buf in bufs {
            let now = written.min(buf.len());
            self.written.pass(buf.get(..now).unwrap_or_default(), |_| ());
            written = written.saturating_sub(now);
            if written == 0 {
                return;
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> Watched<T> {
    /// Tells a peer that makes work without progress why it is let go, if it takes that now and a frame may begin.
    fn dismiss(&mut self, cx: &mut Context<'_>) -> io::Error {
        self.pulse.shared.counts.connections_without_progress.increment();
        if let Heard::Http2(http2) = &self.heard
            && self.written.is_between()
        {
            let goodbye = frames::calm(http2.last_stream);
            let _taken_or_not = Pin::new(&mut self.socket).poll_write(cx, &goodbye);
        }
        io::Error::other("the peer made work without progress")
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        let read = buf.filled_mut().get_mut(before..).unwrap_or_default();
        let bytes = read.len();
        let may_go_on = self.note_read(read);
        self.pulse.reads(bytes, self.unfinished());
        if may_go_on { Poll::Ready(Ok(())) } else { Poll::Ready(Err(self.dismiss(cx))) }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.note_write(result, [buf])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.note_write(result, bufs.iter().map(|buf| &**buf))
    }

    /// No before the first write, and then what the socket says.
    ///
    /// h2 (0.4.20) asks when a connection begins, and gathers the frames of small answers into one write only up to 256
    /// bytes each where it hears yes, up to 1,024 where it hears no; ours are larger than the one and smaller than the other,
    /// and a write costs as much as all the rest of a Check. It asks again at each write, and where it hears no then, what is
    /// larger is written with two writes instead of one. This must stay the outermost wrapper.
    fn is_write_vectored(&self) -> bool {
        self.has_written && self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper and h2 flush once they have written all that they can.
        self.pulse.writes_all();
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        net::SocketAddr,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use bytes::Bytes;
    use futures_util::{
        FutureExt as _,
        future::{BoxFuture, join_all},
    };
    use http::{HeaderMap, Request, Response};
    use http_body_util::{BodyExt as _, Full, combinators::WithTrailers};
    use hyper::body::Incoming;
    use tokio::{
        net::{TcpListener, TcpStream},
        sync::Barrier,
        time::Duration,
    };

    use super::*;
    use crate::server::{
        budget::Budget,
        calls::{Calls, TakenRequest},
        connection::{Builder, ConnectionsShared, Peer, serve},
        failure::CallFailure,
        gather::Gather,
        limits::ListenerLimits,
        protocol::Protocol,
        request_body::RequestBody,
    };

    const CALLS: usize = 64;

    /// A socket that counts how often it is written to.
    struct Counted {
        socket: TcpStream,
        writes: Arc<AtomicUsize>,
    }

    impl AsyncRead for Counted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.socket).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Counted {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.socket).poll_write(cx, buf)
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
        }

        fn is_write_vectored(&self) -> bool {
            self.socket.is_write_vectored()
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.socket).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.socket).poll_shutdown(cx)
        }
    }

    type Trailers = std::future::Ready<Option<Result<HeaderMap, Infallible>>>;

    /// Answers when as many calls have come: all of them together.
    struct Together {
        answer: Bytes,
        all: Arc<Barrier>,
    }

    impl Calls for Together {
        type Body = WithTrailers<Full<Bytes>, Trailers>;
        type Future = BoxFuture<'static, Result<Response<Self::Body>, Infallible>>;

        fn admit(
            &self,
            _: &Request<Incoming>,
            _: &ListenerLimits,
        ) -> Result<TakenRequest, Response<Self::Body>> {
            Ok(TakenRequest { client_limit: None, gather: Gather::UpTo(1) })
        }

        fn call(&self, _request: Request<RequestBody>) -> Self::Future {
            let (all, answer) = (Arc::clone(&self.all), self.answer.clone());
            async move {
                all.wait().await;
                let status = [("grpc-status", "0")]
                    .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
                let trailers = std::future::ready(Some(Ok(status.into_iter().collect())));
                Ok(Response::new(Full::new(answer).with_trailers(trailers)))
            }
            .boxed()
        }

        fn failed(&self, failure: CallFailure, _: Option<&str>, _: Duration) -> Response<Self::Body> {
            panic!("{failure:?}")
        }

        fn cut_off(_: CallFailure) -> Option<HeaderMap> {
            None
        }
    }

    /// How often the server writes to answer these calls, which are ready together, with so many bytes each.
    async fn writes(bytes: usize) -> usize {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (socket, _) = accepted.unwrap();
        let writes = Arc::<AtomicUsize>::default();
        let socket = Counted { socket, writes: Arc::clone(&writes) };
        let service = Together { answer: vec![b'x'; bytes].into(), all: Arc::new(Barrier::new(CALLS)) };
        let limits = ListenerLimits::default();
        let builder = Builder::new(Protocol::Grpc, &limits);
        let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 1)), proof: None };
        let shared = ConnectionsShared::new(Protocol::Grpc, limits, Budget::new(u64::MAX));
        let pulse = Pulse::new(Arc::new(shared), peer.address.ip());
        let serving = tokio::spawn(serve(builder, socket, peer, service, pulse));

        let mut windows = h2::client::Builder::new();
        windows.initial_window_size(1 << 20).initial_connection_window_size(16 << 20);
        let (send, connection) = windows.handshake::<_, Bytes>(client.unwrap()).await.unwrap();
        let connection = tokio::spawn(connection);
        let call = async |mut send: h2::client::SendRequest<Bytes>| {
            let (answer, _) =
                send.send_request(Request::post("http://localhost/").body(()).unwrap(), true).unwrap();
            let mut body = answer.await.unwrap().into_body();
            let mut read = 0;
            while let Some(data) = body.data().await {
                read += data.unwrap().len();
            }
            assert!(body.trailers().await.unwrap().is_some());
            read
        };
        let read = join_all((0..CALLS).map(|_| call(send.clone()))).await;
        assert_eq!(read, [bytes; CALLS]);
        drop(send);
        connection.await.unwrap().unwrap();
        serving.await.unwrap();
        writes.load(Ordering::Relaxed)
    }

    /// Settings, their acknowledgement and the end of the connection are written apart.
    const BESIDE: usize = 8;

    #[tokio::test]
    async fn answers_that_are_ready_together_are_written_together() {
        // 64 answers of a Check's size once took 64 writes; larger ones twice as many where vectored writes were denied for good.
        for (bytes, most) in [(257, 4), (1_100, 70), (20_000, 200)] {
            let writes = writes(bytes).await;
            assert!(writes <= most + BESIDE, "{bytes} bytes: {writes} writes");
        }
    }
}
