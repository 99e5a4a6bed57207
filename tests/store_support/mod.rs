//! What the tests of stores have in common: values, changes, and a store on real files.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use keyward::{
    domain::{
        audit::{Action, Actor, LogEntry},
        credentials::{Credentials, Secret},
        group::{Before, Group, GroupAct, GroupChange},
        id::{GroupId, KeyId, WorkspaceId},
        key::{Creator, Key, KeyState},
        member::{Member, MemberId},
        policy::Policy,
        revision::Revision,
        root::DerivedKeys,
        secret::{Hint, KeyHash},
        text::{Comment, Description, EnvironmentName, Label, Name, Owner, Plan, RequestId},
        time::{Entropy, EntropyUnavailable, Timestamp},
        workspace::{Workspace, WorkspaceState},
    },
    ports::{
        CountSink, KeyStore, Mutation, Payer, PayerPart, Permits, PolicyVersion, ReplicaId, RequestMark,
        Rows, View,
    },
    store::{
        data_dir::DataDir,
        roots::{Roots, RootsSource},
        sqlite::{OpenError, SqliteStore},
    },
};
use rusqlite::Connection;

/// Numbers that look random and are the same in every run.
pub(crate) struct Seeded(AtomicU64);

impl Seeded {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number (`SplitMix64`).
    pub(crate) fn number(&self) -> u64 {
        let mut value = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    pub(crate) fn below(&self, bound: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(bound).unwrap()).unwrap()
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        bytes
            .chunks_mut(8)
            .for_each(|chunk| chunk.copy_from_slice(&self.number().to_be_bytes()[..chunk.len()]));
        Ok(())
    }
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms).unwrap()
}

pub(crate) fn secret(entropy: &Seeded, generation: u32) -> Secret {
    let mut hash = [0; 32];
    entropy.fill(&mut hash).unwrap();
    Secret {
        generation,
        hash: KeyHash::stored(hash),
        scheme: keyward::domain::scheme::Scheme::Native,
        root: 1,
        hint: Hint::stored("kw_live_…3xYz"),
        created: at(1_000),
    }
}

pub(crate) fn key(entropy: &Seeded, workspace: WorkspaceId) -> Key {
    Key {
        id: KeyId::generate(entropy).unwrap(),
        workspace,
        name: Name::parse("CI").unwrap(),
        description: Description::parse("").unwrap(),
        owner: None,
        follows_owner_role: false,
        creator: Arc::new(Creator::System),
        environment: EnvironmentName::parse("live").unwrap(),
        grants: Arc::default(),
        networks: Arc::default(),
        metadata: Arc::default(),
        limits: None,
        state: KeyState::Active,
        created: at(1_000),
        expires: None,
        updated: at(1_000),
        credentials: Credentials::new(secret(entropy, 1)),
        admin: None,
        revision: Revision::ZERO,
        taken_in: Revision::ZERO,
    }
}

pub(crate) fn policy_version(version: u64) -> PolicyVersion {
    PolicyVersion {
        version,
        policy: Policy::default_document().unwrap(),
        applied: at(2_000),
        applied_by: None,
        applied_by_owner: None,
        comment: Comment::parse("").unwrap(),
        revision: Revision::ZERO,
    }
}

pub(crate) fn workspace(entropy: &Seeded) -> Workspace {
    Workspace {
        id: WorkspaceId::generate(entropy).unwrap(),
        name: Name::parse("Acme").unwrap(),
        owner: None,
        plan: Plan::parse("starter").unwrap(),
        limits: None,
        key_rules: None,
        state: WorkspaceState::Active,
        is_default: false,
        created: at(500),
        revision: Revision::ZERO,
    }
}

pub(crate) fn entry(action: Action, workspace: WorkspaceId, key: Option<KeyId>) -> LogEntry {
    LogEntry { workspace: Some(workspace), key, ..LogEntry::new(at(1_000), Actor::System, action) }
}

/// The change that stores this key.
pub(crate) fn put(key: &Key) -> Mutation {
    let entry = entry(Action::KeyIssue, key.workspace, Some(key.id));
    Mutation::new(entry, Rows { key: Some(key.clone()), ..Rows::default() })
}

/// A member; without a role one that was removed.
pub(crate) fn member(workspace: WorkspaceId, subject: &str, role: Option<&str>) -> Member {
    Member {
        id: MemberId { workspace, subject: Owner::parse(subject).unwrap() },
        role: role.map(|role| Label::parse(role).unwrap()),
        created: at(500),
        updated: at(600),
        revision: Revision::ZERO,
    }
}

/// The change that stores this member.
pub(crate) fn put_member(member: &Member) -> Mutation {
    let action = if member.role.is_some() { Action::MemberAdd } else { Action::MemberRemove };
    let entry =
        LogEntry { member: Some(member.id.subject.clone()), ..entry(action, member.id.workspace, None) };
    Mutation::new(entry, Rows { member: Some(member.clone()), ..Rows::default() })
}

/// The change that stores this workspace.
pub(crate) fn put_workspace(workspace: &Workspace) -> Mutation {
    let entry = entry(Action::WorkspaceRegister, workspace.id, None);
    Mutation::new(entry, Rows { workspace: Some(workspace.clone()), ..Rows::default() })
}

/// The change that does this to these keys together, as they were seen at a revision.
pub(crate) fn put_group(entropy: &Seeded, keys: &[Key], act: GroupAct, seen: Revision) -> Mutation {
    let before = |key: &Key| match act {
        GroupAct::Retire(_) => Before::Ends(key.expires),
        GroupAct::Disable | GroupAct::Enable | GroupAct::Revoke(_) => Before::Active,
    };
    let grouped = keys.iter().map(|key| (key.id, before(key))).collect();
    let id = GroupId::generate(entropy).unwrap();
    let new = entry(act.action(), keys[0].workspace, None);
    let comment = Some(Comment::parse("all \"of\" them").unwrap());
    let reason = match act {
        GroupAct::Revoke(reason) => Some(reason.as_str()),
        GroupAct::Disable | GroupAct::Enable | GroupAct::Retire(_) => None,
    };
    let group = Some(Arc::new(Group::new(id, act, grouped, || {})));
    Mutation { seen, ..Mutation::new(LogEntry { group, comment, reason, ..new }, Rows::default()) }
}

/// Stores a change of keys together, and answers them as they are afterwards.
pub(crate) async fn stored_group(store: &dyn KeyStore, mutation: Mutation, keys: &[Key]) -> Vec<Key> {
    let (group, comment) = (mutation.entry.group.clone().unwrap(), mutation.entry.comment.clone().unwrap());
    let revision = store.commit(mutation).await.unwrap();
    let ids = group.keys().iter().map(|(key, _)| *key).collect();
    let change = GroupChange { revision, time: at(1_000), by: None, act: group.act(), comment, keys: ids };
    keys.iter().cloned().map(|key| key.under(&change)).collect()
}

pub(crate) fn request(caller: KeyId, id: &str, fingerprint: u8) -> RequestMark {
    RequestMark { caller: caller.into(), id: RequestId::parse(id).unwrap(), fingerprint: [fingerprint; 32] }
}

/// Stores a key as it is, and answers it as it is stored.
pub(crate) async fn stored(store: &dyn KeyStore, key: &Key) -> Key {
    let revision = store.commit(put(key)).await.unwrap();
    Key { revision, ..key.clone() }
}

/// A view whose order means nothing.
/// Every count that is kept: who pays, the limit and the state.
pub(crate) async fn kept_counts(permits: &dyn Permits) -> Vec<(String, String, Vec<u8>)> {
    #[derive(Default)]
    struct Shown(Mutex<Vec<(String, String, Vec<u8>)>>);

    impl CountSink for Shown {
        fn take(&self, payer: &Payer<'_>, limit: &str, state: &[u8]) {
            self.0.lock().unwrap().push((payer.to_string(), limit.to_owned(), state.to_vec()));
        }
    }

    let shown = Arc::new(Shown::default());
    let sink: Arc<dyn CountSink> = Arc::<Shown>::clone(&shown);
    let kept = permits.kept(ReplicaId::ONLY).await.unwrap();
    kept.show(PayerPart::all().collect(), sink).await.unwrap();
    std::mem::take(&mut *shown.0.lock().unwrap())
}

/// What makes the tables of schema 8 of those of today.
pub(crate) const BACK_TO_SCHEMA_8: &str =
    "DROP TABLE denials; DROP TABLE people; DROP TABLE sum; DROP TABLE group_changes; DROP TABLE removed_members; DROP TABLE distrusted;
ALTER TABLE grouped_keys DROP COLUMN root; ALTER TABLE grouped_keys DROP COLUMN code;
ALTER TABLE log DROP COLUMN root; ALTER TABLE workspaces DROP COLUMN root; ALTER TABLE members DROP COLUMN root;
ALTER TABLE schemes DROP COLUMN root; ALTER TABLE policies DROP COLUMN root;
DROP TABLE hashes; DROP TABLE keys;
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
DROP TABLE blocks;
CREATE TABLE counts (
    subject TEXT NOT NULL,
    limit_id TEXT NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (subject, limit_id)
) STRICT, WITHOUT ROWID;
DELETE FROM meta WHERE name IN ('unclean_start', 'usage_before');
PRAGMA user_version = 8;";

pub(crate) fn sorted(mut view: View) -> View {
    view.keys.sort_by_key(|key| key.id);
    view.workspaces.sort_by_key(|workspace| workspace.id);
    view
}

/// A place for a SQLite store.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("keyward.db")
    }

    pub(crate) fn try_open(&self) -> Result<(SqliteStore, Arc<DerivedKeys>), OpenError> {
        SqliteStore::open(&DataDir::open(&self.path())?, &Seeded::new(42), at(1_000))
    }

    pub(crate) fn open(&self) -> SqliteStore {
        self.try_open().unwrap().0
    }

    /// The row of a key, as it lies there.
    pub(crate) fn key_row(&self, key: &Key) -> Option<Vec<rusqlite::types::Value>> {
        let connection = Connection::open(self.database()).unwrap();
        let mut select = connection.prepare("SELECT * FROM keys WHERE id = ?1").unwrap();
        let columns = select.column_count();
        let mut rows = select.query([key.id.to_bytes()]).unwrap();
        rows.next().unwrap().map(|row| (0..columns).map(|column| row.get(column).unwrap()).collect())
    }

    /// Runs SQL behind the store's back.
    pub(crate) fn tamper(&self, sql: &str) {
        let connection = Connection::open(self.database()).unwrap();
        // What is kept for later stands in a file of its own: a store that is open must see no writing.
        let aside = self.directory.path().join("aside.db");
        connection.execute("ATTACH ?1 AS aside", [aside.to_str().unwrap()]).unwrap();
        let sql = sql.replace("CREATE TABLE old", "CREATE TABLE aside.old");
        connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
    }

    /// A store that holds its first entry: a workspace with a key.
    pub(crate) async fn initialized(&self) -> (SqliteStore, Key) {
        let (store, entropy) = (self.open(), Seeded::new(7));
        let workspace = workspace(&entropy);
        let key = key(&entropy, workspace.id);
        let entry = entry(Action::StoreInitialize, workspace.id, Some(key.id));
        let rows = Rows { workspace: Some(workspace), key: Some(key.clone()), ..Rows::default() };
        let first = Mutation::new(entry, rows);
        let revision = store.commit(first).await.unwrap();
        Roots::keep(&self.path(), &RootsSource::DataDir).unwrap();
        (store, Key { revision, ..key })
    }
}

/// Bytes as SQL has them.
pub(crate) fn blob(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    format!("x'{digits}'")
}
