//! The tables, from the first schema on: each step from one schema to the next.

/// The oldest keyward that may use a database of this schema, for one that is too old for it to name.
pub(in crate::store::sqlite) const OLDEST: &str = "0.2.0";

/// The schema that this program writes.
pub(in crate::store::sqlite) const VERSION: i64 = 15;

/// Columns for queries are generated from the coded body or the chained bytes, so that they cannot be edited apart.
/// Indexes of them can: so they only find rows for people to look at, and what counts is read without them.
///
/// Rows lie in the order of their keys. The log's bytes are a blob, because their hash is over exactly these
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

/// What is noted beside the truth, many entries to a row: as it came (`part` -1), or all of one part. See `blocks`.
const V9: &str = "
CREATE TABLE blocks (
    number INTEGER NOT NULL PRIMARY KEY,
    kind INTEGER NOT NULL,
    part INTEGER NOT NULL,
    covers INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
CREATE INDEX blocks_by_part ON blocks (kind, part);
";

/// They have been taken over into blocks.
const V10: &str = "DROP TABLE counts";

/// What a start needs so that it reads no log: the sum over all rows that count, and as rows what only entries told before. The
/// first start works them out from the log.
const V11: &str = "
CREATE TABLE sum (
    only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    nonce BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE group_changes (
    id TEXT NOT NULL PRIMARY KEY,
    body BLOB NOT NULL,
    revision INTEGER NOT NULL,
    code BLOB NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE grouped_keys ADD COLUMN code BLOB;

CREATE TABLE removed_members (
    id TEXT NOT NULL PRIMARY KEY,
    body BLOB NOT NULL,
    revision INTEGER NOT NULL,
    code BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE distrusted (
    id TEXT NOT NULL PRIMARY KEY,
    body BLOB NOT NULL,
    revision INTEGER NOT NULL,
    code BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Who is meant by the references in the log: entries from here on name nobody.
const V12: &str = "
CREATE TABLE people (
    reference BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL,
    code BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// A key is one row, packed, in the order of its id's bytes, with its secrets in it; the first halves of their hashes stand by
/// themselves, so that none comes twice. Each row with a code says under which root that is made, the code has 16 bytes, and a
/// record of the log has its digest only where its bytes are taken away: an empty one is that of the bytes. What these tables
/// hold is taken over from those of before, which are dropped after that; see `open::packing`.
const V13: &str = "
ALTER TABLE log ADD COLUMN root INTEGER NOT NULL DEFAULT 1;
ALTER TABLE workspaces ADD COLUMN root INTEGER NOT NULL DEFAULT 1;
ALTER TABLE members ADD COLUMN root INTEGER NOT NULL DEFAULT 1;
ALTER TABLE schemes ADD COLUMN root INTEGER NOT NULL DEFAULT 1;
ALTER TABLE policies ADD COLUMN root INTEGER NOT NULL DEFAULT 1;
ALTER TABLE grouped_keys ADD COLUMN root INTEGER NOT NULL DEFAULT 1;
ALTER TABLE group_changes ADD COLUMN root INTEGER NOT NULL DEFAULT 1;
ALTER TABLE removed_members ADD COLUMN root INTEGER NOT NULL DEFAULT 1;
ALTER TABLE distrusted ADD COLUMN root INTEGER NOT NULL DEFAULT 1;
ALTER TABLE people ADD COLUMN root INTEGER NOT NULL DEFAULT 1;

DROP INDEX keys_by_workspace;
DROP INDEX keys_by_owner;
ALTER TABLE keys RENAME TO keys_before;
CREATE TABLE keys (
    id BLOB NOT NULL PRIMARY KEY,
    workspace_id BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    owner TEXT,
    body BLOB NOT NULL,
    revision INTEGER NOT NULL,
    root INTEGER NOT NULL,
    code BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE hashes (
    hash BLOB NOT NULL PRIMARY KEY,
    key_id BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// They have been taken over. The indexes are made at the end, in their own order.
const V14: &str = "
DROP TABLE secrets;
DROP TABLE keys_before;
CREATE INDEX keys_by_workspace ON keys (workspace_id, created_ms DESC, id DESC);
CREATE INDEX keys_by_owner ON keys (workspace_id, owner, created_ms DESC, id DESC) WHERE owner IS NOT NULL;
";

/// Sums of denials, many to a row: of one kind, and of one piece of time that begins with this minute.
const V15: &str = "
CREATE TABLE denials (
    kind INTEGER NOT NULL,
    start INTEGER NOT NULL,
    body BLOB NOT NULL,
    root INTEGER NOT NULL,
    code BLOB NOT NULL,
    PRIMARY KEY (kind, start)
) STRICT;
";

/// Each step from one schema to the next.
pub(super) const STEPS: [&str; 15] = [V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12, V13, V14, V15];
