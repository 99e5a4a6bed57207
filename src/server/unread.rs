//! hyper's own answer to a head of HTTP/1 that it cannot read, made whole.
//!
//! A head that is malformed, such as one with a control character in a value (RFC 9110 §5.5), becomes no request: hyper
//! writes a 400 without a word and ends the connection, and has no setting for that. Who waits for it may be a gateway that
//! asks about its client, which is owed an answer of ours. So it is noticed where it is written. Over HTTP/2 there is no
//! such answer: the connection ends, by the library below.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::calls::RefusalTail;

/// More than hyper's answer has.
const MAX_BYTES: usize = 256;
const EMPTY: &[u8] = b"\r\ncontent-length: 0\r\n";
const END: &[u8] = b"\r\n\r\n";

/// A socket on which that answer is made whole; what else is written goes out as it is.
#[derive(Debug)]
pub(super) struct Mended<T> {
    socket: T,
    /// Without it nothing is mended.
    refusal: Option<RefusalTail>,
    /// What is left of an answer that is written in the place of hyper's.
    instead: Bytes,
}

impl<T> Mended<T> {
    pub(super) const fn new(socket: T, refusal: Option<RefusalTail>) -> Self {
        Self { socket, refusal, instead: Bytes::new() }
    }

    fn written(&self, bytes: &[u8]) -> Written {
        let refusal = self.refusal.as_ref();
        refusal.map_or(Written::AsTheyAre, |refusal| written(bytes, &refusal.lines, refusal.body_bytes))
    }
}

impl<T: AsyncWrite + Unpin> Mended<T> {
    /// Writes all that stands in the place of bytes, and says that those are written.
    fn poll_instead(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        while !self.instead.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.instead))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.instead.advance(written.min(self.instead.len())),
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Mended<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Mended<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.instead.is_empty() {
            match self.written(buf) {
                Written::AsTheyAre => return Pin::new(&mut self.socket).poll_write(cx, buf),
                Written::First(some) => {
                    let some = buf.get(..some).unwrap_or(buf);
                    return Pin::new(&mut self.socket).poll_write(cx, some);
                }
                Written::Instead(instead) => self.instead = instead,
            }
        }
        self.poll_instead(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let holds_refusal =
            self.refusal.is_some() && bufs.iter().any(|buf| self.written(buf) != Written::AsTheyAre);
        match bufs.iter().find(|buf| !buf.is_empty()) {
            Some(first) if holds_refusal || !self.instead.is_empty() => self.poll_write(cx, first),
            Some(_) | None => Pin::new(&mut self.socket).poll_write_vectored(cx, bufs),
        }
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

/// What becomes of bytes that hyper writes.
#[derive(Debug, PartialEq, Eq)]
enum Written {
    /// They are written as they are.
    AsTheyAre,
    /// So many of them are; behind them is what is not.
    First(usize),
    /// This is written in the place of them all.
    Instead(Bytes),
}

/// What is to be written for these bytes, where `whole` follows the status line, the date and the like of a refusal that
/// says nothing: header lines, an empty line, a body of `length` bytes.
fn written(bytes: &[u8], whole: &Bytes, length: usize) -> Written {
    let Some(start) = refusal(bytes) else { return Written::AsTheyAre };
    if start > 0 {
        return Written::First(start);
    }
    let head = String::from_utf8_lossy(bytes);
    let head = head.replacen("content-length: 0", &format!("content-length: {length}"), 1);
    let head = head.strip_suffix("\r\n").unwrap_or(&head);
    Written::Instead([head.as_bytes(), whole].concat().into())
}

/// Where hyper's refusal begins, which is the last of what it writes. An answer of ours has a body with a 400.
fn refusal(bytes: &[u8]) -> Option<usize> {
    if !bytes.ends_with(END) {
        return None;
    }
    let from = bytes.len().saturating_sub(MAX_BYTES);
    let last = bytes.get(from..)?;
    let begins = |rest: &[u8]| rest.starts_with(b"HTTP/1.1 400 ") || rest.starts_with(b"HTTP/1.0 400 ");
    let start = (0..last.len()).rev().find(|start| last.get(*start..).is_some_and(begins))?;
    let head = last.get(start..)?;
    let heads = head.windows(END.len()).filter(|window| *window == END).count();
    let is_empty = heads == 1 && head.windows(EMPTY.len()).any(|window| window == EMPTY);
    is_empty.then_some(from.saturating_add(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str =
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: x\r\n\r\n";
    const WHOLE: Bytes = Bytes::from_static(b"content-type: text/plain\r\n\r\nno");

    fn of(text: &str) -> Written {
        written(text.as_bytes(), &WHOLE, 2)
    }

    #[test]
    fn an_empty_refusal_becomes_a_whole_one() {
        let whole = "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\nconnection: close\r\ndate: x\r\ncontent-type: text/plain\r\n\r\nno";
        assert_eq!(of(BARE), Written::Instead(Bytes::from_static(whole.as_bytes())));
        let before = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(of(&format!("{before}{BARE}")), Written::First(before.len()));
        let long = format!("HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n{}", "x".repeat(9_000));
        assert_eq!(of(&format!("{long}{BARE}")), Written::First(long.len()));
    }

    #[test]
    fn every_other_answer_is_written_as_it_is() {
        let begins = BARE.strip_suffix("\r\n").unwrap();
        for text in [
            "",
            "\r\n\r\n",
            begins,
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 52\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nx: content-length: 0\r\n\r\n",
            &format!("{BARE}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\r\n\r\n"),
            &format!("{BARE}{{}}"),
        ] {
            assert_eq!(of(text), Written::AsTheyAre, "{text:?}");
        }
    }
}
