//! Texts that must not stay in memory.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// More than any number of roots takes; nothing beyond is read.
const MAX_BYTES: u64 = 65_536;

/// Room for all of a text from the first, so that no copy is left behind when it grows.
pub(super) fn room() -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(65_536))
}

/// A text within bounds.
pub(super) fn bounded(from: &mut dyn Read) -> io::Result<Zeroizing<String>> {
    let mut text = room();
    from.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
