//! The actors that the configuration names now. They are in no store: what is read anew takes the place of what was.

use std::sync::Arc;

use arc_swap::Guard;

use super::Index;
use crate::domain::admin::Actors;

impl Index {
    /// Who may call without a key, as it stands at this moment.
    #[must_use]
    pub fn actors(&self) -> Guard<Arc<Actors>> {
        self.actors.load()
    }

    /// Puts these in the place of those before: who is not among them is nobody from the next call on.
    pub fn put_actors(&self, actors: Arc<Actors>) {
        self.actors.store(actors);
    }
}
