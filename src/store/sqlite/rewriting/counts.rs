//! How much there is under each root.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, ToSql, params};

use super::{RootedTable, TABLES};
use crate::{
    domain::{audit::PersonRef, id::KeyId, root::DerivedKeys},
    ports::StoredMark,
    store::{
        records::key::{SecretStart, starts_of},
        sqlite::{
            columns::{KEYS, each_key},
            notes,
        },
    },
};

/// How many rows stand under a root, but for those that are named as damaged: they count for nothing.
pub(in crate::store::sqlite) fn left_under(connection: &Connection, root: u32) -> rusqlite::Result<u64> {
    let mut all: i64 = 0;
    for table in TABLES {
        let count = format!("SELECT count(*) FROM {} WHERE root = ?1", table.name());
        let found: i64 = connection.query_row(&count, [root], |row| row.get(0))?;
        all = all.saturating_add(found);
    }
    let named = named_under(connection, root)?;
    Ok(u64::try_from(all.saturating_sub(named)).unwrap_or_default())
}

/// How many of them are named as damaged.
fn named_under(connection: &Connection, root: u32) -> rusqlite::Result<i64> {
    let mut named = connection.prepare_cached("SELECT id FROM distrusted")?;
    let ids: Vec<String> = named.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut count: i64 = 0;
    for (table, id) in ids.iter().filter_map(|id| id.split_once('/')) {
        let under = |column: &str, id: &dyn ToSql| -> rusqlite::Result<i64> {
            let count = format!("SELECT count(*) FROM {table} WHERE {column} = ?1 AND root = ?2");
            connection.query_row(&count, params![id, root], |row| row.get(0))
        };
        let found = match TABLES.into_iter().find(|known| known.name() == table) {
            // By its bytes.
            Some(RootedTable::Keys) => KeyId::parse(id).map_or(Ok(0), |id| under("id", &id.to_bytes())),
            Some(RootedTable::People) => {
                PersonRef::parse(id).map_or(Ok(0), |id| under("reference", &id.to_bytes()))
            }
            Some(RootedTable::Lists) => under("CAST(revision AS TEXT)", &id),
            Some(RootedTable::Policies) => under("CAST(version AS TEXT)", &id),
            Some(RootedTable::Rows(_)) => under("id", &id),
            // None of these is named.
            Some(RootedTable::Denials | RootedTable::Log) | None => Ok(0),
        };
        count = count.saturating_add(found?);
    }
    Ok(count)
}

/// For how long a secret that ended is still told from one that never was, in milliseconds: 90 days.
const REMEMBERED_MS: i64 = 90 * 24 * 60 * 60 * 1_000;

/// How many secrets start at a root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::store::sqlite) struct Starts {
    /// Those that are looked up as long as they are there.
    pub(in crate::store::sqlite) needed: u64,
    /// Those that ended so long ago that a start need not be kept for them.
    pub(in crate::store::sqlite) over: u64,
}

/// How many secrets start at each root.
///
/// How long ago they ended is told by the clock's mark, which is behind the clock: one that is wrong since this very start lets
/// nothing go that is good once it is right again.
pub(in crate::store::sqlite) fn starts(
    connection: &Connection,
    keys: &DerivedKeys,
) -> rusqlite::Result<BTreeMap<u32, Starts>> {
    let mark = match notes::clock_mark(connection, keys)? {
        StoredMark::At(mark) => mark.as_ms(),
        StoredMark::Missing | StoredMark::Edited => i64::MIN,
    };
    let by = mark.saturating_sub(REMEMBERED_MS);
    let forgotten: BTreeSet<_> =
        keys.history.iter().filter(|root| root.start.is_none()).map(|root| root.number).collect();
    let mut starts: BTreeMap<u32, Starts> = BTreeMap::new();
    each_key(connection, KEYS, [], |row| {
        for SecretStart { root, is_over } in starts_of(row.body, by) {
            let at_root = starts.entry(root).or_default();
            let count =
                if is_over || forgotten.contains(&root) { &mut at_root.over } else { &mut at_root.needed };
            *count = count.saturating_add(1);
        }
    })?;
    Ok(starts)
}
