//! The records of all keys, in places of one size, and where each stands by its id.
//!
//! Ids are random, so that each part of the slab has as many keys as the others. A part grows by a few records at a time: nobody
//! waits for a million to be moved. A lock of a part is held for as long as a record is copied, and while it is held no other
//! lock is taken but that of the [cells](super::used), which takes none itself.

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{
    class::ClassCell,
    leads::{Lead, Leads, share},
    own::Own,
    place::Place,
};
use crate::domain::{id::KeyId, narrow::Narrow};

const PARTS: usize = 256;
/// Records that a part grows by: as many as fit into 8 KiB, which is a size that the allocator hands out.
const AT_ONCE: usize = 8_192 / size_of::<Option<Record>>();

/// A key in memory.
pub(super) struct Record {
    pub(super) own: Own,
    pub(super) class: Arc<ClassCell>,
}

impl Record {
    /// Puts the key there as it is now, and gives back what it was; what is counted of it goes on in the same cell.
    pub(super) fn put(&mut self, own: Own) -> Own {
        let own = own.counted_in(self.own.used);
        std::mem::replace(&mut self.own, own)
    }
}

/// Every record.
pub(super) struct Slab(Box<[SlabPart]>);

/// A part with cache lines of its own, so that one that is read slows no neighbour.
#[derive(Default)]
#[repr(align(128))]
struct SlabPart(RwLock<Records>);

#[derive(Default)]
struct Records {
    records: Vec<Vec<Option<Record>>>,
    by_id: Leads<Numbered>,
}

impl Default for Slab {
    fn default() -> Self {
        Self((0..PARTS).map(|_| SlabPart::default()).collect())
    }
}

impl Slab {
    /// Makes room for so many keys in all.
    pub(super) fn expect(&self, keys: usize) {
        for part in 0..PARTS {
            if let Some(mut records) = self.write(part) {
                records.by_id.expect(share(keys, PARTS));
            }
        }
    }

    /// Looks at the key of this id. `look` must take no lock.
    pub(super) fn by_id<T>(&self, id: KeyId, look: impl FnOnce(Place, &Record) -> T) -> Option<T> {
        let part = part_of(id);
        let records = self.read(part)?;
        let number = records.find(id)?;
        records.get(number).map(|record| look(Place::new(part, number), record))
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        (0..PARTS).filter_map(|part| self.read(part)).map(|records| records.by_id.len()).sum()
    }

    /// Looks at the key that stands here. `look` must take no lock.
    pub(super) fn at<T>(&self, place: Place, look: impl FnOnce(&Record) -> T) -> Option<T> {
        self.read(place.part())?.get(place.number()).map(look)
    }

    /// Changes the key that stands here. `change` must take no lock but that of the cells.
    pub(super) fn change<T>(&self, place: Place, change: impl FnOnce(&mut Record) -> T) -> Option<T> {
        self.write(place.part())?.get_mut(place.number()).map(change)
    }

    /// Puts a key in that is new here.
    pub(super) fn insert(&self, record: Record) -> Option<Place> {
        let id = record.own.id();
        let part = part_of(id);
        let number = self.write(part)?.insert(id, record)?;
        Some(Place::new(part, number))
    }

    /// Takes a key out; its place stays empty.
    pub(super) fn remove(&self, id: KeyId) -> Option<(Place, Record)> {
        let part = part_of(id);
        let mut records = self.write(part)?;
        let number = records.find(id)?;
        records.by_id.remove(Numbered::new(id, number));
        let record = records.place(number)?.take()?;
        Some((Place::new(part, number), record))
    }

    /// Shows what `pick` takes of every record to `see`, some at a time, until it has seen enough: `pick` must take no lock, and
    /// while `see` looks none is held.
    pub(super) fn each<T>(
        &self,
        pick: impl Fn(Place, &Record) -> Option<T>,
        mut see: impl FnMut(T) -> ControlFlow<()>,
    ) {
        let mut picked = Vec::with_capacity(AT_ONCE);
        for part in 0..PARTS {
            for chunk in 0.. {
                if !self.pick(part, chunk, &pick, &mut picked) {
                    break;
                }
                if picked.drain(..).try_for_each(&mut see).is_break() {
                    return;
                }
            }
        }
    }

    /// Picks of some records; whether there were any.
    fn pick<T>(
        &self,
        part: usize,
        chunk: usize,
        pick: impl Fn(Place, &Record) -> Option<T>,
        picked: &mut Vec<T>,
    ) -> bool {
        let Some(records) = self.read(part) else { return false };
        let Some(some) = records.records.get(chunk) else { return false };
        let numbers = u32::try_from(chunk.saturating_mul(AT_ONCE)).unwrap_or(u32::MAX)..;
        let found = numbers.zip(some).filter_map(|(number, record)| Some((number, record.as_ref()?)));
        picked.extend(found.filter_map(|(number, record)| pick(Place::new(part, number), record)));
        true
    }

    fn read(&self, part: usize) -> Option<RwLockReadGuard<'_, Records>> {
        Some(self.0.get(part)?.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, part: usize) -> Option<RwLockWriteGuard<'_, Records>> {
        Some(self.0.get(part)?.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Records {
    fn find(&self, id: KeyId) -> Option<u32> {
        let tag = tag_of(id);
        let mut like_it = self.by_id.of(spread(tag)).filter(|known| known.tag == tag);
        let is_it = |number: &u32| self.get(*number).is_some_and(|record| record.own.id() == id);
        like_it.by_ref().map(Numbered::number).find(is_it)
    }

    fn get(&self, number: u32) -> Option<&Record> {
        let (chunk, place) = split(number);
        self.records.get(chunk)?.get(place)?.as_ref()
    }

    fn place(&mut self, number: u32) -> Option<&mut Option<Record>> {
        let (chunk, place) = split(number);
        self.records.get_mut(chunk)?.get_mut(place)
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut Record> {
        self.place(number)?.as_mut()
    }

    /// Puts a record at the end; nothing where there are more than one process can have.
    fn insert(&mut self, id: KeyId, record: Record) -> Option<u32> {
        if self.records.last().is_none_or(|chunk| chunk.len() >= AT_ONCE) {
            self.records.push(Vec::with_capacity(AT_ONCE));
        }
        let chunks = self.records.len().saturating_sub(1);
        let chunk = self.records.last_mut()?;
        let number = chunks.checked_mul(AT_ONCE)?.checked_add(chunk.len())?;
        let number = u32::try_from(number).ok().filter(|number| *number < Place::MOST)?;
        chunk.push(Some(record));
        self.by_id.put(Numbered::new(id, number));
        Some(number)
    }
}

fn split(number: u32) -> (usize, usize) {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    (number / AT_ONCE, number % AT_ONCE)
}

/// The part of the slab that a key stands in: keys that are read in the order of their ids come into one part after the other, while
/// what is written of each part is near.
fn part_of(id: KeyId) -> usize {
    let [first, ..] = id.to_bytes();
    usize::from(first)
}

/// Where a key stands, and three bytes that its id comes to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Numbered {
    number: Narrow<3>,
    tag: Narrow<3>,
}

impl Numbered {
    fn new(id: KeyId, number: u32) -> Self {
        Self { number: Narrow::new(number.into()), tag: tag_of(id) }
    }

    fn number(self) -> u32 {
        u32::try_from(self.number.get()).unwrap_or(u32::MAX)
    }
}

impl Lead for Numbered {
    const NONE: Self = Self { number: Narrow::MOST, tag: Narrow::MOST };

    fn spread(self) -> u32 {
        spread(self.tag)
    }
}

/// The high bits say where an entry belongs.
fn spread(tag: Narrow<3>) -> u32 {
    u32::try_from(tag.get() << 8).unwrap_or(u32::MAX)
}

/// An id spread over all bits: it is random, unless somebody chose it for a test.
fn tag_of(id: KeyId) -> Narrow<3> {
    let [high, low] = halves(id.to_bytes());
    Narrow::new((high ^ low.rotate_right(8)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40)
}

fn halves(bytes: [u8; KeyId::BYTES]) -> [u64; 2] {
    let (high, low) = bytes.split_at(8);
    [high, low].map(|half| u64::from_be_bytes(half.try_into().unwrap_or_default()))
}
