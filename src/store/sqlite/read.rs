//! Reading rows back: every one is checked against its code and the log before it counts.

use rusqlite::{Connection, Params, Row as SqliteRow, params_from_iter, types};

use super::{
    failure::of_reading,
    log::{self, Newest},
    policies,
};
use crate::{
    domain::{
        audit::Revision,
        id::{KeyId, WorkspaceId},
        key::Key,
        root::{DerivedKeys, MacKey},
    },
    ports::{Damaged, KeyFilter, KeyPosition, StoreError, View},
    store::{
        known::Known,
        rows::{Row, SecretRow},
    },
};

const KEYS: &str = "
SELECT keys.id, keys.body, keys.revision, keys.code,
       secrets.generation, secrets.scheme, secrets.root, secrets.hash, secrets.hint, secrets.created_ms,
       secrets.end_ms, secrets.revision, secrets.code
FROM keys LEFT JOIN secrets ON secrets.key_id = keys.id";

const WORKSPACES: &str = "SELECT id, body, revision, code FROM workspaces";

const UNKNOWN: &str = "the log does not know it";
pub(super) const MISSING: &str = "its row is missing";

/// Everything, at one revision.
///
/// Every record of the log is looked at first: one that was removed or altered could have told that a row is old.
pub(super) fn load(connection: &mut Connection, keys: &DerivedKeys) -> Result<View, StoreError> {
    let snapshot = connection.transaction().map_err(|error| of_reading(&error))?;
    let head = log::head(&snapshot, keys)?.revision;
    let newest = log::named_since(&snapshot, keys, Revision::ZERO, head)?;
    let mut reading = Reading::new(&keys.rows);
    reading.all(&snapshot, newest).map_err(|error| of_reading(&error))?;
    Ok(reading.at(head))
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
    let newest = log::named_since(&snapshot, keys, after, head)?;
    let mut reading = Reading::new(&keys.rows);
    reading.named(&snapshot, &newest).map_err(|error| of_reading(&error))?;
    Ok(reading.at(head))
}

/// One page of a workspace's keys, newest first. A damaged row is left out and said to the operator: its key is denied,
/// and hides no other.
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
    let sql =
        format!("SELECT id FROM keys WHERE {conditions} ORDER BY created_ms DESC, id DESC LIMIT ? OFFSET ?");
    let snapshot = connection.transaction().map_err(|error| of_reading(&error))?;
    let mut reading = Reading::new(&keys.rows);
    let mut seen = 0_usize;
    loop {
        // A damaged row takes nobody's place on the page.
        let wanted = limit.saturating_sub(reading.view.keys.len());
        let mut values = values.clone();
        values.extend(
            [wanted, seen].map(|number| types::Value::Integer(number.try_into().unwrap_or(i64::MAX))),
        );
        let ids = page(&snapshot, &sql, values).map_err(|error| of_reading(&error))?;
        for id in &ids {
            reading.listed(&snapshot, id).map_err(|error| of_reading(&error))?;
        }
        seen = seen.saturating_add(ids.len());
        for damaged in reading.view.damaged.drain(..) {
            tracing::error!(row.id = %damaged.id, why = damaged.why, "a stored row cannot be trusted; it is not listed");
        }
        if ids.len() < wanted || reading.view.keys.len() >= limit {
            return Ok(reading.view.keys);
        }
    }
}

fn page(connection: &Connection, sql: &str, values: Vec<types::Value>) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map(params_from_iter(values), |row| bytes(row, 0))?;
    ids.map(|id| Ok(String::from_utf8_lossy(&id?).into_owned())).collect()
}

/// Rows on their way to a view.
struct Reading<'k> {
    codes: &'k MacKey,
    known: Known,
    view: View,
}

impl<'k> Reading<'k> {
    fn new(codes: &'k MacKey) -> Self {
        Self { codes, known: Known::default(), view: View::default() }
    }

    fn at(self, head: Revision) -> View {
        View { revision: Some(head), ..self.view }
    }

    /// Takes every row, each against the newest record that names it.
    fn all(&mut self, connection: &Connection, mut newest: Newest) -> rusqlite::Result<()> {
        each_workspace(connection, WORKSPACES, [], |row| {
            let newest = row.parse_id(WorkspaceId::parse).and_then(|id| newest.workspaces.remove(&id));
            self.put_workspace(row, newest);
        })?;
        each_key(connection, &format!("{KEYS} ORDER BY keys.id"), [], |row, secrets| {
            let newest = row.parse_id(KeyId::parse).and_then(|id| newest.keys.remove(&id));
            self.put_key(row, secrets, newest);
        })?;
        self.view.policy = policies::newest(connection, self.codes, newest.policy)?;
        newest.workspaces.keys().for_each(|id| self.missing(id.to_string()));
        newest.keys.keys().for_each(|id| self.missing(id.to_string()));
        Ok(())
    }

    /// Takes the rows that are named.
    fn named(&mut self, connection: &Connection, newest: &Newest) -> rusqlite::Result<()> {
        self.view.policy = policies::newest(connection, self.codes, newest.policy)?;
        let by_id = format!("{WORKSPACES} WHERE id = ?1");
        for (id, newest) in &newest.workspaces {
            let (id, mut found) = (id.to_string(), false);
            each_workspace(connection, &by_id, [&id], |row| {
                found = true;
                self.put_workspace(row, Some(*newest));
            })?;
            if !found {
                self.missing(id);
            }
        }
        newest.keys.iter().try_for_each(|(id, newest)| self.key(connection, &id.to_string(), Some(*newest)))
    }

    fn key(&mut self, connection: &Connection, id: &str, newest: Option<i64>) -> rusqlite::Result<()> {
        let mut found = false;
        each_key(connection, &format!("{KEYS} WHERE keys.id = ?1"), [id], |row, secrets| {
            found = true;
            self.put_key(row, secrets, newest);
        })?;
        if !found {
            self.missing(id.to_owned());
        }
        Ok(())
    }

    /// Takes a key for people to look at. An index tells whether it is the newest: somebody who forges that while
    /// the store runs can show an old row here, until the next start or reading of the log; decisions do not see it.
    fn listed(&mut self, connection: &Connection, id: &str) -> rusqlite::Result<()> {
        let mut newest = connection.prepare_cached("SELECT max(revision) FROM log WHERE key_id = ?1")?;
        let newest = newest.query_row([id], |row| row.get(0))?;
        self.key(connection, id, newest)
    }

    fn put_workspace(&mut self, row: &Row, newest: Option<i64>) {
        let newest = newest.ok_or_else(|| row.damaged(UNKNOWN));
        match newest.and_then(|newest| row.to_workspace(newest, self.codes)) {
            Ok(workspace) => self.view.workspaces.push(workspace),
            Err(damaged) => self.view.damaged.push(damaged),
        }
    }

    fn put_key(&mut self, row: &Row, secrets: &[SecretRow], newest: Option<i64>) {
        let newest = newest.ok_or_else(|| row.damaged(UNKNOWN));
        match newest.and_then(|newest| row.to_key(secrets, newest, self.codes, &mut self.known)) {
            Ok(key) => self.view.keys.push(key),
            Err(damaged) => self.view.damaged.push(damaged),
        }
    }

    fn missing(&mut self, id: String) {
        self.view.damaged.push(Damaged { id, why: MISSING });
    }
}

fn each_workspace(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    mut put: impl FnMut(&Row),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        put(&key_row(row)?);
    }
    Ok(())
}

fn each_key(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    mut put: impl FnMut(&Row, &[SecretRow]),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut current: Option<Row> = None;
    let mut secrets = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get_ref(0)?;
        let same = current.as_ref().is_some_and(|current| id.as_bytes().is_ok_and(|id| id == current.id));
        if !same {
            if let Some(complete) = current.replace(key_row(row)?) {
                put(&complete, &secrets);
            }
            secrets.clear();
        }
        secrets.extend(secret_row(row)?);
    }
    if let Some(complete) = current {
        put(&complete, &secrets);
    }
    Ok(())
}

fn key_row(row: &SqliteRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row { id: bytes(row, 0)?, body: bytes(row, 1)?, revision: integer(row, 2)?, code: bytes(row, 3)? })
}

/// `None` where the join found no secret.
fn secret_row(row: &SqliteRow<'_>) -> rusqlite::Result<Option<SecretRow>> {
    let Some(generation) = row.get(4)? else { return Ok(None) };
    Ok(Some(SecretRow {
        generation,
        scheme: bytes(row, 5)?,
        root: integer(row, 6)?,
        hash: bytes(row, 7)?,
        hint: bytes(row, 8)?,
        created_ms: integer(row, 9)?,
        end_ms: row.get(10)?,
        revision: integer(row, 11)?,
        code: bytes(row, 12)?,
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
