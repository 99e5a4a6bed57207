//! Header fields in every way that HPACK has for them (RFC 7541).

/// The characters with codes of so many bits, in the order of their codes (RFC 7541 appendix B).
const CODES: [(u32, &str); 7] = [
    (5, "012aceiost"),
    (6, " %-./3456789=A_bdfghlmnpru"),
    (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, "&*,;XZ"),
    (10, "!\"()?"),
    (11, "'+|"),
    (12, "#>"),
];

/// How a string is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text {
    Plain,
    Huffman,
}

impl Text {
    pub(crate) fn of(self, text: &str) -> Vec<u8> {
        match self {
            Self::Plain => with_length(0, text.as_bytes()),
            Self::Huffman => with_length(0x80, &huffman(text)),
        }
    }
}

fn with_length(flag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[flag | u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn huffman(text: &str) -> Vec<u8> {
    let mut bits: Vec<bool> = text.chars().flat_map(code).collect();
    bits.resize(bits.len().next_multiple_of(8), true);
    bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

fn code(character: char) -> Vec<bool> {
    let (mut next, mut length) = (0, 0);
    for (bits, characters) in CODES {
        next <<= bits - length;
        length = bits;
        if let Some(at) = characters.chars().position(|one| one == character) {
            let value = next + u32::try_from(at).unwrap();
            return (0..bits).rev().map(|bit| value >> bit & 1 == 1).collect();
        }
        next += u32::try_from(characters.len()).unwrap();
    }
    panic!("no code for {character:?}")
}
