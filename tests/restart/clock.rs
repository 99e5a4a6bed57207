//! What becomes of a Keyward whose machine's clock is set, ahead or back, while it runs and between two starts.

use std::{path::Path, sync::Arc, time::Duration};

use keyward::{
    domain::time::TrustedClock,
    wire::v1::{self, AuditAction, DenialReason},
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{
    Client,
    process::{Ended, Server, keyward, run},
    support::{Issued, Keyward, ManualClock, holder_key, named_field},
    verify_offline,
};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);
const YEAR_MS: i64 = 365 * 24 * 3_600_000;
const EXPIRED: Option<DenialReason> = Some(DenialReason::KeyExpired);

async fn issue_for(keyward: &Keyward, life: Duration) -> Issued {
    let expire_time = Some(keyward.clock.after(life));
    keyward.issue(v1::IssueRequest { expire_time, ..holder_key(&["messaging:send"]) }).await
}

async fn denied(keyward: &Keyward, issued: &Issued) -> Option<DenialReason> {
    keyward.denied(&issued.api_key, &["messaging:send"]).await
}

/// A store that was served until the year 2100, by a clock that was wrong; the root key.
async fn from_the_future() -> (TempDir, String) {
    let keyward = Keyward::start().await;
    keyward.clock.advance(HOUR * 24 * 365 * 75);
    keyward.issue_scopes(&["messaging:send"]).await;
    let root = keyward.root.clone();
    (keyward.stop().await, root)
}

fn doctor(data_dir: &Path, flags: &[&str]) -> Ended {
    let mut command = keyward();
    command.arg("doctor").arg("--data-dir").arg(data_dir).args(flags);
    run(command, "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_revives_no_expired_key_and_no_restart_does() {
    // D6, K8
    let keyward = Keyward::start().await;
    let issued = issue_for(&keyward, HOUR).await;
    assert_eq!(denied(&keyward, &issued).await, None);
    keyward.clock.advance(HOUR);
    assert_eq!(denied(&keyward, &issued).await, EXPIRED);
    keyward.clock.leap(-YEAR_MS);
    assert_eq!(denied(&keyward, &issued).await, EXPIRED);

    let keyward = keyward.restart().await;
    assert_eq!(denied(&keyward, &issued).await, EXPIRED);
    keyward.clock.advance(HOUR);
    assert_eq!(denied(&keyward, &issued).await, EXPIRED);
    let keyward = keyward.restart().await;
    assert_eq!(denied(&keyward, &issued).await, EXPIRED, "the second start, too, is behind the mark");
    let expire_time = Some(keyward.clock.after(HOUR));
    let late = v1::IssueRequest { expire_time, ..holder_key(&["messaging:send"]) };
    let refused = keyward.keys().issue(keyward.as_root(late)).await.err().unwrap();
    assert_eq!(named_field(&refused), "expire_time", "that is long past");
    keyward.stop().await;
}

/// Leaves the files as a process does that was killed: nobody said that it ended in order.
fn as_if_killed(data_dir: &Path) {
    let database = Connection::open(data_dir.join("keyward.db")).unwrap();
    let marked = database.execute("UPDATE meta SET value = 0 WHERE name = 'counts_complete'", []).unwrap();
    assert_eq!(marked, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_expired_between_the_last_mark_and_a_crash_stays_expired() {
    // D6, K8
    let keyward = Keyward::start().await;
    let (expired, living) = (issue_for(&keyward, HOUR).await, issue_for(&keyward, HOUR + MINUTE).await);
    keyward.clock.advance(59 * MINUTE + Duration::from_secs(51));
    // The mark is written here. Nine seconds on, the process is killed, and the clock is set back by a minute.
    let clock = Arc::clone(&keyward.clock);
    let set_back = move |data_dir: &Path| {
        as_if_killed(data_dir);
        clock.leap(-60_000);
    };
    let keyward = keyward.restart_after(set_back).await;
    assert_eq!(denied(&keyward, &expired).await, EXPIRED);
    assert_eq!(denied(&keyward, &living).await, None);

    // Time ran ahead by one allowance; another crash adds none.
    let keyward = keyward.restart_after(as_if_killed).await;
    let keyward = keyward.restart_after(as_if_killed).await;
    assert_eq!(denied(&keyward, &expired).await, EXPIRED);
    assert_eq!(denied(&keyward, &living).await, None);
    keyward.clock.advance(3 * MINUTE);
    assert_eq!(denied(&keyward, &living).await, EXPIRED);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leap_ahead_expires_nothing_until_it_has_stood_for_a_minute() {
    // D6, K8
    let keyward = Keyward::start().await;
    let issued = issue_for(&keyward, HOUR).await;
    keyward.clock.leap(YEAR_MS);
    assert_eq!(denied(&keyward, &issued).await, None);
    keyward.clock.advance(Duration::from_millis(59_999));
    assert_eq!(denied(&keyward, &issued).await, None);
    keyward.clock.leap(-YEAR_MS);
    assert_eq!(denied(&keyward, &issued).await, None, "it was set right in time");
    keyward.clock.leap(YEAR_MS);
    assert_eq!(denied(&keyward, &issued).await, None);
    keyward.clock.advance(MINUTE);
    assert_eq!(denied(&keyward, &issued).await, EXPIRED);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_leap_counts_at_once() {
    // D6, K8
    let keyward = Keyward::start().await;
    let issued = issue_for(&keyward, MINUTE * 5).await;
    keyward.clock.leap(5 * 60_000 - 1);
    assert_eq!(denied(&keyward, &issued).await, None);
    keyward.clock.leap(1);
    assert_eq!(denied(&keyward, &issued).await, EXPIRED);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_the_mark_time_stands_with_an_alarm_and_the_doctor_repairs_a_false_one() {
    // D6, A1
    let (folder, root) = from_the_future().await;
    let data_dir = folder.path().join("data");
    let found = doctor(&data_dir, &[]);
    assert_eq!(found.code, Some(0), "{found:?}");
    assert!(found.out.contains("clock mark  2100-") && found.out.contains("behind the mark"), "{found:?}");

    let server = Server::start(&data_dir);
    let client = Client::with(&server, &root).await;
    let made = client.keys().issue(client.signed(holder_key(&["messaging:send"]))).await.unwrap();
    let made = made.get_ref().key.as_ref().unwrap().create_time.unwrap();
    let marked = client.log().await[1].time.unwrap();
    assert_eq!(made, marked, "time stands at the mark");
    let running = doctor(&data_dir, &["--reset-clock"]);
    assert_eq!(running.code, Some(1), "{running:?}");
    assert!(running.err.contains("is in use by another keyward process"), "{running:?}");
    assert!(doctor(&data_dir, &[]).out.contains("revision 3"), "looking is allowed");
    let log = server.stop();
    assert_eq!(log.matches("behind a time that was believed before").count(), 1, "{log}");
    assert!(log.contains("ERROR") && log.contains("keyward doctor --reset-clock"), "{log}");

    let repaired = doctor(&data_dir, &["--reset-clock"]);
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    assert!(repaired.out.contains("clock mark  2100-") && repaired.out.contains(" → 20"), "{repaired:?}");
    verify_offline(&data_dir);
    let server = Server::start(&data_dir);
    let client = Client::with(&server, &root).await;
    client.keys().issue(client.signed(holder_key(&["messaging:send"]))).await.unwrap();
    let log = client.log().await;
    let (reset, after) = (&log[3], &log[4]);
    assert_eq!(reset.action(), AuditAction::ClockReset);
    assert!(reset.changes[0].from.contains("2100-"), "{reset:?}");
    assert!(reset.time.unwrap().seconds <= after.time.unwrap().seconds);
    assert!(after.time.unwrap().seconds < marked.seconds, "time goes by the machine's clock again");
    assert_eq!(client.verify_log().await.fault, None, "an entry may be older than the one before");
    let log = server.stop();
    assert!(!log.contains("behind a time"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_mark_is_refused_by_name() {
    // D6, D5
    for edit in ["zeroblob(40)", "0", "substr(value, 1, 39)", "x'0000000000000000' || substr(value, 9)"] {
        let (folder, _root) = from_the_future().await;
        let data_dir = folder.path().join("data");
        let database = Connection::open(data_dir.join("keyward.db")).unwrap();
        let edit = format!("UPDATE meta SET value = CAST({edit} AS BLOB) WHERE name = 'clock_mark'");
        assert_eq!(database.execute(&edit, []).unwrap(), 1);
        drop(database);
        for verb in ["serve", "recover"] {
            let mut command = keyward();
            command.arg(verb).arg("--data-dir").arg(&data_dir);
            let refused = run(command, "");
            assert_eq!(refused.code, Some(1), "{edit}: {refused:?}");
            let named = ["the clock's mark in", "was edited", "keyward doctor --reset-clock"];
            assert!(named.iter().all(|named| refused.err.contains(named)), "{edit}: {refused:?}");
        }
        assert!(doctor(&data_dir, &[]).out.contains("clock mark  edited"));
        assert!(doctor(&data_dir, &["--reset-clock"]).out.contains("edited → 20"));
        Server::start(&data_dir).stop();
    }
}

#[test]
fn the_doctor_makes_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    for flags in [[].as_slice(), &["--reset-clock"]] {
        let refused = doctor(&data_dir, flags);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains("there is no store in"), "{refused:?}");
        assert!(!data_dir.exists());
    }
}

#[test]
fn threads_that_read_at_once_never_see_time_go_back() {
    // D6
    let hands = Arc::new(ManualClock::new());
    let clock = TrustedClock::new(Arc::<ManualClock>::clone(&hands), None);
    std::thread::scope(|scope| {
        for _reader in 0..4 {
            scope.spawn(|| {
                let mut last = clock.now();
                for _read in 0..20_000 {
                    let now = clock.now();
                    assert!(now >= last);
                    last = now;
                }
            });
        }
        for step in 0..20_000 {
            hands.advance(Duration::from_millis(7));
            hands.leap([-3_000, 400_000, -7_000, -390_000][step % 4]);
        }
    });
    hands.advance(HOUR * 24);
    assert_eq!(clock.now().as_ms(), hands.now_ms());
}
