//! Values that many keys have in common, held once.

use std::{collections::HashMap, sync::Arc};

use crate::domain::{
    grant::Grants,
    id::WorkspaceId,
    key::Creator,
    network::AllowedNetworks,
    text::{EnvironmentName, Metadata, Owner},
};

/// How many values of a kind are remembered; what comes after them is read anew each time.
const MOST: usize = 65_536;

/// Values already read, by the text they were read from. Keys with the same grants share them in memory, and the
/// text is parsed once.
#[derive(Default)]
pub(in crate::store) struct KnownValues {
    pub(in crate::store) workspaces: Values<WorkspaceId>,
    pub(in crate::store) environments: Values<EnvironmentName>,
    pub(in crate::store) owners: Values<Owner>,
    pub(in crate::store) creators: Values<Arc<Creator>>,
    pub(in crate::store) grants: Values<Arc<Grants>>,
    pub(in crate::store) networks: Values<Arc<AllowedNetworks>>,
    pub(in crate::store) metadata: Values<Arc<Metadata>>,
}

pub(in crate::store) struct Values<T> {
    /// What was asked for last, because neighbours are often alike and a comparison is cheaper than a hash.
    last: Option<(Box<str>, T)>,
    all: HashMap<Box<str>, T>,
}

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self { last: None, all: HashMap::new() }
    }
}

impl<T: Clone> Values<T> {
    /// The value of `text`, as it was read before or as `read` reads it now.
    pub(in crate::store) fn value(&mut self, text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        if let Some((known, value)) = &self.last
            && **known == *text
        {
            return Some(value.clone());
        }
        let value = if let Some(value) = self.all.get(text) {
            value.clone()
        } else {
            let value = read(text)?;
            if self.all.len() < MOST {
                self.all.insert(text.into(), value.clone());
            }
            value
        };
        self.last = Some((text.into(), value.clone()));
        Some(value)
    }
}
