//! Values that many keys have in common, held once.

use std::{collections::HashMap, sync::Arc};

use foldhash::quality::RandomState;

use super::key::AlikeParts;
use crate::domain::text::Metadata;

/// How many values of a kind are remembered; what comes after them is read anew each time.
const MOST: usize = 65_536;

/// Values already read, by the bytes they were read from. Keys with the same grants share them in memory, and the bytes are read
/// once.
#[derive(Default)]
pub(in crate::store) struct KnownValues {
    pub(in crate::store) alike: Values<Arc<AlikeParts>>,
    pub(in crate::store) metadata: Values<Arc<Metadata>>,
}

/// Values of one kind.
pub(in crate::store) struct Values<T>(HashMap<Box<[u8]>, T, RandomState>);

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<T: Clone> Values<T> {
    /// The value of `bytes`, as it was read before or as `read` reads it now.
    pub(in crate::store) fn value(
        &mut self,
        bytes: &[u8],
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T> {
        if let Some(value) = self.0.get(bytes) {
            return Some(value.clone());
        }
        let value = read(bytes)?;
        if self.0.len() < MOST {
            self.0.insert(bytes.into(), value.clone());
        }
        Some(value)
    }
}
