//! Reading rows back: every one is checked against its code and the log before it counts.

use rusqlite::{Connection, OptionalExtension, Params, Row as SqliteRow, params, params_from_iter, types};

use super::{failure::of_reading, log};
use crate::{
    domain::{
        audit::Revision,
        id::KeyId,
        key::Key,
        root::{DerivedKeys, MacKey},
        time::Timestamp,
    },
    ports::{Damaged, KeyFilter, KeyPosition, LastUse, StoreError, View},
    store::{
        known::Known,
        rows::{Row, SecretRow, to_stored},
    },
};

/// `touched` names ids and the newest revision that the log has for each; what it names stays together, because a
/// left join keeps the order of its left side.
const KEYS: &str = "
SELECT touched.id, touched.newest, keys.body, keys.revision, keys.code,
       secrets.generation, secrets.scheme, secrets.root, secrets.hash, secrets.hint, secrets.created_ms,
       secrets.end_ms, secrets.revision, secrets.code
FROM touched LEFT JOIN keys ON keys.id = touched.id LEFT JOIN secrets ON secrets.key_id = keys.id";

const WORKSPACES: &str = "
SELECT touched.id, touched.newest, workspaces.body, workspaces.revision, workspaces.code
FROM touched LEFT JOIN workspaces ON workspaces.id = touched.id";

/// Everything, at one revision.
///
/// Every record of the log is looked at first: one that was removed or altered could have told that a row is old.
pub(super) fn load(connection: &mut Connection, keys: &DerivedKeys) -> Result<View, StoreError> {
    let snapshot = connection.transaction().map_err(|error| of_reading(&error))?;
    let head = log::head(&snapshot, keys)?;
    log::check_since(&snapshot, keys, Revision::ZERO)?;
    let mut view = View { revision: Some(head.revision), ..View::default() };
    read_all(&snapshot, &keys.rows, &mut view).map_err(|error| of_reading(&error))?;
    Ok(view)
}

/// What was written after `after`, as it stands now.
pub(super) fn changes(
    connection: &mut Connection,
    keys: &DerivedKeys,
    after: Revision,
) -> Result<View, StoreError> {
    let snapshot = connection.transaction().map_err(|error| of_reading(&error))?;
    let head = log::head(&snapshot, keys)?.revision;
    if head < after {
        return Err(StoreError::Corrupt(format!("the log ends at {head}, and {after} was committed before")));
    }
    log::check_since(&snapshot, keys, after)?;
    let mut view = View { revision: Some(head), ..View::default() };
    read_since(&snapshot, &keys.rows, after, &mut view).map_err(|error| of_reading(&error))?;
    Ok(view)
}

/// One page of a workspace's keys, newest first.
pub(super) fn list(
    connection: &mut Connection,
    keys: &DerivedKeys,
    filter: &KeyFilter,
    after: Option<KeyPosition>,
    limit: usize,
) -> Result<Vec<Key>, StoreError> {
    let (last_ms, last_id) =
        after.map_or((i64::MAX, String::new()), |after| (after.created.as_ms(), after.id.to_string()));
    let mut conditions = String::from("workspace_id = ? AND (created_ms, id) < (?, ?)");
    let mut values = vec![
        types::Value::Text(filter.workspace.to_string()),
        types::Value::Integer(last_ms),
        types::Value::Text(last_id),
    ];
    for (condition, value) in [
        (" AND owner = ?", filter.owner.as_ref().map(ToString::to_string)),
        (" AND environment = ?", filter.environment.as_ref().map(ToString::to_string)),
    ] {
        if let Some(value) = value {
            conditions.push_str(condition);
            values.push(types::Value::Text(value));
        }
    }
    values.push(types::Value::Integer(limit.try_into().unwrap_or(i64::MAX)));
    let sql = format!(
        "WITH page (id) AS MATERIALIZED (
             SELECT id FROM keys WHERE {conditions} ORDER BY created_ms DESC, id DESC LIMIT ?
         ), touched (id, newest) AS (
             SELECT id, (SELECT max(revision) FROM log WHERE key_id = page.id) FROM page
         ) {KEYS}"
    );
    let mut view = View::default();
    let values = params_from_iter(values);
    read_keys(connection, &sql, values, &keys.rows, &mut view).map_err(|error| of_reading(&error))?;
    if let Some(damaged) = view.damaged.first() {
        return Err(StoreError::Corrupt(format!("{}: {}", damaged.id, damaged.why)));
    }
    view.keys.sort_by_key(|key| std::cmp::Reverse((key.created, key.id)));
    Ok(view.keys)
}

/// The last uses that are known.
pub(super) fn last_uses(connection: &Connection, keys: &[KeyId]) -> rusqlite::Result<Vec<LastUse>> {
    let mut statement = connection.prepare_cached("SELECT time_ms FROM key_uses WHERE key_id = ?1")?;
    let mut uses = Vec::new();
    for key in keys {
        let time: Option<i64> = statement.query_row([key.to_string()], |row| row.get(0)).optional()?;
        // A use is a hint to people: one that cannot be read is none.
        uses.extend(time.and_then(|ms| Timestamp::from_ms(ms).ok()).map(|time| LastUse { key: *key, time }));
    }
    Ok(uses)
}

fn read_all(connection: &Connection, codes: &MacKey, view: &mut View) -> rusqlite::Result<()> {
    let touched = |column: &str| {
        format!(
            "WITH touched (id, newest) AS (
                 SELECT {column}, max(revision) FROM log WHERE {column} IS NOT NULL GROUP BY {column}
             )"
        )
    };
    let workspaces = format!("{} {WORKSPACES}", touched("changed_workspace_id"));
    read_workspaces(connection, &workspaces, [], codes, view)?;
    read_keys(connection, &format!("{} {KEYS}", touched("key_id")), [], codes, view)?;
    for unknown in [
        "SELECT id FROM keys WHERE NOT EXISTS (SELECT 1 FROM log WHERE key_id = keys.id)",
        "SELECT id FROM workspaces WHERE NOT EXISTS (SELECT 1 FROM log WHERE changed_workspace_id = workspaces.id)",
    ] {
        let mut statement = connection.prepare(unknown)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id = String::from_utf8_lossy(&bytes(row, 0)?).into_owned();
            view.damaged.push(Damaged { id, why: "the log does not know it" });
        }
    }
    Ok(())
}

fn read_since(
    connection: &Connection,
    codes: &MacKey,
    after: Revision,
    view: &mut View,
) -> rusqlite::Result<()> {
    // NOT INDEXED: by revision, not through the index that is sorted by id.
    let touched = |column: &str| {
        format!(
            "WITH touched (id, newest) AS MATERIALIZED (
                 SELECT {column}, max(revision) FROM log NOT INDEXED
                 WHERE revision > ?1 AND {column} IS NOT NULL GROUP BY {column}
             )"
        )
    };
    let after = to_stored(after);
    let workspaces = format!("{} {WORKSPACES}", touched("changed_workspace_id"));
    read_workspaces(connection, &workspaces, params![after], codes, view)?;
    read_keys(connection, &format!("{} {KEYS}", touched("key_id")), params![after], codes, view)
}

fn read_workspaces(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    codes: &MacKey,
    view: &mut View,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        let (stored, newest) = (key_row(row)?, integer(row, 1)?);
        match stored.to_workspace(newest, codes) {
            Ok(workspace) => view.workspaces.push(workspace),
            Err(damaged) => view.damaged.push(damaged),
        }
    }
    Ok(())
}

fn read_keys(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    codes: &MacKey,
    view: &mut View,
) -> rusqlite::Result<()> {
    let mut known = Known::default();
    let mut put = |(row, newest): (Row, i64), secrets: &[SecretRow]| match row
        .to_key(secrets, newest, codes, &mut known)
    {
        Ok(key) => view.keys.push(key),
        Err(damaged) => view.damaged.push(damaged),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut current: Option<(Row, i64)> = None;
    let mut secrets = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get_ref(0)?;
        let same =
            current.as_ref().is_some_and(|(current, _)| id.as_bytes().is_ok_and(|id| id == current.id));
        if !same {
            if let Some(complete) = current.replace((key_row(row)?, integer(row, 1)?)) {
                put(complete, &secrets);
            }
            secrets.clear();
        }
        secrets.extend(secret_row(row)?);
    }
    if let Some(complete) = current {
        put(complete, &secrets);
    }
    Ok(())
}

fn key_row(row: &SqliteRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row { id: bytes(row, 0)?, body: bytes(row, 2)?, revision: integer(row, 3)?, code: bytes(row, 4)? })
}

/// `None` where the join found no secret.
fn secret_row(row: &SqliteRow<'_>) -> rusqlite::Result<Option<SecretRow>> {
    let Some(generation) = row.get(5)? else { return Ok(None) };
    Ok(Some(SecretRow {
        generation,
        scheme: bytes(row, 6)?,
        root: integer(row, 7)?,
        hash: bytes(row, 8)?,
        hint: bytes(row, 9)?,
        created_ms: integer(row, 10)?,
        end_ms: row.get(11)?,
        revision: integer(row, 12)?,
        code: bytes(row, 13)?,
    }))
}

/// The bytes of a text or blob, whatever they are; none where there is no value. Codes tell what was meant.
pub(super) fn bytes(row: &SqliteRow<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(match row.get_ref(column)? {
        types::ValueRef::Text(bytes) | types::ValueRef::Blob(bytes) => bytes.to_vec(),
        types::ValueRef::Null | types::ValueRef::Integer(_) | types::ValueRef::Real(_) => Vec::new(),
    })
}

/// A whole number; where there is none, one that is no revision.
fn integer(row: &SqliteRow<'_>, column: usize) -> rusqlite::Result<i64> {
    row.get::<_, Option<i64>>(column).map(|value| value.unwrap_or(-1))
}
