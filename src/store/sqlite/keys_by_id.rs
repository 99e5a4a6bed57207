//! Whole keys by their ids, for who shows or changes a few of them.

use std::collections::{HashMap, hash_map};

use rusqlite::Connection;

use super::{
    columns::{KEYS, each_key},
    failure::of_reading,
    groups, log,
};
use crate::{
    domain::{group::GroupChange, id::KeyId, key::Key, root::DerivedKeys},
    ports::{Damaged, StoreError},
    store::records::known::KnownValues,
};

/// These keys as their rows stand in one snapshot, in this order; `None` where there is no row.
///
/// A row counts if its code fits, whichever revision wrote it: who asks knows the newest. What came to a key among many is
/// laid upon it, from entries that are genuine.
pub(super) fn read(
    connection: &Connection,
    keys: &DerivedKeys,
    ids: &[KeyId],
) -> Result<Vec<Option<Result<Key, Damaged>>>, StoreError> {
    let mut reading = KeysById { connection, keys, known: KnownValues::default(), changes: HashMap::new() };
    ids.iter().map(|id| reading.key(*id)).collect()
}

struct KeysById<'c> {
    connection: &'c Connection,
    keys: &'c DerivedKeys,
    known: KnownValues,
    /// Changes of many keys that were read already, by their revisions.
    changes: HashMap<i64, GroupChange>,
}

impl KeysById<'_> {
    fn key(&mut self, id: KeyId) -> Result<Option<Result<Key, Damaged>>, StoreError> {
        let (keys, known) = (self.keys, &mut self.known);
        let mut found = None;
        each_key(self.connection, &format!("{KEYS} WHERE id = ?1"), [id.to_bytes()], |row| {
            found = Some((row.revision, row.to_key(row.revision, keys, known)));
        })
        .map_err(|error| of_reading(&error))?;
        Ok(match found {
            Some((written, Ok(key))) => Some(Ok(self.with_later(key, written)?)),
            Some((_, Err(damaged))) => Some(Err(damaged)),
            None => None,
        })
    }

    /// The key as it is with what came to it among many after `written`.
    fn with_later(&mut self, key: Key, written: i64) -> Result<Key, StoreError> {
        let later = groups::naming(self.connection, key.id, written).map_err(|error| of_reading(&error))?;
        later.into_iter().try_fold(key, |key, revision| Ok(key.under(self.change(revision)?)))
    }

    fn change(&mut self, revision: i64) -> Result<&GroupChange, StoreError> {
        Ok(match self.changes.entry(revision) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(place) => {
                place.insert(log::change_of_many(self.connection, self.keys, revision)?)
            }
        })
    }
}
