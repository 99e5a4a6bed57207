//! Frames by hand (RFC 9113, RFC 7541): what no library would send.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FRAME_BYTES, HEADERS, PREFACE, SETTINGS, WINDOW_UPDATE,
    put_frame,
};

pub(crate) const CHECK: &str = "/keyward.v1.KeyService/Check";
pub(crate) const ENVOY: &str = "/envoy.service.auth.v3.Authorization/Check";
pub(crate) const BATCH: &str = "/keyward.v1.KeyService/BatchCheck";
pub(crate) const IMPORT: &str = "/keyward.v1.KeyService/ImportKeys";

/// How long a server may not read before the attacker gives up: it is closed, or has stopped taking what this sends.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it is looked whether something has happened, each time.
const MOMENT: Duration = Duration::from_millis(5);

/// A connection that writes, and reads only what it is told to.
pub(crate) struct Attacker {
    socket: TcpStream,
    next_stream: u32,
    out: Vec<u8>,
}

impl Attacker {
    /// Connects, with the preface and these settings.
    pub(crate) fn connect(server: SocketAddr, settings: &[u8]) -> Self {
        Self::over(TcpStream::connect(server).unwrap(), settings)
    }

    /// The same on a connection that is there.
    pub(crate) fn over(socket: TcpStream, settings: &[u8]) -> Self {
        let mut attacker = Self::silent(socket);
        attacker.out.extend_from_slice(PREFACE);
        attacker.frame(SETTINGS, 0, 0, settings);
        attacker.send();
        attacker.await_window();
        attacker
    }

    /// Until then, what is sent beyond 64 KiB would end the connection.
    fn await_window(&mut self) {
        let mut head = [0; 9];
        while head.get(3) != Some(&WINDOW_UPDATE) {
            self.socket.read_exact(&mut head).unwrap();
            let length = head.iter().take(3).fold(0, |length, byte| length << 8 | usize::from(*byte));
            self.socket.read_exact(&mut vec![0; length]).unwrap();
        }
    }

    /// Connects and says nothing.
    pub(crate) fn plain(server: SocketAddr) -> Self {
        Self::silent(TcpStream::connect(server).unwrap())
    }

    fn silent(socket: TcpStream) -> Self {
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, next_stream: 1, out: Vec::new() }
    }

    /// The head of a call, with fields that are compressed already; its message is to follow.
    pub(crate) fn head(&mut self, path: &str, fields: &[u8]) -> u32 {
        self.head_with(END_HEADERS, path, fields)
    }

    /// A head whose block does not end.
    pub(crate) fn endless_head(&mut self, fields: &[u8], more: &[u8]) {
        let stream = self.head_with(0, CHECK, fields);
        self.frame(CONTINUATION, 0, stream, more);
    }

    fn head_with(&mut self, flags: u8, path: &str, fields: &[u8]) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let mut block = vec![0x83, 0x86]; // :method POST, :scheme http
        text(&mut block, &[0x01], b"localhost");
        text(&mut block, &[0x04], path.as_bytes());
        block.extend(field("content-type", "application/grpc"));
        block.extend(field("te", "trailers"));
        block.extend_from_slice(fields);
        self.frame(HEADERS, flags, stream, &block);
        stream
    }

    /// A whole call.
    pub(crate) fn call(&mut self, path: &str, message: &[u8]) {
        let stream = self.head(path, &[]);
        self.data(stream, &framed(message), true);
    }

    pub(crate) fn data(&mut self, stream: u32, bytes: &[u8], ends: bool) {
        let pieces = bytes.chunks(FRAME_BYTES).count();
        for (place, piece) in bytes.chunks(FRAME_BYTES).enumerate() {
            let flags = if ends && place + 1 == pieces { END_STREAM } else { 0 };
            self.frame(DATA, flags, stream, piece);
        }
    }

    /// Whether the server has closed the connection, or does in a moment.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        self.socket.set_read_timeout(Some(MOMENT)).unwrap();
        match self.socket.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(why) => !matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Sends what was put together; a server that has closed has defended itself.
    pub(crate) fn send(&mut self) {
        let _closed = self.socket.write_all(&std::mem::take(&mut self.out));
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        put_frame(&mut self.out, kind, flags, stream, payload);
    }
}

/// A message as gRPC frames it.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat()
}

/// A field that the server's table does not keep.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut block = Vec::new();
    text(&mut block, &[0], name.as_bytes());
    text(&mut block, &[], value.as_bytes());
    block
}

/// A field that the server's table keeps, so that a byte is enough for it afterwards.
pub(crate) fn kept_field(name: &str, value: &str) -> Vec<u8> {
    let mut block = Vec::new();
    text(&mut block, &[0x40], name.as_bytes());
    text(&mut block, &[], value.as_bytes());
    block
}

/// The entry of the server's table at this place, 0 for the newest.
pub(crate) fn known_field(place: u8) -> Vec<u8> {
    let index = 62 + place;
    if index < 127 { vec![0x80 | index] } else { vec![0xff, index - 127] }
}

/// A text, uncompressed (RFC 7541 section 5.2), after its prefix.
fn text(block: &mut Vec<u8>, prefix: &[u8], text: &[u8]) {
    block.extend_from_slice(prefix);
    if text.len() < 127 {
        block.push(u8::try_from(text.len()).unwrap());
    } else {
        block.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).unwrap() | 0x80);
            rest /= 128;
        }
        block.push(u8::try_from(rest).unwrap());
    }
    block.extend_from_slice(text);
}
