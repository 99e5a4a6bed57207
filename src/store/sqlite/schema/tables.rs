//! Which tables there are.

use rusqlite::Connection;

/// Its tables, the log first; `secrets` is one of older schemas.
pub(in crate::store::sqlite) const TABLES: [&str; 21] = [
    "log",
    "keys",
    "secrets",
    "hashes",
    "workspaces",
    "members",
    "schemes",
    "policies",
    "requests",
    "people",
    "grouped_keys",
    "group_changes",
    "removed_members",
    "distrusted",
    "sum",
    "secret_uses",
    "scope_uses",
    "blocks",
    "usage",
    "denials",
    "meta",
];

/// A table that came with the mark of changes of many keys: without the one there is no other.
pub(in crate::store::sqlite) const WITH_MARK: &str = "members";

/// Those whose rows say which revision wrote them.
pub(in crate::store::sqlite) const REVISED: [&str; 12] = [
    "keys",
    "secrets",
    "workspaces",
    "members",
    "schemes",
    "policies",
    "requests",
    "people",
    "grouped_keys",
    "group_changes",
    "removed_members",
    "distrusted",
];

/// Those of `tables` that a database has; one of an older schema has fewer.
pub(in crate::store::sqlite) fn present(
    connection: &Connection,
    tables: &[&'static str],
) -> rusqlite::Result<Vec<&'static str>> {
    let mut exists = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)")?;
    let mut found = Vec::new();
    for &table in tables {
        if exists.query_row([table], |row| row.get(0))? {
            found.push(table);
        }
    }
    Ok(found)
}
