//! Where keys stand by the hashes of their secrets.
//!
//! Of each hash 40 bits are kept: they lead to one record, or rarely to several, and the record has the whole hash, which is
//! compared in constant time. So what is kept here can send a look-up the wrong way, and can never make a secret good.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use smallvec::SmallVec;

use super::{
    leads::{Lead, Leads, share},
    place::Place,
};
use crate::domain::secret::KeyHash;

const PARTS: usize = 256;

/// The places of all secrets.
pub(super) struct Hashes(Box<[HashesPart]>);

/// A part with cache lines of its own, so that one that is read slows no neighbour.
#[derive(Default)]
#[repr(align(128))]
struct HashesPart(RwLock<Leads<SecretLead>>);

/// A secret that leads to a key.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SecretLead {
    tag: u32,
    place: u32,
}

impl Lead for SecretLead {
    const NONE: Self = Self { tag: u32::MAX, place: Place::NOWHERE.0 };

    /// A keyed hash is random, and no caller can choose it.
    fn spread(self) -> u32 {
        spread(self.tag)
    }
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
}

impl Hashes {
    /// Makes room for so many secrets in all: hashes are random, so that all parts have about as many.
    pub(super) fn expect(&self, secrets: usize) {
        for part in &self.0 {
            part.0.write().unwrap_or_else(PoisonError::into_inner).expect(share(secrets, PARTS));
        }
    }

    /// Where a key can stand that has a secret of this hash.
    pub(super) fn places(&self, hash: &KeyHash) -> SmallVec<[Place; 2]> {
        let short = Short::of(hash);
        let Some(part) = self.read(short) else { return SmallVec::new() };
        let like_it = part.of(spread(short.tag)).filter(|secret| secret.tag == short.tag);
        like_it.map(|secret| Place(secret.place)).collect()
    }

    /// Lets a secret lead to a key.
    pub(super) fn put(&self, short: Short, place: Place) {
        if let Some(mut part) = self.write(short) {
            part.put(SecretLead { tag: short.tag, place: place.0 });
        }
    }

    /// Lets a secret lead there no more.
    pub(super) fn remove(&self, short: Short, place: Place) {
        if let Some(mut part) = self.write(short) {
            part.remove(SecretLead { tag: short.tag, place: place.0 });
        }
    }

    fn read(&self, short: Short) -> Option<RwLockReadGuard<'_, Leads<SecretLead>>> {
        let part = self.0.get(usize::from(short.part))?;
        Some(part.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, short: Short) -> Option<RwLockWriteGuard<'_, Leads<SecretLead>>> {
        let part = self.0.get(usize::from(short.part))?;
        Some(part.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// So that it does not matter which bits of a hash are random.
const fn spread(tag: u32) -> u32 {
    tag.wrapping_mul(0x9e37_79b9)
}
