//! A change of roots while others go on: one change of the log for each root that comes or is gone.

use std::sync::Arc;

use super::{
    Writer,
    group::{AddedRoot, Batch},
    outcome::BatchOutcome,
};
use crate::{
    domain::root::DerivedKeys,
    ports::StoreError,
    store::sqlite::{
        open::{NewRoots, RootStep},
        rewriting::Rewriting,
    },
};

impl Writer {
    /// Takes a new root, and does without old ones; where one cannot be taken, those before it stay so.
    pub(super) fn take_roots(&mut self, new: &Arc<NewRoots>) -> Result<Option<AddedRoot>, StoreError> {
        let mut added = None;
        for step in new.steps() {
            let has_room = self.sealed().is_none() && self.has_room();
            // Looking for room may have sealed it.
            if let Some(why) = self.sealed() {
                return Err(StoreError::Unavailable(why));
            }
            if !has_room {
                return Err(self.full());
            }
            let under = self.keys.newest;
            self.take_root(new, step)?;
            step.tell(&self.keys, self.head.revision);
            if step == RootStep::Coming {
                let settled = Arc::clone(&self.keys);
                added = Some(AddedRoot { under, since: self.head.revision, settled });
            }
        }
        Ok(added)
    }

    fn take_root(&mut self, new: &Arc<NewRoots>, step: RootStep) -> Result<(), StoreError> {
        let group = Batch::of_root(new, step);
        let outcome = self.write(&group);
        let taken = match &outcome {
            BatchOutcome::Committed(_) => Ok(()),
            BatchOutcome::Refused(error) | BatchOutcome::Broken(error) => Err(error.clone()),
            BatchOutcome::Full => Err(self.full()),
            BatchOutcome::Unknown(why, _) => Err(StoreError::OutcomeUnknown(why.clone())),
        };
        self.settle(group, outcome);
        taken
    }

    /// Writes everything under these keys from now on, and rows under older roots anew.
    pub(super) fn write_under(&mut self, keys: Arc<DerivedKeys>) {
        self.anchor.take_keys(Arc::clone(&keys));
        self.rewriting = Rewriting::begin(&keys);
        self.keys = keys;
    }
}
