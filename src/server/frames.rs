//! The frames of HTTP/2 among the bytes of a socket (RFC 9113 §4.1): where they begin, and what their heads say.

/// Bytes of a frame before its payload.
const HEAD_BYTES: usize = 9;

/// `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n` (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A GOAWAY that says `ENHANCE_YOUR_CALM`, up to the number of the last stream.
const CALM: [u8; HEAD_BYTES] = [0, 0, 8, 7, 0, 0, 0, 0, 0];
const ENHANCE_YOUR_CALM: u32 = 11;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    Data,
    Headers,
    PushPromise,
    Continuation,
    Settings,
    Other,
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) kind: FrameKind,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload_bytes: u32,
}

const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

impl FrameHead {
    fn read([a, b, c, kind, flags, stream @ ..]: [u8; HEAD_BYTES]) -> Self {
        let kind = match kind {
            0 => FrameKind::Data,
            1 => FrameKind::Headers,
            4 => FrameKind::Settings,
            5 => FrameKind::PushPromise,
            9 => FrameKind::Continuation,
            _ => FrameKind::Other,
        };
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        Self { kind, flags, stream, payload_bytes: u32::from_be_bytes([0, a, b, c]) }
    }

    /// Whether more of its header block is to follow, in a CONTINUATION frame (section 6.10).
    pub(super) const fn is_continued(self) -> bool {
        let has_block =
            matches!(self.kind, FrameKind::Headers | FrameKind::PushPromise | FrameKind::Continuation);
        has_block && self.flags & END_HEADERS == 0
    }

    /// Whether headers begin with the length of a padding.
    pub(super) const fn is_padded(self) -> bool {
        self.flags & PADDED != 0
    }

    /// Whether headers begin with a priority, behind the length of a padding.
    pub(super) const fn has_priority(self) -> bool {
        self.flags & PRIORITY != 0
    }
}

/// Where among the frames of one direction its bytes stand.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    payload_left: usize,
}

/// What stands at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// A part of a payload.
    Payload,
    /// A part of a head, which is whole with it or not.
    Head(Option<FrameHead>),
}

impl Frames {
    /// Passes over the bytes that come next, and shows each head that is whole with them.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut see: impl FnMut(FrameHead)) {
        while !bytes.is_empty() {
            let (length, piece) = self.take(bytes);
            if let Piece::Head(Some(head)) = piece {
                see(head);
            }
            bytes = bytes.get(length..).unwrap_or_default();
        }
    }

    /// Takes the piece with which some bytes begin, and says how long it is.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, Piece) {
        if self.payload_left == 0 {
            return self.take_head(bytes);
        }
        let now = self.payload_left.min(bytes.len());
        self.payload_left = self.payload_left.saturating_sub(now);
        (now, Piece::Payload)
    }

    fn take_head(&mut self, bytes: &[u8]) -> (usize, Piece) {
        let until = self.head_bytes.saturating_add(bytes.len()).min(HEAD_BYTES);
        let now = until.saturating_sub(self.head_bytes);
        if let (Some(place), Some(bytes)) = (self.head.get_mut(self.head_bytes..until), bytes.get(..now)) {
            place.copy_from_slice(bytes);
        }
        self.head_bytes = until % HEAD_BYTES;
        let head = (until == HEAD_BYTES).then(|| FrameHead::read(self.head));
        if let Some(head) = head {
            self.payload_left = usize::try_from(head.payload_bytes).unwrap_or(usize::MAX);
        }
        (now, Piece::Head(head))
    }

    /// Whether a frame may begin here.
    pub(super) const fn is_between(&self) -> bool {
        self.head_bytes == 0 && self.payload_left == 0
    }
}

/// The frame that ends a connection whose peer asks for too much; streams up to this one may have been worked on.
pub(super) fn calm(last_stream: u32) -> Vec<u8> {
    [&CALM[..], &last_stream.to_be_bytes(), &ENHANCE_YOUR_CALM.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u32, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0xff], &stream.to_be_bytes(), &vec![9; payload]].concat()
    }

    #[test]
    fn each_frame_is_seen_however_its_bytes_are_cut() {
        let sent = [(4, 0, 12), (1, 1, 70), (0, 1, 0), (0, 3, 16_384), (8, 0x8000_0003, 4), (0x77, 5, 1)];
        let bytes: Vec<u8> =
            sent.iter().flat_map(|(kind, stream, length)| frame(*kind, *stream, *length)).collect();
        for step in [1, 2, 8, 9, 10, 100, bytes.len()] {
            let (mut frames, mut seen) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(step) {
                frames.pass(piece, |head| seen.push(head));
            }
            let kinds = [
                FrameKind::Settings,
                FrameKind::Headers,
                FrameKind::Data,
                FrameKind::Data,
                FrameKind::Other,
                FrameKind::Other,
            ];
            let expected: Vec<_> = sent
                .iter()
                .zip(kinds)
                .map(|((_, stream, length), kind)| FrameHead {
                    kind,
                    flags: 0xff,
                    stream: stream & 0x7fff_ffff,
                    payload_bytes: u32::try_from(*length).unwrap(),
                })
                .collect();
            assert_eq!(seen, expected, "in steps of {step}");
            assert!(frames.is_between());
            frames.pass(&[0], |_| ());
            assert!(!frames.is_between());
        }
    }

    #[test]
    fn a_header_block_goes_on_until_a_frame_says_that_it_ends() {
        for (kind, flags, is_continued) in [
            (1, 0, true),
            (1, 1, true),
            (1, 4, false),
            (1, 5, false),
            (5, 0, true),
            (9, 0, true),
            (9, 4, false),
            (0, 0, false),
            (6, 0, false),
        ] {
            let mut seen = Vec::new();
            let bytes = [0, 0, 0, kind, flags, 0, 0, 0, 1];
            Frames::default().pass(&bytes, |head| seen.push(head.is_continued()));
            assert_eq!(seen, [is_continued], "kind {kind}, flags {flags}");
        }
    }

    #[test]
    fn the_last_word_is_a_goaway() {
        let mut seen = Vec::new();
        let mut frames = Frames::default();
        let bytes = calm(7);
        frames.pass(&bytes, |head| seen.push(head));
        assert_eq!(seen, [FrameHead { kind: FrameKind::Other, flags: 0, stream: 0, payload_bytes: 8 }]);
        assert!(frames.is_between());
        assert_eq!(bytes[9..], [0, 0, 0, 7, 0, 0, 0, 11]);
    }
}
