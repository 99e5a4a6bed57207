//! Where keys stand by the hashes of their secrets.
//!
//! Of each hash 40 bits are kept: they lead to one record, or rarely to several, and the record has the whole hash, which is
//! compared in constant time. So what is kept here can send a look-up the wrong way, and can never make a secret good.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::slab::Place;
use crate::domain::secret::KeyHash;

const PARTS: usize = 256;

/// The places of all secrets.
pub(super) struct Hashes(Box<[HashesPart]>);

/// A part with cache lines of its own, so that one that is read slows no neighbour.
#[derive(Default)]
#[repr(align(128))]
struct HashesPart(RwLock<HashTable<Lead>>);

/// A secret that leads to a key.
#[derive(PartialEq, Eq)]
struct Lead {
    tag: u32,
    place: u32,
}

/// What is kept of a hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Short {
    part: u8,
    tag: u32,
}

impl Default for Hashes {
    fn default() -> Self {
        Self((0..PARTS).map(|_| HashesPart::default()).collect())
    }
}

impl Short {
    pub(super) const fn of(hash: &KeyHash) -> Self {
        let [part, one, two, three, four, ..] = *hash.as_bytes();
        Self { part, tag: u32::from_be_bytes([one, two, three, four]) }
    }

    /// A keyed hash is random, and no caller can choose it.
    fn spread(self) -> u64 {
        spread(self.tag)
    }
}

impl Hashes {
    /// Where a key can stand that has a secret of this hash.
    pub(super) fn places(&self, hash: &KeyHash) -> SmallVec<[Place; 2]> {
        let short = Short::of(hash);
        let Some(part) = self.read(short) else { return SmallVec::new() };
        let like_it = part.iter_hash(short.spread()).filter(|secret| secret.tag == short.tag);
        like_it.map(|secret| Place(secret.place)).collect()
    }

    /// Lets a secret lead to a key.
    pub(super) fn put(&self, short: Short, place: Place) {
        let secret = Lead { tag: short.tag, place: place.0 };
        let Some(mut part) = self.write(short) else { return };
        if part.find(short.spread(), |known| *known == secret).is_none() {
            part.insert_unique(short.spread(), secret, |known| spread(known.tag));
        }
    }

    /// Lets a secret lead there no more.
    pub(super) fn remove(&self, short: Short, place: Place) {
        let secret = Lead { tag: short.tag, place: place.0 };
        let Some(mut part) = self.write(short) else { return };
        if let Ok(entry) = part.find_entry(short.spread(), |known| *known == secret) {
            entry.remove();
        }
    }

    fn read(&self, short: Short) -> Option<RwLockReadGuard<'_, HashTable<Lead>>> {
        let part = self.0.get(usize::from(short.part))?;
        Some(part.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, short: Short) -> Option<RwLockWriteGuard<'_, HashTable<Lead>>> {
        let part = self.0.get(usize::from(short.part))?;
        Some(part.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
