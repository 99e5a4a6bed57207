//! kill -9 at a random moment under load, again and again on the same files.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher as _, RandomState},
    path::Path,
};

use keyward::wire::v1::AuditAction;
use tokio::{sync::watch, time::timeout};

use crate::{
    Client,
    facts::{Dice, Gone, Owner},
    process::{PATIENCE, Server, start_and_kill},
    start_roomy, verify_offline,
};

/// Unless `KEYWARD_KILL_ROUNDS` asks for more.
const ROUNDS: u64 = 5;
/// Then the log is long enough: each restart reads all of it several times.
const ROUNDS_WITH_THE_SAME_FILES: u64 = 20;
const OWNERS: usize = 6;
/// Changes acknowledged in a round before the kill.
const MOST_CHANGES: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_acknowledged_holds_after_kill_9_and_the_rest_is_whole_or_absent() {
    // D1, K10, A1, A3, V1
    let rounds = number("KEYWARD_KILL_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("KEYWARD_KILL_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    tell(&format!("KEYWARD_KILL_SEED={seed} draws the same changes"));
    let mut left = rounds;
    for files in 0..rounds.div_ceil(ROUNDS_WITH_THE_SAME_FILES) {
        let these = left.min(ROUNDS_WITH_THE_SAME_FILES);
        left -= these;
        kill_again_and_again(these, seed.wrapping_add(files * 1_000)).await;
    }
}

async fn kill_again_and_again(rounds: u64, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut dice = Dice(seed);
    let mut owners: Vec<Owner> =
        (1..=OWNERS).map(|name| Owner::new(name, seed.wrapping_add(u64::try_from(name).unwrap()))).collect();
    for _round in 0..rounds {
        let server = start_roomy(&data_dir);
        reconcile(&server, &data_dir, &mut owners).await;
        owners = load_and_kill(server, &data_dir, owners, &mut dice).await;
        verify_offline(&data_dir);
        if dice.below(2) == 0 {
            start_and_kill(&data_dir, u32::try_from(dice.below(2_000)).unwrap());
        }
    }
    let server = start_roomy(&data_dir);
    let records = reconcile(&server, &data_dir, &mut owners).await;
    tell(&format!("{rounds} kills, {records} changes"));
    verify_offline(&data_dir);
    server.stop();
    verify_offline(&data_dir);
}

/// Every owner changes its keys until the server is killed beneath them.
async fn load_and_kill(server: Server, data_dir: &Path, owners: Vec<Owner>, dice: &mut Dice) -> Vec<Owner> {
    let done = watch::Sender::new(0_usize);
    let mut tasks = Vec::new();
    for mut owner in owners {
        let client = Client::of(&server, data_dir).await;
        let done = done.clone();
        tasks.push(tokio::spawn(async move {
            for _change in 0..100 * MOST_CHANGES {
                if let Err(Gone) = owner.step(&client).await {
                    return owner;
                }
                done.send_modify(|done| *done += 1);
            }
            panic!("nobody killed the server");
        }));
    }
    let enough = 1 + dice.below(MOST_CHANGES);
    let mut seen = done.subscribe();
    drop(done);
    let reached = timeout(PATIENCE, seen.wait_for(|done| *done >= enough)).await.map(|seen| seen.is_ok());
    for _ in 0..dice.below(200) {
        tokio::task::yield_now().await;
    }
    server.kill();
    let mut owners = Vec::new();
    for task in tasks {
        owners.push(task.await.unwrap());
    }
    assert_eq!(reached, Ok(true), "the load came to a halt before the kill");
    owners
}

/// Compares a server that was started anew with what the owners know; tells how long its log is.
async fn reconcile(server: &Server, data_dir: &Path, owners: &mut [Owner]) -> usize {
    let client = Client::of(server, data_dir).await;
    let verified = client.verify_log().await;
    assert_eq!(verified.fault, None);
    verify_offline(data_dir);
    let log = client.log().await;
    assert_eq!(verified.head_revision, u64::try_from(log.len()).unwrap());
    let keys = client.all_keys().await;
    let count = keys.len();
    let keys: HashMap<_, _> = keys.into_iter().map(|key| (key.id.clone(), key)).collect();
    assert_eq!(keys.len(), count, "a key is listed once");

    let mut by_key: HashMap<&str, Vec<(u64, AuditAction)>> = HashMap::new();
    for record in &log {
        assert!(keys.contains_key(&record.key_id), "a record of a key that is not there: {record:?}");
        by_key.entry(&record.key_id).or_default().push((record.revision, record.action()));
    }
    assert_eq!(by_key.len(), keys.len(), "a key without a record");
    for (id, records) in &by_key {
        let makes = |action| matches!(action, AuditAction::KeyIssue | AuditAction::StoreInitialize);
        let made = records.iter().filter(|(_, action)| makes(*action)).count();
        assert!(made == 1 && makes(records[0].1), "{id} was made {made} times");
    }
    let ids: Vec<_> = log.iter().map(|record| &record.request_id).filter(|id| !id.is_empty()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "a request id made two keys or secrets");

    for owner in owners.iter_mut() {
        owner.reconcile(&client, &keys, &log, &by_key).await;
    }
    let known: HashSet<_> = owners.iter().flat_map(|owner| &owner.facts).map(|fact| &fact.id).collect();
    let unknown: Vec<_> = keys.keys().filter(|id| !known.contains(id)).collect();
    assert_eq!(unknown.len(), 1, "beside the first administration key nobody made any: {unknown:?}");
    log.len()
}

#[allow(clippy::disallowed_methods, reason = "how long a test is to last is told by the environment")]
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[allow(clippy::print_stderr, reason = "shown when the test fails, or is run with --nocapture")]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}
