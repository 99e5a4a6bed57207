//! What this back end keeps in the slot of a payer: its counts, under a lock.

use std::{
    any::Any,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    domain::{limit::Sheet, time::Timestamp},
    ports::{AccountSlot, AnySlot, Slotted},
};

/// The counts of one payer, beside the payer itself: so that nothing is looked up.
#[derive(Debug)]
pub struct MemorySlot {
    /// Held for a judgement and its charge, and never while anything waits.
    sheet: Mutex<Sheet>,
    /// When the payer came to be: it has no counts from before then.
    since: Timestamp,
}

impl AccountSlot for MemorySlot {
    fn new(since: Timestamp) -> Self {
        Self { sheet: Mutex::default(), since }
    }
}

impl MemorySlot {
    /// The counts of a payer; `None` where the index was made for another back end.
    pub(super) fn of(slotted: &dyn Slotted) -> Option<&Self> {
        Self::within(slotted.slot())
    }

    pub(super) fn within(slot: &AnySlot) -> Option<&Self> {
        let slot: &dyn Any = slot;
        slot.downcast_ref()
    }

    /// The counts, for as long as the guard is held.
    pub(super) fn lock(&self) -> MutexGuard<'_, Sheet> {
        self.sheet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the payer came to be.
    pub(super) const fn since(&self) -> Timestamp {
        self.since
    }
}
