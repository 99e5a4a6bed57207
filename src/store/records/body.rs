//! What the bodies of all records have in common.

use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use crate::domain::policy::{Fault, LimitOverrides, LimitOverridesEntry};

/// The version that each body states of itself.
pub(super) const VERSION: u8 = 1;

/// An optional field that must be there all the same.
pub(super) fn stated<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Limits of a key's or a workspace's own.
///
/// # Errors
/// They cannot be read.
pub(super) fn read_limits(
    entry: Option<LimitOverridesEntry>,
) -> Result<Option<Arc<LimitOverrides>>, Vec<Fault>> {
    entry.map(|entry| LimitOverrides::kept(entry).map(Arc::new)).transpose()
}
