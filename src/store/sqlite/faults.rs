//! Tests of what goes wrong in the middle: the disk fills, a statement is refused, a commit fails, the thread dies.

use std::sync::Arc;

use super::{SqliteStore, WRITTEN_BY_OTHERS, open};
use crate::{
    domain::{
        audit::{Action, Actor, LogEntry},
        credentials::{Credentials, Secret},
        id::{KeyId, WorkspaceId},
        key::{Creator, Key, KeyState},
        revision::Revision,
        root::tests::Same,
        secret::{Hint, KeyHash},
        text::{Description, EnvironmentName, Name},
        time::Timestamp,
    },
    ports::{KeyStore, Lifecycle as _, Mutation, Rows, StoreError, Taking, Until, WriterState},
    store::{data_dir::DataDir, settings::StoreSettings},
};

/// A store whose writing connection was told something that only this connection knows.
fn store(directory: &tempfile::TempDir, told: &str) -> SqliteStore {
    let dir = DataDir::open(directory.path()).unwrap();
    let opened = open::open(&dir, &StoreSettings::default(), &Same(1), Timestamp::EPOCH).unwrap();
    opened.connection.execute_batch(told).unwrap();
    SqliteStore::start(&dir, opened).unwrap()
}

/// A change that issues a key with a long description.
fn issue(number: u8) -> Mutation {
    let secret = Secret {
        generation: 1,
        scheme: crate::domain::scheme::Scheme::Native,
        hash: KeyHash::stored([number; 32]),
        root: 1,
        hint: Hint::stored("kw_live_…abcd"),
        created: Timestamp::EPOCH,
    };
    let key = Key {
        id: KeyId::generate(&Same(number)).unwrap(),
        workspace: WorkspaceId::generate(&Same(1)).unwrap(),
        name: Name::parse("CI").unwrap(),
        description: Description::parse(&"x".repeat(1024)).unwrap(),
        owner: None,
        follows_owner_role: false,
        creator: Arc::new(Creator::System),
        environment: EnvironmentName::parse("live").unwrap(),
        grants: Arc::default(),
        networks: Arc::default(),
        metadata: Arc::default(),
        limits: None,
        state: KeyState::Active,
        created: Timestamp::EPOCH,
        expires: None,
        updated: Timestamp::EPOCH,
        credentials: Credentials::new(secret),
        admin: None,
        revision: Revision::ZERO,
        taken_in: Revision::ZERO,
    };
    let new = LogEntry::new(Timestamp::EPOCH, Actor::System, Action::KeyIssue);
    let entry = LogEntry { workspace: Some(key.workspace), key: Some(key.id), ..new };
    Mutation::new(entry, Rows { key: Some(key), ..Rows::default() })
}

/// Commits keys until one is refused; how many were stored, and why the last was not.
async fn fill(store: &SqliteStore) -> (u64, StoreError) {
    for number in 0..=u8::MAX {
        if let Err(error) = store.commit(issue(number)).await {
            return (number.into(), error);
        }
    }
    panic!("nothing was refused");
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_loses_none() {
    // D4
    let directory = tempfile::tempdir().unwrap();
    let full = store(&directory, "PRAGMA max_page_count = 60");
    let (stored, error) = fill(&full).await;
    assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("full")), "{error:?}");
    assert_eq!(*full.writer_state().borrow(), WriterState::Working, "it passes when there is room again");
    let view = full.whole().await.unwrap();
    assert_eq!((view.revision, view.damaged.len()), (Some(Revision(stored)), 0));
    assert_eq!(*full.revisions().borrow(), Revision(stored));
    full.close().await.unwrap();

    let roomy = store(&directory, "");
    assert_eq!(roomy.commit(issue(255)).await, Ok(Revision(stored + 1)));
    assert_eq!(roomy.verify_log().await.unwrap().fault, None);
}

#[tokio::test]
async fn a_statement_that_is_refused_takes_its_own_change_only() {
    let directory = tempfile::tempdir().unwrap();
    let odd = "CREATE TEMP TRIGGER odd BEFORE INSERT ON main.requests BEGIN SELECT RAISE(ABORT, 'odd'); END;
               CREATE TEMP TRIGGER late AFTER INSERT ON main.hashes WHEN new.hash = x'"
        .to_owned()
        + &"07".repeat(16)
        + "' BEGIN SELECT RAISE(ABORT, 'late'); END";
    let store = store(&directory, &odd);
    let answers = futures_util::future::join_all((5..10).map(|number| store.commit(issue(number)))).await;
    let refused: Vec<_> = answers.iter().map(Result::is_err).collect();
    assert_eq!(refused, [false, false, true, false, false]);
    assert!(matches!(answers.get(2), Some(Err(StoreError::Unavailable(_)))));
    let view = store.whole().await.unwrap();
    assert_eq!((view.keys.len(), view.damaged.len()), (4, 0));
    assert_eq!(store.verify_log().await.unwrap().fault, None);
}

/// A constraint that is looked at in the commit stands for an I/O error there, until it was tried whether anything can be
/// written.
const FAILS_UNTIL_TRIED: &str = "CREATE TEMP TABLE parents (id INTEGER PRIMARY KEY);
     CREATE TEMP TABLE orphans (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
     CREATE TEMP TRIGGER orphan AFTER INSERT ON main.log
     WHEN NOT EXISTS (SELECT * FROM main.meta WHERE name = 'trials') BEGIN INSERT INTO orphans VALUES (1); END";

fn sealed_until(store: &SqliteStore) -> Option<Until> {
    match &*store.writer_state().borrow() {
        WriterState::Sealed { until, .. } => Some(*until),
        WriterState::Working | WriterState::Ended => None,
    }
}

#[tokio::test]
async fn a_commit_that_fails_is_unknown_and_seals_the_store() {
    // D3
    let directory = tempfile::tempdir().unwrap();
    let failing = store(&directory, FAILS_UNTIL_TRIED);
    let unknown = failing.commit(issue(1)).await;
    assert!(matches!(unknown, Err(StoreError::OutcomeUnknown(_))), "{unknown:?}");
    assert_eq!(sealed_until(&failing), Some(Until::Written));
    let refused = failing.commit(issue(2)).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("is sealed")),
        "{refused:?}"
    );
    assert_eq!(*failing.revisions().borrow(), Revision::ZERO, "memory does not run ahead");
    assert!(failing.whole().await.unwrap().keys.is_empty(), "reading goes on");
    assert!(failing.close().await.is_err());
    drop(failing);
    assert_eq!(store(&directory, "").commit(issue(3)).await, Ok(Revision(1)), "a restart opens it");
}

#[tokio::test]
async fn a_sealed_store_opens_anew_without_what_was_unknown() {
    // D3, D1
    let directory = tempfile::tempdir().unwrap();
    let failing = store(&directory, FAILS_UNTIL_TRIED);
    failing.commit(issue(1)).await.unwrap_err();
    assert_eq!(*failing.taking().borrow(), Taking::Nothing);
    failing.open_anew().await.unwrap();
    assert_eq!((sealed_until(&failing), *failing.taking().borrow()), (None, Taking::Everything));
    failing.open_anew().await.expect("one that is open stays so");
    assert_eq!(failing.commit(issue(2)).await, Ok(Revision(1)));
    assert_eq!(failing.commit(issue(1)).await, Ok(Revision(2)), "the first try has left nothing");
    failing.close().await.unwrap();
    drop(failing);
    let again = store(&directory, "");
    assert_eq!(again.whole().await.unwrap().keys.len(), 2);
    assert_eq!(again.verify_log().await.unwrap().fault, None);
}

#[tokio::test]
async fn what_another_process_writes_into_a_sealed_store_keeps_it_sealed() {
    // D5: seen by the connection that was there before
    let directory = tempfile::tempdir().unwrap();
    let failing = store(&directory, FAILS_UNTIL_TRIED);
    failing.commit(issue(1)).await.unwrap_err();
    let other = rusqlite::Connection::open(directory.path().join("keyward.db")).unwrap();
    other.execute("UPDATE meta SET value = 1 WHERE name = 'created_ms'", []).unwrap();
    assert_eq!(failing.open_anew().await, Err(WRITTEN_BY_OTHERS));
    assert_eq!(sealed_until(&failing), Some(Until::Restart));
    assert_eq!(failing.commit(issue(2)).await, Err(WRITTEN_BY_OTHERS));
    assert!(matches!(failing.open_anew().await, Err(StoreError::Sealed(_))), "and so later");
}

#[tokio::test]
async fn a_store_that_is_dropped_has_written_what_waited() {
    let directory = tempfile::tempdir().unwrap();
    let dropped = store(&directory, "");
    let mut state = dropped.writer_state();
    assert_eq!(dropped.commit(issue(1)).await, Ok(Revision(1)));
    drop(dropped);
    assert_eq!(*state.borrow_and_update(), WriterState::Ended);
    assert_eq!(store(&directory, "").whole().await.unwrap().keys.len(), 1);
}
