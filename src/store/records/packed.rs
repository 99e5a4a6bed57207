//! How bodies are packed: a byte that says the version, then the fields in their order, without names.

use serde::{Deserialize, Serialize};

/// The version of the bodies that are written now.
const VERSION: u8 = 1;

/// A body was not packed: only memory can be too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row cannot be packed")]
pub(in crate::store) struct Unpackable;

/// Packs a body.
pub(super) fn pack(body: &impl Serialize) -> Result<Vec<u8>, Unpackable> {
    postcard::to_extend(body, vec![VERSION]).map_err(|_error| Unpackable)
}

/// The body, if it was packed so and nothing stands behind it.
pub(super) fn unpack<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    let packed = bytes.strip_prefix(&[VERSION])?;
    let (body, rest) = postcard::take_from_bytes(packed).ok()?;
    rest.is_empty().then_some(body)
}
