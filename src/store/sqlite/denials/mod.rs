//! Sums of denials: a sheet is a row, with a code under a root as other rows have one. No right hangs on them, so they do not count in
//! the sum over all rows: one that was edited is left out when it is read, and one that was taken away is not missed.

mod body;

use rusqlite::{Connection, Row, params, types::Value};

use crate::{
    domain::root::{DerivedKeys, RowKeys},
    ports::{DenialFilter, DenialPlace, DenialSheet, SheetKind},
};

/// Their table.
pub(super) const TABLE: &str = "denials";

/// Rows that one note forgets at most.
const FORGOTTEN_AT_ONCE: i64 = 256;

/// What a row takes beside its body, at the most.
const ROW_BYTES: i64 = 64;

/// Writes sheets into the open transaction, each in the place of the one that was there.
pub(super) fn put(
    connection: &Connection,
    keys: &DerivedKeys,
    sheets: &[DenialSheet],
) -> rusqlite::Result<()> {
    let put = "INSERT INTO denials (kind, start, body, root, code) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (kind, start) DO UPDATE SET body = ?3, root = ?4, code = ?5";
    let mut put = connection.prepare_cached(put)?;
    let under = keys.newest_rows();
    for DenialSheet { place, sums } in sheets {
        let body = body::write(sums);
        let (kind, start) = (i64::from(place.kind.number()), i64::from(place.start));
        put.execute(params![kind, start, body, under.root(), code(under, (kind, start), &body)])?;
    }
    Ok(())
}

/// Takes sheets away.
pub(super) fn remove(connection: &Connection, places: &[DenialPlace]) -> rusqlite::Result<()> {
    let mut remove = connection.prepare_cached("DELETE FROM denials WHERE kind = ?1 AND start = ?2")?;
    for place in places {
        remove.execute(params![place.kind.number(), place.start])?;
    }
    Ok(())
}

/// Takes the oldest of a kind away that begin before a minute, and no more than are soon removed.
pub(super) fn forget(connection: &Connection, kind: SheetKind, before: u32) -> rusqlite::Result<()> {
    let forget = "DELETE FROM denials WHERE kind = ?1 AND start IN
         (SELECT start FROM denials WHERE kind = ?1 AND start < ?2 ORDER BY start LIMIT ?3)";
    connection.prepare_cached(forget)?.execute(params![kind.number(), before, FORGOTTEN_AT_ONCE])?;
    Ok(())
}

/// The first sheets that match, in their order or against it.
pub(super) fn read(
    connection: &Connection,
    keys: &DerivedKeys,
    filter: DenialFilter,
    limit: usize,
) -> rusqlite::Result<Vec<DenialSheet>> {
    let order = if filter.newest_first { "DESC" } else { "ASC" };
    let select = format!(
        "SELECT kind, start, body, root, code FROM denials WHERE kind = ?1 AND start >= ?2 AND start < ?3
         ORDER BY start {order}"
    );
    let mut select = connection.prepare_cached(&select)?;
    let mut rows = select.query(params![filter.kind.number(), filter.from, filter.before])?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let row = StoredSheet::of(row)?;
        if let Some(sheet) = row.sheet(filter.kind, keys) {
            found.push(sheet);
        } else {
            let (kind, start) = (row.kind, row.start);
            tracing::error!(kind, start, "a row of denials was edited; what it said is left out");
        }
    }
    Ok(found)
}

/// How many bytes all of them have.
pub(super) fn bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let sum = "SELECT ifnull(sum(length(body) + ?1), 0) FROM denials";
    let sum: i64 = connection.prepare_cached(sum)?.query_row([ROW_BYTES], |row| row.get(0))?;
    Ok(u64::try_from(sum).unwrap_or_default())
}

/// Codes the next rows anew that stand under older roots, of at most `limit`; the last one that was looked at, or `None` behind all.
/// One that is not as it was written stays as it is.
pub(super) fn recode(
    connection: &Connection,
    keys: &DerivedKeys,
    after: &[Value],
    limit: usize,
) -> rusqlite::Result<Option<Vec<Value>>> {
    let begin = [Value::Integer(-1), Value::Integer(-1)];
    let after = if after.len() == begin.len() { after } else { &begin };
    let select = "SELECT kind, start, body, root, code FROM denials WHERE (kind, start) > (?1, ?2)
         ORDER BY kind, start LIMIT ?3";
    let rows: Vec<StoredSheet> = {
        let mut select = connection.prepare_cached(select)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = after.iter().cloned().chain([Value::Integer(limit)]);
        let rows = select.query_map(rusqlite::params_from_iter(values), StoredSheet::of)?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    let update = "UPDATE denials SET root = ?1, code = ?2 WHERE kind = ?3 AND start = ?4";
    let mut update = connection.prepare_cached(update)?;
    let under = keys.newest_rows();
    for row in rows.iter().filter(|row| row.root != under.root() && row.is_genuine(keys)) {
        let code = code(under, (row.kind, row.start), &row.body);
        update.execute(params![under.root(), code, row.kind, row.start])?;
    }
    let last = rows.last().map(|last| vec![Value::Integer(last.kind), Value::Integer(last.start)]);
    Ok(last.filter(|_| rows.len() == limit))
}

/// A row as it stands there.
struct StoredSheet {
    kind: i64,
    start: i64,
    body: Vec<u8>,
    root: i64,
    code: Vec<u8>,
}

impl StoredSheet {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            kind: row.get(0)?,
            start: row.get(1)?,
            body: row.get(2)?,
            root: row.get(3)?,
            code: row.get(4)?,
        })
    }

    fn is_genuine(&self, keys: &DerivedKeys) -> bool {
        let parts = (self.kind.to_be_bytes(), self.start.to_be_bytes());
        let parts = [TABLE.as_bytes(), &parts.0, &parts.1, &self.body];
        keys.of_rows(self.root).is_some_and(|under| under.agrees(&parts, &self.code))
    }

    fn sheet(&self, kind: SheetKind, keys: &DerivedKeys) -> Option<DenialSheet> {
        if !self.is_genuine(keys) {
            return None;
        }
        let place = DenialPlace { kind, start: u32::try_from(self.start).ok()? };
        Some(DenialSheet { place, sums: body::read(kind, &self.body).ok()? })
    }
}

fn code(under: &RowKeys, (kind, start): (i64, i64), body: &[u8]) -> [u8; 16] {
    under.code(&[TABLE.as_bytes(), &kind.to_be_bytes(), &start.to_be_bytes(), body])
}
