//! Reading rows back: every one is checked against its code and the log before it counts.

use rusqlite::{Connection, Params, Row as SqliteRow, params_from_iter, types};

use super::{
    columns::{bytes, integer_of, key_row},
    damage::{ROW_MISSING, ROW_UNKNOWN},
    failure::{of_reading, zone_missing},
    groups,
    log::{self, Newest},
    policies, schemes,
};
use crate::{
    domain::{
        id::{KeyId, WorkspaceId},
        key::Key,
        member::{Member, MemberId},
        revision::Revision,
        root::{DerivedKeys, MacKey},
        time::Timestamp,
        workspace::Within,
    },
    ports::{Damaged, KeyFilter, KeyPosition, StoreError, View, ViewSink},
    store::{
        records::known::KnownValues,
        rows::{Row, SecretRow, from_stored},
    },
};

pub(super) const KEYS: &str = "
SELECT keys.id, keys.body, keys.revision, keys.code,
       secrets.generation, secrets.scheme, secrets.root, secrets.hash, secrets.hint, secrets.created_ms,
       secrets.end_ms, secrets.revision, secrets.code
FROM keys LEFT JOIN secrets ON secrets.key_id = keys.id";

const WORKSPACES: &str = "SELECT id, body, revision, code FROM workspaces";

const MEMBERS: &str = "SELECT id, body, revision, code FROM members";

/// How many keys are handed over at once.
const AT_ONCE: usize = 1_024;

/// Everything, at the one revision that this answers.
///
/// Every record of the log is looked at first: one that was removed or altered could have told that a row is old.
pub(super) fn load(
    connection: &mut Connection,
    keys: &DerivedKeys,
    sink: &dyn ViewSink,
) -> Result<Revision, StoreError> {
    let snapshot = connection.transaction().map_err(|error| of_reading(&error))?;
    let head = log::head(&snapshot, keys)?.revision;
    let newest = log::named(&snapshot, keys, head)?;
    let fault =
        groups::mark_fault(&snapshot, keys, newest.newest_group()).map_err(|error| of_reading(&error))?;
    fault.map_or(Ok(()), |why| Err(StoreError::Corrupt(why)))?;
    let mut reading = ViewRows::new(&keys.rows);
    schemes::read(&snapshot, keys, &newest, &mut reading.view).map_err(|error| of_reading(&error))?;
    reading.all(&snapshot, newest, sink).map_err(|error| of_reading(&error))?;
    reading.zone_missing.map_or(Ok(head), |(whose, zone)| Err(zone_missing(whose, zone)))
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
    let mut reading = ViewRows::new(&keys.rows);
    schemes::read(&snapshot, keys, &newest, &mut reading.view).map_err(|error| of_reading(&error))?;
    reading.named(&snapshot, &newest).map_err(|error| of_reading(&error))?;
    Ok(View { groups: newest.groups, ..reading.at(head) })
}

/// Where keys stand: by workspace, and in each newest first. A row whose id cannot be read takes no other's place.
pub(super) fn list(
    connection: &Connection,
    filter: &KeyFilter,
    after: Option<KeyPosition>,
    limit: usize,
) -> rusqlite::Result<Vec<KeyPosition>> {
    // Each of the two is one range of the index that has keys in this order; both in one condition would not be.
    let mut found = Vec::new();
    let begun = filter.within.one().or(after.map(|after| after.workspace));
    if let Some(workspace) = begun {
        let after = after.filter(|after| after.workspace == workspace);
        list_where(
            connection,
            ("workspace_id = ?", &workspace.to_string()),
            (filter, after),
            &mut found,
            limit,
        )?;
    }
    if filter.within == Within::All {
        let begun = begun.map(|workspace| workspace.to_string()).unwrap_or_default();
        list_where(connection, ("workspace_id > ?", &begun), (filter, None), &mut found, limit)?;
    }
    Ok(found)
}

/// Adds where keys stand of the workspaces that `which` picks, until there are `limit`.
fn list_where(
    connection: &Connection,
    which: (&str, &str),
    (filter, after): (&KeyFilter, Option<KeyPosition>),
    found: &mut Vec<KeyPosition>,
    limit: usize,
) -> rusqlite::Result<()> {
    let integer = types::Value::Integer;
    let mut sql = format!("SELECT created_ms, id, workspace_id FROM keys WHERE {}", which.0);
    let mut values = vec![types::Value::Text(which.1.to_owned())];
    if let Some(after) = after {
        sql.push_str(" AND (created_ms, id) < (?, ?)");
        values.extend([integer(after.created.as_ms()), types::Value::Text(after.id.to_string())]);
    }
    for (condition, value) in [
        (" AND owner = ?", filter.owner.as_ref().map(|owner| types::Value::Text(owner.to_string()))),
        (" AND created_ms >= ?", filter.from.map(|from| integer(from.as_ms()))),
        (" AND created_ms < ?", filter.before.map(|before| integer(before.as_ms()))),
    ] {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(value);
        }
    }
    sql.push_str(" ORDER BY workspace_id, created_ms DESC, id DESC");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let created = Timestamp::from_ms(integer_of(row, 0)?).ok();
        let id = KeyId::parse(&String::from_utf8_lossy(&bytes(row, 1)?)).ok();
        let workspace = WorkspaceId::parse(&String::from_utf8_lossy(&bytes(row, 2)?)).ok();
        let place = created.zip(id).zip(workspace);
        found.extend(place.map(|((created, id), workspace)| KeyPosition { workspace, created, id }));
    }
    Ok(())
}

/// Rows on their way to a view.
struct ViewRows<'k> {
    codes: &'k MacKey,
    known: KnownValues,
    view: View,
    /// What of the parts handed over could not be read for want of a time zone, and that zone.
    zone_missing: Option<(String, String)>,
}

impl<'k> ViewRows<'k> {
    fn new(codes: &'k MacKey) -> Self {
        Self { codes, known: KnownValues::default(), view: View::default(), zone_missing: None }
    }

    fn at(self, head: Revision) -> View {
        View { revision: Some(head), ..self.view }
    }

    /// Hands over what was taken so far.
    fn hand_over(&mut self, sink: &dyn ViewSink) {
        let part = std::mem::take(&mut self.view);
        if self.zone_missing.is_none() {
            self.zone_missing = part.zone_missing();
        }
        sink.take(part);
    }

    /// Takes every row, each against the newest record that names it, and hands them over.
    fn all(
        &mut self,
        connection: &Connection,
        mut newest: Newest,
        sink: &dyn ViewSink,
    ) -> rusqlite::Result<()> {
        self.view.policy = policies::newest(connection, self.codes, newest.policy)?;
        self.hand_over(sink);
        each_row(connection, WORKSPACES, [], |row| {
            let newest = row.parse_id(WorkspaceId::parse).and_then(|id| newest.workspaces.remove(&id));
            self.put_workspace(row, newest);
        })?;
        each_row(connection, MEMBERS, [], |row| {
            let id = row.parse_id(|text| MemberId::parse(text).ok_or(()));
            let written = id.and_then(|id| newest.members.remove(&id).or_else(|| newest.removed.remove(&id)));
            self.put_member(row, written);
        })?;
        self.removed(newest.removed.drain());
        self.hand_over(sink);
        each_key(connection, &format!("{KEYS} ORDER BY keys.id"), [], |row, secrets| {
            let id = row.parse_id(KeyId::parse);
            let written = id.and_then(|id| newest.keys.remove(&id));
            self.put_key(row, secrets, written, |key| {
                newest.since_row(key.id, row.revision).fold(key, Key::under)
            });
            if self.view.keys.len() >= AT_ONCE {
                self.hand_over(sink);
            }
        })?;
        newest.workspaces.keys().for_each(|id| self.missing(id.to_string()));
        newest.members.keys().for_each(|id| self.missing(id.to_string()));
        newest.keys.keys().for_each(|id| self.missing(id.to_string()));
        self.hand_over(sink);
        Ok(())
    }

    /// Takes the rows that are named.
    fn named(&mut self, connection: &Connection, newest: &Newest) -> rusqlite::Result<()> {
        self.view.policy = policies::newest(connection, self.codes, newest.policy)?;
        let by_id = format!("{WORKSPACES} WHERE id = ?1");
        for (id, newest) in &newest.workspaces {
            let (id, mut found) = (id.to_string(), false);
            each_row(connection, &by_id, [&id], |row| {
                found = true;
                self.put_workspace(row, Some(*newest));
            })?;
            if !found {
                self.missing(id);
            }
        }
        let by_id = format!("{MEMBERS} WHERE id = ?1");
        for (id, newest) in &newest.members {
            let (id, mut found) = (id.to_string(), false);
            each_row(connection, &by_id, [&id], |row| {
                found = true;
                self.put_member(row, Some(*newest));
            })?;
            if !found {
                self.missing(id);
            }
        }
        self.removed(newest.removed.iter().map(|(id, written)| (id.clone(), *written)));
        newest.keys.iter().try_for_each(|(id, written)| {
            let later = |key| newest.since_row(*id, *written).fold(key, Key::under);
            self.key(connection, &id.to_string(), Some(*written), later)
        })
    }

    fn key(
        &mut self,
        connection: &Connection,
        id: &str,
        newest: Option<i64>,
        later: impl Fn(Key) -> Key,
    ) -> rusqlite::Result<()> {
        let mut found = false;
        each_key(connection, &format!("{KEYS} WHERE keys.id = ?1"), [id], |row, secrets| {
            found = true;
            self.put_key(row, secrets, newest, &later);
        })?;
        if !found {
            self.missing(id.to_owned());
        }
        Ok(())
    }

    fn put_workspace(&mut self, row: &Row, newest: Option<i64>) {
        let newest = newest.ok_or_else(|| row.damaged(ROW_UNKNOWN));
        match newest.and_then(|newest| row.to_workspace(newest, self.codes)) {
            Ok(workspace) => self.view.workspaces.push(workspace),
            Err(damaged) => self.view.damaged.push(damaged),
        }
    }

    fn put_member(&mut self, row: &Row, newest: Option<i64>) {
        let newest = newest.ok_or_else(|| row.damaged(ROW_UNKNOWN));
        match newest.and_then(|newest| row.to_member(newest, self.codes)) {
            // Up to schema 7 the row of a removed one stayed.
            Ok(Member { id, role: None, revision, .. }) => self.view.removed_members.push((id, revision)),
            Ok(member) => self.view.members.push(member),
            Err(damaged) => self.view.damaged.push(damaged),
        }
    }

    /// Takes a key's row, and upon it what came `later` to this key among many.
    fn put_key(
        &mut self,
        row: &Row,
        secrets: &[SecretRow],
        newest: Option<i64>,
        later: impl FnOnce(Key) -> Key,
    ) {
        let newest = newest.ok_or_else(|| row.damaged(ROW_UNKNOWN));
        match newest.and_then(|newest| row.to_key(secrets, newest, self.codes, &mut self.known)) {
            Ok(key) => self.view.keys.push(later(key)),
            Err(damaged) => self.view.damaged.push(damaged),
        }
    }

    fn removed(&mut self, members: impl Iterator<Item = (MemberId, i64)>) {
        let removed = members.filter_map(|(id, revision)| Some((id, from_stored(revision)?)));
        self.view.removed_members.extend(removed);
    }

    fn missing(&mut self, id: String) {
        self.view.damaged.push(Damaged { id, why: ROW_MISSING, zone: None });
    }
}

fn each_row(
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

pub(super) fn each_key(
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

/// `None` where the join found no secret.
fn secret_row(row: &SqliteRow<'_>) -> rusqlite::Result<Option<SecretRow>> {
    let Some(generation) = row.get(4)? else { return Ok(None) };
    Ok(Some(SecretRow {
        generation,
        scheme: bytes(row, 5)?,
        root: integer_of(row, 6)?,
        hash: bytes(row, 7)?,
        hint: bytes(row, 8)?,
        created_ms: integer_of(row, 9)?,
        end_ms: row.get(10)?,
        revision: integer_of(row, 11)?,
        code: bytes(row, 12)?,
    }))
}
