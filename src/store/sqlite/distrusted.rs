//! Rows that were found damaged and named in the log: they do not count in the sum, whatever stands there, and stay denied until
//! a change writes them anew.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension};

use super::{
    columns::{coded_row, select_from},
    sums::RunningSum,
};
use crate::{
    domain::{revision::Revision, root::DerivedKeys},
    store::{
        key_row::{KeyRow, TABLE as KEYS},
        rows::{EDITED, NOT_NEWEST, ROW_MISSING, ROW_UNKNOWN, Row},
        sum::RowSum,
    },
};

/// The table in which they are named.
pub(super) const TABLE: &str = "distrusted";

/// What is said of one whose reason has other words by now.
const FOUND: &str = "it was found damaged before, as the log says";

/// What rows can be damaged by, as far as the list says it in the same words again.
const WHYS: [&str; 4] = [EDITED, NOT_NEWEST, ROW_MISSING, ROW_UNKNOWN];

/// A row that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadRow {
    pub(super) table: &'static str,
    /// Its id, as it stands there.
    pub(super) id: Vec<u8>,
    pub(super) why: &'static str,
}

/// The rows that are named, by their tables and ids; keys by their ids as they are shown.
#[derive(Default)]
pub(super) struct Distrusted(HashMap<Vec<u8>, &'static str>);

impl Distrusted {
    /// Reads the list, and adds to `sum` what it is to it; whether every row of it is genuine.
    pub(super) fn read(
        connection: &Connection,
        keys: &DerivedKeys,
        sum: &mut RowSum,
    ) -> rusqlite::Result<(Self, bool)> {
        let mut select = connection.prepare_cached(&select_from(TABLE))?;
        let mut rows = select.query([])?;
        let (mut named, mut is_genuine) = (HashMap::new(), true);
        while let Some(row) = rows.next()? {
            let row = coded_row(row)?;
            is_genuine &= row.is_genuine(TABLE, keys);
            sum.add(row.summand(), keys);
            let why = WHYS.into_iter().find(|why| why.as_bytes() == row.body).unwrap_or(FOUND);
            named.insert(row.id, why);
        }
        Ok((Self(named), is_genuine))
    }

    /// Whether no row is named.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Why a row is not trusted, if it is named.
    pub(super) fn why(&self, table: &str, id: &[u8]) -> Option<&'static str> {
        if self.0.is_empty() { None } else { self.0.get(&named(table, id)).copied() }
    }

    /// The same of a key's row.
    pub(super) fn why_of_key(&self, row: &KeyRow<'_>) -> Option<&'static str> {
        if self.0.is_empty() { None } else { self.why(KEYS, row.shown_id().as_bytes()) }
    }

    /// The ids of a table that are named, but for those in `seen`.
    pub(super) fn others(&self, table: &str, seen: &HashSet<Vec<u8>>) -> Vec<(Vec<u8>, &'static str)> {
        let before = named(table, &[]);
        let of_table =
            self.0.iter().filter_map(|(id, why)| Some((id.strip_prefix(&*before)?.to_vec(), *why)));
        of_table.filter(|(id, _)| !seen.contains(id)).collect()
    }

    /// Whether a row was named before.
    pub(super) fn has(&self, row: &BadRow) -> bool {
        self.why(row.table, &row.id).is_some()
    }
}

/// Names no row any more.
pub(super) fn forget_all(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM distrusted", []).map(drop)
}

/// Names these rows, too.
pub(super) fn put(
    connection: &Connection,
    keys: &DerivedKeys,
    sum: &mut RunningSum,
    bad: &[BadRow],
    revision: Revision,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO distrusted (id, body, revision, root, code) VALUES (CAST(?1 AS TEXT), ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO NOTHING",
    )?;
    for bad in bad {
        let row = Row::new(TABLE, named(bad.table, &bad.id), bad.why, revision, keys);
        if insert.execute((&row.id, &row.body, row.revision, row.root, &row.code))? > 0 {
            sum.add(row.summand(), keys);
        }
    }
    Ok(())
}

/// Whether a row is on the list.
pub(super) fn is_named(connection: &Connection, table: &str, id: &str) -> rusqlite::Result<bool> {
    let mut select = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM distrusted WHERE id = ?1)")?;
    select.query_row([String::from_utf8_lossy(&named(table, id.as_bytes()))], |row| row.get(0))
}

/// Takes a row off the list, because it is written anew; whether it was there. It did not count.
pub(super) fn strike(
    connection: &Connection,
    keys: &DerivedKeys,
    sum: &mut RunningSum,
    table: &str,
    id: &str,
) -> rusqlite::Result<bool> {
    let id = String::from_utf8_lossy(&named(table, id.as_bytes())).into_owned();
    let select = format!("{} WHERE id = ?1", select_from(TABLE));
    let found = connection.prepare_cached(&select)?.query_row([&id], coded_row).optional()?;
    let Some(row) = found else { return Ok(false) };
    // One that was edited is found by the next start: its term is not what is taken away here.
    sum.subtract(row.summand(), keys);
    connection.prepare_cached("DELETE FROM distrusted WHERE id = ?1")?.execute([&id])?;
    Ok(true)
}

fn named(table: &str, id: &[u8]) -> Vec<u8> {
    [table.as_bytes(), b"/", id].concat()
}
