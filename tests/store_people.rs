//! Names of people in the log: where they are stored, and what becomes of a row that somebody edits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod store_support;

use std::fs;

use keyward::{
    domain::{
        audit::{Action, Actor, FieldChange},
        id::WorkspaceId,
        key::{Creator, Key},
        member::Member,
        text::Owner,
    },
    ports::{KeyStore, Lifecycle as _, LogFilter, LogRecord, Mutation, Verification},
    store::{
        settings::StoreSettings,
        sqlite::{SqliteStore, verify_offline},
    },
};
use serde_json::Value;
use store_support::{Place, Seeded, key, member, put, put_member};

/// Names that stand nowhere else.
const OWNER: &str = "quixotic-owner";
const BEHALF: &str = "quixotic-behalf";
const ACTOR: &str = "quixotic-actor";
const MEMBER: &str = "quixotic-member";
const GONE: &str = "quixotic-gone";

fn owner(name: &str) -> Owner {
    Owner::parse(name).unwrap()
}

/// The change that issues a key for the owner, with every name in its entry.
fn issue(entropy: &Seeded, workspace: WorkspaceId) -> Mutation {
    let new = key(entropy, workspace);
    let creator = Creator::Admin {
        by: new.id.into(),
        owner: Some(owner(ACTOR)),
        workspace: Some(workspace),
        on_behalf_of: Some(owner(BEHALF)),
    };
    let mut put = put(&Key { owner: Some(owner(OWNER)), creator: creator.into(), ..new });
    let field =
        |field: &'static str, to: &str| FieldChange { field: field.into(), from: Value::Null, to: to.into() };
    put.entry.actor =
        Actor::Admin { by: put.entry.key.unwrap().into(), owner: Some(owner(ACTOR)), address: None };
    put.entry.changes =
        vec![field("owner", OWNER), field("on_behalf_of", BEHALF), field("workspace.owner", OWNER)];
    put
}

/// A closed store in which all of them are named.
async fn named() -> Place {
    let place = Place::new();
    let (store, first) = place.initialized().await;
    let entropy = Seeded::new(4);
    store.commit(issue(&entropy, first.workspace)).await.unwrap();
    for name in [MEMBER, GONE] {
        let added = member(first.workspace, name, Some("viewer"));
        let revision = store.commit(put_member(&added)).await.unwrap();
        if name == GONE {
            store.commit(put_member(&Member { role: None, revision, ..added })).await.unwrap();
        }
    }
    store.commit(issue(&entropy, first.workspace)).await.unwrap();
    closed(store).await;
    place
}

async fn closed(store: SqliteStore) {
    store.close().await.unwrap();
    drop(store);
}

async fn records(store: &SqliteStore) -> Vec<LogRecord> {
    store.query_log(LogFilter::default(), None, 100).await.unwrap().records
}

async fn found_entries(store: &SqliteStore) -> Vec<Value> {
    let all = records(store).await.into_iter().map(|record| record.entry().unwrap());
    all.filter(|entry| entry["action"] == Action::DamageFind.as_str()).collect()
}

fn verify(place: &Place) -> Verification {
    verify_offline(&place.path(), &StoreSettings::default()).unwrap()
}

fn occurrences(place: &Place, text: &str) -> usize {
    let file = fs::read(place.database()).unwrap();
    file.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

#[tokio::test]
async fn a_name_stands_in_rows_that_can_be_erased_and_in_no_entry() {
    // K12
    let place = named().await;
    assert_eq!(verify(&place).fault, None);
    // In its row, and in the index that finds it.
    assert_eq!(occurrences(&place, ACTOR) - 2, 2, "once more in each key's row");
    let store = place.open();
    let shown: Vec<_> = records(&store).await.iter().map(|record| record.entry().unwrap()).collect();
    closed(store).await;
    assert_eq!(shown[0]["actor"]["owner"], ACTOR);
    let told: Vec<_> = (0..3).map(|at| shown[0]["changes"][at]["to"].as_str().unwrap()).collect();
    assert_eq!(told, [OWNER, BEHALF, OWNER]);
    assert_eq!((&shown[1]["member"], &shown[3]["member"]), (&GONE.into(), &MEMBER.into()));

    place.tamper("DELETE FROM people; VACUUM");
    for name in [OWNER, BEHALF, ACTOR, MEMBER, GONE] {
        assert!(occurrences(&place, name) > 0, "{name}: rows of keys and members have it");
    }
    place.tamper("DELETE FROM keys; DELETE FROM members; DELETE FROM removed_members; VACUUM");
    assert_eq!(occurrences(&place, "quixotic"), 0);
    assert!(occurrences(&place, "key.issue") > 0, "the log is there");
}

#[tokio::test]
async fn a_row_of_a_person_that_was_edited_is_no_name_and_is_named_once() {
    // K12, D5
    let other = "CREATE TEMP TABLE held AS SELECT * FROM people WHERE name IN (':o', ':b');
        DELETE FROM people WHERE name IN (':o', ':b');
        INSERT INTO people SELECT a.reference, b.name, a.revision, a.code, a.root FROM held a, held b WHERE a.name <> b.name";
    for (sql, damaged) in [
        ("UPDATE people SET name = 'somebody-else' WHERE name = ':o'", 1),
        ("UPDATE people SET code = zeroblob(length(code)) WHERE name = ':o'", 1),
        ("UPDATE people SET revision = 1 WHERE name = ':o'", 1),
        ("UPDATE people SET reference = zeroblob(16) WHERE name = ':o'", 2),
        ("UPDATE people SET reference = x'01' WHERE name = ':o'", 2),
        ("DELETE FROM people WHERE name = ':o'", 1),
        (other, 2),
    ] {
        let place = named().await;
        let sql = sql.replace(":o", OWNER).replace(":b", BEHALF);
        place.tamper(&sql);
        let fault = verify(&place).fault.unwrap();
        assert!(fault.0.0 == 2 && fault.1.contains("person"), "{sql}: {fault:?}");
        for start in 1..4 {
            if start == 3 {
                // Where the log is read, this is refused.
                place.tamper("UPDATE log SET code = zeroblob(length(code)) WHERE revision = 1");
            }
            let store = place.open();
            let view = store.whole().await.unwrap();
            assert_eq!((view.keys.len(), view.members.len()), (3, 1), "{sql}: nothing else is damaged");
            let found = if start == 3 { Vec::new() } else { found_entries(&store).await };
            if start < 3 {
                assert_eq!(found.len(), 1, "{sql}, start {start}");
                let change = &found[0]["changes"][0];
                assert_eq!((&change["field"], &change["to"]["damaged"]), (&"people".into(), &damaged.into()));
                let entry = records(&store).await.into_iter().find(|record| record.revision.0 == 2).unwrap();
                let owner = entry.entry().unwrap()["changes"][0]["to"].as_str().unwrap().to_owned();
                assert!(owner.starts_with("a person whose name"), "{sql}: {owner}");
            }
            closed(store).await;
        }
    }
}

#[tokio::test]
async fn a_row_that_was_edited_stops_no_change_and_the_next_start_names_it() {
    // K12, D5, D6
    let place = named().await;
    place.tamper(&format!("UPDATE people SET name = '{ACTOR}-2' WHERE name = '{ACTOR}'"));
    let store = place.open();
    let workspace = place_workspace(&store).await;
    let mut change = issue(&Seeded::new(9), workspace);
    change.entry.actor = Actor::Admin {
        by: change.entry.key.unwrap().into(),
        owner: Some(owner(&format!("{ACTOR}-2"))),
        address: None,
    };
    store.commit(change).await.expect("it is taken");
    closed(store).await;
    let store = place.open();
    assert_eq!(store.whole().await.unwrap().damaged, Vec::new());
    let found = found_entries(&store).await;
    assert_eq!((found.len(), &found[0]["changes"][0]["field"]), (1, &"people".into()));
    let newest = &records(&store).await[1];
    assert_eq!(newest.entry().unwrap()["actor"]["owner"], format!("{ACTOR}-2"));
    closed(store).await;
}

async fn place_workspace(store: &SqliteStore) -> WorkspaceId {
    let entry: Value = serde_json::from_slice(&records(store).await[0].bytes).unwrap();
    WorkspaceId::parse(entry["workspace_id"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_member_whose_name_is_not_known_counts_as_removed() {
    // K12, D5: an entry vouches for the row of a member by a name
    let place = named().await;
    place.tamper(&format!("DELETE FROM people WHERE name = '{MEMBER}'"));
    for start in 1..3 {
        let store = place.open();
        let view = store.whole().await.unwrap();
        assert_eq!(view.members, Vec::new(), "start {start}");
        let damaged: Vec<_> = view.damaged.iter().map(|row| row.id.clone()).collect();
        assert!(damaged.len() == 1 && damaged[0].ends_with(MEMBER), "{damaged:?}");
        let found = found_entries(&store).await;
        assert_eq!(found.len(), 1);
        let members =
            found[0]["changes"].as_array().unwrap().iter().find(|change| change["field"] == "members");
        assert_eq!(members.unwrap()["to"]["rows"][0]["id"], damaged[0], "the entry names it by a reference");
        let text = String::from_utf8(records(&store).await[0].bytes.clone()).unwrap();
        assert!(!text.contains(MEMBER), "{text}");
        closed(store).await;
    }
}
