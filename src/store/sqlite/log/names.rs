//! Which rows the records of the log name: the newest entry that names a row vouches for it.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    newest::Newest,
    record::{altered, ends_at, missing, record, select, unreadable},
};
use crate::{
    domain::{group::GroupChange, id::KeyId, revision::Revision, root::DerivedKeys},
    ports::StoreError,
    store::{
        chain::StoredRecord,
        records::group::{KeyList, are_gains_kept, read_group},
        rows::to_stored,
        sqlite::{failure::of_reading, groups, refusal::WriteRefusal},
    },
};

/// The rows that all records name, up to `head`, see [`named_since`]; changes of many keys are without their keys.
pub(in crate::store::sqlite) fn named(
    connection: &Connection,
    keys: &DerivedKeys,
    head: Revision,
) -> Result<Newest, StoreError> {
    read_names(connection, keys, Revision::ZERO, head, Newest::of_a_whole_log())
}

/// The rows that the records after `after` name, up to `head`: the records must follow one another, each genuine.
///
/// The names come from the bytes whose code was checked, never from the table's generated columns: their values are
/// read from indexes, and what an index holds is covered by no code.
pub(in crate::store::sqlite) fn named_since(
    connection: &Connection,
    keys: &DerivedKeys,
    after: Revision,
    head: Revision,
) -> Result<Newest, StoreError> {
    read_names(connection, keys, after, head, Newest::default())
}

fn read_names(
    connection: &Connection,
    keys: &DerivedKeys,
    after: Revision,
    head: Revision,
    mut newest: Newest,
) -> Result<Newest, StoreError> {
    let mut statement = select(connection, "NOT INDEXED WHERE revision > ?1 ORDER BY revision")
        .map_err(|error| of_reading(&error))?;
    let rows = statement.query_map(params![to_stored(after)], record).map_err(|error| of_reading(&error))?;
    let mut last = after;
    for row in rows {
        let record = row.map_err(|error| of_reading(&error))?;
        last = last.next();
        if record.revision != to_stored(last) {
            return Err(missing(last));
        }
        if !record.is_genuine(keys) {
            return Err(altered(record.revision));
        }
        let noted = newest.note(&record, connection, keys).map_err(|error| of_reading(&error))?;
        noted.ok_or_else(|| unreadable(&record))?;
    }
    if last == head { Ok(newest) } else { Err(ends_at(last, head)) }
}

/// The version of the policy that a genuine record says it wrote.
pub(in crate::store::sqlite) fn policy_written_at(
    connection: &Connection,
    keys: &DerivedKeys,
    revision: i64,
) -> rusqlite::Result<Option<u64>> {
    let found = genuine(connection, keys, revision)?;
    let mut newest = Newest::default();
    let noted = found.map_or(Ok(None), |record| newest.note(&record, connection, keys))?;
    Ok(noted.and(newest.policy).map(|(version, _)| version))
}

/// The change of many keys that the genuine record at a revision tells of.
pub(in crate::store::sqlite) fn change_of_many(
    connection: &Connection,
    keys: &DerivedKeys,
    revision: i64,
) -> Result<GroupChange, StoreError> {
    let read = || -> rusqlite::Result<_> {
        let Some(found) = genuine(connection, keys, revision)? else { return Ok(Err(altered(revision))) };
        let change = read_group(revision, &found.bytes, || groups::list(connection, revision))?;
        Ok(change.ok_or_else(|| unreadable(&found)))
    };
    read().map_err(|error| of_reading(&error))?
}

/// Whether the list at a place ([`groups::list`]) is the one of the keys that gained by a genuine entry; `None` where none gained
/// by one.
pub(in crate::store::sqlite) fn has_gains(
    connection: &Connection,
    keys: &DerivedKeys,
    place: i64,
) -> rusqlite::Result<Option<bool>> {
    let Some(found) = genuine(connection, keys, place.saturating_abs())? else { return Ok(None) };
    // By one by which no key gained, nothing is to be kept: there any list would do.
    let none = are_gains_kept(&found.bytes, || Ok::<_, rusqlite::Error>(KeyList::default()))?;
    if none {
        return Ok(None);
    }
    are_gains_kept(&found.bytes, || groups::list(connection, place)).map(Some)
}

/// The keys of a change of many that stand in its entry itself, as in older schemas; `None` where they stand beside it.
pub(in crate::store::sqlite) fn keys_within(
    connection: &Connection,
    keys: &DerivedKeys,
    revision: i64,
) -> rusqlite::Result<Option<Vec<KeyId>>> {
    let Some(found) = genuine(connection, keys, revision)? else { return Ok(None) };
    // A list that is beside it is not asked for here, and none is the one that it has.
    let change = read_group(revision, &found.bytes, || Ok::<_, rusqlite::Error>(KeyList::default()))?;
    Ok(change.map(|change| change.keys))
}

/// The record at a revision, if it is genuine.
fn genuine(
    connection: &Connection,
    keys: &DerivedKeys,
    revision: i64,
) -> rusqlite::Result<Option<StoredRecord>> {
    let mut one = select(connection, "WHERE revision = ?1")?;
    Ok(one.query_row([revision], record).optional()?.filter(|record| record.is_genuine(keys)))
}

/// The keys that the records after `after` name, alone or with others.
pub(in crate::store::sqlite) fn keys_named_since(
    connection: &Connection,
    keys: &DerivedKeys,
    after: Revision,
) -> Result<Vec<KeyId>, WriteRefusal> {
    let mut statement = select(connection, "NOT INDEXED WHERE revision > ?1 ORDER BY revision")?;
    let mut newest = Newest::default();
    for record in statement.query_map([to_stored(after)], record)? {
        let record = record?;
        newest.note(&record, connection, keys)?.ok_or_else(|| unreadable(&record))?;
    }
    let together = newest.groups.into_iter().flat_map(|change| change.keys);
    Ok(newest.keys.into_keys().chain(together).collect())
}
