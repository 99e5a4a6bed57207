//! How much there is under each root.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    domain::{audit::PersonRef, id::KeyId},
    store::{
        key_row::TABLE as KEYS_TABLE,
        records::key::starts_of,
        sqlite::columns::{KEYS, each_key},
    },
};

/// The tables whose rows say under which root they stand.
const ROOTED: [&str; 11] = [
    "keys",
    "workspaces",
    "members",
    "schemes",
    "policies",
    "group_changes",
    "removed_members",
    "distrusted",
    "people",
    "grouped_keys",
    "log",
];

/// How many rows stand under a root, but for those that are named as damaged: they count for nothing.
pub(in crate::store::sqlite) fn left_under(connection: &Connection, root: u32) -> rusqlite::Result<u64> {
    let mut all: i64 = 0;
    for table in ROOTED {
        let count = format!("SELECT count(*) FROM {table} WHERE root = ?1");
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
        let of = |column: &str| format!("SELECT count(*) FROM {table} WHERE {column} = ?1 AND root = ?2");
        let found: Option<i64> = match table {
            KEYS_TABLE => match KeyId::parse(id) {
                Ok(id) => {
                    connection.query_row(&of("id"), (id.to_bytes(), root), |row| row.get(0)).optional()?
                }
                Err(_) => None,
            },
            // Named by the reference as entries spell it.
            "people" => match PersonRef::parse(id) {
                Some(id) => connection
                    .query_row(&of("reference"), (id.to_bytes(), root), |row| row.get(0))
                    .optional()?,
                None => None,
            },
            "grouped_keys" => connection
                .query_row(&of("CAST(revision AS TEXT)"), (id, root), |row| row.get(0))
                .optional()?,
            "policies" => {
                connection.query_row(&of("CAST(version AS TEXT)"), (id, root), |row| row.get(0)).optional()?
            }
            table if ROOTED.contains(&table) => {
                connection.query_row(&of("id"), (id, root), |row| row.get(0)).optional()?
            }
            _ => None,
        };
        count = count.saturating_add(found.unwrap_or_default());
    }
    Ok(count)
}

/// How many secrets start at each root.
pub(in crate::store::sqlite) fn starts(connection: &Connection) -> rusqlite::Result<BTreeMap<u32, u64>> {
    let mut starts: BTreeMap<u32, u64> = BTreeMap::new();
    each_key(connection, KEYS, [], |row| {
        for root in starts_of(row.body) {
            let count = starts.entry(root).or_default();
            *count = count.saturating_add(1);
        }
    })?;
    Ok(starts)
}
