//! What is counted of keys that were used, in cells that never move: so that a Check holds one without a reference that others
//! count, and a key that nobody uses costs nothing here.

use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

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

/// A key that was used. All its secrets lead here, so that they share what is counted (L8).
pub(super) struct Used<S: ?Sized = AnySlot> {
    /// The key, in two halves; written before anybody knows of the cell.
    id: [AtomicU64; 2],
    /// Generation and minute of the newest use of the current secret, in one number so that they are read together; zero
    /// before the first.
    pub(super) newest: AtomicU64,
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
    fn take(&self, key: KeyId) -> Option<CellNumber>;

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

    fn take(&self, key: KeyId) -> Option<CellNumber> {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.count.load(Ordering::Relaxed);
        let (group, within, cell) = split(number)?;
        let groups = self.groups.get(group)?.get_or_init(|| (0..TOGETHER).map(|_| OnceLock::new()).collect());
        let cells = groups.get(within)?.get_or_init(|| (0..AT_ONCE).map(|_| Used::empty()).collect());
        for (half, known) in cells.get(cell)?.id.iter().zip(halves(key)) {
            half.store(known, Ordering::Relaxed);
        }
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
        Self { id: Default::default(), newest: AtomicU64::new(0), slot: S::default() }
    }
}

impl Used {
    /// What the back end keeps of the key.
    pub(super) const fn slot(&self) -> &AnySlot {
        &self.slot
    }

    /// Whose it is.
    pub(super) fn id(&self) -> KeyId {
        let [high, low] = self.id.each_ref().map(|half| half.load(Ordering::Relaxed).to_be_bytes());
        let mut bytes = [0; KeyId::BYTES];
        bytes.iter_mut().zip(high.into_iter().chain(low)).for_each(|(byte, known)| *byte = known);
        KeyId::from_bytes(bytes)
    }
}

impl Slotted for &Used {
    fn payer(&self) -> Payer<'_> {
        Payer::Key(self.id())
    }

    fn slot(&self) -> &AnySlot {
        &self.slot
    }
}

fn halves(id: KeyId) -> [u64; 2] {
    let bytes = id.to_bytes();
    let (high, low) = bytes.split_at(8);
    [high, low].map(|half| u64::from_be_bytes(half.try_into().unwrap_or_default()))
}
