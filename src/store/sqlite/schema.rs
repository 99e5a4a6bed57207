//! The tables, from the first schema on, and whether a database has exactly these.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use rusqlite_migration::{M, Migrations};

use crate::domain::time::Timestamp;

/// `KEYW`, in the database's header.
pub(super) const APPLICATION_ID: i64 = 0x4B45_5957;

/// Since when uses of scopes are noted, in the table `meta`.
pub(super) const SCOPES_WATCHED: &str = "scopes_watched_ms";

/// The schema that this program writes.
pub(super) const VERSION: i64 = 8;

/// Its tables, the log first.
pub(super) const TABLES: [&str; 14] = [
    "log",
    "keys",
    "secrets",
    "workspaces",
    "members",
    "schemes",
    "policies",
    "requests",
    "grouped_keys",
    "secret_uses",
    "scope_uses",
    "counts",
    "usage",
    "meta",
];

/// A table that came with the mark of changes of many keys: without the one there is no other.
pub(super) const WITH_MARK: &str = "members";

/// Those whose rows say which revision wrote them.
pub(super) const REVISED: [&str; 8] =
    ["keys", "secrets", "workspaces", "members", "schemes", "policies", "requests", "grouped_keys"];

/// Columns for queries are generated from the coded body or the chained bytes, so that they cannot be edited apart.
/// Indexes of them can: so they only find rows for people to look at, and what counts is read without them.
///
/// Rows lie in the order of their keys: a start reads keys and secrets side by side in that order. The log's bytes are a blob, because their hash is over exactly these
/// bytes. Every index of the log holds the revision, as the rowid.
const V1: &str = "
PRAGMA application_id = 0x4B455957;

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE log (
    revision INTEGER NOT NULL PRIMARY KEY,
    bytes BLOB NOT NULL,
    digest BLOB NOT NULL,
    chain BLOB NOT NULL,
    code BLOB NOT NULL,
    signature BLOB,
    time_ms INTEGER GENERATED ALWAYS AS (CAST(bytes AS TEXT) ->> '$.time_ms') VIRTUAL,
    action TEXT GENERATED ALWAYS AS (CAST(bytes AS TEXT) ->> '$.action') VIRTUAL,
    workspace_id TEXT GENERATED ALWAYS AS (CAST(bytes AS TEXT) ->> '$.workspace_id') VIRTUAL,
    key_id TEXT GENERATED ALWAYS AS (CAST(bytes AS TEXT) ->> '$.key_id') VIRTUAL,
    actor_key_id TEXT GENERATED ALWAYS AS (CAST(bytes AS TEXT) ->> '$.actor.key_id') VIRTUAL,
    changed_workspace_id TEXT GENERATED ALWAYS AS (
        CASE WHEN CAST(bytes AS TEXT) ->> '$.workspace_changed' THEN CAST(bytes AS TEXT) ->> '$.workspace_id' END
    ) VIRTUAL
) STRICT;
CREATE INDEX log_by_key ON log (key_id) WHERE key_id IS NOT NULL;
CREATE INDEX log_by_workspace ON log (workspace_id);
CREATE INDEX log_by_actor ON log (actor_key_id) WHERE actor_key_id IS NOT NULL;
CREATE INDEX log_by_changed_workspace ON log (changed_workspace_id) WHERE changed_workspace_id IS NOT NULL;
CREATE INDEX log_by_time ON log (time_ms);

CREATE TABLE workspaces (
    id TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    revision INTEGER NOT NULL,
    code BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    id TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    revision INTEGER NOT NULL,
    code BLOB NOT NULL,
    workspace_id TEXT GENERATED ALWAYS AS (body ->> '$.workspace_id') VIRTUAL,
    owner TEXT GENERATED ALWAYS AS (body ->> '$.owner') VIRTUAL,
    environment TEXT GENERATED ALWAYS AS (body ->> '$.environment') VIRTUAL,
    created_ms INTEGER GENERATED ALWAYS AS (body ->> '$.created_ms') VIRTUAL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_workspace ON keys (workspace_id, created_ms DESC, id DESC);
CREATE INDEX keys_by_owner ON keys (workspace_id, owner, created_ms DESC, id DESC) WHERE owner IS NOT NULL;

CREATE TABLE secrets (
    key_id TEXT NOT NULL REFERENCES keys (id),
    generation INTEGER NOT NULL,
    scheme TEXT NOT NULL,
    root INTEGER NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    end_ms INTEGER,
    revision INTEGER NOT NULL,
    code BLOB NOT NULL,
    PRIMARY KEY (key_id, generation)
) STRICT, WITHOUT ROWID;

CREATE TABLE requests (
    caller TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    key_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (caller, request_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_uses (
    key_id TEXT NOT NULL PRIMARY KEY,
    time_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Every version of the policy; the newest is in force.
const V2: &str = "
CREATE TABLE policies (
    version INTEGER NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    revision INTEGER NOT NULL,
    code BLOB NOT NULL
) STRICT;
";

/// What is counted of limits, and what keys did by the hour.
const V3: &str = "
CREATE TABLE counts (
    subject TEXT NOT NULL,
    limit_id TEXT NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (subject, limit_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage (
    key_id TEXT NOT NULL,
    hour INTEGER NOT NULL,
    tier TEXT NOT NULL,
    outcome TEXT NOT NULL,
    checks INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (key_id, hour, tier, outcome)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_by_hour ON usage (hour);
";

/// Members of workspaces, and other systems' ways to hash; the keys that one entry of the log changed together; who used
/// which secret last, and what keys did with their scopes.
const V4: &str = "
CREATE TABLE members (
    id TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    revision INTEGER NOT NULL,
    code BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE schemes (
    id TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    revision INTEGER NOT NULL,
    code BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE group_keys (
    key_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (key_id, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE secret_uses (
    key_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    caller TEXT NOT NULL,
    address TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    PRIMARY KEY (key_id, generation, caller, address)
) STRICT, WITHOUT ROWID;
INSERT INTO secret_uses SELECT key_id, 0, '', '', time_ms FROM key_uses;
DROP TABLE key_uses;

CREATE TABLE scope_uses (
    key_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    outcome TEXT NOT NULL,
    first_hour INTEGER NOT NULL,
    last_hour INTEGER NOT NULL,
    PRIMARY KEY (key_id, scope, outcome)
) STRICT, WITHOUT ROWID;
";

/// The keys that one entry of the log changed together, 16 bytes each, so many in order to a row that pages are full. A
/// change is written behind the ones before it: rows for each key would touch a page for each.
const V5: &str = "
CREATE TABLE grouped_keys (
    revision INTEGER NOT NULL,
    first_id BLOB NOT NULL,
    ids BLOB NOT NULL,
    PRIMARY KEY (revision, first_id)
) STRICT, WITHOUT ROWID;
";

/// They have been taken over.
const V6: &str = "DROP TABLE group_keys";

/// The entry has their digest from here on, instead of the keys: 8 bytes each say what they were before, or 8 for all of
/// a row. Where there are none, the entry names the keys itself.
const V7: &str = "ALTER TABLE grouped_keys ADD COLUMN states_before BLOB";

/// What a query of the log asks of an entry, beside each other: entries can be long, and the generated columns are read from
/// them each time. In an index they are read from the entry once, when it is written, and `PRAGMA integrity_check` finds one that
/// was edited apart.
const V8: &str = "
CREATE INDEX log_looks ON log (revision, time_ms, action, workspace_id, actor_key_id, key_id);
CREATE INDEX log_by_action ON log (action);
DROP INDEX log_by_changed_workspace;
";

/// Each step from one schema to the next.
const STEPS: [&str; 8] = [V1, V2, V3, V4, V5, V6, V7, V8];

/// Brings a database to the newest schema, all steps in one transaction (D8). The first one also notes the roots'
/// check value, so that there is no schema without it; the fourth makes the mark of changes of many keys, with `mark`; the
/// fifth takes their keys over, with `regroup`.
pub(super) fn migrate(
    connection: &mut Connection,
    check: [u8; 32],
    now: Timestamp,
    mark: impl Fn(&Connection) -> rusqlite::Result<()> + Clone + Send + Sync + 'static,
    regroup: fn(&Connection) -> rusqlite::Result<()>,
) -> Result<(), rusqlite_migration::Error> {
    let note = move |transaction: &Transaction<'_>| {
        let mut insert = transaction.prepare("INSERT INTO meta (name, value) VALUES (?1, ?2)")?;
        insert.execute(params!["root_check", check])?;
        insert.execute(params!["created_ms", now.as_ms()])?;
        Ok(())
    };
    // From this step on uses of scopes are noted, and none before.
    let fourth = move |transaction: &Transaction<'_>| {
        mark(transaction)?;
        let mut insert = transaction.prepare("INSERT INTO meta (name, value) VALUES (?1, ?2)")?;
        insert.execute(params![SCOPES_WATCHED, now.as_ms()])?;
        Ok(())
    };
    let fifth = move |transaction: &Transaction<'_>| Ok(regroup(transaction)?);
    Migrations::new(vec![
        M::up_with_hook(V1, note),
        M::up(V2),
        M::up(V3),
        M::up_with_hook(V4, fourth),
        M::up_with_hook(V5, fifth),
        M::up(V6),
        M::up(V7),
        M::up(V8),
    ])
    .to_latest(connection)
}

/// What a database is, as far as its header and its tables say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// It holds nothing yet.
    Empty,
    /// It is of a program newer than this one.
    Newer(i64),
    /// It is not of this program, or not as this program made it.
    Foreign(&'static str),
    /// It has a schema of ours.
    Ours(Ours),
}

/// What a database of ours says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ours {
    /// The roots' check value.
    pub(super) check: Vec<u8>,
    /// Whether its log holds an entry.
    pub(super) initialized: bool,
}

/// Those of `tables` that a database has; one of an older schema has fewer.
pub(super) fn present(
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

/// Looks at a database without changing it.
pub(super) fn identify(connection: &Connection) -> rusqlite::Result<Identity> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if (application, version, tables) == (0, 0, 0) {
        return Ok(Identity::Empty);
    }
    if application != APPLICATION_ID || version < 1 {
        return Ok(Identity::Foreign("it is another program's database"));
    }
    if version > VERSION {
        return Ok(Identity::Newer(version));
    }
    if schema(connection)? != expected(version)? {
        return Ok(Identity::Foreign("its tables, indexes or triggers were changed"));
    }
    let check = "SELECT value FROM meta WHERE name = 'root_check'";
    let check = connection.query_row(check, [], |row| row.get(0)).optional()?;
    let initialized = connection.query_row("SELECT EXISTS (SELECT 1 FROM log)", [], |row| row.get(0))?;
    Ok(match check {
        Some(check) => Identity::Ours(Ours { check, initialized }),
        None => Identity::Foreign("its root check value is missing"),
    })
}

/// Everything that is declared, word for word: a trigger or a changed generated column could lie for an edited row.
fn schema(connection: &Connection) -> rusqlite::Result<Vec<(String, String, Option<String>)>> {
    // Less what SQLite itself keeps: the statistics of `ANALYZE`.
    let all = "SELECT type, name, sql FROM sqlite_schema
               WHERE NOT (type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4')) ORDER BY type, name";
    let mut statement = connection.prepare(all)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

fn expected(version: i64) -> rusqlite::Result<Vec<(String, String, Option<String>)>> {
    let memory = Connection::open_in_memory()?;
    let steps = usize::try_from(version).unwrap_or(0);
    STEPS.iter().take(steps).try_for_each(|step| memory.execute_batch(step))?;
    schema(&memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_new_enough() {
        // Older ones can corrupt a database in WAL mode.
        assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
    }

    #[test]
    fn a_database_is_told_from_others() {
        // D8
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(identify(&connection).unwrap(), Identity::Empty);
        migrate(&mut connection, [7; 32], Timestamp::EPOCH, |_| Ok(()), |_| Ok(())).unwrap();
        let ours = Identity::Ours(Ours { check: vec![7; 32], initialized: false });
        assert_eq!(identify(&connection).unwrap(), ours);

        connection
            .execute_batch("CREATE TRIGGER quiet AFTER INSERT ON log BEGIN DELETE FROM log; END")
            .unwrap();
        assert!(
            matches!(identify(&connection).unwrap(), Identity::Foreign(_)),
            "a trigger of somebody else's"
        );
        connection.execute_batch("DROP TRIGGER quiet").unwrap();
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert_eq!(identify(&connection).unwrap(), Identity::Newer(VERSION + 1));

        let other = Connection::open_in_memory().unwrap();
        other.execute_batch("CREATE TABLE t (a)").unwrap();
        assert!(matches!(identify(&other).unwrap(), Identity::Foreign(_)));
    }
}
