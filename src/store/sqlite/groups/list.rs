//! Lists of keys: those that one entry changed together, and those that gained by one.
//!
//! Keys that gained by an entry without being changed stand under the negative of its revision, so that no reader takes them for
//! keys that it changed.

use rusqlite::{Connection, OptionalExtension, Row as SqliteRow, params};

use crate::{
    domain::{
        group::{Before, KeysDigest},
        id::KeyId,
        revision::Revision,
        root::DerivedKeys,
    },
    store::{
        records::group::KeyList,
        rows::to_stored,
        sqlite::{
            columns::{bytes, integer_of},
            counted::CountedRows,
        },
        sum::Summand,
    },
    yielding::Yielding,
};

/// The table of lists.
pub(in crate::store::sqlite) const TABLE: &str = "grouped_keys";

/// How many keys stand in one row: it must stay under a quarter of a page, or it would be spread over several.
pub(super) const IN_ROW: usize = 39;

/// Where the keys stand that gain by the entry at a revision.
pub(in crate::store::sqlite) const fn gained_at(revision: i64) -> i64 {
    revision.saturating_neg()
}

/// Writes a list.
pub(super) fn put_list(
    counted: &mut CountedRows<'_>,
    place: i64,
    keys: impl Iterator<Item = (KeyId, [u8; Before::BYTES])>,
) -> rusqlite::Result<()> {
    let mut insert = counted.connection.prepare_cached(
        "INSERT INTO grouped_keys (revision, first_id, ids, states_before, code, root) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
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
        let row = ListRow::new(place, ids, what, counted.keys);
        insert.execute(params![place, row.first_id(), row.ids, row.what, row.code, row.root])?;
        counted.sum.add(row.summand(), counted.keys);
        yielding.step();
    }
    Ok(())
}

/// A row of a list: some keys, and what each was or gained.
pub(in crate::store::sqlite) struct ListRow {
    pub(in crate::store::sqlite) place: i64,
    pub(super) found_by: Vec<u8>,
    ids: Vec<u8>,
    what: Vec<u8>,
    pub(in crate::store::sqlite) code: Vec<u8>,
    pub(super) root: i64,
}

impl ListRow {
    fn new(place: i64, ids: Vec<u8>, what: Vec<u8>, keys: &DerivedKeys) -> Self {
        let mut row = Self { place, found_by: first_id(&ids).to_vec(), ids, what, code: Vec::new(), root: 0 };
        row.code_anew(keys);
        row
    }

    /// A row of which the columns are a place, the first id, all ids, what stands beside them, a code, and its root.
    pub(in crate::store::sqlite) fn read(row: &SqliteRow<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            place: row.get(0)?,
            found_by: bytes(row, 1)?,
            ids: bytes(row, 2)?,
            what: bytes(row, 3)?,
            code: bytes(row, 4)?,
            root: integer_of(row, 5)?,
        })
    }

    /// Gives the row its code, under the root under which rows are written now.
    pub(super) fn code_anew(&mut self, keys: &DerivedKeys) {
        self.code = self.with_parts(|parts| keys.newest_rows().code(parts)).to_vec();
        self.root = keys.newest_rows().root();
    }

    /// Whether the row is as it was written.
    pub(in crate::store::sqlite) fn is_genuine(&self, keys: &DerivedKeys) -> bool {
        let under = keys.of_rows(self.root).filter(|_| self.found_by == self.first_id());
        under.is_some_and(|keys| self.with_parts(|parts| keys.agrees(parts, &self.code)))
    }

    /// What the row is to the sum.
    pub(in crate::store::sqlite) fn summand(&self) -> Summand<'_> {
        Summand { root: self.root, code: &self.code }
    }

    /// Its keys.
    pub(in crate::store::sqlite) fn keys(&self) -> impl Iterator<Item = KeyId> {
        let (ids, _) = self.ids.as_chunks::<{ KeyId::BYTES }>();
        ids.iter().map(|id| KeyId::from_bytes(*id))
    }

    pub(super) fn first_id(&self) -> &[u8] {
        first_id(&self.ids)
    }

    fn with_parts<T>(&self, code: impl FnOnce(&[&[u8]]) -> T) -> T {
        code(&[TABLE.as_bytes(), &self.place.to_be_bytes(), &self.ids, &self.what])
    }
}

pub(super) fn first_id(ids: &[u8]) -> &[u8] {
    ids.get(..KeyId::BYTES).unwrap_or_default()
}

/// The keys that are stored as those of the entry at `revision`, or as those that gained by it ([`gained_at`]), whether they
/// are or not: its digest tells.
pub(in crate::store::sqlite) fn list(connection: &Connection, revision: i64) -> rusqlite::Result<KeyList> {
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
pub(in crate::store::sqlite) fn naming(
    connection: &Connection,
    key: KeyId,
    mut after: i64,
) -> rusqlite::Result<Vec<i64>> {
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
pub(in crate::store::sqlite) fn gained_by(
    connection: &Connection,
    key: KeyId,
) -> rusqlite::Result<Vec<(i64, u64)>> {
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
pub(in crate::store::sqlite) fn newest(
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
