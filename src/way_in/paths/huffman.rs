//! The Huffman code of HPACK (RFC 7541 appendix B), as far as lengths and a few characters need it.
//!
//! The code is canonical: among codes of a length the values follow each other, and a code is whole when it lies below the
//! end of its length's values.

/// How many codes have so many bits.
const CODES: [u32; 31] =
    [0, 0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];

/// The first value behind the codes of each length.
const ENDS: [u32; 31] = ends();

#[expect(
    clippy::indexing_slicing,
    reason = "the compiler evaluates this, and refuses a place beyond the end"
)]
const fn ends() -> [u32; 31] {
    let mut ends = [0; 31];
    let (mut bits, mut value) = (1, 0);
    while bits < ends.len() {
        value = value * 2 + CODES[bits];
        ends[bits] = value;
        bits += 1;
    }
    ends
}

/// Any character but those that are asked for.
pub(super) const OTHER: u8 = 0;

/// The code of one character, as far as it was read.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Code {
    value: u32,
    bits: u8,
}

impl Code {
    /// Reads one bit more; the character, if the code is whole with it.
    pub(super) fn take(&mut self, bit: bool) -> Option<u8> {
        self.value = self.value << 1 | u32::from(bit);
        self.bits += 1;
        let end = ENDS.get(usize::from(self.bits)).copied().unwrap_or(u32::MAX);
        (self.value < end).then(|| std::mem::take(self).character())
    }

    const fn character(self) -> u8 {
        match (self.bits, self.value) {
            (5, 0x03) => b'a',
            (5, 0x09) => b't',
            (6, 0x27) => b'h',
            (6, 0x2b) => b'p',
            (7, 0x5c) => b':',
            (12, 0xffa) => b'#',
            _ => OTHER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_left_over() {
        assert_eq!(CODES.iter().sum::<u32>(), 257);
        assert_eq!(ENDS.last(), Some(&(1 << 30)));
    }

    #[test]
    fn characters_are_told_apart_and_counted() {
        // RFC 7541 appendix C.4.1: www.example.com, with a bit of padding.
        let coded = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(characters(&coded).len(), 15);
        // `:path` as h2 (0.4.20) writes it, and `##>` by the appendix.
        assert_eq!(characters(&[0xb9, 0x58, 0xd3, 0x3f]), *b":path");
        assert_eq!(characters(&[0xff, 0xaf, 0xfa, 0xff, 0xbf]), [b'#', b'#', OTHER]);
    }

    fn characters(coded: &[u8]) -> Vec<u8> {
        let mut code = Code::default();
        let bits = coded.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
        bits.filter_map(|bit| code.take(bit)).collect()
    }
}
