//! The paths of requests over HTTP/2, looked at before the library below reads them.
//!
//! A `:path` has no fragment (RFC 9113 §8.3.1), but `http` (1.5.0) cuts one off without a word: a call of
//! `/service/Method#x` would run the method, though its path is not exactly the method's. So each `#` in a `:path` becomes
//! a `>` here, which a path may not have either, and for which the request is refused as malformed. In a query, where a `>`
//! may stand, no method of gRPC is run for the query's sake.
//!
//! Both are one byte in a plain string and twelve bits in a Huffman coded one, where only the last bit tells them apart. So
//! no length changes, and the tables of earlier fields stay the same on both sides. Nothing but paths is touched. What
//! cannot be read is left as it is: the library ends the connection for it.

mod fields;
mod huffman;
mod names;

use self::fields::HeaderFields;
use super::frames::{FrameHead, FrameKind};

/// The header blocks of one direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Paths {
    frame: Frame,
    fields: HeaderFields,
    is_unreadable: bool,
}

/// The frame whose payload comes next (RFC 9113 §6.2).
#[derive(Debug, Default)]
struct Frame {
    stream: u32,
    is_padded: bool,
    has_priority: bool,
    /// What stands ahead of the fields and is not read yet: the length of the padding, a priority.
    lead_left: u8,
    /// What was read of it, the last byte lowest.
    lead: u64,
    /// Bytes up to the end of the fields, or of the frame while the length of its padding is not known.
    left: usize,
}

const PRIORITY_BYTES: u8 = 5;

impl Paths {
    /// A frame begins.
    pub(super) fn begin(&mut self, head: FrameHead) {
        self.frame = match head.kind {
            _ if self.is_unreadable => Frame::default(),
            FrameKind::Headers => Frame::of_headers(head),
            FrameKind::Continuation => Frame { left: payload_bytes(head), ..Frame::default() },
            FrameKind::Data | FrameKind::PushPromise | FrameKind::Settings | FrameKind::Other => {
                Frame::default()
            }
        };
    }

    /// Looks at what comes next of its payload.
    pub(super) fn pass(&mut self, payload: &mut [u8]) {
        let rest = self.frame.pass_lead(payload);
        let length = self.frame.left.min(rest.len());
        self.frame.left = self.frame.left.saturating_sub(length);
        if let Some(fragment) = rest.get_mut(..length)
            && self.fields.pass(fragment).is_err()
        {
            self.is_unreadable = true;
            self.frame = Frame::default();
        }
    }
}

impl Frame {
    fn of_headers(head: FrameHead) -> Self {
        let (is_padded, has_priority) = (head.is_padded(), head.has_priority());
        let lead_left = u8::from(is_padded) + if has_priority { PRIORITY_BYTES } else { 0 };
        let stream = head.stream;
        Self { stream, is_padded, has_priority, lead_left, lead: 0, left: payload_bytes(head) }
    }

    /// Reads what stands ahead of the fields; the rest is returned.
    fn pass_lead<'a>(&mut self, mut payload: &'a mut [u8]) -> &'a mut [u8] {
        while self.lead_left > 0
            && let Some((byte, rest)) = std::mem::take(&mut payload).split_first_mut()
        {
            self.lead = self.lead << 8 | u64::from(*byte);
            self.lead_left -= 1;
            self.left = self.left.saturating_sub(1);
            if self.lead_left == 0 {
                self.end_lead();
            }
            payload = rest;
        }
        payload
    }

    fn end_lead(&mut self) {
        // A flag, and the number of a stream.
        let depends_on = self.lead >> 8 & 0x7fff_ffff;
        if self.has_priority && depends_on == u64::from(self.stream) {
            // The library refuses the stream, and reads no field of it.
            self.left = 0;
        }
        if self.is_padded {
            let padding = self.lead >> if self.has_priority { 8 * PRIORITY_BYTES } else { 0 };
            self.left = self.left.saturating_sub(usize::try_from(padding).unwrap_or(usize::MAX));
        }
    }
}

fn payload_bytes(head: FrameHead) -> usize {
    usize::try_from(head.payload_bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: u32 = 5;
    const BLOCK: &[u8] = b"\x83\x04\x03/a#\x86";
    const MENDED: &[u8] = b"\x83\x04\x03/a>\x86";

    fn passed(frames: &[(FrameKind, u8, &[u8])], step: usize) -> Vec<u8> {
        let mut paths = Paths::default();
        let mut all = Vec::new();
        for (kind, flags, payload) in frames {
            let payload_bytes = u32::try_from(payload.len()).unwrap();
            paths.begin(FrameHead { kind: *kind, flags: *flags, stream: STREAM, payload_bytes });
            let mut payload = payload.to_vec();
            payload.chunks_mut(step).for_each(|piece| paths.pass(piece));
            all.extend(payload);
        }
        all
    }

    #[test]
    fn a_block_is_found_in_its_frames() {
        let padding = [b'#'; 3];
        let priority = [0x80, 0, 0, 3, 16];
        for step in [1, 2, 3, 100] {
            assert_eq!(passed(&[(FrameKind::Headers, 0, BLOCK)], step), MENDED);
            let padded = |block: &[u8]| [&[3], block, &padding].concat();
            assert_eq!(passed(&[(FrameKind::Headers, 8, &padded(BLOCK))], step), padded(MENDED));
            let ranked = |block: &[u8]| [&priority, block].concat();
            assert_eq!(passed(&[(FrameKind::Headers, 0x20, &ranked(BLOCK))], step), ranked(MENDED));
            let both = |block: &[u8]| [&[3], &priority[..], block, &padding].concat();
            assert_eq!(passed(&[(FrameKind::Headers, 0x28, &both(BLOCK))], step), both(MENDED));
            for cut in 0..=BLOCK.len() {
                let (first, last) = BLOCK.split_at(cut);
                let frames = [(FrameKind::Headers, 0, first), (FrameKind::Continuation, 0xff, last)];
                assert_eq!(passed(&frames, step), MENDED, "cut at {cut}");
            }
        }
    }

    #[test]
    fn other_payloads_are_left_alone() {
        for kind in [FrameKind::Data, FrameKind::Settings, FrameKind::Other] {
            assert_eq!(passed(&[(kind, 0, BLOCK)], 1), BLOCK);
        }
        // A stream that depends on itself is refused without a look at its fields.
        let itself = [&[0, 0, 0, 5, 16], BLOCK].concat();
        assert_eq!(passed(&[(FrameKind::Headers, 0x20, &itself)], 1), itself);
        let unreadable = [(FrameKind::Headers, 0, &b"\x80"[..]), (FrameKind::Headers, 0, BLOCK)];
        assert_eq!(passed(&unreadable, 1), [b"\x80", BLOCK].concat());
        let short: [&[u8]; 3] = [b"", b"\x09", b"\xff\x00\x00"];
        for payload in short {
            assert_eq!(passed(&[(FrameKind::Headers, 0x28, payload)], 1), payload);
        }
    }
}
