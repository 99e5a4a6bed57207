//! Protocol Buffers, written field by field, for answers whose messages need not be made first.

use smallvec::SmallVec;

/// The fields of a message, in the order in which they are written. As in proto3, what is zero or empty is left out.
/// Fields have numbers below 16, so that their tags are one byte.
pub(super) struct ProtoFields<'a>(pub(super) &'a mut Vec<u8>);

impl ProtoFields<'_> {
    pub(super) fn number(&mut self, field: u8, number: u64) {
        if number != 0 {
            self.0.push(field << 3);
            self.varint(number);
        }
    }

    pub(super) fn text(&mut self, field: u8, text: &str) {
        if !text.is_empty() {
            self.item(field, text);
        }
    }

    /// A text of a list, which counts when it is empty too.
    pub(super) fn item(&mut self, field: u8, text: &str) {
        self.0.push(field << 3 | 2);
        self.varint(length(text.len()));
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A message that is there, however little it says.
    pub(super) fn message(&mut self, field: u8, write: impl FnOnce(&mut Self)) {
        self.0.extend_from_slice(&[field << 3 | 2, 0]);
        let start = self.0.len();
        write(self);
        let written = length(self.0.len().saturating_sub(start));
        // Most lengths take the one byte that was kept for them.
        let mut bytes: SmallVec<[u8; 10]> = SmallVec::new();
        varint(written, |byte| bytes.push(byte));
        self.0.splice(start.saturating_sub(1)..start, bytes);
    }

    fn varint(&mut self, number: u64) {
        varint(number, |byte| self.0.push(byte));
    }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Seven bits a byte, the lowest first; all but the last byte have the eighth bit.
fn varint(mut number: u64, mut put: impl FnMut(u8)) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return put(low & 0x7f);
        }
        put(low | 0x80);
    }
}
