//! The frames of HTTP/2 by hand (RFC 9113 §4.1 and §6): what no library would send.
#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, reason = "tests")]

use bytes::BufMut;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// The longest frame that a server takes without being asked.
pub(crate) const FRAME_BYTES: usize = 16 << 10;

pub(crate) fn put_frame(out: &mut impl BufMut, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.put_uint(u64::try_from(payload.len()).unwrap(), 3);
    out.put_u8(kind);
    out.put_u8(flags);
    out.put_u32(stream);
    out.put_slice(payload);
}
