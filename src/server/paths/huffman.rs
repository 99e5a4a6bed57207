//! The Huffman code of HPACK (RFC 7541 appendix B), as far as lengths and a few characters need it.
//!
//! The code is canonical: among codes of a length the values follow each other, and a code is whole when it lies below the
//! end of its length's values.

/// How many codes have so many bits.
const CODES: [u64; 31] =
    [0, 0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];

/// The first value behind the codes of each length.
const ENDS: [u64; 31] = ends();

#[expect(
    clippy::indexing_slicing,
    reason = "the compiler evaluates this, and refuses a place beyond the end"
)]
const fn ends() -> [u64; 31] {
    let mut ends = [0; 31];
    let (mut bits, mut value) = (1, 0);
    while bits < ends.len() {
        value = value * 2 + CODES[bits];
        ends[bits] = value;
        bits += 1;
    }
    ends
}

/// The codes of up to eight bits.
const SHORT: usize = 8;

/// The length of the code with which eight bits begin, if it is one of those; else 0.
const SHORT_LENGTHS: [usize; 256] = short_lengths();

#[expect(
    clippy::indexing_slicing,
    reason = "the compiler evaluates this, and refuses a place beyond the end"
)]
const fn short_lengths() -> [usize; 256] {
    let mut lengths = [0; 256];
    let mut begins = 0;
    let mut value = 0;
    while begins < lengths.len() {
        let mut bits = SHORT;
        while bits > 0 {
            if CODES[bits] > 0 && value >> (SHORT - bits) < ENDS[bits] {
                lengths[begins] = bits;
            }
            bits -= 1;
        }
        value += 1;
        begins += 1;
    }
    lengths
}

/// Any character but those that are asked for.
const OTHER: u8 = 0;

/// The beginning of a code whose end has not come: fewer than 30 bits.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Code {
    value: u64,
    bits: usize,
}

impl Code {
    /// Whether nothing of a code was read.
    pub(super) const fn is_fresh(&self) -> bool {
        self.bits == 0
    }

    /// Reads a byte more, and shows each character whose code is whole with it, beside the bit of the byte with which it ends.
    pub(super) fn read(&mut self, byte: u8, mut see: impl FnMut(u8, u8)) {
        self.value = self.value << 8 | u64::from(byte);
        self.bits += 8;
        while let Some((length, value)) = self.first() {
            // Fewer than eight, or the code would have been whole before.
            self.bits -= length;
            self.value &= !(u64::MAX << self.bits);
            see(character(length, value), 1 << self.bits);
        }
    }

    /// The length and the value of the first code, if it is whole.
    fn first(self) -> Option<(usize, u64)> {
        let begins = if self.bits < SHORT {
            self.value << (SHORT - self.bits)
        } else {
            self.value >> (self.bits - SHORT)
        };
        let short = usize::try_from(begins).ok().and_then(|begins| SHORT_LENGTHS.get(begins)).copied();
        match short.unwrap_or_default() {
            0 => self.first_long(),
            length if length <= self.bits => Some((length, self.value >> (self.bits - length))),
            _ => None,
        }
    }

    fn first_long(self) -> Option<(usize, u64)> {
        let ends = ENDS.iter().skip(SHORT + 1);
        (SHORT + 1..=self.bits).zip(ends).find_map(|(length, end)| {
            let value = self.value >> (self.bits - length);
            (value < *end).then_some((length, value))
        })
    }
}

/// Whether a whole string can have a `#`: its code has eight ones in a row, which few paths have.
pub(super) fn may_have_mark(text: &[u8]) -> bool {
    let mut before = 0;
    text.iter().any(|byte| {
        let in_a_row = before + byte.leading_ones();
        before = byte.trailing_ones();
        in_a_row >= 8
    })
}

const fn character(bits: usize, value: u64) -> u8 {
    match (bits, value) {
        (5, 0x03) => b'a',
        (5, 0x09) => b't',
        (6, 0x27) => b'h',
        (6, 0x2b) => b'p',
        (7, 0x5c) => b':',
        (12, 0xffa) => b'#',
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_left_over() {
        assert_eq!(CODES.iter().sum::<u64>(), 257);
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

    #[test]
    fn a_string_with_a_mark_may_have_one() {
        // A mark after so many bits, and before others: all zeros beside it, which is the least ones.
        for after in 0..8 {
            let text = (0xffa_u32 << (20 - after)).to_be_bytes();
            assert!(may_have_mark(&text), "after {after} bits");
        }
        // `/keyward.v1.KeyService/Check`, as the appendix codes it.
        let path = [
            0x63, 0xa9, 0x7d, 0x78, 0x1d, 0x92, 0x2f, 0xdc, 0x2b, 0xe6, 0x2f, 0xad, 0xc5, 0xb3, 0xb9, 0x88,
            0x56, 0x2f, 0x4e, 0x52, 0x75,
        ];
        assert!(!may_have_mark(&path));
    }

    fn characters(coded: &[u8]) -> Vec<u8> {
        let mut code = Code::default();
        let mut characters = Vec::new();
        for byte in coded {
            code.read(*byte, |character, last| {
                assert_eq!(last.count_ones(), 1);
                characters.push(character);
            });
        }
        characters
    }
}
