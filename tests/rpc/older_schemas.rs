//! Stores that were made by the binaries of older schemas, with rows of every kind: `tests/fixtures/write` wrote them.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use keyward::{
    domain::{
        key::{Key, KeyState},
        revision::Revision,
        time::Timestamp,
        workspace::WorkspaceState,
    },
    ports::{KeyStore as _, Lifecycle as _, Permits as _, PolicyView, ReplicaId, Verification, View},
    store::{
        data_dir::DataDir,
        settings::StoreSettings,
        sqlite::{SqliteStore, verify_offline},
    },
    wire::v1::{self, AuditAction, DenialReason},
};
use rusqlite::{Connection, types::Value};
use tempfile::TempDir;
use tonic::Code;

use crate::{
    store_support::{Seeded, at, kept_counts},
    support::{
        Keyward, ManualClock, START_MS,
        verbs::{DAY, refusal, rotation},
    },
};

/// What the binary of a schema's time left.
struct Fixture {
    roots: &'static str,
    store: &'static str,
    /// For each key that is presented: its name, the key, the scope that is asked for, and what was answered.
    keys: &'static str,
    /// Its anchor, which stores have from schema 8 on.
    anchor: Option<&'static [u8]>,
    /// Whether counts, usage and uses stood in blocks, as from schema 9 on.
    has_blocks: bool,
    /// Whether a key was one packed row, as from schema 13 on.
    is_packed: bool,
}

macro_rules! fixture {
    ($name:literal) => {
        Fixture {
            roots: include_str!(concat!("../fixtures/roots-", $name)),
            store: include_str!(concat!("../fixtures/store-", $name, ".sql")),
            keys: include_str!(concat!("../fixtures/keys-", $name)),
            anchor: None,
            has_blocks: false,
            is_packed: false,
        }
    };
}

/// How many entries each log has.
const ENTRIES: u64 = 48;

/// Every table that held rows then, and how many it has at least.
const KINDS: [(&str, usize); 13] = [
    ("log", 48),
    ("workspaces", 4),
    ("members", 2),
    ("keys", 26),
    ("secrets", 28),
    ("requests", 3),
    ("policies", 3),
    ("schemes", 1),
    ("counts", 12),
    ("usage", 13),
    ("secret_uses", 12),
    ("scope_uses", 11),
    ("meta", 6),
];

/// Those of which it had blocks from schema 9 on.
const NOTED: [&str; 4] = ["counts", "usage", "secret_uses", "scope_uses"];

/// The rows of each table, in the columns that it had then.
type Tables = BTreeMap<String, Vec<Vec<Value>>>;

impl Fixture {
    /// The key of this name.
    fn key(&self, name: &str) -> &'static str {
        self.lines().find(|[known, ..]| *known == name).unwrap()[1]
    }

    fn lines(&self) -> impl Iterator<Item = [&'static str; 4]> {
        self.keys.lines().map(|line| {
            let mut fields = line.split('\t');
            [(); 4].map(|()| fields.next().unwrap())
        })
    }

    /// Lays it down.
    fn lay(&self, data_dir: &Path) {
        DataDir::open(data_dir).unwrap();
        let roots = data_dir.join("roots");
        fs::write(&roots, self.roots).unwrap();
        fs::set_permissions(&roots, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some(anchor) = self.anchor {
            fs::write(data_dir.join("keyward.anchor"), anchor).unwrap();
        }
        self.fill(&Connection::open(data_dir.join("keyward.db")).unwrap());
    }

    fn fill(&self, database: &Connection) {
        database.execute_batch(self.store).unwrap();
    }

    /// Its tables, and the columns of each.
    fn columns(&self) -> Vec<(String, Vec<String>)> {
        let database = Connection::open_in_memory().unwrap();
        self.fill(&database);
        let all = "SELECT name FROM sqlite_schema WHERE type = 'table'";
        let columns_of = |table: String| {
            let columns = texts(&database, &format!("SELECT name FROM pragma_table_info('{table}')"));
            (table, columns)
        };
        texts(&database, all).into_iter().map(columns_of).collect()
    }

    /// The rows of its tables in a database; `None` of one that is not there any more.
    fn rows_in(&self, database: &Connection) -> Tables {
        let there = texts(database, "SELECT name FROM sqlite_schema WHERE type = 'table'");
        let columns = self.columns().into_iter().filter(|(table, _)| there.contains(table));
        columns.map(|(table, columns)| (table.clone(), rows(database, &table, &columns))).collect()
    }

    fn rows_then(&self) -> Tables {
        let database = Connection::open_in_memory().unwrap();
        self.fill(&database);
        self.rows_in(&database)
    }
}

fn texts(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn rows(database: &Connection, table: &str, columns: &[String]) -> Vec<Vec<Value>> {
    let sql = format!("SELECT {0} FROM {table} ORDER BY {0}", columns.join(", "));
    let mut statement = database.prepare(&sql).unwrap();
    let values = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|place| row.get(place)).collect();
    statement.query_map([], values).unwrap().collect::<Result<_, _>>().unwrap()
}

fn assert_sound(data_dir: &Path) {
    let found: Verification = verify_offline(data_dir, &StoreSettings::default()).unwrap();
    assert_eq!((found.records, found.head, found.fault), (ENTRIES, Revision(ENTRIES), None));
}

/// A row as it is written now: its code is cut, and a digest that is the one of its bytes left out.
fn shortened(columns: &[String], row: &[Value]) -> Vec<Value> {
    let one = |(name, value): (&String, &Value)| match (name.as_str(), value) {
        ("code", Value::Blob(code)) => Value::Blob(code[..16].to_vec()),
        ("digest", Value::Blob(_)) => Value::Blob(Vec::new()),
        _ => value.clone(),
    };
    columns.iter().zip(row).map(one).collect()
}

/// Passes if every row is what it was, and there are some of every kind.
fn assert_kept(fixture: &Fixture, data_dir: &Path, view: &View) {
    let then = fixture.rows_then();
    let database = Connection::open(data_dir.join("keyward.db")).unwrap();
    let columns: BTreeMap<_, _> = fixture.columns().into_iter().collect();
    let kinds = KINDS.into_iter().filter(|(table, _)| !fixture.has_blocks || !NOTED.contains(table));
    for (table, least) in kinds {
        if fixture.is_packed && table == "secrets" {
            continue;
        }
        assert!(then[table].len() >= least, "{table}: {}", then[table].len());
        if !fixture.is_packed && ["counts", "keys", "secrets"].contains(&table) {
            continue;
        }
        let now = rows(&database, table, &columns[table]);
        let then: Vec<_> = then[table].iter().map(|row| shortened(&columns[table], row)).collect();
        assert!(then.iter().all(|row| now.contains(row)), "{table}");
        assert!(table == "meta" || then.len() == now.len(), "{table}");
    }
    // The keys that were changed together: schema 4 had them one a row, in a table that is gone.
    let rows = then.get("group_keys").map_or(0, Vec::len);
    assert!(rows > 0 || then["grouped_keys"].len() >= 3, "changes of many keys");
    let now = texts(&database, "SELECT name FROM sqlite_schema WHERE type = 'table'");
    for gone in ["group_keys", "secrets", "keys_before"] {
        assert!(!now.contains(&gone.to_owned()), "{gone}");
    }
    if fixture.is_packed {
        let hashes = self::rows(&database, "hashes", &columns["hashes"]);
        return assert_eq!(hashes, then["hashes"]);
    }
    assert_same_keys(&then, view);
    assert_same_hashes(&then, &database);
}

/// Passes if each key is what its rows said then: JSON, and a row for each secret.
fn assert_same_keys(then: &Tables, view: &View) {
    for row in &then["keys"] {
        let [Value::Text(id), Value::Text(body), Value::Integer(revision), ..] = row.as_slice() else {
            panic!("{row:?}")
        };
        let told: serde_json::Value = serde_json::from_str(body).unwrap();
        let key = view.keys.iter().find(|key| key.id.to_string() == *id).unwrap();
        let (fixed, changing) = told_of(key);
        for (field, value) in fixed {
            assert_eq!(told[field], value, "{id}: {field}");
        }
        // What came to it among many stands in no row of its own.
        if key.revision.0 == u64::try_from(*revision).unwrap() {
            for (field, value) in changing {
                assert_eq!(told[field], value, "{id}: {field}");
            }
        }
        assert_eq!(told["admin"].is_null(), key.admin.is_none(), "{id}");
        let mut secrets: Vec<_> =
            then["secrets"].iter().filter(|secret| secret[0] == Value::Text(id.clone())).collect();
        secrets
            .sort_by_key(|secret| if let Value::Integer(generation) = secret[1] { -generation } else { 0 });
        assert_eq!(secrets.len(), key.credentials.iter().count(), "{id}");
        for (then, (secret, end)) in secrets.into_iter().zip(key.credentials.iter()) {
            let integer = |number: i64| Value::Integer(number);
            let now = [
                Value::Text(id.clone()),
                integer(secret.generation.into()),
                Value::Text(secret.scheme.to_text()),
                integer(secret.root.into()),
                Value::Blob(secret.hash.as_bytes().to_vec()),
                Value::Text(secret.hint.as_str().to_owned()),
                integer(secret.created.as_ms()),
                end.map_or(Value::Null, |end| integer(end.as_ms())),
            ];
            assert_eq!(then[..8], now, "{id}");
        }
    }
}

type Told = Vec<(&'static str, serde_json::Value)>;

/// What a key's body had: what it keeps for good, and what a change of many keys changes.
fn told_of(key: &Key) -> (Told, Told) {
    let grants = key.grants.iter().map(|grant| {
        let resources = grant.resources().map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        serde_json::json!({ "scope": grant.scope().to_string(), "resources": resources })
    });
    let networks: Vec<_> = key.networks.as_slice().iter().map(ToString::to_string).collect();
    let state = match &key.state {
        KeyState::Active => "active".into(),
        KeyState::Disabled => "disabled".into(),
        KeyState::Revoked(revocation) => serde_json::json!({ "revoked": {
            "at_ms": revocation.at.as_ms(),
            "by": revocation.by.map(|key| key.to_string()),
            "reason": revocation.reason.as_str(),
            "comment": revocation.comment.as_str(),
        }}),
    };
    let generations: Vec<_> = key.credentials.iter().map(|(secret, _)| secret.generation).collect();
    let fixed = vec![
        ("workspace_id", key.workspace.to_string().into()),
        ("name", key.name.as_str().into()),
        ("description", key.description.as_str().into()),
        ("owner", key.owner.as_ref().map(ToString::to_string).into()),
        ("environment", key.environment.as_str().into()),
        ("grants", grants.collect()),
        ("networks", networks.into()),
        ("metadata", serde_json::to_value(key.metadata.pairs()).unwrap()),
        ("created_ms", key.created.as_ms().into()),
        ("generations", generations.into()),
        ("limits", key.limits.as_ref().map(|own| serde_json::to_value(own.entry()).unwrap()).into()),
    ];
    let changing = vec![
        ("state", state),
        ("expires_ms", key.expires.map(Timestamp::as_ms).into()),
        ("updated_ms", key.updated.as_ms().into()),
    ];
    (fixed, changing)
}

/// Passes if the first half of each hash stands there once.
fn assert_same_hashes(then: &Tables, database: &Connection) {
    let half = |secret: &Vec<Value>| {
        let Value::Blob(hash) = &secret[4] else { panic!("{:?}", secret[4]) };
        hash[..16].to_vec()
    };
    let mut then: Vec<_> = then["secrets"].iter().map(half).collect();
    then.sort();
    let mut select = database.prepare("SELECT hash FROM hashes ORDER BY hash").unwrap();
    let now: Vec<Vec<u8>> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(now, then);
}

/// Passes if what was counted is what it was: up to schema 8 in rows, with the start after a crash among them.
async fn assert_counted(fixture: &Fixture, data_dir: &Path) {
    let rows = fixture.rows_then();
    let none = Vec::new();
    let then = rows.get("counts").unwrap_or(&none);
    let crashes = then.iter().filter(|row| row.contains(&Value::Text("unclean".to_owned()))).count();
    let (store, _) =
        SqliteStore::open(&DataDir::open(data_dir).unwrap(), &Seeded::new(8), at(START_MS)).unwrap();
    let now = kept_counts(&store).await;
    if fixture.has_blocks {
        assert!(now.len() >= 10, "{}", now.len());
        assert_eq!(store.taken(ReplicaId::ONLY).await.unwrap().crash, None);
        return store.close().await.unwrap();
    }
    assert_eq!(now.len(), then.len() - crashes);
    for (payer, limit, state) in now {
        let values = [Value::Text(payer), Value::Text(limit), Value::Blob(state)];
        assert!(then.iter().any(|row| values.iter().all(|value| row.contains(value))), "{values:?}");
    }
    assert_eq!(store.taken(ReplicaId::ONLY).await.unwrap().crash.is_some(), crashes > 0);
    store.close().await.unwrap();
}

async fn load(data_dir: &Path) -> View {
    let (store, _) =
        SqliteStore::open(&DataDir::open(data_dir).unwrap(), &Seeded::new(8), at(START_MS)).unwrap();
    let view = store.whole().await.unwrap();
    store.close().await.unwrap();
    view
}

/// Passes if it is read as it was written.
fn assert_read(view: &View) {
    assert_eq!(view.damaged, []);
    let mut states: Vec<_> = view.workspaces.iter().map(|workspace| workspace.state).collect();
    states.sort_by_key(|state| format!("{state:?}"));
    let [active, closed, suspended] =
        [WorkspaceState::Active, WorkspaceState::Closed, WorkspaceState::Suspended];
    assert_eq!(states, [active, active, closed, suspended]);
    let own = view.workspaces.iter().filter(|one| one.limits.is_some() && one.key_rules.is_some());
    assert_eq!(own.count(), 1, "limits and rules of its own");
    assert_eq!(
        (view.members.iter().filter(|member| member.role.is_some()).count(), view.keys.len()),
        (2, 26)
    );
    assert_eq!((view.removed_members.len(), view.schemes.len()), (2, 1));
    assert!(matches!(&view.policy, Some(PolicyView::Sound(policy)) if policy.version == 3));
    assert_eq!(view.keys.iter().filter(|key| key.limits.is_some()).count(), 1);
}

/// Passes if every key is answered as the binary of the time answered it.
async fn assert_answers(fixture: &Fixture, keyward: &Keyward) {
    let mut answered = 0;
    for [name, api_key, scope, answer] in fixture.lines().filter(|[.., answer]| !answer.is_empty()) {
        let expected = match answer {
            "ALLOWED" => None,
            reason => Some(DenialReason::from_str_name(&format!("DENIAL_REASON_{reason}")).unwrap()),
        };
        let request =
            v1::CheckRequest { mode: v1::CheckMode::Peek.into(), ..crate::support::check(api_key, &[scope]) };
        let found = crate::support::reason(&keyward.ask(request).await);
        assert_eq!(found, expected, "{name} {scope}");
        answered += 1;
    }
    assert_eq!(answered, 28);
}

/// Passes if what was done once is not done again, and what was counted goes on from there.
async fn assert_remembered(fixture: &Fixture, keyward: &Keyward) {
    let id = keyward.check(fixture.key("rotated"), &["reports:read"]).await.key.unwrap().id;
    let again = v1::RotateRequest { request_id: "rotate-1".to_owned(), ..rotation(&id, Some(DAY)) };
    let again = keyward.keys().rotate(keyward.as_root(again)).await;
    refusal(again, Code::AlreadyExists, "SECRET_ALREADY_SHOWN");

    let request = v1::QueryLogRequest { page_size: 100, ..v1::QueryLogRequest::default() };
    let records = keyward.audit().query_log(keyward.as_root(request)).await.unwrap().into_inner().records;
    assert_eq!(records.len(), usize::try_from(ENTRIES).unwrap());
    let mut members: Vec<_> = records.iter().map(|record| &*record.member).collect();
    members.sort_unstable();
    members.dedup();
    assert_eq!(members, ["", "ann", "bob", "cleo", "dan"], "by name, whatever stands in the entries");
    let verified = keyward.audit().verify_log(keyward.as_root(v1::VerifyLogRequest::default())).await;
    assert_eq!(verified.unwrap().into_inner().fault, None);

    let old = fixture.key("earlier");
    keyward.clock.advance(DAY);
    assert_eq!(
        keyward.denied(old, &["reports:read"]).await,
        Some(DenialReason::KeyExpired),
        "its grace is over"
    );
    assert_eq!(keyward.denied(fixture.key("rotated"), &["reports:read"]).await, None);
    assert_eq!(keyward.denied(fixture.key("limited"), &["reports:read"]).await, None, "another hour");
}

/// Passes if each key shows what was done to it together with others.
async fn assert_changed_together(keyward: &Keyward, view: &View) {
    for (owner, change) in [
        ("off", AuditAction::KeyDisable),
        ("ending", AuditAction::KeyUpdate),
        ("gone", AuditAction::KeyRevoke),
    ] {
        let keys: Vec<_> = view
            .keys
            .iter()
            .filter(|key| key.owner.as_ref().is_some_and(|of| of.as_str() == owner))
            .collect();
        assert_eq!(keys.len(), 2, "{owner}");
        for key in keys {
            let request =
                v1::QueryLogRequest { key_id: key.id.to_string(), ..v1::QueryLogRequest::default() };
            let found =
                keyward.audit().query_log(keyward.as_root(request)).await.unwrap().into_inner().records;
            let mut actions: Vec<_> = found.iter().rev().map(v1::AuditRecord::action).collect();
            // One of those that were switched off was switched on again.
            actions.retain(|action| *action != AuditAction::KeyEnable);
            assert_eq!(actions, [AuditAction::KeyIssue, change], "{owner}");
        }
    }
}

/// When the binary of the time asked: a moment after the newest entry, when the brief key had ended.
fn asked_ms(fixture: &Fixture) -> i64 {
    let database = Connection::open_in_memory().unwrap();
    fixture.fill(&database);
    let newest: i64 = database.query_row("SELECT max(time_ms) FROM log", [], |row| row.get(0)).unwrap();
    newest + 1_000
}

async fn passes(fixture: Fixture) {
    let dir = TempDir::new().unwrap();
    let data_dir = dir.path().join("data");
    fixture.lay(&data_dir);
    assert_sound(&data_dir);
    let view = load(&data_dir).await;
    assert_read(&view);
    assert_sound(&data_dir);
    assert_kept(&fixture, &data_dir, &view);
    assert_counted(&fixture, &data_dir).await;

    let clock = Arc::new(ManualClock::new());
    clock.leap(asked_ms(&fixture) - START_MS);
    let keyward = Keyward::resume(dir, clock, fixture.key("root").to_owned(), true, 5).await;
    assert_answers(&fixture, &keyward).await;
    assert_changed_together(&keyward, &view).await;
    assert_remembered(&fixture, &keyward).await;
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_fourth_schema_keeps_rows_of_every_kind() {
    // D8
    passes(fixture!("v4-full")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_fifth_schema_keeps_rows_of_every_kind() {
    // D8: no program that stopped at this schema was ever on main; the one that brought it went on to the sixth.
    passes(fixture!("v5")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_sixth_schema_keeps_rows_of_every_kind() {
    // D8
    passes(fixture!("v6")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_seventh_schema_keeps_rows_of_every_kind() {
    // D8
    passes(fixture!("v7-full")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_eighth_schema_keeps_rows_of_every_kind() {
    // D8: that of 0.1.0
    let anchor = Some(include_bytes!("../fixtures/anchor-v8-full").as_slice());
    passes(Fixture { anchor, ..fixture!("v8-full") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_tenth_schema_keeps_rows_of_every_kind() {
    // D8: the ninth came with it, in one step
    let anchor = Some(include_bytes!("../fixtures/anchor-v10-full").as_slice());
    passes(Fixture { anchor, has_blocks: true, ..fixture!("v10-full") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_twelfth_schema_keeps_rows_of_every_kind() {
    // D8, K12: the first whose entries name people by references
    let anchor = Some(include_bytes!("../fixtures/anchor-v12-full").as_slice());
    passes(Fixture { anchor, has_blocks: true, ..fixture!("v12-full") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_eleventh_schema_keeps_rows_of_every_kind() {
    // D8: the last one whose keys were JSON, with a row for each secret
    let anchor = Some(include_bytes!("../fixtures/anchor-v11-full").as_slice());
    passes(Fixture { anchor, has_blocks: true, ..fixture!("v11-full") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_fourteenth_schema_keeps_rows_of_every_kind() {
    // D8: the last one without sums of denials
    let anchor = Some(include_bytes!("../fixtures/anchor-v14-full").as_slice());
    passes(Fixture { anchor, has_blocks: true, is_packed: true, ..fixture!("v14-full") }).await;
}
