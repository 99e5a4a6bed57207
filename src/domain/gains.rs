//! Rights that living keys gain by a change that is not one of theirs: a policy, or a member's role. One list beside the
//! entry of the log says which keys they are and what each gained (S10).

use std::{collections::HashMap, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use serde_json::{Map, Value, json};

use super::{group::KeysDigest, id::KeyId};

/// The most sets of scopes that an entry tells apart, one beside for all that is left.
const MAX_SETS: usize = 63;
/// The most scopes in all of these.
const MAX_SCOPES: usize = 4_096;

/// How many bytes a key's set takes where the list is stored.
const BYTES: usize = 8;

/// The scopes that so many keys gained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GainedSet {
    /// The scopes, sorted. Those of the last set are together what its keys gained, where an entry has too many sets.
    pub scopes: Vec<Arc<str>>,
    /// How many keys gained them.
    pub keys: usize,
}

/// The keys that gain, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gains {
    keys: Vec<(KeyId, usize)>,
    sets: Vec<GainedSet>,
    digest: [u8; 32],
}

/// Gathers [`Gains`], in whichever order keys come.
#[derive(Debug, Default)]
pub struct GainsFound {
    keys: Vec<(KeyId, usize)>,
    sets: Vec<GainedSet>,
    places: HashMap<Vec<Arc<str>>, usize>,
    scopes: usize,
    /// The set of all that is left.
    rest: Option<usize>,
}

impl GainsFound {
    /// Takes a key that gains these scopes; a key that gains no scope is left out.
    pub fn add(&mut self, key: KeyId, scopes: &[Arc<str>]) {
        if scopes.is_empty() {
            return;
        }
        let place = match self.places.get(scopes) {
            Some(place) => *place,
            None => self.place(scopes),
        };
        if let Some(set) = self.sets.get_mut(place) {
            set.keys = set.keys.saturating_add(1);
        }
        self.keys.push((key, place));
    }

    /// Everything that was gathered; `step` is called after each some microseconds of work.
    #[must_use]
    pub fn finish(mut self, mut step: impl FnMut()) -> Gains {
        self.keys.sort_unstable();
        let mut digest = KeysDigest::default();
        for (key, place) in &self.keys {
            digest.add(key.to_bytes(), set_to_bytes(*place));
            step();
        }
        Gains { keys: self.keys, sets: self.sets, digest: digest.finish() }
    }

    /// The place of a set that is new here: one of its own while there is room, else that of all the rest.
    fn place(&mut self, scopes: &[Arc<str>]) -> usize {
        let left = MAX_SCOPES.saturating_sub(self.scopes);
        let place = self.rest.unwrap_or(self.sets.len());
        if let Some(rest) = self.rest.and_then(|rest| self.sets.get_mut(rest)) {
            rest.scopes.extend(scopes.iter().cloned());
            rest.scopes.sort();
            rest.scopes.dedup();
        } else {
            if self.sets.len() >= MAX_SETS || scopes.len() > left {
                self.rest = Some(place);
            }
            self.scopes = self.scopes.saturating_add(scopes.len());
            self.sets.push(GainedSet { scopes: scopes.to_vec(), keys: 0 });
        }
        self.places.insert(scopes.to_vec(), place);
        place
    }
}

impl Gains {
    /// How many keys gain.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.keys.len()
    }

    /// What they gain.
    #[must_use]
    pub fn sets(&self) -> &[GainedSet] {
        &self.sets
    }

    /// The keys, in the order of their ids.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.iter().map(|(key, _)| *key)
    }

    /// The keys in the order of their ids, each with the bytes of the place of its set.
    pub fn rows(&self) -> impl Iterator<Item = (KeyId, [u8; BYTES])> {
        self.keys.iter().map(|(key, place)| (*key, set_to_bytes(*place)))
    }

    /// Adds what the log says of them: not the keys, which may be very many, but their digest.
    pub(super) fn write(&self, entry: &mut Map<String, Value>) {
        let sets = self.sets.iter().map(|set| {
            let scopes: Vec<&str> = set.scopes.iter().map(|scope| &**scope).collect();
            json!({ "keys": set.keys, "scopes": scopes })
        });
        entry.insert("gain_count".to_owned(), json!(self.keys.len()));
        entry.insert("gains".to_owned(), sets.collect());
        entry.insert("gains_digest".to_owned(), json!(BASE64_STANDARD_NO_PAD.encode(self.digest)));
    }
}

/// A whole number, big end first.
fn set_to_bytes(place: usize) -> [u8; BYTES] {
    u64::try_from(place).unwrap_or(u64::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    fn key(number: u16) -> KeyId {
        let mut bytes = [0; KeyId::BYTES];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        KeyId::from_bytes(bytes)
    }

    #[test]
    fn keys_that_gain_the_same_share_a_set_and_come_in_order() {
        // S10
        let mut found = GainsFound::default();
        for (number, gained) in [(3, vec!["a:b"]), (1, vec!["a:b", "c:d"]), (2, vec!["a:b"]), (4, vec![])] {
            found.add(key(number), &scopes(&gained));
        }
        let gains = found.finish(|| {});
        assert_eq!(gains.ids().collect::<Vec<_>>(), [key(1), key(2), key(3)], "one that gains none is none");
        let sets: Vec<_> = gains.sets().iter().map(|set| (set.scopes.len(), set.keys)).collect();
        assert_eq!(sets, [(1, 2), (2, 1)]);
        let places: Vec<_> = gains.rows().map(|(_, place)| place[7]).collect();
        assert_eq!(places, [1, 0, 0]);
    }

    #[test]
    fn an_entry_is_bounded_however_different_the_gains_are() {
        // S10, D7
        for wide in [1_usize, 100] {
            let mut found = GainsFound::default();
            for number in 0..1_000_u16 {
                let names: Vec<_> = (0..wide).map(|place| format!("s{number}:a{place}")).collect();
                found.add(key(number), &scopes(&names.iter().map(String::as_str).collect::<Vec<_>>()));
            }
            let gains = found.finish(|| {});
            assert_eq!(gains.count(), 1_000);
            let told: usize = gains.sets().iter().map(|set| set.keys).sum();
            assert_eq!(told, 1_000, "each key is in one set");
            let (rest, apart) = gains.sets().split_last().unwrap();
            assert!(apart.len() <= MAX_SETS && apart.iter().all(|set| set.keys == 1), "{wide}");
            let scopes: usize = apart.iter().map(|set| set.scopes.len()).sum();
            assert!(scopes <= MAX_SCOPES && rest.keys > 900, "{wide}: {scopes}");
        }
    }
}
