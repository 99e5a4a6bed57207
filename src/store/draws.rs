//! Randomness for what entries hold of it, drawn by the one who writes them.
//!
//! It is a stream that begins with what the operating system gave at the start: so a change needs no call for it, and cannot fail
//! for want of it.

use std::cell::Cell;

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit as _, StreamCipher as _},
};

use crate::domain::time::{Entropy, EntropyUnavailable};

const KEY: usize = 32;

/// A stream of random bytes. Each draw replaces the key that it was made with, so that whoever reads the memory of the process cannot
/// work out what was drawn before.
pub(super) struct Draws(Cell<[u8; KEY]>);

impl Draws {
    /// Begins a stream.
    ///
    /// # Errors
    /// There is no randomness.
    pub(super) fn begin(entropy: &dyn Entropy) -> Result<Self, EntropyUnavailable> {
        let mut key = [0; KEY];
        entropy.fill(&mut key)?;
        Ok(Self(Cell::new(key)))
    }

    /// The next 16 bytes.
    pub(super) fn next(&self) -> [u8; 16] {
        let (mut key, mut drawn) = ([0; KEY], [0; 16]);
        // Each key is used once, so that one nonce serves all.
        let mut stream = ChaCha20::new(&self.0.get().into(), &[0; 12].into());
        stream.apply_keystream(&mut key);
        stream.apply_keystream(&mut drawn);
        self.0.set(key);
        drawn
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::root::tests::Same;

    #[test]
    fn nothing_is_drawn_twice() {
        let draws = Draws::begin(&Same(1)).unwrap();
        let found: HashSet<_> = (0..1_000).map(|_| draws.next()).collect();
        assert_eq!(found.len(), 1_000);
        assert!(!found.contains(&Draws::begin(&Same(2)).unwrap().next()));
    }
}
