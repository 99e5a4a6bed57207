//! Roots that come or go while the store is served.

use std::sync::Arc;

use super::{
    open::{NewRoots, OpenError},
    store::SqliteStore,
    writer::{AddedRoot, WriterWork},
};
use crate::{
    domain::{root::KeysInForce, time::Timestamp},
    store::{
        data_dir::database_in,
        roots::{Roots, RootsSource},
    },
};

/// What roots at hand change of a store.
pub struct RootsAtHand(NewRoots);

impl SqliteStore {
    /// Where the keys in force are.
    #[must_use]
    pub fn keys_in_force(&self) -> Arc<KeysInForce> {
        Arc::clone(&self.keys)
    }

    /// What these roots change of the store at `time`; `None` where they are those that it has.
    ///
    /// # Errors
    /// As a start with them refuses: they are another store's, one is missing under which rows stand, or there are too many.
    pub async fn look_at_roots(
        &self,
        roots: Roots,
        source: RootsSource,
        time: Timestamp,
    ) -> Result<Option<RootsAtHand>, OpenError> {
        let path = database_in(&self.directory);
        let looked = self
            .read_long(move |connection, _| Ok(NewRoots::look(connection, &path, (roots, &source), time)));
        Ok(looked.await??.map(RootsAtHand))
    }

    /// Takes them. No key may be changed meanwhile, and nothing that was made with the keys before may come later.
    ///
    /// # Errors
    /// The store takes no change now. Where it cannot be known what became of it, the keys before stay in force, and nothing else is
    /// taken before that is known.
    pub async fn take_roots(&self, at_hand: RootsAtHand) -> Result<Option<AddedRoot>, OpenError> {
        let RootsAtHand(mut new) = at_hand;
        if new.drops_starts() {
            // One of them may have got a secret since.
            let counted = self.read_long(move |connection, _| Ok(new.counted(connection)));
            new = counted.await??;
        }
        let new = Arc::new(new);
        let taken = self.ask(move |answer| WriterWork::Roots(new, answer)).await;
        Ok(taken.map_err(|error| self.of_change(error))?)
    }
}
