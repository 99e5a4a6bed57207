//! Which rows the records of the log name: the newest entry that names a row vouches for it.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    newest::{Newest, RecordNames},
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

/// What the records after `after` name, up to `last`, or to the end where that is the head of the log: they must follow one
/// another, each genuine. The names come from where [`named_since`] has them.
pub(in crate::store::sqlite) fn named_between(
    connection: &Connection,
    keys: &DerivedKeys,
    (after, last): (Revision, Revision),
    head: Revision,
) -> Result<Vec<RecordNames>, StoreError> {
    let mut found = Vec::new();
    let until = if last == head { i64::MAX } else { to_stored(last) };
    let end = each_record(connection, keys, (after, until), |record| {
        let revision = record.revision;
        found.push(RecordNames::of(record).ok_or_else(|| unreadable(revision))?);
        Ok(())
    })?;
    match end == last {
        true => Ok(found),
        false if last == head => Err(ends_at(end, head)),
        false => Err(missing(end.next())),
    }
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
    let mut newest = Newest::default();
    let last = each_record(connection, keys, (after, i64::MAX), |record| {
        let noted = newest.note(&record, connection, keys).map_err(|error| of_reading(&error))?;
        noted.ok_or_else(|| unreadable(record.revision))
    })?;
    if last == head { Ok(newest) } else { Err(ends_at(last, head)) }
}

/// Shows each of these records, which must follow one another, each genuine; the last one, or `after` where there is none.
fn each_record(
    connection: &Connection,
    keys: &DerivedKeys,
    (after, until): (Revision, i64),
    mut see: impl FnMut(StoredRecord) -> Result<(), StoreError>,
) -> Result<Revision, StoreError> {
    let mut statement =
        select(connection, "NOT INDEXED WHERE revision > ?1 AND revision <= ?2 ORDER BY revision")
            .map_err(|error| of_reading(&error))?;
    let rows = statement.query_map(params![to_stored(after), until], record);
    let rows = rows.map_err(|error| of_reading(&error))?;
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
        see(record)?;
    }
    Ok(last)
}

/// Whether a genuine record is about this key alone.
pub(in crate::store::sqlite) fn names_key(
    connection: &Connection,
    keys: &DerivedKeys,
    key: KeyId,
) -> rusqlite::Result<bool> {
    let mut select = connection.prepare_cached("SELECT revision FROM log WHERE key_id = ?1 LIMIT 1")?;
    // Where it stands is told by what no code covers; that it is there, by its bytes.
    let at: Option<i64> = select.query_row([key.to_string()], |row| row.get(0)).optional()?;
    let found = at.map(|revision| genuine(connection, keys, revision)).transpose()?.flatten();
    Ok(found.is_some_and(|record| RecordNames::of(record).is_some_and(|named| named.is_about(key))))
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
        Ok(change.ok_or_else(|| unreadable(found.revision)))
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
        newest.note(&record, connection, keys)?.ok_or_else(|| unreadable(record.revision))?;
    }
    let together = newest.groups.into_iter().flat_map(|change| change.keys);
    Ok(newest.keys.into_keys().chain(together).collect())
}
