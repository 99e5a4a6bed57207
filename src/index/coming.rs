//! Keys on their way into memory: taken apart into what each has by itself and what it has alike with others.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;

use super::{class::ClassParts, own::Own};
use crate::domain::{id::WorkspaceId, key::KeptKey};

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
    pub(super) fn new(keys: Vec<KeptKey>) -> Self {
        let mut classes = Vec::new();
        let (mut known, mut seen) = (HashMap::new(), HashMap::with_hasher(RandomState::default()));
        let class_of = |key: &KeptKey| {
            // The keys are there until all are looked at: what lies at a place stays the same.
            *seen.entry(PartsAt::of(key)).or_insert_with(|| {
                let parts = Arc::new(ClassParts::of(key.workspace, &key.shared));
                *known.entry(Arc::clone(&parts)).or_insert_with(|| {
                    classes.push(parts);
                    classes.len().saturating_sub(1)
                })
            })
        };
        let places: Vec<_> = keys.iter().map(class_of).collect();
        let keys = keys.into_iter().zip(places).map(|(key, class)| (Own::new(key.own), class)).collect();
        Self { keys, classes }
    }
}

impl PartsAt {
    fn of(key: &KeptKey) -> Self {
        fn at<T>(part: Option<&Arc<T>>) -> usize {
            part.map_or(0, |part| Arc::as_ptr(part).addr())
        }
        let shared = &*key.shared;
        Self {
            workspace: key.workspace,
            follows_owner_role: shared.follows_owner_role,
            places: [
                shared.environment.as_str().as_ptr().addr(),
                at(Some(&shared.creator)),
                at(Some(&shared.grants)),
                at(Some(&shared.networks)),
                at(shared.limits.as_ref()),
                at(shared.admin.as_ref()),
            ],
        }
    }
}
