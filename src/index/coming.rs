//! Keys on their way into memory: taken apart into what each has by itself and what it has alike with others.

use std::{collections::HashMap, sync::Arc};

use super::{class::ClassParts, own::Own};
use crate::domain::key::Key;

/// Some keys, and their classes.
#[derive(Default)]
pub(super) struct Coming {
    /// Each with the place of its class below.
    pub(super) keys: Vec<(Own, usize)>,
    /// The role of an owner is not in them.
    pub(super) classes: Vec<Arc<ClassParts>>,
}

impl Coming {
    pub(super) fn new(keys: Vec<Key>) -> Self {
        let mut coming = Self { keys: Vec::with_capacity(keys.len()), classes: Vec::new() };
        let mut known = HashMap::new();
        for key in keys {
            let own = Own::new(&key);
            let parts = Arc::new(ClassParts::of(&key));
            let class = *known.entry(Arc::clone(&parts)).or_insert_with(|| {
                coming.classes.push(parts);
                coming.classes.len().saturating_sub(1)
            });
            coming.keys.push((own, class));
        }
        coming
    }
}
