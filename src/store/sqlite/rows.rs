//! One change within an open transaction: what it stands on is checked, then its entry and rows are written.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    counted::CountedRows, failure, groups, log, notes, people::Referring, refusal::WriteRefusal, removed,
    sums::RunningSum,
};
use crate::{
    domain::{
        audit::{Action, LogEntry, Salt},
        group::Group,
        id::{GroupId, KeyId},
        member::{Member, MemberId},
        revision::Revision,
        root::DerivedKeys,
        scheme::ImportScheme,
    },
    ports::{Mutation, RequestMark, Rows, StoreError},
    store::{
        chain::{LogHead, StoredRecord},
        draws::Draws,
        key_row::NewKeyRow,
        rows::{from_stored, to_stored, write_member, write_policy, write_scheme, write_workspace},
    },
};

const PUT_POLICY: &str =
    "INSERT INTO policies (version, body, revision, root, code) VALUES (?1, ?2, ?3, ?4, ?5)";

const PUT_SCHEME: &str = "INSERT INTO schemes (id, body, revision, root, code) VALUES (?1, ?2, ?3, ?4, ?5)";

/// Writes a change behind `head` and answers the new head. The caller undoes what a refused one has written.
pub(super) fn apply(
    connection: &Connection,
    (keys, draws): (&DerivedKeys, &Draws),
    sum: &mut RunningSum,
    head: LogHead,
    mutation: &Mutation,
) -> Result<LogHead, WriteRefusal> {
    check_shape(mutation)?;
    // First, because a change that was made already conflicts with itself.
    if let Some(request) = &mutation.request {
        check_request(connection, request)?;
    }
    check_revisions(connection, mutation)?;
    if let Some(group) = &mutation.entry.group {
        check_unchanged(connection, keys, group, mutation.seen)?;
    }

    let workspace_changed = mutation.rows.workspace.is_some();
    let (revision, salt) = (head.revision.next(), Salt(draws.next()));
    let mut counted = CountedRows { connection, keys, sum };
    let mut people = Referring { counted: &mut counted, draws, revision, new: 0 };
    let name = |name: &str| people.reference(name);
    let bytes = mutation.entry.canonical_bytes(revision, workspace_changed, salt, name)?;
    let (head, record) = head.append(bytes, keys);
    insert_record(connection, &record)?;
    counted.put_all(&mutation.rows, head.revision)?;
    if let Some(time) = mutation.rows.clock_mark {
        notes::put_clock_mark(connection, keys, time)?;
    }
    if let Some(group) = &mutation.entry.group {
        groups::put(&mut counted, group, &mutation.entry, head.revision)?;
    }
    if let Some(gains) = &mutation.entry.gains {
        groups::put_gains(&mut counted, gains, head.revision)?;
    }
    if let (Some(request), Some(made)) = (&mutation.request, made(&mutation.entry)) {
        put_request(connection, request, &made, head.revision)?;
    }
    Ok(head)
}

/// Puts the signature on the record at `head`.
pub(super) fn sign(connection: &Connection, keys: &DerivedKeys, head: LogHead) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached("UPDATE log SET signature = ?1 WHERE revision = ?2")?;
    update.execute(params![head.sign(keys), to_stored(head.revision)])?;
    Ok(())
}

/// The entry must name the rows that are written: the newest entry that names a row vouches for it.
fn check_shape(mutation: &Mutation) -> Result<(), StoreError> {
    let key = mutation.rows.key.as_ref().map(|key| key.id);
    let workspace = mutation.rows.workspace.as_ref().map(|workspace| workspace.id);
    let member = mutation.rows.member.as_ref().map(|member| &member.id);
    let named_member = mutation.entry.workspace.zip(mutation.entry.member.clone());
    let named_member = named_member.map(|(workspace, subject)| MemberId { workspace, subject });
    let misnamed = mutation.entry.key != key
        || member != named_member.as_ref()
        || named_member.is_none() != mutation.entry.member.is_none()
        || workspace.is_some_and(|workspace| Some(workspace) != mutation.entry.workspace)
        || mutation.rows.policy.as_ref().map(|policy| policy.version) != mutation.entry.policy_version
        || mutation.rows.scheme.as_ref().map(|scheme| &scheme.name) != mutation.entry.scheme.as_ref()
        || mutation.rows.clock_mark.is_some() != (mutation.entry.action == Action::ClockReset)
        || mutation.rows.member.as_ref().is_some_and(|member| member.role.is_none())
            != (mutation.entry.action == Action::MemberRemove)
        || mutation.entry.group.is_some() && mutation.entry.key.is_some()
        || mutation.request.is_some() && made(&mutation.entry).is_none();
    if misnamed {
        return Err(StoreError::Unavailable(
            "the log entry names other rows than the change writes".to_owned(),
        ));
    }
    Ok(())
}

/// What a change made that its request id stands for.
fn made(entry: &LogEntry) -> Option<String> {
    let group = entry.group.as_ref().map(|group| group.id().to_string());
    group.or_else(|| entry.key.map(|key| key.to_string()))
}

/// Passes unless the request id was used before.
pub(super) fn check_request(connection: &Connection, request: &RequestMark) -> Result<(), WriteRefusal> {
    let mut select = connection
        .prepare_cached("SELECT key_id, fingerprint FROM requests WHERE caller = ?1 AND request_id = ?2")?;
    let used = select.query_row(params![request.caller.to_string(), request.id.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
    });
    let Some((key, fingerprint)) = used.optional()? else { return Ok(()) };
    let same_arguments = fingerprint == request.fingerprint;
    if let Ok(group) = GroupId::parse(&key) {
        return Err(StoreError::GroupDone { group, same_arguments }.into());
    }
    let Ok(key) = KeyId::parse(&key) else {
        return Err(StoreError::Corrupt(format!("request {} names no key", request.id)).into());
    };
    Err(StoreError::RequestUsed { key, same_arguments }.into())
}

fn check_revisions(connection: &Connection, mutation: &Mutation) -> Result<(), WriteRefusal> {
    let mut select = connection.prepare_cached("SELECT revision FROM keys WHERE id = ?1")?;
    let written = mutation.rows.key.iter().map(|key| (key.id, key.revision));
    for (key, expected) in written.chain(mutation.expects.iter().copied()) {
        let stored = select.query_row([key.to_bytes()], |row| row.get(0)).optional()?;
        let newest =
            stored.map(|written| groups::newest(connection, key, (written, expected), mutation.seen));
        check_revision(newest.transpose()?, expected)?;
    }
    check_policy(connection, mutation)?;
    let mut select = connection.prepare_cached("SELECT revision FROM workspaces WHERE id = ?1")?;
    let written = mutation.rows.workspace.iter().map(|workspace| (workspace.id, workspace.revision));
    for (workspace, expected) in written.chain(mutation.expects_workspace) {
        let stored = select.query_row([workspace.to_string()], |row| row.get(0)).optional()?;
        check_revision(stored, expected)?;
    }
    // Up to schema 7 the row of a removed member stayed: it does not count.
    let select = r#"SELECT revision FROM members WHERE id = ?1 AND body NOT LIKE '%"role":null%'"#;
    let mut select = connection.prepare_cached(select)?;
    let written = mutation.rows.member.iter().map(|member| (&member.id, member.revision));
    let stands_on = mutation.expects_members.iter().map(|(member, revision)| (member, *revision));
    for (member, expected) in written.chain(stands_on) {
        let stored = select.query_row([member.to_string()], |row| row.get(0)).optional()?;
        check_revision(stored, expected)?;
    }
    Ok(())
}

/// Passes if no entry after `seen` has changed a key of the group.
///
/// Asked of the entries since, which are few, rather than of the keys, which are many.
fn check_unchanged(
    connection: &Connection,
    keys: &DerivedKeys,
    group: &Group,
    seen: Revision,
) -> Result<(), WriteRefusal> {
    let since = log::keys_named_since(connection, keys, seen)?;
    if since.into_iter().any(|key| group.has(key)) { Err(StoreError::Conflict.into()) } else { Ok(()) }
}

/// Passes while the policy that the change was judged by is the newest, and a new one is newer than all that are here:
/// not by one only, so that a lost row can be followed.
fn check_policy(connection: &Connection, mutation: &Mutation) -> Result<(), WriteRefusal> {
    let made = mutation.rows.policy.as_ref().map(|policy| policy.version);
    if made.is_none() && mutation.judged_by.is_none() {
        return Ok(());
    }
    let mut select = connection.prepare_cached("SELECT max(version) FROM policies")?;
    let newest: Option<i64> = select.query_row([], |row| row.get(0))?;
    let newest = newest.map_or(Ok(0), u64::try_from).map_err(|_negative| StoreError::Conflict)?;
    let is_newest = mutation.judged_by.is_none_or(|judged| judged == newest);
    let is_newer = made.is_none_or(|made| made > newest);
    if is_newest && is_newer { Ok(()) } else { Err(StoreError::Conflict.into()) }
}

fn check_revision(stored: Option<i64>, expected: Revision) -> Result<(), StoreError> {
    let stored = stored.map_or(Some(Revision::ZERO), from_stored);
    if stored == Some(expected) { Ok(()) } else { Err(StoreError::Conflict) }
}

fn insert_record(connection: &Connection, record: &StoredRecord) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO log (revision, bytes, digest, chain, code, root) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    // Signed when the whole transaction is written.
    let StoredRecord { revision, bytes, digest, chain, code, root, signature: _ } = record;
    insert.execute(params![revision, bytes, digest, chain, code, root])?;
    Ok(())
}

impl CountedRows<'_> {
    fn put_all(&mut self, rows: &Rows, revision: Revision) -> Result<(), WriteRefusal> {
        let keys = self.keys;
        if let Some(workspace) = &rows.workspace {
            let row = write_workspace(workspace, revision, keys).map_err(|error| unwritable(&error))?;
            self.replace("workspaces", &row)?;
        }
        if let Some(member) = &rows.member {
            self.put_member(member, revision)?;
        }
        if let Some(policy) = &rows.policy {
            let row = write_policy(policy, revision, keys).map_err(|error| unwritable(&error))?;
            self.insert("policies", &row, PUT_POLICY)?;
        }
        if let Some(scheme) = &rows.scheme {
            self.put_scheme(scheme, revision)?;
        }
        if let Some(key) = &rows.key {
            let row = NewKeyRow::of(key, revision, keys)
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
            self.replace_key(&row)?;
        }
        Ok(())
    }

    /// Writes the row of a member. Of a removed one stays only that it was.
    fn put_member(&mut self, member: &Member, revision: Revision) -> Result<(), WriteRefusal> {
        if member.role.is_none() {
            self.delete("members", &member.id.to_string())?;
            return removed::put(self, &member.id, revision);
        }
        removed::forget(self, &member.id)?;
        let row = write_member(member, revision, self.keys).map_err(|error| unwritable(&error))?;
        self.replace("members", &row)
    }

    fn put_scheme(&mut self, scheme: &ImportScheme, revision: Revision) -> Result<(), WriteRefusal> {
        let row = write_scheme(scheme, revision, self.keys).map_err(|error| unwritable(&error))?;
        match self.insert("schemes", &row, PUT_SCHEME) {
            // Another change was first.
            Err(error) if failure::is_constraint(&error) => Err(StoreError::Conflict.into()),
            written => Ok(written?),
        }
    }
}

fn put_request(
    connection: &Connection,
    request: &RequestMark,
    made: &str,
    revision: Revision,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO requests (caller, request_id, fingerprint, key_id, revision) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    insert.execute(params![
        request.caller.to_string(),
        request.id.as_str(),
        request.fingerprint,
        made,
        to_stored(revision)
    ])?;
    Ok(())
}

fn unwritable(error: &serde_json::Error) -> StoreError {
    StoreError::Unavailable(format!("the row cannot be written as JSON: {error}"))
}
