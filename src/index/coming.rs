//! Keys on their way into memory: taken apart into what each has by itself and what it has alike with others.

use std::{collections::HashMap, sync::Arc};

use super::{class::ClassParts, own::Own};
use crate::domain::{id::WorkspaceId, key::Key};

/// Some keys, and their classes.
#[derive(Default)]
pub(super) struct Coming {
    /// Each with the place of its class below.
    pub(super) keys: Vec<(Own, usize)>,
    /// The role of an owner is not in them.
    pub(super) classes: Vec<Arc<ClassParts>>,
}

/// Where the parts of a key lie that it has alike with others: keys that were read together share them, and to compare places takes
/// less than to compare what lies there.
#[derive(PartialEq, Eq, Hash)]
struct PartsAt {
    workspace: WorkspaceId,
    follows_owner_role: bool,
    places: [usize; 6],
}

impl Coming {
    pub(super) fn new(keys: &[Key]) -> Self {
        let mut coming = Self { keys: Vec::with_capacity(keys.len()), classes: Vec::new() };
        let (mut known, mut seen) = (HashMap::new(), HashMap::new());
        for key in keys {
            // The keys are there until all are looked at: what lies at a place stays the same.
            let class = *seen.entry(PartsAt::of(key)).or_insert_with(|| {
                let parts = Arc::new(ClassParts::of(key));
                *known.entry(Arc::clone(&parts)).or_insert_with(|| {
                    coming.classes.push(parts);
                    coming.classes.len().saturating_sub(1)
                })
            });
            coming.keys.push((Own::new(key), class));
        }
        coming
    }
}

impl PartsAt {
    fn of(key: &Key) -> Self {
        fn at<T>(part: Option<&Arc<T>>) -> usize {
            part.map_or(0, |part| Arc::as_ptr(part).addr())
        }
        Self {
            workspace: key.workspace,
            follows_owner_role: key.follows_owner_role,
            places: [
                key.environment.as_str().as_ptr().addr(),
                at(Some(&key.creator)),
                at(Some(&key.grants)),
                at(Some(&key.networks)),
                at(key.limits.as_ref()),
                at(key.admin.as_ref()),
            ],
        }
    }
}
