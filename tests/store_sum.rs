//! A start that reads no log: which rows are the newest is told by the sum at its head, and by nothing less.
//!
//! Where a start may read rows only, an entry from the middle of the log is made unreadable: whoever reads the log is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod store_support;

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
};

use keyward::{
    domain::{
        audit::{Action, Actor, LogEntry},
        credentials::RetiringSecret,
        gains::GainsFound,
        group::GroupAct,
        id::KeyId,
        key::{Key, KeyState, RevokeReason},
        member::Member,
        revision::Revision,
        scheme::ImportScheme,
        seal::ForeignSecret,
        text::{Label, Name},
        workspace::WorkspaceState,
    },
    ports::{KeyStore, Lifecycle as _, LogFilter, Mutation, PolicyView, Rows, StoreError, View, ViewSink},
    store::{data_dir::DataDir, sqlite::SqliteStore},
};
use rusqlite::Connection;
use store_support::{
    Place, Seeded, at, blob, key, member, policy_version, put, put_group, put_member, put_workspace, secret,
    sorted, stored, workspace,
};

/// Makes an entry that every reading of the log meets unreadable.
const UNREADABLE_LOG: &str = "UPDATE log SET code = zeroblob(32) WHERE revision = 2";

impl Place {
    async fn closed(&self, store: SqliteStore) {
        store.close().await.unwrap();
        drop(store);
    }
}

/// Everything of a view that has an order of no meaning, in one.
fn told(view: View) -> String {
    let mut view = sorted(view);
    view.members.sort_by_key(|member| member.id.to_string());
    view.removed_members.sort_by_key(|(id, _)| id.to_string());
    view.damaged.sort_by_key(|damaged| damaged.id.clone());
    let policy = match &view.policy {
        Some(PolicyView::Sound(policy)) => format!("{} {}", policy.version, policy.revision),
        other => format!("{other:?}"),
    };
    let schemes: Vec<_> = view.schemes.iter().map(|open| open.scheme.clone()).collect();
    let View { revision, workspaces, members, removed_members, keys, damaged, .. } = view;
    format!(
        "{revision:?} {workspaces:?} {members:?} {removed_members:?} {keys:?} {policy} {schemes:?} {damaged:?}"
    )
}

async fn damaged(store: &SqliteStore) -> Vec<(String, &'static str)> {
    let mut found: Vec<_> =
        store.whole().await.unwrap().damaged.into_iter().map(|row| (row.id, row.why)).collect();
    found.sort();
    found
}

/// How many entries name what was found damaged.
async fn found_entries(store: &SqliteStore) -> usize {
    let filter = LogFilter { action: Some(Action::DamageFind.as_str()), ..LogFilter::default() };
    store.query_log(filter, None, 100).await.unwrap().records.len()
}

fn policy(version: u64) -> Mutation {
    let entry = LogEntry {
        policy_version: Some(version),
        ..LogEntry::new(at(1_000), Actor::System, Action::PolicyApply)
    };
    Mutation::new(entry, Rows { policy: Some(Arc::new(policy_version(version))), ..Rows::default() })
}

/// A store in which everything was written that counts, changed, and taken away again.
async fn full_store(place: &Place) -> SqliteStore {
    let (store, keys) = {
        let (store, _) = place.initialized().await;
        store.close().await.unwrap();
        drop(store);
        place.try_open().unwrap()
    };
    let entropy = Seeded::new(31);
    let mut second = workspace(&entropy);
    second.revision = store.commit(put_workspace(&second)).await.unwrap();
    second.state = WorkspaceState::Suspended;
    second.revision = store.commit(put_workspace(&second)).await.unwrap();
    let name = Label::parse("acme").unwrap();
    let sealed =
        keys.schemes.seal(&ImportScheme::purpose(&name), &ForeignSecret::new(vec![7; 32]), &Seeded::new(5));
    let scheme = ImportScheme {
        name: name.clone(),
        sealed: sealed.unwrap(),
        created: at(1_000),
        revision: Revision::ZERO,
    };
    let entry = LogEntry { scheme: Some(name), ..LogEntry::new(at(1_000), Actor::System, Action::SchemeAdd) };
    store.commit(Mutation::new(entry, Rows { scheme: Some(scheme), ..Rows::default() })).await.unwrap();
    for who in ["ann", "bob", "cid"] {
        let added = member(second.id, who, Some("viewer"));
        let revision = store.commit(put_member(&added)).await.unwrap();
        let gone = Member { role: None, revision, ..added.clone() };
        store.commit(put_member(&gone)).await.unwrap();
        if who == "bob" {
            store.commit(put_member(&added)).await.unwrap();
        }
    }
    store.commit(policy(1)).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..100 {
        all.push(stored(&store, &key(&entropy, second.id)).await);
    }
    let mut rotated = all[3].clone();
    rotated.credentials.retiring =
        vec![RetiringSecret { secret: rotated.credentials.current.clone(), end: at(9_000) }];
    rotated.credentials.current = secret(&entropy, 2);
    all[3] = stored(&store, &rotated).await;
    for act in [GroupAct::Disable, GroupAct::Revoke(RevokeReason::Unused), GroupAct::Retire(at(7_000))] {
        let seen = *store.revisions().borrow();
        let some: Vec<_> = all.iter().skip(usize::from(act == GroupAct::Disable)).take(60).cloned().collect();
        store.commit(put_group(&entropy, &some, act, seen)).await.unwrap();
    }
    let mut gains = GainsFound::default();
    for key in &all {
        gains.add(key.id, &["a:b".into()]);
    }
    let mut applied = policy(2);
    applied.entry.gains = Some(Arc::new(gains.finish(|| {})));
    store.commit(applied).await.unwrap();
    let known = store.whole().await.unwrap().keys;
    let alone = known.iter().find(|key| key.id == all[70].id).unwrap();
    stored(&store, &Key { name: Name::parse("alone").unwrap(), ..alone.clone() }).await;
    store
}

#[tokio::test]
async fn a_start_reads_no_log_whatever_was_written() {
    // D5
    let place = Place::new();
    let store = full_store(&place).await;
    let before = told(store.whole().await.unwrap());
    place.closed(store).await;
    // What the log says is the same.
    place.tamper("CREATE TABLE old AS SELECT * FROM sum; DELETE FROM sum");
    let store = place.open();
    assert_eq!(told(store.whole().await.unwrap()), before, "by the log");
    place.closed(store).await;
    place.tamper(&format!("DROP TABLE old; {UNREADABLE_LOG}"));
    let store = place.open();
    assert_eq!(told(store.whole().await.unwrap()), before, "by rows alone");
    assert_eq!(found_entries(&store).await, 0, "a sum that was not there is no damage");
    place.closed(store).await;
    place.tamper("DELETE FROM sum");
    let refused = place.open().whole().await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "the log would have been refused: {refused:?}");
}

#[tokio::test]
async fn a_start_reads_no_log_after_random_changes() {
    // D5
    for seed in 0..4 {
        let place = Place::new();
        let (store, first) = place.initialized().await;
        let (entropy, mut living) = (Seeded::new(700 + seed), vec![first.clone()]);
        for turn in 0..120 {
            let chosen = living[entropy.below(living.len())].clone();
            match entropy.below(7) {
                0..3 => living.push(stored(&store, &key(&entropy, first.workspace)).await),
                3 => {
                    let acts = [GroupAct::Disable, GroupAct::Enable, GroupAct::Retire(at(9_000 + turn))];
                    let some: Vec<_> = living.iter().filter(|_| entropy.below(2) == 0).cloned().collect();
                    if !some.is_empty() {
                        let seen = *store.revisions().borrow();
                        let act = acts[entropy.below(3)];
                        let group = put_group(&entropy, &some, act, seen);
                        living.retain(|key| !some.contains(key));
                        living.extend(store_support::stored_group(&store, group, &some).await);
                    }
                }
                // Refused: nothing of it may count.
                4 => assert!(store.commit(put(&Key { revision: Revision(999), ..chosen })).await.is_err()),
                5 => {
                    let refused = put(&Key { revision: Revision(999), ..chosen });
                    let both = vec![put(&key(&entropy, first.workspace)), refused];
                    assert!(store.commit_all(both).await.is_err());
                }
                _ => {
                    let place = living.iter().position(|key| key.id == chosen.id).unwrap();
                    living[place] = stored(&store, &Key { updated: at(turn), ..chosen }).await;
                }
            }
        }
        place.closed(store).await;
        place.tamper(UNREADABLE_LOG);
        let view = sorted(place.open().whole().await.unwrap());
        living.sort_by_key(|key| key.id);
        assert_eq!((view.keys, view.damaged), (living, Vec::new()), "seed {seed}");
    }
}

/// What was put back or elsewhere, and which rows are damaged then.
#[tokio::test]
async fn rows_that_are_not_the_newest_are_found_named_once_and_left_out() {
    // D5: each of these has good codes
    for (what, keep, put_back, expected) in [
        (
            "one row of yesterday",
            "CREATE TABLE old AS SELECT * FROM keys WHERE id = :a",
            "DELETE FROM keys WHERE id = :a; INSERT INTO keys SELECT * FROM old",
            vec!["a"],
        ),
        (
            "two rows of yesterday, put back together",
            "CREATE TABLE old AS SELECT * FROM keys WHERE id IN (:a, :b)",
            "DELETE FROM keys WHERE id IN (:a, :b); INSERT INTO keys SELECT * FROM old",
            vec!["a", "b"],
        ),
        ("a row that is gone", "SELECT 1", "DELETE FROM keys WHERE id = :a", vec!["a"]),
        (
            "yesterday's secrets, with all else",
            "CREATE TABLE old AS SELECT * FROM keys WHERE id = :a",
            "UPDATE keys SET body = (SELECT body FROM old) WHERE id = :a",
            vec!["a"],
        ),
        (
            "rows that changed places",
            "SELECT 1",
            "CREATE TEMP TABLE held AS SELECT * FROM keys WHERE id IN (:a, :b);
             UPDATE keys SET (workspace_id, created_ms, owner, body, revision, root, code)
             = (SELECT workspace_id, created_ms, owner, body, revision, root, code FROM held WHERE id <> keys.id)
             WHERE id IN (:a, :b)",
            vec!["a", "b"],
        ),
        (
            "the same row twice, under another id",
            "SELECT 1",
            "INSERT INTO keys SELECT x'00000000000000000000000000000001', workspace_id, created_ms, owner, body, revision, root, code
             FROM keys WHERE id = :a",
            vec!["key_00000000000000000000000001"],
        ),
        (
            "the same row twice, under another id and another root",
            "SELECT 1",
            "INSERT INTO keys SELECT x'00000000000000000000000000000001', workspace_id, created_ms, owner, body, revision, 2, code
             FROM keys WHERE id = :a",
            vec!["key_00000000000000000000000001"],
        ),
        (
            "a row in another table",
            "SELECT 1",
            "INSERT INTO members SELECT ':w/ann', body, revision, code, root FROM workspaces",
            vec![":w/ann"],
        ),
    ] {
        let place = Place::new();
        let (store, first) = place.initialized().await;
        let entropy = Seeded::new(77);
        let a = stored(&store, &key(&entropy, first.workspace)).await;
        let b = stored(&store, &key(&entropy, first.workspace)).await;
        let filled = |sql: &str| {
            let sql = sql.replace(":a", &blob(&a.id.to_bytes())).replace(":b", &blob(&b.id.to_bytes()));
            sql.replace(":w", &first.workspace.to_string())
        };
        place.closed(store).await;
        place.tamper(&filled(keep));
        let store = place.open();
        for key in [&a, &b] {
            stored(&store, &Key { state: KeyState::Disabled, ..key.clone() }).await;
        }
        place.closed(store).await;
        place.tamper(&filled(put_back));
        let mut expected: Vec<_> = expected
            .iter()
            .map(|name| match *name {
                "a" => a.id.to_string(),
                "b" => b.id.to_string(),
                other => filled(other),
            })
            .collect();
        expected.sort();
        for start in 1..4 {
            if start == 3 {
                place.tamper("UPDATE log SET code = zeroblob(32) WHERE revision = 1");
            }
            let store = place.open();
            let named: Vec<_> = damaged(&store).await.into_iter().map(|(id, _)| id).collect();
            assert_eq!(named, expected, "{what}, start {start}");
            let keys = store.whole().await.unwrap().keys;
            assert!(keys.iter().all(|key| !expected.contains(&key.id.to_string())), "{what}");
            assert!(keys.iter().any(|key| key.id == first.id), "{what}: the others are there");
            assert_eq!(found_entries(&store).await, 1, "{what}: once, at the first start");
            place.closed(store).await;
        }
    }
}

#[tokio::test]
async fn the_head_of_yesterday_or_of_another_store_sums_up_nothing() {
    // D5
    for (what, keep, put_back) in [
        (
            "yesterday's sum, with the rows and the log of today",
            "CREATE TABLE old AS SELECT * FROM sum",
            "DELETE FROM sum; INSERT INTO sum SELECT * FROM old",
        ),
        ("a sum that was edited", "SELECT 1", "UPDATE sum SET sealed = zeroblob(272)"),
        ("a sum with another nonce", "SELECT 1", "UPDATE sum SET nonce = x'00'"),
    ] {
        let (place, first, last) = disabled(keep).await;
        place.tamper(put_back);
        let store = place.open();
        let view = store.whole().await.unwrap();
        assert_eq!((view.damaged, view.keys.len()), (Vec::new(), 2), "{what}");
        assert!(view.keys.iter().all(|key| [&first, &last].contains(&key)), "{what}");
        assert_eq!(found_entries(&store).await, 1, "{what}: it is named");
    }

    // Yesterday's rows with yesterday's sum, and today's log.
    let all = "CREATE TABLE old AS SELECT * FROM sum; CREATE TABLE old_k AS SELECT * FROM keys";
    let (place, first, last) = disabled(all).await;
    place.tamper(
        "DELETE FROM sum; INSERT INTO sum SELECT * FROM old; DELETE FROM keys; INSERT INTO keys SELECT * FROM old_k",
    );
    let store = place.open();
    assert_eq!(damaged(&store).await.len(), 1);
    assert_eq!(store.whole().await.unwrap().keys, [first], "{} is denied", last.id);

    // The whole of another store's, made with other roots.
    let other = Place::new();
    let (store, _) = other.initialized().await;
    other.closed(store).await;
    let (place, first, last) = disabled("SELECT 1").await;
    let file = other.database();
    place.tamper(&format!(
        "ATTACH '{}' AS other; DELETE FROM sum; INSERT INTO sum SELECT * FROM other.sum",
        file.to_str().unwrap()
    ));
    let view = place.open().whole().await.unwrap();
    assert!(view.damaged.is_empty() && view.keys.iter().all(|key| [&first, &last].contains(&key)));
}

/// A closed store with two keys, of which the second was disabled after `keep` was run.
async fn disabled(keep: &str) -> (Place, Key, Key) {
    let place = Place::new();
    let (store, first) = place.initialized().await;
    let second = stored(&store, &key(&Seeded::new(8), first.workspace)).await;
    place.closed(store).await;
    place.tamper(keep);
    let store = place.open();
    let second = stored(&store, &Key { state: KeyState::Disabled, ..second }).await;
    place.closed(store).await;
    (place, first, second)
}

#[tokio::test]
async fn what_a_change_replaces_is_verified_first_and_what_is_damaged_is_mended_by_writing_it_anew() {
    // D5
    let place = Place::new();
    let (store, first) = place.initialized().await;
    let mut acme = workspace(&Seeded::new(3));
    acme.revision = store.commit(put_workspace(&acme)).await.unwrap();
    place.closed(store).await;
    let edit = "UPDATE workspaces SET body = replace(body, 'starter', 'largest') WHERE id = ':id'";
    place.tamper(&edit.replace(":id", &acme.id.to_string()));

    let store = place.open();
    let refused = store.commit(put_workspace(&acme)).await;
    assert!(matches!(&refused, Err(StoreError::Corrupt(why)) if why.contains("edited")), "{refused:?}");
    assert!(store.commit(put(&key(&Seeded::new(4), first.workspace))).await.is_ok(), "others are taken");
    assert_eq!(damaged(&store).await, [(acme.id.to_string(), "it was edited")]);
    assert_eq!(damaged(&store).await.len(), 1, "and again");
    acme.revision =
        store.commit(put_workspace(&acme)).await.expect("it is named: what it was counts no more");
    let sound = store.whole().await.unwrap();
    assert!(sound.damaged.is_empty() && sound.workspaces.contains(&acme));
    place.closed(store).await;
    place.tamper(UNREADABLE_LOG);
    let sound = place.open().whole().await.unwrap();
    assert!(sound.damaged.is_empty() && sound.workspaces.contains(&acme), "by rows alone");
}

#[tokio::test]
async fn lists_of_keys_and_who_was_a_member_are_rows_that_count() {
    // D5, V4: each edit is found by a start, and made good from the log, or refused
    for (sql, is_mended) in [
        ("DELETE FROM group_changes", true),
        ("UPDATE group_changes SET body = x'01'", true),
        ("DELETE FROM removed_members", true),
        ("UPDATE removed_members SET revision = 1", true),
        ("UPDATE grouped_keys SET code = zeroblob(32)", true),
        ("DELETE FROM distrusted; INSERT INTO distrusted VALUES ('keys/x', x'00', 1, x'00', 1)", true),
        ("DELETE FROM grouped_keys WHERE revision > 0", false),
        ("UPDATE grouped_keys SET ids = zeroblob(length(ids)) WHERE revision > 0", false),
    ] {
        let place = Place::new();
        let store = full_store(&place).await;
        let before = store.whole().await.unwrap();
        place.closed(store).await;
        place.tamper(sql);
        let store = place.open();
        match store.whole().await {
            Ok(view) => {
                assert!(is_mended, "{sql}");
                assert_eq!(told(view), told(before), "{sql}");
                assert_eq!(found_entries(&store).await, 1, "{sql}");
                place.closed(store).await;
                place.tamper(UNREADABLE_LOG);
                assert!(place.open().whole().await.is_ok(), "{sql}: by rows alone");
            }
            Err(error) => assert!(!is_mended && matches!(error, StoreError::Corrupt(_)), "{sql}: {error:?}"),
        }
    }
    // What keys gained cannot be made good, and is told once.
    let place = Place::new();
    let store = full_store(&place).await;
    place.closed(store).await;
    place.tamper("UPDATE grouped_keys SET ids = zeroblob(length(ids)) WHERE revision < 0");
    for _ in 0..2 {
        let store = place.open();
        assert_eq!(damaged(&store).await, []);
        assert_eq!(found_entries(&store).await, 1);
        place.closed(store).await;
    }
}

#[tokio::test]
async fn no_more_removed_members_are_kept_than_memory_knows() {
    // D7
    let place = Place::new();
    let (store, first) = place.initialized().await;
    for number in 0..1_003 {
        let added = member(first.workspace, &format!("user-{number}"), Some("viewer"));
        let revision = store.commit(put_member(&added)).await.unwrap();
        store.commit(put_member(&Member { role: None, revision, ..added })).await.unwrap();
    }
    place.closed(store).await;
    place.tamper(UNREADABLE_LOG);
    let removed = place.open().whole().await.unwrap().removed_members;
    assert_eq!(removed.len(), 1_000);
    assert!(!removed.iter().any(|(id, _)| id.subject.as_str() == "user-2"), "the first of them went");
}

#[tokio::test]
async fn a_database_of_before_the_sum_is_summed_up_at_its_first_start() {
    // D8
    let place = Place::new();
    DataDir::open(&place.path()).unwrap();
    fs::write(place.path().join("roots"), include_str!("fixtures/roots-v7")).unwrap();
    fs::set_permissions(place.path().join("roots"), fs::Permissions::from_mode(0o600)).unwrap();
    let connection = Connection::open(place.database()).unwrap();
    connection.execute_batch(include_str!("fixtures/store-v7.sql")).unwrap();
    drop(connection);
    let store = place.open();
    let before = told(store.whole().await.unwrap());
    assert_eq!(found_entries(&store).await, 0);
    place.closed(store).await;
    place.tamper(UNREADABLE_LOG);
    assert_eq!(told(place.open().whole().await.unwrap()), before);
    // The one that was there is kept, and good.
    let kept = Connection::open(place.path().join("keyward.db.schema-7")).unwrap();
    let count = |table| kept.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
    assert_eq!((count("keys"), count("pragma_integrity_check")), (Ok(2), Ok(1)));
}

/// Counts what is handed over.
#[derive(Default)]
struct HandedOver(Mutex<HashMap<KeyId, usize>>);

impl ViewSink for HandedOver {
    fn take(&self, part: View) {
        let ids = part.keys.iter().map(|key| key.id).chain(part.kept.iter().map(|key| key.own.id));
        let mut times = self.0.lock().unwrap();
        ids.for_each(|id| *times.entry(id).or_default() += 1);
    }

    fn begin_anew(&self) {}
}

/// A store with a log that is read in more than one range, and all its keys.
async fn long_log(place: &Place) -> Vec<KeyId> {
    let (store, first) = place.initialized().await;
    let entropy = Seeded::new(5);
    let keys: Vec<_> = (0..4_200).map(|_| key(&entropy, first.workspace)).collect();
    for some in keys.chunks(600) {
        store.commit_all(some.iter().map(put).collect()).await.unwrap();
    }
    assert!(*store.revisions().borrow() > Revision(4_200));
    place.closed(store).await;
    let mut ids: Vec<_> = keys.iter().map(|key| key.id).chain([first.id]).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn a_row_that_is_found_damaged_lets_no_other_be_read_or_handed_over_twice() {
    // D5: as few looks at a million keys as it takes
    let place = Place::new();
    let ids = long_log(&place).await;
    let [edited, gone, old] = [ids[7], ids[2_000], ids[4_000]];
    let at = |id: KeyId| blob(&id.to_bytes());
    place.tamper(&format!("CREATE TABLE old AS SELECT * FROM keys WHERE id = {}", at(old)));
    let store = place.open();
    let renamed = Key { name: Name::parse("new").unwrap(), ..read_one(&store, old).await };
    stored(&store, &renamed).await;
    place.closed(store).await;
    place.tamper(&format!(
        "UPDATE keys SET owner = 'eve' WHERE id = {}; DELETE FROM keys WHERE id = {};
         DELETE FROM keys WHERE id = {}; INSERT INTO keys SELECT * FROM old; DROP TABLE old",
        at(edited),
        at(gone),
        at(old)
    ));
    let mut expected = [
        (edited, "it was edited"),
        (gone, "its row is missing"),
        (old, "it is not the one that its newest log entry wrote"),
    ]
    .map(|(id, why)| (id.to_string(), why));
    expected.sort();
    let store = place.open();
    let sink = Arc::new(HandedOver::default());
    store.load(Arc::<HandedOver>::clone(&sink)).await.unwrap();
    let times = std::mem::take(&mut *sink.0.lock().unwrap());
    assert!(times.values().all(|times| *times == 1), "each of them once");
    assert_eq!(times.len(), ids.len() - 2, "all but the edited and the missing one");
    assert_eq!(found_entries(&store).await, 1);
    place.closed(store).await;
    place.tamper(UNREADABLE_LOG);
    let view = place.open().whole().await.unwrap();
    let mut named: Vec<_> = view.damaged.into_iter().map(|row| (row.id, row.why)).collect();
    named.sort();
    assert_eq!((named, view.keys.len()), (expected.to_vec(), ids.len() - 3), "by rows alone");
}

async fn read_one(store: &SqliteStore, id: KeyId) -> Key {
    store.keys(vec![id]).await.unwrap().pop().unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn a_log_that_is_read_in_ranges_is_whole_within_them_and_between_them() {
    // D5: 4,096 records are a range
    let place = Place::new();
    let ids = long_log(&place).await;
    let whole = fs::read(place.database()).unwrap();
    for (sql, refused) in [
        ("DELETE FROM log WHERE revision = 4096", Some("log record 4096 is missing")),
        ("DELETE FROM log WHERE revision = 4097", Some("log record 4097 is missing")),
        ("DELETE FROM log WHERE revision = 4199", Some("log record 4199 is missing")),
        ("UPDATE log SET code = zeroblob(16) WHERE revision = 4097", Some("log record 4097 was altered")),
        ("UPDATE log SET code = zeroblob(16) WHERE revision IN (3, 4100)", Some("log record 3 was altered")),
        ("SELECT 1", None),
    ] {
        fs::write(place.database(), &whole).unwrap();
        for left in ["-wal", "-shm"] {
            let left = place.database().with_file_name(format!("keyward.db{left}"));
            fs::remove_file(left).ok();
        }
        place.tamper(&format!("DELETE FROM keys WHERE id = {}; {sql}", blob(&ids[9].to_bytes())));
        let found = place.open().whole().await.map(|view| view.damaged.len());
        match refused {
            Some(words) => {
                assert!(
                    matches!(&found, Err(StoreError::Corrupt(why)) if why.contains(words)),
                    "{sql}: {found:?}"
                );
            }
            None => assert_eq!(found, Ok(1)),
        }
    }
}

#[tokio::test]
async fn rows_that_were_edited_where_they_stand_are_named_without_a_look_at_the_log() {
    // D5: as long as nothing else differs
    for (edit, read_by_rows) in [
        ("UPDATE keys SET owner = 'eve' WHERE id IN (:a, :b)", true),
        ("UPDATE keys SET revision = revision + 1 WHERE id IN (:a, :b)", true),
        // Whose row it was, only the log can tell.
        ("UPDATE keys SET id = x'00000000000000000000000000000001', owner = 'eve' WHERE id = :a", false),
        ("UPDATE keys SET owner = 'eve', code = zeroblob(16) WHERE id = :a", false),
        ("UPDATE keys SET owner = 'eve' WHERE id = :a; DELETE FROM keys WHERE id = :b", false),
        ("UPDATE keys SET owner = 'eve' WHERE id = :a; DELETE FROM members", false),
    ] {
        let place = Place::new();
        let store = full_store(&place).await;
        let before = sorted(store.whole().await.unwrap()).keys;
        let [a, b] = [before[3].id, before[5].id];
        place.closed(store).await;
        let edit = edit.replace(":a", &blob(&a.to_bytes())).replace(":b", &blob(&b.to_bytes()));
        place.tamper(&format!("{edit}; {UNREADABLE_LOG}"));
        if !read_by_rows {
            let refused = place.open().whole().await;
            assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{edit}: the log is read");
            continue;
        }
        let mut expected = [a, b].map(|id| (id.to_string(), "it was edited"));
        expected.sort();
        for start in 1..3 {
            let store = place.open();
            let view = sorted(store.whole().await.unwrap());
            let named: Vec<_> = view.damaged.iter().map(|row| (row.id.clone(), row.why)).collect();
            assert_eq!(named, expected, "{edit}, start {start}");
            let others = before.iter().filter(|key| key.id != a && key.id != b);
            assert!(view.keys.iter().eq(others), "{edit}: the others as they were");
            assert_eq!(found_entries(&store).await, 1, "{edit}: once, at the first start");
            place.closed(store).await;
        }
    }
}
