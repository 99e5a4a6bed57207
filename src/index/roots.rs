//! A new root while Keyward serves: its layer comes over the hash of every secret in memory, key by key, and each is found all the
//! while.
//!
//! What is presented is looked up as it was before the root and then as it is under it. A hash leads to its key under both while the
//! key's record changes from the one to the other, so that a look-up that misses it as it was finds it as it is.

use std::ops::ControlFlow;

use super::{Index, LayingRoot, imports::later, keys::shorts, sharing::Sharing, slab::Record};
use crate::{
    domain::{id::KeyId, secret::KeyHash},
    yielding::Yielding,
};

impl Index {
    /// From now on what is in memory gets this root's layer. Nobody changes keys until this was called, and memory has come to the
    /// revision that noted the root; then [`Self::lay_root`] is called, once.
    pub fn begin_laying(&self, root: LayingRoot) {
        self.lock().laying = Some(root);
    }

    /// Lays the root over every key that has not its layer yet.
    pub fn lay_root(&self) {
        let (mut yielding, mut last) = (Yielding::with_pauses(), Vec::new());
        // A later import is known by the hash of an earlier one: so it comes after that.
        let pick = |_, record: &Record| Some((record.own.id(), later(record.own.secrets()).next().is_some()));
        self.slab.each(pick, |(id, is_later)| {
            if is_later {
                last.push(id);
            } else {
                self.lay_one(id);
                yielding.step();
            }
            ControlFlow::Continue(())
        });
        for id in last {
            self.lay_one(id);
            yielding.step();
        }
        self.lock().laying = None;
    }

    fn lay_one(&self, id: KeyId) {
        let mut sharing = self.lock();
        self.lay_under(id, &mut sharing);
    }

    /// Lays the root over one key, unless it has the layer.
    pub(super) fn lay_under(&self, id: KeyId, sharing: &mut Sharing) {
        let Some(root) = &sharing.laying else { return };
        let Some((place, before, _)) = self.slab.by_id(id, Self::copied) else { return };
        if !root.awaits(before.revision()) {
            return;
        }
        let after = before.clone().with_hashes(&|hash: KeyHash| {
            // One that no root lies over cannot be: it would be unknown, as it is.
            hash.laid_over(&root.keys.lookup, root.under).unwrap_or(hash)
        });
        shorts(&after).for_each(|short| self.hashes.put(short, place));
        self.imports.put(id, after.secrets());
        let kept = after.clone();
        self.slab.change(place, |record| record.put(after));
        let gone = shorts(&before).filter(|short| shorts(&kept).all(|it| it != *short));
        gone.for_each(|short| self.hashes.remove(short, place));
        self.imports.remove(id, before.secrets());
    }
}
