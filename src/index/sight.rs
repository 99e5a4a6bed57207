//! Which keys a caller may know of: what lies beyond its sight is shown without a name (T1).

use super::Index;
use crate::domain::{admin::Sight, id::KeyId, key::Creator};

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
            Creator::Admin { key: by, .. } => self.is_seen(sight, *by),
        }
    }
}
