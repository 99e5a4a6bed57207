//! The socket as hyper sees it, reporting to the connection's [`Pulse`] what hyper does not tell: that the preface has
//! arrived, and that the peer has stopped reading.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Pulse;

/// `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n` (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;

/// A socket that reports to a pulse; what it reads and writes is untouched.
#[derive(Debug)]
pub(super) struct Watched<T> {
    socket: T,
    pulse: Arc<Pulse>,
    preface_bytes_missing: usize,
}

impl<T> Watched<T> {
    pub(super) fn new(socket: T, pulse: Arc<Pulse>) -> TokioIo<Self> {
        TokioIo::new(Self { socket, pulse, preface_bytes_missing: PREFACE_BYTES })
    }

    fn note_read(&mut self, read: usize) {
        if self.preface_bytes_missing > 0 {
            self.preface_bytes_missing = self.preface_bytes_missing.saturating_sub(read);
            if self.preface_bytes_missing == 0 {
                self.pulse.preface_arrives();
            }
        }
    }

    fn note_write<R>(&self, result: Poll<R>) -> Poll<R> {
        self.pulse.write_stalls(result.is_pending());
        result
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        self.note_read(buf.filled().len().saturating_sub(before));
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.note_write(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.note_write(result)
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
