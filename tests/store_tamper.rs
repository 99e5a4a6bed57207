//! What somebody who can write the files cannot do unnoticed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod store_support;

use std::{fs, os::unix::fs::PermissionsExt};

use keyward::{
    domain::{
        audit::{Action, Actor, LogEntry},
        credentials::{RetiringSecret, Secret},
        group::GroupAct,
        key::{Key, KeyState, RevokeReason},
        member::Member,
        revision::Revision,
        scheme::ImportScheme,
        seal::ForeignSecret,
        text::{Label, Name},
        time::Timestamp,
        workspace::{Workspace, WorkspaceState},
    },
    ports::{
        CountName, KeyStore, LastUse, Lifecycle as _, LogFilter, Mutation, Note, Permits, PolicyView,
        ReplicaId, Rows, StoreError, StoredMark, Take, Until, Verification, View, WriterState,
    },
    store::{
        data_dir::{DataDir, DataDirError},
        settings::StoreSettings,
        sqlite::{OpenError, SqliteStore, WRITTEN_BY_OTHERS, verify_offline},
    },
};
use rusqlite::{Connection, params};
use store_support::{
    Place, Seeded, at, blob, entry, kept_counts, key, member, put, put_group, put_member, put_workspace,
    secret, stored, workspace,
};

impl Place {
    fn verify(&self) -> Verification {
        verify_offline(&self.path(), &StoreSettings::default()).unwrap()
    }

    fn fault(&self) -> Option<u64> {
        self.verify().fault.map(|(revision, _)| revision.0)
    }

    fn open_error(&self) -> OpenError {
        self.try_open().err().expect("it must be refused")
    }

    fn copy_database(&self) -> Vec<u8> {
        fs::read(self.database()).unwrap()
    }
}

/// A closed store with a log of ten records, each of them a commit of its own, and its first key.
async fn ten_records() -> (Place, Key) {
    let place = Place::new();
    let (store, first) = place.initialized().await;
    let entropy = Seeded::new(99);
    for _ in 0..9 {
        stored(&store, &key(&entropy, first.workspace)).await;
    }
    store.close().await.unwrap();
    assert_eq!((place.verify().records, place.fault()), (10, None));
    (place, first)
}

/// Why each damaged row is damaged, by its id.
async fn damaged(store: &SqliteStore) -> Vec<(String, &'static str)> {
    let view = store.whole().await.unwrap();
    view.damaged.into_iter().map(|damaged| (damaged.id, damaged.why)).collect()
}

#[tokio::test]
async fn verify_names_the_record_that_was_altered() {
    // A3: one byte of one record
    for revision in [1, 4, 10] {
        for change in [
            "bytes = CAST(replace(CAST(bytes AS TEXT), '_ms\":1000', '_ms\":1001') AS BLOB)",
            "bytes = CAST(replace(CAST(bytes AS TEXT), 'system', 'systen') AS BLOB)",
            "digest = zeroblob(32)",
            "digest = x'00'",
            "bytes = CAST('{}' AS BLOB)",
            "root = 2",
            "chain = zeroblob(32)",
            "code = zeroblob(32)",
            "signature = zeroblob(64)",
        ] {
            let (place, _) = ten_records().await;
            place.tamper(&format!("UPDATE log SET {change} WHERE revision = {revision}"));
            assert_eq!(place.fault(), Some(revision), "{change}");
        }
    }
}

#[tokio::test]
async fn verify_names_the_first_record_that_was_removed_or_reordered() {
    // A3
    let swap = |table_columns: &str| {
        format!(
            "CREATE TEMP TABLE held AS SELECT {table_columns} FROM log WHERE revision IN (4, 7);
             UPDATE log SET ({table_columns}) = (SELECT {table_columns} FROM held LIMIT 1 OFFSET 1) WHERE revision = 4;
             UPDATE log SET ({table_columns}) = (SELECT {table_columns} FROM held LIMIT 1) WHERE revision = 7;"
        )
    };
    for (sql, first) in [
        ("DELETE FROM log WHERE revision = 4".to_owned(), 4),
        ("DELETE FROM log WHERE revision IN (3, 4, 8)".to_owned(), 3),
        ("DELETE FROM log WHERE revision = 1".to_owned(), 1),
        ("DELETE FROM log WHERE revision = 4; UPDATE log SET revision = revision - 1 WHERE revision > 4".to_owned(), 4),
        (swap("bytes"), 4),
        (swap("bytes, digest"), 4),
        (swap("bytes, digest, chain, code, signature"), 4),
        ("INSERT INTO log (revision, bytes, digest, chain, code) SELECT -5, bytes, digest, chain, code FROM log WHERE revision = 1".to_owned(), 1),
        ("INSERT INTO log (revision, bytes, digest, chain, code, signature) SELECT 11, bytes, digest, chain, code, signature FROM log WHERE revision = 10".to_owned(), 11),
    ] {
        let (place, _) = ten_records().await;
        place.tamper(&sql);
        assert_eq!(place.fault(), Some(first), "{sql}");
    }
}

#[tokio::test]
async fn verify_notices_a_log_that_was_cut_off() {
    // A3, D5
    let (place, _) = ten_records().await;
    place.tamper("DELETE FROM log WHERE revision > 6");
    let found = place.verify();
    assert_eq!((found.head, found.fault.unwrap().0), (Revision(6), Revision(7)));

    let (place, _) = ten_records().await;
    place.tamper("UPDATE log SET signature = NULL WHERE revision = 10");
    assert_eq!(place.fault(), Some(11));
    assert!(matches!(place.open_error(), OpenError::Store(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn a_chain_rewritten_without_the_roots_is_named() {
    // A3: every digest and chain value fits
    use keyward::domain::audit::{Chain, digest};
    let (place, _) = ten_records().await;
    let connection = Connection::open(place.database()).unwrap();
    let mut chain = Chain::START;
    for revision in 1..=10_u64 {
        let id = i64::try_from(revision).unwrap();
        let mut bytes: Vec<u8> = connection
            .query_row("SELECT bytes FROM log WHERE revision = ?1", [id], |row| row.get(0))
            .unwrap();
        if revision == 4 {
            bytes = String::from_utf8(bytes).unwrap().replace("system", "admin").into_bytes();
        }
        let digest = digest(&bytes);
        chain = chain.next(Revision(revision), &digest);
        connection
            .execute(
                "UPDATE log SET bytes = ?2, digest = ?3, chain = ?4 WHERE revision = ?1",
                params![id, bytes, digest, chain.0],
            )
            .unwrap();
    }
    drop(connection);
    let found = place.verify();
    assert_eq!(found.fault.as_ref().map(|(revision, _)| *revision), Some(Revision(4)), "{found:?}");
}

#[tokio::test]
async fn an_altered_record_is_not_shown_as_genuine() {
    // A2
    let (place, _) = ten_records().await;
    place.tamper("UPDATE log SET bytes = CAST(replace(CAST(bytes AS TEXT), 'system', 'admin') AS BLOB) WHERE revision = 4");
    let store = place.open();
    let shown = store.query_log(LogFilter::default(), Some(Revision(4)), 9).await.unwrap();
    assert_eq!(shown.records.len(), 3);
    assert!(matches!(store.query_log(LogFilter::default(), None, 9).await, Err(StoreError::Corrupt(_))));
    assert!(matches!(store.changes_after(Revision(2)).await, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn what_is_read_forward_is_genuine_and_complete() {
    // A2, A3: an event that somebody made up, or took away, must not go out
    let altered = "bytes = CAST(replace(CAST(bytes AS TEXT), 'system', 'admin') AS BLOB)";
    let swap = "CREATE TEMP TABLE held AS SELECT bytes, digest, chain, code, signature FROM log WHERE revision = 7;
                UPDATE log SET (bytes, digest, chain, code, signature) = (SELECT * FROM held) WHERE revision = 4";
    for (sql, good) in [
        (format!("UPDATE log SET {altered} WHERE revision = 4"), 3),
        ("UPDATE log SET code = zeroblob(32) WHERE revision = 4".to_owned(), 3),
        ("DELETE FROM log WHERE revision = 4".to_owned(), 3),
        ("DELETE FROM log WHERE revision = 1".to_owned(), 0),
        (swap.to_owned(), 3),
    ] {
        let (place, _) = ten_records().await;
        place.tamper(&sql);
        let store = place.open();
        for limit in 1..=10_usize {
            let page = store.log_after(Revision::ZERO, limit).await;
            assert_eq!(page.is_ok(), limit <= good, "{limit}: {sql}");
        }
        let behind = store.log_after(Revision(u64::try_from(good).unwrap() + 1), 9).await;
        assert!(matches!(behind, Err(StoreError::Corrupt(_))), "nobody can have read so far: {sql}");
        assert_eq!(store.log_after(Revision(7), 9).await.unwrap().records.len(), 3, "{sql}");
    }
}

#[tokio::test]
async fn a_record_of_another_way_that_the_store_went_is_not_read_forward() {
    // A3: it is genuine by itself, of these very roots
    let (place, first) = ten_records().await;
    let before = place.copy_database();
    let go_on = async |seed| {
        let (store, entropy) = (place.open(), Seeded::new(seed));
        for _ in 0..3 {
            stored(&store, &key(&entropy, first.workspace)).await;
        }
        store.close().await.unwrap();
    };
    go_on(1_000).await;
    place.tamper("CREATE TABLE old AS SELECT * FROM log WHERE revision = 12");
    fs::write(place.database(), before).unwrap();
    for file in ["keyward.anchor", "keyward.db-wal", "keyward.db-shm"] {
        let _not_there = fs::remove_file(place.path().join(file));
    }
    place.tamper("DELETE FROM meta WHERE name = 'anchor'");
    go_on(2_000).await;
    place.tamper(
        "UPDATE log SET (bytes, digest, chain, code, signature)
         = (SELECT bytes, digest, chain, code, signature FROM aside.old) WHERE revision = 12",
    );
    let store = place.open();
    assert_eq!(store.query_log(LogFilter::default(), None, 2).await.unwrap().records.len(), 2);
    assert_eq!(store.log_after(Revision(10), 1).await.unwrap().records.len(), 1);
    let found = store.log_after(Revision(10), 2).await;
    assert!(matches!(&found, Err(StoreError::Corrupt(why)) if why.contains("chain")), "{found:?}");
}

#[tokio::test]
async fn an_edited_row_is_damaged_and_the_others_are_not() {
    // D5
    for change in [
        "UPDATE keys SET body = CAST(replace(body, 'CI', 'CJ') AS BLOB) WHERE id = :id",
        "UPDATE keys SET body = CAST(replace(body, 'live', 'test') AS BLOB) WHERE id = :id",
        "UPDATE keys SET body = x'' WHERE id = :id",
        "UPDATE keys SET body = x'01' WHERE id = :id",
        "UPDATE keys SET workspace_id = zeroblob(16) WHERE id = :id",
        "UPDATE keys SET workspace_id = x'' WHERE id = :id",
        "UPDATE keys SET created_ms = created_ms + 1 WHERE id = :id",
        "UPDATE keys SET owner = 'eve' WHERE id = :id",
        "UPDATE keys SET revision = revision + 1 WHERE id = :id",
        "UPDATE keys SET revision = -1 WHERE id = :id",
        "UPDATE keys SET root = 2 WHERE id = :id",
        "UPDATE keys SET root = 0 WHERE id = :id",
        "UPDATE keys SET code = zeroblob(16) WHERE id = :id",
        "UPDATE keys SET code = x'' WHERE id = :id",
        "UPDATE keys SET code = substr(code, 1, 15) WHERE id = :id",
        "UPDATE keys SET code = CAST(code || code AS BLOB) WHERE id = :id",
        "UPDATE keys SET (body, code) = (SELECT body, code FROM keys WHERE id <> :id) WHERE id = :id",
        "DELETE FROM keys WHERE id = :id",
        // Its secrets: the end of the replaced one is the last thing there; hashes, a hint, and a replaced one in place of the
        // newest.
        "UPDATE keys SET body = substr(body, 1, length(body) - 1) WHERE id = :id",
        "UPDATE keys SET body = CAST(substr(body, 1, length(body) - 1) || x'7f' AS BLOB) WHERE id = :id",
        "UPDATE keys SET body = CAST(body || x'00' AS BLOB) WHERE id = :id",
        "UPDATE keys SET body = CAST(replace(body, :current, randomblob(32)) AS BLOB) WHERE id = :id",
        "UPDATE keys SET body = CAST(replace(body, :current, :retiring) AS BLOB) WHERE id = :id",
        "UPDATE keys SET body = CAST(replace(body, :retiring, zeroblob(32)) AS BLOB) WHERE id = :id",
        "UPDATE keys SET body = CAST(replace(body, 'kw_', 'kx_') AS BLOB) WHERE id = :id",
    ] {
        let place = Place::new();
        let (store, first) = place.initialized().await;
        let entropy = Seeded::new(99);
        let mut rotated = key(&entropy, first.workspace);
        rotated.credentials.current = secret(&entropy, 2);
        rotated.credentials.retiring = vec![RetiringSecret { secret: secret(&entropy, 1), end: at(9_000) }];
        let rotated = stored(&store, &rotated).await;
        assert_eq!(damaged(&store).await, []);
        let before = place.key_row(&rotated);
        let change = change.replace(":id", &blob(&rotated.id.to_bytes()));
        let hash = |secret: &Secret| blob(secret.hash.as_bytes());
        let change = change.replace(":current", &hash(&rotated.credentials.current));
        place.tamper(&change.replace(":retiring", &hash(&rotated.credentials.retiring[0].secret)));
        assert_ne!(place.key_row(&rotated), before, "{change}");

        let changes = store.changes_after(Revision(1)).await.unwrap();
        assert_eq!((changes.keys.len(), changes.damaged.len()), (0, 1), "{change}");
        // A row that says another revision than the index has is not used by who asks for it.
        let alone = store.keys(vec![rotated.id]).await.unwrap().pop().unwrap();
        assert!(!matches!(alone, Some(Ok(key)) if key.revision == rotated.revision), "{change}");
        store.close().await.unwrap();
        let store = place.open();
        let view = store.whole().await.unwrap();
        assert_eq!(view.keys, std::slice::from_ref(&first), "{change}");
        assert_eq!(view.damaged.len(), 1, "{change}");
        assert_eq!(view.damaged[0].id, rotated.id.to_string(), "{change}");
    }
}

#[tokio::test]
async fn yesterdays_row_put_back_is_damaged() {
    // D5: a revoked key that comes back to life
    let place = Place::new();
    let (store, first) = place.initialized().await;
    place.tamper("CREATE TABLE old_keys AS SELECT * FROM keys");
    let disabled = stored(&store, &Key { state: KeyState::Disabled, ..first }).await;
    place.tamper(
        "UPDATE keys SET (body, revision, root, code) = (SELECT body, revision, root, code FROM old_keys WHERE id = keys.id);
         DROP TABLE old_keys",
    );
    let why = "it is not the one that its newest log entry wrote";
    assert_eq!(damaged(&store).await, [(disabled.id.to_string(), why)]);
    drop(store);
    assert_eq!(damaged(&place.open()).await, [(disabled.id.to_string(), why)]);
}

/// A store whose first key was disabled and then revoked, together with another key; that one's own id too.
async fn revoked_together() -> (Place, SqliteStore, Key, Key) {
    let place = Place::new();
    let (store, first) = place.initialized().await;
    let entropy = Seeded::new(11);
    place.tamper("CREATE TABLE old_keys AS SELECT * FROM keys");
    let first = stored(&store, &Key { name: Name::parse("new").unwrap(), ..first }).await;
    let keys = [first.clone(), stored(&store, &key(&entropy, first.workspace)).await];
    for act in [GroupAct::Disable, GroupAct::Revoke(RevokeReason::Compromised)] {
        let seen = *store.revisions().borrow();
        store.commit(put_group(&entropy, &keys, act, seen)).await.unwrap();
    }
    let [first, other] = keys;
    (place, store, first, other)
}

const PUT_BACK: &str = "
    UPDATE keys SET (body, revision, root, code) = (SELECT body, revision, root, code FROM old_keys WHERE id = keys.id)
        WHERE id IN (SELECT id FROM old_keys);
    DROP TABLE old_keys;";
const LEAVE: &str = "DROP TABLE old_keys;";

#[tokio::test]
async fn a_row_under_a_change_of_many_keys_is_guarded_as_any_other() {
    // D5, V4
    let (place, store, first, other) = revoked_together().await;
    place.tamper(PUT_BACK);
    let why = "it is not the one that its newest log entry wrote";
    assert_eq!(damaged(&store).await, [(first.id.to_string(), why)], "yesterday's row");
    let keys = store.whole().await.unwrap().keys;
    assert_eq!(keys.len(), 1);
    assert!(keys[0].id == other.id && matches!(keys[0].state, KeyState::Revoked(_)));

    for (edit, why) in [
        ("body = CAST(replace(body, 'new', 'old') AS BLOB)", "it was edited"),
        ("revision = 4", "it was edited"),
        ("code = zeroblob(16)", "it was edited"),
    ] {
        let (place, store, first, _) = revoked_together().await;
        place.tamper(&format!("{LEAVE} UPDATE keys SET {edit} WHERE id = {}", blob(&first.id.to_bytes())));
        assert_eq!(damaged(&store).await, [(first.id.to_string(), why)], "{edit}");
    }
}

#[tokio::test]
async fn a_change_of_many_keys_cannot_be_altered_or_removed() {
    // A3, D5, V4: revisions 4 and 5 are such changes
    for revision in [4, 5] {
        let set = |name: &str, value: &str| {
            format!(
                "UPDATE log SET bytes = CAST(json_set(CAST(bytes AS TEXT), '$.{name}', {value}) AS BLOB) WHERE revision = {revision}"
            )
        };
        for alter in [
            format!("DELETE FROM log WHERE revision = {revision}"),
            set("keys_digest", "NULL"),
            set("keys_digest", "'AAAA'"),
            set("action", "'key.enable'"),
            set("key_count", "1"),
            format!(
                "UPDATE log SET bytes = CAST(json_remove(CAST(bytes AS TEXT), '$.group_id') AS BLOB) WHERE revision = {revision}"
            ),
        ] {
            let (place, store, _, _) = revoked_together().await;
            place.tamper(&format!("{LEAVE} {alter}"));
            // Rows tell a start what it needs: an entry that was altered changes nothing there.
            if let Ok(view) = store.whole().await {
                let revoked = |key: &Key| matches!(key.state, KeyState::Revoked(_));
                assert!(view.keys.len() == 2 && view.keys.iter().all(revoked), "{alter}");
            }
            place.tamper("DELETE FROM sum");
            let loaded = store.whole().await;
            assert!(matches!(loaded, Err(StoreError::Corrupt(_))), "{alter}: {loaded:?}");
            let fault = store.verify_log().await.unwrap().fault.map(|(revision, _)| revision.0);
            assert_eq!(fault, Some(revision), "{alter}");
        }
    }
}

#[tokio::test]
async fn the_mark_of_changes_of_many_keys_cannot_be_edited_or_removed() {
    // A3, D5, V4: without it a log that ends before such a change would not show
    for edit in [
        "DELETE FROM meta WHERE name = 'newest_group'",
        "UPDATE meta SET value = zeroblob(40) WHERE name = 'newest_group'",
        "UPDATE meta SET value = CAST(zeroblob(7) || x'04' || substr(value, 9) AS BLOB) WHERE name = 'newest_group'",
        "UPDATE meta SET value = 5 WHERE name = 'newest_group'",
    ] {
        for cut in ["", "; DELETE FROM log WHERE revision = 5; DELETE FROM grouped_keys"] {
            let (place, store, _, _) = revoked_together().await;
            place.tamper(&format!("{LEAVE} DELETE FROM sum; {edit}{cut}"));
            let loaded = store.whole().await;
            assert!(matches!(loaded, Err(StoreError::Corrupt(_))), "{edit}{cut}: {loaded:?}");
            assert!(store.verify_log().await.unwrap().fault.is_some(), "{edit}{cut}");
        }
    }
    let (place, _) = ten_records().await;
    place.tamper("DELETE FROM meta WHERE name = 'newest_group'");
    assert_eq!(place.fault(), Some(11), "it is there before the first such change");
}

#[tokio::test]
async fn the_keys_of_a_change_of_many_cannot_be_altered_or_removed() {
    // A3, D5, V4: they stand in a table of their own, and the entry has their digest
    let other = "x'ffffffffffffffffffffffffffffffff'";
    for (revision, forge) in [
        (4, "DELETE FROM grouped_keys".to_owned()),
        (4, "UPDATE grouped_keys SET revision = 1 WHERE revision = 4".to_owned()),
        (5, "DELETE FROM grouped_keys WHERE revision = 5".to_owned()),
        (5, "UPDATE grouped_keys SET ids = x'07' WHERE revision = 5".to_owned()),
        (5, "UPDATE grouped_keys SET ids = CAST(ids || x'07' AS BLOB) WHERE revision = 5".to_owned()),
        (5, format!("UPDATE grouped_keys SET ids = CAST(ids || {other} AS BLOB) WHERE revision = 5")),
        (5, "UPDATE grouped_keys SET ids = substr(ids, 1, 16) WHERE revision = 5".to_owned()),
        (
            5,
            format!(
                "UPDATE grouped_keys SET ids = CAST(substr(ids, 1, 16) || {other} AS BLOB) WHERE revision = 5"
            ),
        ),
        (5, "UPDATE grouped_keys SET first_id = x'00' WHERE revision = 5".to_owned()),
        (5, "UPDATE grouped_keys SET states_before = NULL WHERE revision = 5".to_owned()),
        (5, "UPDATE grouped_keys SET states_before = zeroblob(16) WHERE revision = 5".to_owned()),
        (
            5,
            "UPDATE grouped_keys SET states_before = CAST(states_before || x'00' AS BLOB) WHERE revision = 5"
                .to_owned(),
        ),
        (5, format!("INSERT INTO grouped_keys VALUES (5, {other}, {other}, zeroblob(8), x'', 1)")),
        (5, "INSERT INTO grouped_keys VALUES (5, x'', x'07', x'', x'', 1)".to_owned()),
    ] {
        let (place, store, _, _) = revoked_together().await;
        place.tamper(&format!("{LEAVE} {forge}"));
        let loaded = store.whole().await;
        assert!(matches!(loaded, Err(StoreError::Corrupt(_))), "{forge}: {loaded:?}");
        let fault = store.verify_log().await.unwrap().fault.map(|(revision, _)| revision.0);
        assert_eq!(fault, Some(revision), "{forge}");
    }
    // Rows that no entry has are nobody's.
    let (place, store, _, _) = revoked_together().await;
    place.tamper(&format!(
        "{LEAVE} INSERT INTO grouped_keys VALUES (3, {other}, {other}, zeroblob(8), x'', 1)"
    ));
    assert_eq!(store.whole().await.unwrap().keys.len(), 2);
}

#[tokio::test]
async fn yesterdays_row_put_back_with_its_log_entry_removed_is_refused() {
    // D5: the entry in the middle that would tell is gone, or names nobody
    for hide in [
        "DELETE FROM log WHERE revision = 2",
        "UPDATE log SET bytes = CAST(json_remove(CAST(bytes AS TEXT), '$.key_id') AS BLOB) WHERE revision = 2",
    ] {
        let place = Place::new();
        let (store, first) = place.initialized().await;
        place.tamper("CREATE TABLE old_keys AS SELECT * FROM keys");
        stored(&store, &Key { state: KeyState::Disabled, ..first.clone() }).await;
        stored(&store, &key(&Seeded::new(5), first.workspace)).await;
        place.tamper(&format!(
            "UPDATE keys SET (body, revision, root, code) = (SELECT body, revision, root, code FROM old_keys WHERE id = keys.id)
                 WHERE id IN (SELECT id FROM old_keys);
             DROP TABLE old_keys; {hide}"
        ));
        let loaded = store.whole().await;
        assert!(matches!(loaded, Err(StoreError::Corrupt(_))), "{hide}: {loaded:?}");
    }
}

/// Makes an index leave one revision out, and declares it as it was.
fn forge_index(place: &Place, index: &str, column: &str, revision: i64) {
    let declared = |sql: &str| format!("UPDATE sqlite_schema SET sql = '{sql}' WHERE name = '{index}';");
    let connection = Connection::open(place.database()).unwrap();
    let genuine: String = connection
        .query_row("SELECT sql FROM sqlite_schema WHERE name = ?1", [index], |row| row.get(0))
        .unwrap();
    drop(connection);
    let forged = format!(
        "CREATE INDEX {index} ON log ({column}) WHERE {column} IS NOT NULL AND revision <> {revision}"
    );
    place.tamper(&format!("PRAGMA writable_schema = ON; {}", declared(&forged)));
    place.tamper(&format!("REINDEX {index}; PRAGMA writable_schema = ON; {}", declared(&genuine)));
    let connection = Connection::open(place.database()).unwrap();
    let found = format!(
        "SELECT count(*) FROM log INDEXED BY {index} WHERE {column} IS NOT NULL AND revision = {revision}"
    );
    let found: i64 = connection.query_row(&found, [], |row| row.get(0)).unwrap();
    assert_eq!(found, 0, "the index hides the entry");
}

#[tokio::test]
async fn a_forged_index_revives_no_key_and_shows() {
    // A3, D5: the record is there and genuine, and the index by which it would be found leaves it out
    let place = Place::new();
    let (store, first) = place.initialized().await;
    place.tamper(
        "CREATE TABLE old_keys AS SELECT * FROM keys;
                  CREATE TABLE old_workspaces AS SELECT * FROM workspaces",
    );
    let disabled = stored(&store, &Key { state: KeyState::Disabled, ..first.clone() }).await;
    let renamed = workspace(&Seeded::new(7));
    let renamed = keyward::domain::workspace::Workspace {
        name: Name::parse("Renamed").unwrap(),
        revision: Revision(1),
        ..renamed
    };
    assert_eq!(renamed.id, first.workspace);
    store.commit(store_support::put_workspace(&renamed)).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    place.tamper(
        "UPDATE keys SET (body, revision, root, code) = (SELECT body, revision, root, code FROM old_keys WHERE id = keys.id);
         DELETE FROM workspaces; INSERT INTO workspaces SELECT * FROM old_workspaces;
         DROP TABLE old_keys; DROP TABLE old_workspaces",
    );
    forge_index(&place, "log_by_key", "key_id", 2);
    forge_index(&place, "log_by_workspace", "workspace_id", 3);

    let found = place.verify();
    let (revision, why) = found.fault.expect("it must show");
    assert_eq!((found.records, revision), (3, Revision(4)));
    assert!(why.contains("`log`"), "{why}");
    let store = place.open();
    assert_eq!(store.verify_log().await.unwrap().fault, Some((revision, why)));
    let why = "it is not the one that its newest log entry wrote";
    let mut expected = [(disabled.id.to_string(), why), (first.workspace.to_string(), why)];
    expected.sort();
    let mut loaded = damaged(&store).await;
    loaded.sort();
    assert_eq!(loaded, expected);
    let changes = store.changes_after(Revision(1)).await.unwrap();
    assert_eq!((changes.keys.len(), changes.workspaces.len(), changes.damaged.len()), (0, 0, 2));
}

/// A store whose workspace is suspended and whose only member was removed, each by the newest entry that names it; and the
/// rows as they stood before, in tables beside.
async fn suspended_and_removed() -> (Place, Key) {
    let place = Place::new();
    let (store, first) = place.initialized().await;
    let ann = member(first.workspace, "ann", Some("owner"));
    let revision = store.commit(put_member(&ann)).await.unwrap();
    place.tamper("CREATE TABLE old_members AS SELECT * FROM members; CREATE TABLE old_workspaces AS SELECT * FROM workspaces");
    store.commit(put_member(&Member { role: None, revision, ..ann })).await.unwrap();
    let read = store.whole().await.unwrap().workspaces.pop().unwrap();
    let suspended = Workspace { state: WorkspaceState::Suspended, ..read };
    store.commit(put_workspace(&suspended)).await.unwrap();
    store.close().await.unwrap();
    (place, first)
}

#[tokio::test]
async fn yesterdays_row_of_a_removed_member_or_a_suspended_workspace_put_back_is_damaged() {
    // D5, S5: nothing is revived by a row that was genuine once
    let (place, first) = suspended_and_removed().await;
    place.tamper(
        "DELETE FROM members; INSERT INTO members SELECT * FROM old_members;
         DELETE FROM workspaces; INSERT INTO workspaces SELECT * FROM old_workspaces;
         DROP TABLE old_members; DROP TABLE old_workspaces",
    );
    let store = place.open();
    let why = "it is not the one that its newest log entry wrote";
    let mut found = damaged(&store).await;
    found.sort();
    assert_eq!(found, [(first.workspace.to_string(), why), (format!("{}/ann", first.workspace), why)]);
    let view = store.whole().await.unwrap();
    assert_eq!((view.workspaces.len(), view.members.len()), (0, 0));
}

#[tokio::test]
async fn a_members_row_that_is_edited_or_lost_or_somebody_elses_is_damaged() {
    // D5, S5
    let (place, first) = suspended_and_removed().await;
    place.tamper("DROP TABLE old_members; DROP TABLE old_workspaces");
    let store = place.open();
    assert_eq!(damaged(&store).await, [], "a removed one has no row");
    store.commit(put_member(&member(first.workspace, "ann", Some("viewer")))).await.unwrap();
    store.close().await.unwrap();
    let whole = place.copy_database();
    let anchor = fs::read(place.path().join("keyward.anchor")).unwrap();
    let ann = format!("{}/ann", first.workspace);
    let unknown = format!("{}/bob", first.workspace);
    for (sql, expected) in [
        (r#"UPDATE members SET body = replace(body, '"viewer"', '"owner"')"#, (&ann, "it was edited")),
        ("DELETE FROM members", (&ann, "its row is missing")),
        (
            &*format!("INSERT INTO members SELECT '{unknown}', body, revision, code, root FROM members"),
            (&unknown, "the log does not know it"),
        ),
    ] {
        fs::write(place.database(), &whole).unwrap();
        // What a start finds it names in the log, which the anchor follows.
        fs::write(place.path().join("keyward.anchor"), &anchor).unwrap();
        place.tamper(sql);
        let store = place.open();
        assert_eq!(damaged(&store).await, [(expected.0.clone(), expected.1)], "{sql}");
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_row_that_the_log_does_not_know_is_damaged() {
    // D5
    let (place, first) = ten_records().await;
    place.tamper(&format!(
        "INSERT INTO keys SELECT x'00000000000000000000000000000001', workspace_id, created_ms, owner, body, revision, root, code
         FROM keys WHERE id = {};
         UPDATE workspaces SET body = replace(body, 'starter', 'pro')",
        blob(&first.id.to_bytes())
    ));
    let store = place.open();
    let mut found = damaged(&store).await;
    found.sort();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], ("key_00000000000000000000000001".to_owned(), "the log does not know it"));
    assert_eq!(found[1], (first.workspace.to_string(), "it was edited"));
}

#[tokio::test]
async fn somebody_elses_writing_seals_the_store() {
    // D5
    let place = Place::new();
    let (store, first) = place.initialized().await;
    let state = store.writer_state();
    assert_eq!(*state.borrow(), WriterState::Working);
    let mine = stored(&store, &key(&Seeded::new(5), first.workspace)).await;
    place.tamper("DELETE FROM log WHERE revision = 2");
    let late = key(&Seeded::new(6), first.workspace);
    assert_eq!(store.commit(put(&late)).await, Err(WRITTEN_BY_OTHERS));
    assert!(matches!(&*state.borrow(), WriterState::Sealed { until: Until::Restart, .. }));
    assert_eq!(store.commit(put(&late)).await, Err(WRITTEN_BY_OTHERS), "and so later");
    assert_eq!(store.note(Vec::new()).await, Err(WRITTEN_BY_OTHERS));
    assert!(store.last_uses(vec![mine.id]).await.is_ok(), "reading goes on");
    assert!(store.close().await.is_err());
    assert_eq!(*state.borrow(), WriterState::Ended);
}

#[tokio::test]
async fn a_database_put_in_place_of_another_seals_the_store() {
    // D5
    let place = Place::new();
    let (store, first) = place.initialized().await;
    let copy = place.path().join("copy");
    fs::copy(place.database(), &copy).unwrap();
    fs::rename(copy, place.database()).unwrap();
    let refused = store.commit(put(&key(&Seeded::new(5), first.workspace))).await;
    assert!(matches!(&refused, Err(StoreError::Corrupt(why)) if why.contains("replaced")), "{refused:?}");
}

#[tokio::test]
async fn a_database_locked_by_another_process_refuses_changes_and_recovers() {
    // D5
    let place = Place::new();
    let (store, first) = place.initialized().await;
    let other = Connection::open(place.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let change = key(&Seeded::new(5), first.workspace);
    assert!(matches!(store.commit(put(&change)).await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.whole().await.unwrap().keys.len(), 1);
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(put(&change)).await.unwrap();
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let place = Place::new();
    let (store, _) = place.initialized().await;
    assert!(
        matches!(place.open_error(), OpenError::Directory(DataDirError::Locked(path)) if path == place.path())
    );
    assert_eq!(place.verify().fault, None, "the log can be verified all the same");
    store.close().await.unwrap();
    place.open();
}

#[tokio::test]
async fn a_closed_store_takes_nothing() {
    let place = Place::new();
    let (store, first) = place.initialized().await;
    store.close().await.unwrap();
    let refused = store.commit(put(&key(&Seeded::new(5), first.workspace))).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    store.close().await.unwrap();
}

#[tokio::test]
async fn roots_of_another_store_are_refused() {
    let (place, _) = ten_records().await;
    let other = format!("1 {}\n", "ab".repeat(32));
    fs::write(place.path().join("roots"), other).unwrap();
    assert!(matches!(place.open_error(), OpenError::WrongRoots { .. }));
    assert!(matches!(
        verify_offline(&place.path(), &StoreSettings::default()),
        Err(OpenError::WrongRoots { .. })
    ));
}

#[tokio::test]
async fn a_lost_database_is_refused() {
    // D5: never a fresh start over it
    let (place, _) = ten_records().await;
    let whole = place.copy_database();
    for loss in [None, Some(Vec::new())] {
        fs::remove_file(place.database()).unwrap();
        if let Some(rest) = loss {
            fs::write(place.database(), rest).unwrap();
        }
        assert!(matches!(place.open_error(), OpenError::LostDatabase { .. }));
        assert!(place.path().join("roots").exists());
        fs::write(place.database(), &whole).unwrap();
    }
    place.tamper("DELETE FROM log");
    assert!(matches!(place.open_error(), OpenError::LostDatabase { .. }));
    fs::write(place.database(), &whole[..whole.len() / 2]).unwrap();
    place.open_error();
    fs::write(place.database(), b"not a database at all, but long enough to be looked at").unwrap();
    place.open_error();
}

#[tokio::test]
async fn lost_roots_are_refused() {
    let (place, _) = ten_records().await;
    fs::remove_file(place.path().join("roots")).unwrap();
    assert!(matches!(place.open_error(), OpenError::LostRoots(_)));
    assert!(!place.path().join("roots.new").exists(), "no new ones are made");
    assert!(matches!(verify_offline(&place.path(), &StoreSettings::default()), Err(OpenError::LostRoots(_))));
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_goes_on() {
    // D1
    let place = Place::new();
    drop(place.open());
    let roots = fs::read(place.path().join("roots.new")).unwrap();
    assert_eq!(fs::metadata(place.path().join("roots.new")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(place.database()).unwrap().permissions().mode() & 0o777, 0o600);

    fs::remove_file(place.database()).unwrap();
    let store = place.open();
    assert!(!store.is_initialized(), "before the database was made");
    drop(store);

    let (store, _) = place.initialized().await;
    assert!(store.is_initialized());
    drop(store);
    fs::rename(place.path().join("roots"), place.path().join("roots.new")).unwrap();
    assert!(place.open().is_initialized(), "before the roots got their name");
    assert_eq!(fs::read(place.path().join("roots")).unwrap(), roots);
    assert!(!place.path().join("roots.new").exists());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    // D8
    let (place, _) = ten_records().await;
    place.tamper("PRAGMA user_version = 99");
    let before = place.copy_database();
    let refused = place.open_error();
    assert!(refused.to_string().contains("the oldest that may: 0.2.0"), "{refused}");
    assert!(matches!(refused, OpenError::NewerSchema { found: 99, known: 15, .. }));
    assert!(matches!(
        verify_offline(&place.path(), &StoreSettings::default()),
        Err(OpenError::NewerSchema { .. })
    ));
    assert_eq!(place.copy_database(), before, "and left as it is");
}

#[tokio::test]
async fn a_changed_schema_is_refused() {
    // D5: a trigger could undo what is written; a changed column could hide a row's newest entry
    let (place, _) = ten_records().await;
    place.tamper("CREATE TRIGGER quiet AFTER UPDATE ON keys BEGIN UPDATE keys SET body = old.body WHERE id = old.id; END");
    assert!(matches!(place.open_error(), OpenError::NotOurs { .. }));
    let (place, _) = ten_records().await;
    place.tamper("PRAGMA application_id = 7");
    assert!(matches!(place.open_error(), OpenError::NotOurs { .. }));
}

#[tokio::test]
async fn verifying_offline_leaves_nothing_behind() {
    // A3
    let (place, _) = ten_records().await;
    let files = || {
        let mut names: Vec<_> =
            fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let (before, bytes) = (files(), place.copy_database());
    assert_eq!(place.fault(), None);
    assert_eq!((files(), place.copy_database()), (before, bytes));
    assert!(matches!(
        verify_offline(&place.path().join("nowhere"), &StoreSettings::default()),
        Err(OpenError::NoStore(_))
    ));
}

#[tokio::test]
async fn a_crashed_store_verifies_with_what_its_wal_holds() {
    // A3, D1
    let place = Place::new();
    let (store, first) = place.initialized().await;
    let entropy = Seeded::new(5);
    for _ in 0..4 {
        stored(&store, &key(&entropy, first.workspace)).await;
    }
    let crashed = Place::new();
    fs::create_dir(crashed.path()).unwrap();
    for file in ["keyward.db", "keyward.db-wal", "keyward.anchor", "roots"] {
        fs::copy(place.path().join(file), crashed.path().join(file)).unwrap();
    }
    let found = crashed.verify();
    assert_eq!((found.records, found.fault), (5, None));
    assert_eq!(crashed.open().whole().await.unwrap().keys.len(), 5);
}

/// A store of an older schema, with its roots.
fn older(roots: &str, store: &str) -> Place {
    let place = Place::new();
    DataDir::open(&place.path()).unwrap();
    fs::write(place.path().join("roots"), roots).unwrap();
    fs::set_permissions(place.path().join("roots"), fs::Permissions::from_mode(0o600)).unwrap();
    Connection::open(place.database()).unwrap().execute_batch(store).unwrap();
    place
}

/// Passes if it opens with its two keys, and takes a change.
async fn opens(place: &Place, records: u64) -> View {
    let found = place.verify();
    assert_eq!((found.records, found.fault), (records, None));
    let store = place.open();
    let view = store.whole().await.unwrap();
    assert_eq!((view.workspaces.len(), view.keys.len(), view.damaged.len()), (1, 2, 0));
    let key = view.keys.iter().find(|key| key.name == Name::parse("Zoë’s laptop").unwrap()).unwrap();
    assert_eq!(key.credentials.retiring.len(), 1);
    assert_eq!(key.expires, Some(Timestamp::from_ms(1_900_000_000_000).unwrap()));
    assert_eq!((&key.limits, kept_counts(&store).await.len()), (&None, 0));
    stored(&store, key).await;
    view
}

#[tokio::test]
async fn a_store_of_the_first_schema_opens() {
    // D8
    let place = older(include_str!("fixtures/roots-v1"), include_str!("fixtures/store-v1.sql"));
    assert!(opens(&place, 3).await.policy.is_none());
}

#[tokio::test]
async fn a_store_of_the_second_schema_opens() {
    // D8
    let place = older(include_str!("fixtures/roots-v2"), include_str!("fixtures/store-v2.sql"));
    let policy = opens(&place, 4).await.policy;
    assert!(matches!(policy, Some(PolicyView::Sound(policy)) if policy.version == 1));
}

#[tokio::test]
async fn a_store_of_the_third_schema_opens() {
    // D8
    let place = older(include_str!("fixtures/roots-v3"), include_str!("fixtures/store-v3.sql"));
    assert_eq!(place.verify().fault, None);
    let store = place.open();
    let view = store.whole().await.unwrap();
    assert_eq!((view.keys.len(), view.damaged.len()), (2, 0));
    let key = view.keys.iter().find(|key| key.admin.is_none()).unwrap();
    let used = store.last_uses(vec![key.id]).await.unwrap();
    assert_eq!(used, [unknown_use(key.id)], "it keeps what was noted");
    assert_eq!(kept_counts(&store).await.len(), 1);
    stored(&store, key).await;
}

#[tokio::test]
async fn a_store_of_the_fourth_schema_opens_and_finds_what_was_changed_together() {
    // D8, V4
    let place = older(include_str!("fixtures/roots-v4"), include_str!("fixtures/store-v4.sql"));
    assert_eq!(place.verify().fault, None);
    let store = place.open();
    assert_eq!(place.verify().fault, None);
    let view = store.whole().await.unwrap();
    assert_eq!((view.keys.len(), view.damaged.len()), (2, 0));
    let key = view.keys.iter().find(|key| key.admin.is_none()).unwrap();
    assert_eq!(key.state, KeyState::Disabled);
    let log = |key| store.query_log(LogFilter { key: Some(key), ..LogFilter::default() }, None, 10);
    let revisions: Vec<_> =
        log(key.id).await.unwrap().records.iter().map(|record| record.revision.0).collect();
    assert_eq!(revisions, [4, 3, 2]);
    let changed = stored(&store, key).await;

    enables(&store, &changed).await;
    assert_eq!(place.verify().fault, None);
}

#[tokio::test]
async fn a_store_of_the_sixth_schema_opens_and_takes_a_change_of_many_keys() {
    // D8, V4: it had lists of keys without what they were before
    let place = older(include_str!("fixtures/roots-v6"), include_str!("fixtures/store-v6.sql"));
    assert_eq!(place.verify().fault, None);
    let store = place.open();
    let view = store.whole().await.unwrap();
    assert_eq!(view.damaged.len(), 0);
    let disabled = view.keys.iter().find(|key| key.name == Name::parse("one").unwrap()).unwrap();
    assert_eq!(disabled.state, KeyState::Disabled);
    enables(&store, disabled).await;
    assert_eq!(place.verify().fault, None);
}

/// Switches a key on, by a change of many.
async fn enables(store: &SqliteStore, key: &Key) {
    let seen = *store.revisions().borrow();
    let enable = put_group(&Seeded::new(5), std::slice::from_ref(key), GroupAct::Enable, seen);
    store.commit(enable).await.unwrap();
    let view = store.whole().await.unwrap();
    let key = view.keys.iter().find(|found| found.id == key.id).unwrap();
    assert_eq!((key.state.clone(), view.damaged.len()), (KeyState::Active, 0));
}

#[tokio::test]
async fn a_store_of_the_seventh_schema_opens_and_its_log_is_found_by_everything() {
    // D8, A2
    let place = older(include_str!("fixtures/roots-v7"), include_str!("fixtures/store-v7.sql"));
    assert_eq!(place.verify().fault, None);
    let store = place.open();
    assert_eq!(place.verify().fault, None);
    let view = store.whole().await.unwrap();
    assert_eq!((view.keys.len(), view.damaged.len()), (2, 0));
    let key = view.keys.iter().find(|key| key.admin.is_none()).unwrap();
    assert_eq!(key.state, KeyState::Disabled);
    for (filter, expected) in [
        (LogFilter::default(), vec![4, 3, 2, 1]),
        (LogFilter { key: Some(key.id), ..LogFilter::default() }, vec![4, 3, 2]),
        (LogFilter { workspace: Some(key.workspace), ..LogFilter::default() }, vec![4, 3, 2, 1]),
        (LogFilter { action: Some("key.disable"), ..LogFilter::default() }, vec![4]),
        (LogFilter { action: Some("key.revoke"), ..LogFilter::default() }, vec![]),
        (LogFilter { end: Some(at(0)), ..LogFilter::default() }, vec![]),
    ] {
        let found = store.query_log(filter.clone(), None, 10).await.unwrap();
        let revisions: Vec<_> = found.records.iter().map(|record| record.revision.0).collect();
        assert_eq!((revisions, found.more), (expected, None), "{filter:?}");
    }
    stored(&store, key).await;
}

#[tokio::test]
async fn an_index_that_says_another_workspace_shows_it_nothing() {
    // A3, T1: the record is genuine, and an index says that it is somebody else's
    let (place, _) = ten_records().await;
    let other = keyward::domain::id::WorkspaceId::parse(&format!("ws_{:026}", 7)).unwrap();
    let declared = |sql: &str| format!("UPDATE sqlite_schema SET sql = '{sql}' WHERE name = 'log';");
    let connection = Connection::open(place.database()).unwrap();
    let genuine: String = connection
        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'log'", [], |row| row.get(0))
        .unwrap();
    drop(connection);
    let genuine = genuine.replace('\'', "''");
    let of_workspace = "CAST(bytes AS TEXT) ->> ''$.workspace_id'')";
    assert!(genuine.contains(of_workspace), "{genuine}");
    let lie =
        format!("CASE revision WHEN 3 THEN ''{other}'' ELSE CAST(bytes AS TEXT) ->> ''$.workspace_id'' END)");
    let forged = genuine.replacen(of_workspace, &lie, 1);
    place.tamper(&format!("PRAGMA writable_schema = ON; {}", declared(&forged)));
    place.tamper(&format!(
        "REINDEX log_by_workspace; REINDEX log_looks; PRAGMA writable_schema = ON; {}",
        declared(&genuine)
    ));
    let store = place.open();
    let asked = LogFilter { workspace: Some(other), ..LogFilter::default() };
    let found = store.query_log(asked, None, 9).await;
    assert!(matches!(&found, Err(StoreError::Corrupt(why)) if why.contains("log record 3")), "{found:?}");
    assert!(place.verify().fault.is_some(), "it shows");
}

/// What older stores knew of a use.
fn unknown_use(key: keyward::domain::id::KeyId) -> LastUse {
    LastUse { key, generation: 0, caller: None, address: None, time: at(120_000) }
}

/// Writes what a fixture is made from; run by hand, once for each schema.
#[tokio::test]
#[ignore = "writes a fixture"]
async fn make_a_fixture() {
    use keyward::domain::admin::AdminRights;
    let place = Place::new();
    let store = place.open();
    let entropy = Seeded::new(7);
    let workspace = workspace(&entropy);
    let root = Key { admin: Some(AdminRights::everything().into()), ..key(&entropy, workspace.id) };
    let mut first = put(&root);
    first.rows.workspace = Some(workspace.clone());
    store.commit(first).await.unwrap();
    let laptop = Key {
        name: Name::parse("Zoë’s laptop").unwrap(),
        expires: Some(at(1_900_000_000_000)),
        ..key(&entropy, workspace.id)
    };
    let laptop = stored(&store, &laptop).await;
    let rotated =
        laptop.rotate(secret(&entropy, 2), std::time::Duration::from_secs(3600), at(2_000)).unwrap();
    let rotated = stored(&store, &rotated).await;
    let used = unknown_use(rotated.id);
    let count = CountName { payer: rotated.id.to_string(), limit: "all/day".to_owned() };
    store.note(vec![Note::LastUse(used)]).await.unwrap();
    store.take(ReplicaId::ONLY, vec![Take { count, state: vec![1, 2, 3], units: 16 }]).await.unwrap();
    let seen = *store.revisions().borrow();
    store.commit(put_group(&entropy, &[rotated], GroupAct::Disable, seen)).await.unwrap();
    store.close().await.unwrap();
    fs::create_dir_all("target/fixture").unwrap();
    fs::copy(place.path().join("roots.new"), "target/fixture/roots").unwrap();
    fs::copy(place.database(), "target/fixture/store.db").unwrap();
}

#[tokio::test]
async fn the_clocks_mark_goes_back_by_a_reset_only() {
    // D6
    let place = Place::new();
    let (store, first) = place.initialized().await;
    assert_eq!(store.clock_mark(), StoredMark::Missing);
    let mark = |ms| vec![Note::ClockMark(at(ms))];
    store.note(mark(5_000)).await.unwrap();
    store.note(mark(4_000)).await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.clock_mark(), StoredMark::At(at(5_000)));

    let reset = |mark, action| {
        let entry = LogEntry { workspace: None, ..entry(action, first.workspace, None) };
        let rows = Rows { clock_mark: mark, ..Rows::default() };
        Mutation::new(entry, rows)
    };
    for misnamed in [reset(Some(at(1)), Action::KeyIssue), reset(None, Action::ClockReset)] {
        assert!(matches!(store.commit(misnamed).await, Err(StoreError::Unavailable(_))));
    }
    store.commit(reset(Some(at(2_000)), Action::ClockReset)).await.unwrap();
    drop(store);
    assert_eq!(place.open().clock_mark(), StoredMark::At(at(2_000)));

    place.tamper("UPDATE meta SET value = zeroblob(40) WHERE name = 'clock_mark'");
    let store = place.open();
    assert_eq!(store.clock_mark(), StoredMark::Edited);
    store.note(mark(3_000)).await.unwrap();
    drop(store);
    assert_eq!(place.open().clock_mark(), StoredMark::At(at(3_000)), "who is at work knows better");
    assert_eq!((place.verify().records, place.fault()), (2, None));
}

/// A closed store with one import scheme.
async fn one_scheme() -> (Place, Vec<u8>) {
    let place = Place::new();
    let (store, _) = place.initialized().await;
    store.close().await.unwrap();
    drop(store);
    let (store, keys) = place.try_open().unwrap();
    let name = Label::parse("acme").unwrap();
    let secret = b"a secret of another system".to_vec();
    let in_clear = ForeignSecret::new(secret.clone());
    let sealed = keys.schemes.seal(&ImportScheme::purpose(&name), &in_clear, &Seeded::new(5)).unwrap();
    let scheme = ImportScheme { name: name.clone(), sealed, created: at(1_000), revision: Revision::ZERO };
    let entry = LogEntry { scheme: Some(name), ..LogEntry::new(at(1_000), Actor::System, Action::SchemeAdd) };
    let rows = Rows { scheme: Some(scheme), ..Rows::default() };
    let unnamed = Mutation::new(LogEntry { scheme: None, ..entry.clone() }, rows.clone());
    assert!(store.commit(unnamed).await.is_err(), "the entry must name the scheme");
    store.commit(Mutation::new(entry.clone(), rows.clone())).await.unwrap();
    assert_eq!(store.commit(Mutation::new(entry, rows)).await, Err(StoreError::Conflict), "none is changed");
    store.close().await.unwrap();
    (place, secret)
}

#[tokio::test]
async fn an_edited_import_scheme_is_damaged_and_its_secret_is_not_in_the_database() {
    // D5, K2
    let (place, secret) = one_scheme().await;
    let view = place.open().whole().await.unwrap();
    assert_eq!((view.schemes.len(), view.schemes[0].scheme.name.as_str()), (1, "acme"));
    assert!(!place.copy_database().windows(secret.len()).any(|window| window == secret));
    for (sql, why) in [
        ("UPDATE schemes SET body = replace(body, '1000', '1001')", "it was edited"),
        ("UPDATE schemes SET body = replace(body, 'sealed', 'nonce')", "it was edited"),
        ("UPDATE schemes SET code = zeroblob(32)", "it was edited"),
        ("UPDATE schemes SET revision = 1", "it was edited"),
        ("UPDATE schemes SET id = 'other'", "its row is missing"),
        ("DELETE FROM schemes", "its row is missing"),
    ] {
        let (place, _) = one_scheme().await;
        place.tamper(sql);
        let store = place.open();
        assert!(store.whole().await.unwrap().schemes.is_empty(), "{sql}");
        let mut found = damaged(&store).await;
        // A row that the log does not know is named too.
        found.retain(|(id, _)| id != "other");
        assert_eq!(found, [("acme".to_owned(), why)], "{sql}");
    }

    // One that the log does not know is none.
    let (place, _) = one_scheme().await;
    place.tamper("INSERT INTO schemes SELECT 'other', body, revision, code, root FROM schemes");
    assert_eq!(place.open().whole().await.unwrap().schemes.len(), 1);
}
