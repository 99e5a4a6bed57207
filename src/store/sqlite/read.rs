//! Reading rows back: every one is checked against its code and the log before it counts.

use rusqlite::{Connection, params_from_iter, types};

use super::{
    columns::{KEYS, bytes, each_key, each_row, integer_of, select_from},
    distrusted::BadRow,
    failure::of_reading,
    log::{self, Newest},
    parts::ViewParts,
    people, policies, schemes,
};
use crate::{
    domain::{
        id::{KeyId, WorkspaceId},
        key::Key,
        member::{Member, MemberId},
        revision::Revision,
        root::DerivedKeys,
        time::Timestamp,
        workspace::Within,
    },
    ports::{Damaged, KeyFilter, KeyPosition, StoreError, View, ViewSink},
    store::{
        key_row::KeyRow,
        records::known::KnownValues,
        rows::{EDITED, NOT_NEWEST, ROW_MISSING, ROW_UNKNOWN, Row, from_stored},
        sum::Summand,
    },
};

/// What was written after `after`, as it stands now.
pub(super) fn changes(
    snapshot: &Connection,
    keys: &DerivedKeys,
    after: Revision,
) -> Result<View, StoreError> {
    let head = log::head(snapshot, keys)?.revision;
    if head < after {
        return Err(StoreError::Corrupt(format!("the log ends at {head}, and {after} was committed before")));
    }
    let newest = log::named_since(snapshot, keys, after, head)?;
    let mut reading = ViewRows::new(keys);
    reading.schemes(snapshot, keys, &newest).map_err(|error| of_reading(&error))?;
    reading.named(snapshot, &newest).map_err(|error| of_reading(&error))?;
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
            ("workspace_id = ?", &workspace.to_bytes()),
            (filter, after),
            &mut found,
            limit,
        )?;
    }
    if filter.within == Within::All {
        let begun = begun.map(|workspace| workspace.to_bytes().to_vec()).unwrap_or_default();
        list_where(connection, ("workspace_id > ?", &begun), (filter, None), &mut found, limit)?;
    }
    Ok(found)
}

/// Adds where keys stand of the workspaces that `which` picks, until there are `limit`.
fn list_where(
    connection: &Connection,
    which: (&str, &[u8]),
    (filter, after): (&KeyFilter, Option<KeyPosition>),
    found: &mut Vec<KeyPosition>,
    limit: usize,
) -> rusqlite::Result<()> {
    let integer = types::Value::Integer;
    let mut sql = format!("SELECT created_ms, id, workspace_id FROM keys WHERE {}", which.0);
    let mut values = vec![types::Value::Blob(which.1.to_vec())];
    if let Some(after) = after {
        sql.push_str(" AND (created_ms, id) < (?, ?)");
        values.extend([integer(after.created.as_ms()), types::Value::Blob(after.id.to_bytes().to_vec())]);
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
        let id = bytes(row, 1)?.try_into().ok().map(KeyId::from_bytes);
        let workspace = bytes(row, 2)?.try_into().ok().map(WorkspaceId::from_bytes);
        let place = created.zip(id).zip(workspace);
        found.extend(place.map(|((created, id), workspace)| KeyPosition { workspace, created, id }));
    }
    Ok(())
}

/// Rows on their way to a view.
pub(super) struct ViewRows<'k> {
    keys: &'k DerivedKeys,
    known: KnownValues,
    parts: ViewParts,
    /// The rows that cannot be trusted.
    bad: Vec<BadRow>,
}

impl<'k> ViewRows<'k> {
    pub(super) fn new(keys: &'k DerivedKeys) -> Self {
        Self { keys, known: KnownValues::default(), parts: ViewParts::default(), bad: Vec::new() }
    }

    fn at(self, head: Revision) -> View {
        View { revision: Some(head), ..self.parts.view }
    }

    /// Ends the reading: the rows that cannot be trusted, and what could not be read for want of a time zone.
    pub(super) fn end(self) -> (Vec<BadRow>, Option<(String, String)>) {
        (self.bad, self.parts.zone_missing)
    }

    /// Takes the import schemes that records name.
    pub(super) fn schemes(
        &mut self,
        connection: &Connection,
        keys: &DerivedKeys,
        newest: &Newest,
    ) -> rusqlite::Result<()> {
        let damaged = schemes::read(connection, keys, newest, &mut self.parts.view)?;
        for damaged in damaged {
            self.distrust("schemes", damaged.id.clone(), damaged);
        }
        Ok(())
    }

    /// Names import schemes that no record of a whole log does.
    pub(super) fn unknown_schemes(
        &mut self,
        connection: &Connection,
        newest: &Newest,
    ) -> rusqlite::Result<()> {
        let unknown = schemes::unknown(connection, newest)?;
        for damaged in unknown {
            self.distrust("schemes", damaged.id.clone(), damaged);
        }
        Ok(())
    }

    /// Takes the newest version of the policy, and looks at all others that records name.
    pub(super) fn policies(&mut self, connection: &Connection, newest: &Newest) -> rusqlite::Result<()> {
        self.parts.view.policy = policies::newest(connection, self.keys, newest.policy)?;
        let mut missing = newest.policies.clone();
        let mut bad = Vec::new();
        policies::each(connection, |row| {
            let written = row.parse_id(str::parse).and_then(|version: u64| missing.remove(&version));
            let why = match written {
                None => Some(ROW_UNKNOWN),
                Some(_) if !row.is_genuine("policies", self.keys) => Some(EDITED),
                Some(written) if written != row.revision => Some(NOT_NEWEST),
                Some(_) => None,
            };
            bad.extend(why.map(|why| BadRow { table: "policies", id: row.id, why }));
        })?;
        self.bad.append(&mut bad);
        self.bad.extend(missing.into_keys().map(|version| BadRow {
            table: "policies",
            id: version.to_string().into(),
            why: ROW_MISSING,
        }));
        Ok(())
    }

    /// Looks at the names of people.
    pub(super) fn people(
        &mut self,
        connection: &Connection,
        keys: &DerivedKeys,
        newest: &Newest,
    ) -> rusqlite::Result<()> {
        self.bad.extend(people::bad(connection, keys, newest.people.clone())?);
        Ok(())
    }

    /// Takes every row, each against the newest record that names it, and hands them over.
    pub(super) fn all(
        &mut self,
        connection: &Connection,
        mut newest: Newest,
        sink: &dyn ViewSink,
    ) -> rusqlite::Result<()> {
        self.all_but_keys(connection, &newest, sink)?;
        each_key(connection, &format!("{KEYS} ORDER BY id"), [], |row| {
            let written = row.key_id().and_then(|id| newest.keys.remove(&id));
            self.put_key(row, written, |key| newest.since_row(key.id, row.revision).fold(key, Key::under));
            self.parts.hand_over_full(sink);
        })?;
        newest.keys.keys().for_each(|id| self.missing("keys", id.to_string()));
        self.parts.hand_over(sink);
        Ok(())
    }

    /// The same without keys.
    pub(super) fn all_but_keys(
        &mut self,
        connection: &Connection,
        newest: &Newest,
        sink: &dyn ViewSink,
    ) -> rusqlite::Result<()> {
        self.parts.hand_over(sink);
        let mut workspaces = newest.workspaces.clone();
        each_row(connection, &select_from("workspaces"), [], |row| {
            let newest = row.parse_id(WorkspaceId::parse).and_then(|id| workspaces.remove(&id));
            self.put_workspace(row, newest);
        })?;
        let (mut members, mut removed) = (newest.members.clone(), newest.removed.clone());
        each_row(connection, &select_from("members"), [], |row| {
            let id = row.parse_id(|text| MemberId::parse(text).ok_or(()));
            let written = id.and_then(|id| members.remove(&id).or_else(|| removed.remove(&id)));
            self.put_member(row, written);
        })?;
        self.removed(removed.drain());
        for id in workspaces.keys() {
            self.missing("workspaces", id.to_string());
        }
        for id in members.keys() {
            self.missing("members", id.to_string());
        }
        self.parts.hand_over(sink);
        Ok(())
    }

    /// Takes these keys, each against the newest record that names it, and shows what of them counts.
    pub(super) fn again(
        &mut self,
        connection: &Connection,
        keys: impl Iterator<Item = KeyId>,
        newest: &Newest,
        mut count: impl FnMut(Summand<'_>),
    ) -> rusqlite::Result<()> {
        for id in keys {
            each_key(connection, &format!("{KEYS} WHERE id = ?1"), [id.to_bytes()], |row| {
                let bad = self.bad.len();
                let later = |key| newest.since_row(id, row.revision).fold(key, Key::under);
                self.put_key(row, newest.keys.get(&id).copied(), later);
                if self.bad.len() == bad {
                    count(row.summand());
                }
            })?;
        }
        Ok(())
    }

    /// Names keys that cannot be trusted, and what could not be read for want of a time zone.
    pub(super) fn name(&mut self, damaged: Vec<Damaged>, zone_missing: Option<(String, String)>) {
        for damaged in damaged {
            self.distrust("keys", damaged.id.clone(), damaged);
        }
        self.parts.note_zone(|| zone_missing);
    }

    /// Hands over what was taken so far.
    pub(super) fn hand_over(&mut self, sink: &dyn ViewSink) {
        self.parts.hand_over(sink);
    }

    /// Takes the rows that are named.
    fn named(&mut self, connection: &Connection, newest: &Newest) -> rusqlite::Result<()> {
        self.parts.view.policy = policies::newest(connection, self.keys, newest.policy)?;
        let by_id = format!("{} WHERE id = ?1", select_from("workspaces"));
        for (id, newest) in &newest.workspaces {
            let (id, mut found) = (id.to_string(), false);
            each_row(connection, &by_id, [&id], |row| {
                found = true;
                self.put_workspace(row, Some(*newest));
            })?;
            if !found {
                self.missing("workspaces", id);
            }
        }
        let by_id = format!("{} WHERE id = ?1", select_from("members"));
        for (id, newest) in &newest.members {
            let (id, mut found) = (id.to_string(), false);
            each_row(connection, &by_id, [&id], |row| {
                found = true;
                self.put_member(row, Some(*newest));
            })?;
            if !found {
                self.missing("members", id);
            }
        }
        self.removed(newest.removed.iter().map(|(id, written)| (id.clone(), *written)));
        newest.keys.iter().try_for_each(|(id, written)| {
            let later = |key| newest.since_row(*id, *written).fold(key, Key::under);
            self.key(connection, *id, Some(*written), later)
        })
    }

    fn key(
        &mut self,
        connection: &Connection,
        id: KeyId,
        newest: Option<i64>,
        later: impl Fn(Key) -> Key,
    ) -> rusqlite::Result<()> {
        let mut found = false;
        each_key(connection, &format!("{KEYS} WHERE id = ?1"), [id.to_bytes()], |row| {
            found = true;
            self.put_key(row, newest, &later);
        })?;
        if !found {
            self.missing("keys", id.to_string());
        }
        Ok(())
    }

    fn put_workspace(&mut self, row: &Row, newest: Option<i64>) {
        let newest = newest.ok_or_else(|| row.damaged(ROW_UNKNOWN));
        match newest.and_then(|newest| row.to_workspace(newest, self.keys)) {
            Ok(workspace) => self.parts.view.workspaces.push(workspace),
            Err(damaged) => self.distrust("workspaces", row.id.clone(), damaged),
        }
    }

    fn put_member(&mut self, row: &Row, newest: Option<i64>) {
        let newest = newest.ok_or_else(|| row.damaged(ROW_UNKNOWN));
        match newest.and_then(|newest| row.to_member(newest, self.keys)) {
            // Up to schema 7 the row of a removed one stayed.
            Ok(Member { id, role: None, revision, .. }) => {
                self.parts.view.removed_members.push((id, revision));
            }
            Ok(member) => self.parts.view.members.push(member),
            Err(damaged) => self.distrust("members", row.id.clone(), damaged),
        }
    }

    /// Takes a key's row, and upon it what came `later` to this key among many.
    fn put_key(&mut self, row: &KeyRow<'_>, newest: Option<i64>, later: impl FnOnce(Key) -> Key) {
        let newest = newest.ok_or_else(|| row.damaged(ROW_UNKNOWN));
        match newest.and_then(|newest| row.to_key(newest, self.keys, &mut self.known)) {
            Ok(key) => self.parts.view.keys.push(later(key)),
            Err(damaged) => self.distrust("keys", row.shown_id(), damaged),
        }
    }

    fn removed(&mut self, members: impl Iterator<Item = (MemberId, i64)>) {
        let removed = members.filter_map(|(id, revision)| Some((id, from_stored(revision)?)));
        self.parts.view.removed_members.extend(removed);
    }

    fn missing(&mut self, table: &'static str, id: String) {
        self.distrust(table, id.clone(), Damaged { id, why: ROW_MISSING, zone: None });
    }

    fn distrust(&mut self, table: &'static str, id: impl Into<Vec<u8>>, damaged: Damaged) {
        self.bad.push(BadRow { table, id: id.into(), why: damaged.why });
        self.parts.view.damaged.push(damaged);
    }
}
