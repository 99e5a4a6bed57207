//! What is counted of a key, beside its record: made with its first use, so that a key that nobody uses costs nothing here.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{accounts::SharedPayer, uses::LastUses};
use crate::{
    domain::{id::KeyId, time::Timestamp},
    ports::{AccountSlot, AnySlot, Payer, Slotted},
};

/// A key that was used. All its secrets lead here, so that they share what is counted (L8).
pub(super) struct Used<S: ?Sized = AnySlot> {
    pub(super) id: KeyId,
    /// Who used it last. Outside the record, so that no use is lost where that is changed.
    pub(super) uses: LastUses,
    /// What all keys of its owner share, once a limit was charged that is shared so; nobody keeps it for this.
    owner: Mutex<Option<Weak<SharedPayer>>>,
    /// What the back end that counts keeps of the key. It stands here itself, so that a Check has it at hand.
    slot: S,
}

impl Used {
    /// With the slot of a back end.
    pub(super) fn new<S: AccountSlot>(id: KeyId, created: Timestamp) -> Arc<Self> {
        let slot = S::new(created);
        Arc::new(Used { id, uses: LastUses::default(), owner: Mutex::default(), slot })
    }

    /// What all keys of its owner share; `look_up` finds it where it is not known here.
    pub(super) fn owner(&self, look_up: impl FnOnce() -> Arc<SharedPayer>) -> Arc<SharedPayer> {
        let mut known = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.as_ref().and_then(Weak::upgrade) {
            return shared;
        }
        let shared = look_up();
        *known = Some(Arc::downgrade(&shared));
        shared
    }
}

impl Slotted for Arc<Used> {
    fn payer(&self) -> Payer<'_> {
        Payer::Key(self.id)
    }

    fn slot(&self) -> &AnySlot {
        &self.slot
    }

    fn keep(&self) -> Box<dyn Slotted> {
        Box::new(Self::clone(self))
    }
}
