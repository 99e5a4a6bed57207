//! Changes of many keys at once: their entry is the truth, with a digest of its keys, which stand in a table of their own.
//! By that they are found too, when it is asked which entries name a key.
//!
//! Keys that gained by an entry without being changed stand there too, under the negative of its revision: so that no reader
//! takes them for keys that it changed.
//!
//! No row under a code bears the revision of such an entry, so that a log that ends before it would not show. A mark under
//! a code says which the newest is; it is there from the first, so that its removal is noticed too.

use rusqlite::{Connection, OptionalExtension, params, types::Value};

use super::{
    columns::bytes,
    meta,
    schema::{WITH_MARK, present},
};
use crate::{
    domain::{
        gains::Gains,
        group::{Before, Group, KeysDigest},
        id::KeyId,
        revision::Revision,
        root::DerivedKeys,
    },
    store::{records::group::KeyList, rows::to_stored},
    yielding::Yielding,
};

const MARK: &str = "newest_group";

/// How many keys stand in one row: it must stay under a quarter of a page, or it would be spread over several.
const IN_ROW: usize = 40;

/// What is wrong with the mark, if anything is: it must be `newest`.
pub(super) fn mark_fault(
    connection: &Connection,
    keys: &DerivedKeys,
    newest: Revision,
) -> rusqlite::Result<Option<String>> {
    // A database of an older schema has none.
    if present(connection, &[WITH_MARK])?.is_empty() {
        return Ok(None);
    }
    Ok(match mark(connection, keys)? {
        None => Some("the mark of the newest change of many keys was edited, or is missing".to_owned()),
        Some(mark) if mark == newest => None,
        Some(mark) => Some(format!(
            "the log was cut off: its newest change of many keys is {newest}, and there was one at {mark}"
        )),
    })
}

/// Marks the newest change of many keys: 8 bytes of its revision, big end first, and their code.
pub(super) fn put_mark(
    connection: &Connection,
    keys: &DerivedKeys,
    newest: Revision,
) -> rusqlite::Result<()> {
    let revision = newest.0.to_be_bytes();
    let value = [revision.as_slice(), &keys.rows.code(&mark_parts(&revision))].concat();
    meta::put(connection, MARK, &value)
}

/// The mark; `None` if it is missing or was edited.
fn mark(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<Option<Revision>> {
    let select = "SELECT value FROM meta WHERE name = ?1";
    let stored = connection.query_row(select, [MARK], |row| row.get(0)).optional()?;
    let Some(Value::Blob(stored)) = stored else { return Ok(None) };
    let genuine =
        stored.split_first_chunk().filter(|(revision, code)| keys.rows.agrees(&mark_parts(revision), code));
    Ok(genuine.map(|(revision, _)| Revision(u64::from_be_bytes(*revision))))
}

fn mark_parts(revision: &[u8; 8]) -> [&[u8]; 3] {
    [b"meta", MARK.as_bytes(), revision]
}

/// Writes the keys of the entry at `revision`, and marks that there is such an entry.
pub(super) fn put(
    connection: &Connection,
    keys: &DerivedKeys,
    group: &Group,
    revision: Revision,
) -> rusqlite::Result<()> {
    put_mark(connection, keys, revision)?;
    let keys = group.keys().iter().map(|(key, before)| (*key, before.to_bytes()));
    put_list(connection, to_stored(revision), keys)
}

/// Writes the keys that gain by the entry at `revision`.
pub(super) fn put_gains(connection: &Connection, gains: &Gains, revision: Revision) -> rusqlite::Result<()> {
    put_list(connection, gained_at(to_stored(revision)), gains.rows())
}

/// Where the keys stand that gain by the entry at a revision.
pub(super) const fn gained_at(revision: i64) -> i64 {
    revision.saturating_neg()
}

fn put_list(
    connection: &Connection,
    place: i64,
    keys: impl Iterator<Item = (KeyId, [u8; Before::BYTES])>,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO grouped_keys (revision, first_id, ids, states_before) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let (mut keys, mut yielding) = (keys.peekable(), Yielding::without_pauses());
    while keys.peek().is_some() {
        let row: Vec<_> = keys.by_ref().take(IN_ROW).collect();
        let ids: Vec<u8> = row.iter().flat_map(|(key, _)| key.to_bytes()).collect();
        let mut each = row.iter().map(|(_, what)| *what);
        let alike = each.next().filter(|first| each.all(|next| next == *first));
        let what: Vec<u8> = match alike {
            Some(all) => all.to_vec(),
            None => row.iter().flat_map(|(_, what)| *what).collect(),
        };
        insert.execute(params![place, first_id(&ids), ids, what])?;
        yielding.step();
    }
    Ok(())
}

fn first_id(ids: &[u8]) -> &[u8] {
    ids.get(..KeyId::BYTES).unwrap_or_default()
}

/// The keys that are stored as those of the entry at `revision`, or as those that gained by it ([`gained_at`]), whether they
/// are or not: its digest tells.
pub(super) fn list(connection: &Connection, revision: i64) -> rusqlite::Result<KeyList> {
    let mut select = connection.prepare_cached(
        "SELECT first_id, ids, states_before FROM grouped_keys WHERE revision = ?1 ORDER BY first_id",
    )?;
    let mut rows = select.query([revision])?;
    let (mut keys, mut digest, mut yielding) =
        (Vec::new(), KeysDigest::default(), Yielding::without_pauses());
    while let Some(row) = rows.next()? {
        let (found_by, ids, before) = (bytes(row, 0)?, bytes(row, 1)?, bytes(row, 2)?);
        let is_found = found_by == first_id(&ids);
        let (ids, more_ids) = ids.as_chunks::<{ KeyId::BYTES }>();
        let (before, more_before) = before.as_chunks::<{ Before::BYTES }>();
        let before = if let [all] = before { &vec![*all; ids.len()] } else { before };
        if !is_found || ids.len() != before.len() || !more_ids.is_empty() || !more_before.is_empty() {
            return Ok(KeyList::default());
        }
        for (id, before) in ids.iter().zip(before) {
            digest.add(*id, *before);
            keys.push(KeyId::from_bytes(*id));
        }
        yielding.step();
    }
    Ok(KeyList { keys, digest: digest.finish() })
}

/// The entries after `after` that name a key together with others, oldest first.
pub(super) fn naming(connection: &Connection, key: KeyId, mut after: i64) -> rusqlite::Result<Vec<i64>> {
    // Those by which keys gained come before all others there.
    after = after.max(0);
    let mut next = connection.prepare_cached("SELECT min(revision) FROM grouped_keys WHERE revision > ?1")?;
    let mut found = Vec::new();
    while let Some(revision) = next.query_row([after], |row| row.get(0))? {
        if is_named(connection, key, revision)? {
            found.push(revision);
        }
        after = revision;
    }
    Ok(found)
}

/// The entries by which a key gained, each with the place of what it was among what the entry says; newest first.
pub(super) fn gained_by(connection: &Connection, key: KeyId) -> rusqlite::Result<Vec<(i64, u64)>> {
    let mut next = connection.prepare_cached("SELECT min(revision) FROM grouped_keys WHERE revision > ?1")?;
    let (mut found, mut after) = (Vec::new(), i64::MIN);
    while let Some(place) =
        next.query_row([after], |row| row.get::<_, Option<i64>>(0))?.filter(|place| *place < 0)
    {
        if let Some(what) = stored_with(connection, key, place)? {
            found.push((gained_at(place), u64::from_be_bytes(what)));
        }
        after = place;
    }
    Ok(found)
}

/// What stands beside a key in a list.
fn stored_with(
    connection: &Connection,
    key: KeyId,
    place: i64,
) -> rusqlite::Result<Option<[u8; Before::BYTES]>> {
    let mut select = connection.prepare_cached(
        "SELECT ids, states_before FROM grouped_keys WHERE revision = ?1 AND first_id <= ?2 ORDER BY first_id DESC LIMIT 1",
    )?;
    let id = key.to_bytes();
    let row = select.query_row(params![place, id], |row| Ok((bytes(row, 0)?, bytes(row, 1)?))).optional()?;
    Ok(row.and_then(|(ids, what)| {
        let at = ids.chunks(KeyId::BYTES).position(|named| named == id)?;
        let (what, _) = what.as_chunks::<{ Before::BYTES }>();
        if let [all] = what { Some(*all) } else { what.get(at).copied() }
    }))
}

/// Whether an entry names a key together with others.
fn is_named(connection: &Connection, key: KeyId, revision: i64) -> rusqlite::Result<bool> {
    let mut select = connection.prepare_cached(
        "SELECT ids FROM grouped_keys WHERE revision = ?1 AND first_id <= ?2 ORDER BY first_id DESC LIMIT 1",
    )?;
    let id = key.to_bytes();
    let row: Option<Vec<u8>> = select.query_row(params![revision, id], |row| row.get(0)).optional()?;
    Ok(row.is_some_and(|ids| ids.chunks(KeyId::BYTES).any(|named| named == id)))
}

/// The newest entry that a stored key stands under: the one at `written`, which wrote its row, or a later one that names it
/// together with others. None of those up to `seen` is newer than `read`, at which it was read.
pub(super) fn newest(
    connection: &Connection,
    key: KeyId,
    (written, read): (i64, Revision),
    seen: Revision,
) -> rusqlite::Result<i64> {
    let (read, seen) = (to_stored(read), to_stored(seen));
    Ok(match naming(connection, key, written.max(read).max(seen))?.last() {
        Some(newest) => *newest,
        None if read > written && is_named(connection, key, read)? => read,
        None => written,
    })
}

/// Takes over the table of older schemas, which had a row for each key and entry.
pub(super) fn take_over(connection: &Connection) -> rusqlite::Result<()> {
    let mut select =
        connection.prepare("SELECT revision, key_id FROM group_keys ORDER BY revision, key_id")?;
    let mut insert =
        connection.prepare("INSERT INTO grouped_keys (revision, first_id, ids) VALUES (?1, ?2, ?3)")?;
    let mut put = |revision: i64, ids: &[u8]| insert.execute(params![revision, first_id(ids), ids]);
    let mut rows = select.query([])?;
    let (mut current, mut ids) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        let revision = row.get(0)?;
        if !ids.is_empty() && (revision != current || ids.len() == IN_ROW * KeyId::BYTES) {
            put(current, &ids)?;
            ids.clear();
        }
        current = revision;
        // One that was edited finds nothing.
        let key = KeyId::parse(&String::from_utf8_lossy(&bytes(row, 1)?));
        ids.extend(key.into_iter().flat_map(KeyId::to_bytes));
    }
    if !ids.is_empty() {
        put(current, &ids)?;
    }
    Ok(())
}
