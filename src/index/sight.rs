//! Which keys a caller may know of: what lies beyond its sight is shown without a name (T1).

use super::Index;
use crate::domain::{
    admin::{NamedActor, Sight},
    caller_id::CallerId,
    id::KeyId,
    key::Creator,
};

impl Index {
    /// Whether a caller of this sight may know of the key of this id. A bound caller never sees a key that does not exist.
    #[must_use]
    pub fn is_seen(&self, sight: Sight, id: KeyId) -> bool {
        sight.is_unbound() || self.by_id(id).is_some_and(|found| sight.reaches(&found.key()))
    }

    /// Whether a caller of this sight may know who made a key.
    #[must_use]
    pub fn is_creator_seen(&self, sight: Sight, creator: &Creator) -> bool {
        match creator {
            Creator::System => true,
            Creator::Admin { by, .. } => self.is_caller_seen(sight, *by),
        }
    }

    /// Whether a caller of this sight may know of another. A bound caller knows of the actors that are bound to the same
    /// workspace now, and of no other.
    #[must_use]
    pub fn is_caller_seen(&self, sight: Sight, caller: CallerId) -> bool {
        match caller {
            CallerId::Key(key) => self.is_seen(sight, key),
            CallerId::Actor(actor) => {
                let actors = self.actors();
                sight.is_unbound() || actors.by_id(actor).is_some_and(|actor| sight.reaches_actor(actor))
            }
        }
    }

    /// Whether a caller reaches every workspace now.
    #[must_use]
    pub fn is_global(&self, caller: CallerId) -> bool {
        match caller {
            CallerId::Key(key) => {
                self.by_id(key).is_some_and(|found| found.key().admin.as_ref().is_some_and(|it| it.global))
            }
            CallerId::Actor(actor) => {
                self.actors().by_id(actor).is_some_and(|actor: &NamedActor| actor.rights.global)
            }
        }
    }
}
