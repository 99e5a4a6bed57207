//! What is counted of keys that were used, in cells that never move: so that a Check holds one without a reference that others
//! count, and a key that nobody uses costs nothing here.

use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use super::{place::Place, uses::NewestUse};
use crate::{
    domain::id::KeyId,
    ports::{AccountSlot, AnySlot, Payer, Slotted},
};

/// Cells that are made at once.
const AT_ONCE: usize = 1 << 10;
/// Groups of so many cells that are named together.
const TOGETHER: usize = 1 << 11;
/// How many of those there are: together there is a cell for every place of the slab.
const ALL: usize = 1 << 11;

/// A key that was used. All its secrets lead here, so that they share what is counted (L8). It takes 48 bytes with the slot of
/// those who count in memory: there are as many as keys.
pub(super) struct Used<S: ?Sized = AnySlot> {
    /// Where the key stands; written before anybody knows of the cell.
    place: AtomicU32,
    /// The newest use of the current secret.
    pub(super) newest: NewestUse,
    /// What the back end that counts keeps of the key. It stands here itself, so that a Check has it at hand.
    slot: S,
}

/// The number of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CellNumber(u32);

impl CellNumber {
    /// Of a key that was not used yet.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// Every cell. One is never another key's, also when its key is gone.
pub(super) trait Cells: Send + Sync {
    /// A cell that was taken.
    fn at(&self, number: CellNumber) -> Option<&Used>;

    /// Takes a new one for a key; none where there are more than one process can have. Waits for others who take one, and takes
    /// no lock besides.
    fn take(&self, place: Place) -> Option<CellNumber>;

    /// How many were taken.
    fn count(&self) -> u32;
}

impl dyn Cells {
    /// Every cell that was taken.
    pub(super) fn each(&self) -> impl Iterator<Item = &Used> {
        (0..self.count()).filter_map(|number| self.at(CellNumber(number)))
    }
}

/// Some cells.
type CellGroup<S> = OnceLock<Box<[Used<S>]>>;

/// Many of those.
type CellGroups<S> = OnceLock<Box<[CellGroup<S>]>>;

/// The cells with the slots of one back end.
pub(super) struct SlotCells<S> {
    groups: Box<[CellGroups<S>]>,
    /// How many were taken; read without the lock by who looks at all.
    count: AtomicU32,
    taking: Mutex<()>,
}

impl<S: AccountSlot> Default for SlotCells<S> {
    fn default() -> Self {
        let groups = (0..ALL).map(|_| OnceLock::new()).collect();
        Self { groups, count: AtomicU32::new(0), taking: Mutex::default() }
    }
}

impl<S: AccountSlot> Cells for SlotCells<S> {
    #[inline]
    fn at(&self, CellNumber(number): CellNumber) -> Option<&Used> {
        let (group, within, cell) = split(number)?;
        let used: &Used<S> = self.groups.get(group)?.get()?.get(within)?.get()?.get(cell)?;
        Some(used)
    }

    fn take(&self, place: Place) -> Option<CellNumber> {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.count.load(Ordering::Relaxed);
        let (group, within, cell) = split(number)?;
        let groups = self.groups.get(group)?.get_or_init(|| (0..TOGETHER).map(|_| OnceLock::new()).collect());
        let cells = groups.get(within)?.get_or_init(|| (0..AT_ONCE).map(|_| Used::empty()).collect());
        cells.get(cell)?.place.store(place.0, Ordering::Relaxed);
        self.count.store(number.checked_add(1)?, Ordering::Release);
        Some(CellNumber(number))
    }

    fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }
}

/// Where a cell stands; nowhere for the number that says that there is none.
fn split(number: u32) -> Option<(usize, usize, usize)> {
    let number = usize::try_from(number).ok().filter(|_| number != u32::MAX)?;
    Some((number / AT_ONCE / TOGETHER, number / AT_ONCE % TOGETHER, number % AT_ONCE))
}

impl<S: AccountSlot> Used<S> {
    fn empty() -> Self {
        Self { place: AtomicU32::new(Place::NOWHERE.0), newest: NewestUse::default(), slot: S::default() }
    }
}

impl Used {
    /// What the back end keeps of the key.
    pub(super) const fn slot(&self) -> &AnySlot {
        &self.slot
    }

    /// Where its key stands, or stood.
    pub(super) fn place(&self) -> Place {
        Place(self.place.load(Ordering::Relaxed))
    }
}

/// A key that pays, and its cell.
pub(super) struct KeyPayer<'i> {
    pub(super) key: KeyId,
    pub(super) used: &'i Used,
}

impl Slotted for KeyPayer<'_> {
    fn payer(&self) -> Payer<'_> {
        Payer::Key(self.key)
    }

    fn slot(&self) -> &AnySlot {
        self.used.slot()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_used_takes_48_bytes_beside_what_one_takes_that_was_not() {
        // With a slot of 40 bytes, as that of counts in memory.
        assert_eq!(size_of::<Used<[u64; 5]>>(), 48);
    }
}
