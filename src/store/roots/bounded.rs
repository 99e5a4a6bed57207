//! Reading a text that must not stay in memory.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// More than any number of roots takes; nothing beyond is read.
const MAX_BYTES: u64 = 65_536;

/// A text within bounds, with room for all of it from the first, so that no copy is left behind when it grows.
pub(super) fn bounded(from: &mut dyn Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(65_536));
    from.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
