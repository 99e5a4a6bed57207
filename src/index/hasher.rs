//! A hasher for keys of maps that are random already.

use std::hash::Hasher;

/// Passes on half of a key that is random already: a keyed hash, whose value no caller can choose.
#[derive(Default)]
pub(super) struct RandomAlready(u64);

impl Hasher for RandomAlready {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = u64::try_from(value & u128::from(u64::MAX)).unwrap_or_default();
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
