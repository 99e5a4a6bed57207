//! One key's place in the index: its record, which is swapped whole, and what is counted beside it.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::{
    accounts::SharedPayer,
    laid::Laid,
    uses::{LastUses, User},
};
use crate::{
    domain::{
        footprint::key_bytes,
        id::KeyId,
        key::{Key, KeyView},
        limit::KeyLimits,
        member::Surroundings,
        policy::TierSet,
        rights::Rights,
        time::Timestamp,
    },
    ports::{Account, AccountSlot, AnySlot, Bill, LastUse, Payer, Slotted},
};

/// A key's place. All its secrets lead here, so that they share what is counted (L8).
pub(super) struct Cell<S: ?Sized = AnySlot> {
    pub(super) record: ArcSwap<KeyRecord>,
    /// Who used it last. Outside the record, so that no use is lost where that is swapped.
    pub(super) uses: LastUses,
    /// What the back end that counts keeps of the key. It stands here itself, so that a Check has it at hand.
    slot: S,
}

/// A key, with its rights and limits under the policy in force: together, so that no reader sees one without the other.
pub(super) struct KeyRecord {
    /// As it is to be seen.
    pub(super) key: Key,
    /// As it is stored, where that differs.
    pub(super) stored: Option<Box<Key>>,
    pub(super) rights: Arc<Rights>,
    pub(super) surroundings: Surroundings,
    pub(super) limits: Arc<KeyLimits>,
    /// What all keys of its owner share, where a limit is shared so.
    pub(super) owner: Option<Arc<SharedPayer>>,
    /// What all keys of its workspace share, where a limit is shared so.
    pub(super) workspace: Option<Arc<SharedPayer>>,
}

impl KeyRecord {
    /// The key as it is stored.
    pub(super) fn stored(&self) -> &Key {
        self.stored.as_deref().unwrap_or(&self.key)
    }

    /// The same for a key, as it is stored now, that differs in nothing that rights and limits are worked out from.
    pub(super) fn laid_over(&self, key: Key, laid: &Laid) -> Self {
        let (key, stored) = laid.upon(key);
        Self {
            key,
            stored,
            rights: Arc::clone(&self.rights),
            surroundings: self.surroundings,
            limits: Arc::clone(&self.limits),
            owner: self.owner.clone(),
            workspace: self.workspace.clone(),
        }
    }
}

impl Cell {
    /// The place of a key, with the slot of a back end.
    pub(super) fn new<S: AccountSlot>(record: KeyRecord) -> Arc<Self> {
        let slot = S::new(record.key.created);
        Arc::new(Cell { record: ArcSwap::from_pointee(record), uses: LastUses::default(), slot })
    }

    /// Whose place it is.
    pub(super) fn id(&self) -> KeyId {
        self.record.load().key.id
    }
}

impl Slotted for Arc<Cell> {
    fn payer(&self) -> Payer<'_> {
        Payer::Key(self.id())
    }

    fn slot(&self) -> &AnySlot {
        &self.slot
    }

    fn keep(&self) -> Box<dyn Slotted> {
        Box::new(Self::clone(self))
    }
}

/// A key as it stood when it was found.
pub struct Found {
    pub(super) record: Guard<Arc<KeyRecord>>,
    cell: Arc<Cell>,
}

impl Found {
    pub(super) fn take(cell: &Arc<Cell>) -> Self {
        Self { record: cell.record.load(), cell: Arc::clone(cell) }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> KeyView<'_> {
        self.record.key.view()
    }

    /// The key as it is stored, without what was laid over it.
    #[must_use]
    pub fn stored(&self) -> KeyView<'_> {
        self.record.stored().view()
    }

    /// What it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        key_bytes(&self.record.key)
    }

    /// What it may do under the policy in force.
    #[must_use]
    pub fn rights(&self) -> &Rights {
        &self.record.rights
    }

    /// What surrounds it and can deny it.
    #[must_use]
    pub fn surroundings(&self) -> Surroundings {
        self.record.surroundings
    }

    /// How often it may.
    #[must_use]
    pub fn limits(&self) -> &KeyLimits {
        &self.record.limits
    }

    /// What a request of these tiers is to be charged to.
    #[must_use]
    pub fn bill(&self, tiers: TierSet, cost: u64) -> Bill<'_> {
        fn account(shared: &Arc<SharedPayer>) -> Account<'_> {
            Account::of(shared)
        }
        Bill {
            key: Account { payer: Payer::Key(self.record.key.id), slot: &self.cell },
            owner: self.record.owner.as_ref().map(account),
            workspace: self.record.workspace.as_ref().map(account),
            limits: &self.record.limits,
            tiers,
            cost,
        }
    }

    /// The last uses of its secrets that this process knows of.
    #[must_use]
    pub fn uses(&self) -> Vec<LastUse> {
        self.cell.uses.all(self.record.key.id)
    }

    /// Notes a use of a secret. Writes only where its minute is news, so that cores that check one key share its line of
    /// cache.
    pub fn note_use(&self, user: User, is_current: bool, now: Timestamp) {
        self.cell.uses.note(user, is_current, now, &self.record.key.credentials);
    }
}
