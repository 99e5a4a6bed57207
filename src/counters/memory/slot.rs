//! What this back end keeps in the slot of a payer: its counts, under a lock.

use std::{
    any::Any,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    domain::limit::Sheet,
    ports::{AccountSlot, AnySlot, Slotted},
};

/// The counts of one payer, beside the payer itself: so that nothing is looked up.
#[derive(Debug, Default)]
pub struct MemorySlot {
    /// Held for a judgement and its charge, and never while anything waits.
    sheet: Mutex<Sheet>,
}

impl AccountSlot for MemorySlot {}

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
}
