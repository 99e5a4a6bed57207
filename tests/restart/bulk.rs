//! kill -9 in the middle of changes of many keys, while others check and change keys.

use futures_util::future::join_all;
use keyward::wire::v1::{
    self, ChangeKeysRequest, DisableKeys, EnableKeys, KeyState, change_keys_request::Action,
};
use tokio::{sync::watch, time::timeout};
use tonic_types::StatusExt as _;

use crate::{
    Client,
    facts::{Dice, SCOPE},
    kill::{number, tell},
    process::PATIENCE,
    start_roomy,
    support::check,
    verify_offline,
};

const KEYS: usize = 300;
const OWNER: &str = "many";
/// Unless `KEYWARD_KILL_ROUNDS` asks for more.
const ROUNDS: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_many_keys_is_whole_or_absent_after_kill_9() {
    // D1, V4, A1, V1
    let seed = number("KEYWARD_KILL_SEED").unwrap_or(7);
    tell(&format!("KEYWARD_KILL_SEED={seed} draws the same moments"));
    let mut dice = Dice(seed);
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = start_roomy(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let secrets = join_all((0..KEYS).map(|_| issue(&client))).await;
    server.stop();

    let mut disabled = false;
    for _round in 0..number("KEYWARD_KILL_ROUNDS").unwrap_or(ROUNDS) {
        let server = start_roomy(&data_dir);
        let client = Client::of(&server, &data_dir).await;
        let checks = tokio::spawn(check_until_gone(client.clone(), secrets.clone()));
        let acknowledged = watch::Sender::new((0_usize, disabled));
        let mut told = acknowledged.subscribe();
        let changes = tokio::spawn(switch_until_gone(client, acknowledged));
        let enough = 1 + dice.below(6);
        timeout(PATIENCE, told.wait_for(|(changes, _)| *changes >= enough)).await.unwrap().unwrap();
        for _ in 0..dice.below(2_000) {
            tokio::task::yield_now().await;
        }
        server.kill();
        let pending = changes.await.unwrap();
        checks.await.unwrap();
        let known = told.borrow().1;
        verify_offline(&data_dir);

        let server = start_roomy(&data_dir);
        let client = Client::of(&server, &data_dir).await;
        disabled = all_alike(&client).await;
        assert!(disabled == known || disabled == pending, "neither what was told nor what was asked for");
        for secret in secrets.iter().step_by(17) {
            let answer = client.keys().check(check(secret, &[SCOPE])).await.unwrap().into_inner();
            assert_eq!(answer.allowed, !disabled);
        }
        assert_eq!(client.verify_log().await.fault, None);
        server.stop();
        verify_offline(&data_dir);
    }
}

async fn issue(client: &Client) -> String {
    let request = v1::IssueRequest {
        name: "one of many".to_owned(),
        owner: OWNER.to_owned(),
        scopes: vec![SCOPE.to_owned()],
        ..v1::IssueRequest::default()
    };
    client.keys().issue(client.signed(request)).await.unwrap().get_ref().api_key.clone()
}

/// Disables and enables all keys in turn; what was asked for last.
async fn switch_until_gone(client: Client, acknowledged: watch::Sender<(usize, bool)>) -> bool {
    loop {
        let (changes, disabled) = *acknowledged.borrow();
        let action = if disabled { Action::Enable(EnableKeys {}) } else { Action::Disable(DisableKeys {}) };
        let request = ChangeKeysRequest {
            owner: OWNER.to_owned(),
            action: Some(action),
            expected_count: u64::try_from(KEYS).unwrap(),
            ..ChangeKeysRequest::default()
        };
        match client.keys().change_keys(client.signed(request)).await {
            Ok(_) => {
                acknowledged.send_replace((changes + 1, !disabled));
            }
            Err(status) => {
                assert!(status.get_details_error_info().is_none(), "{status:?}");
                return !disabled;
            }
        }
    }
}

async fn check_until_gone(client: Client, secrets: Vec<String>) {
    for secret in secrets.iter().cycle() {
        if let Err(status) = client.keys().check(check(secret, &[SCOPE])).await {
            assert!(status.get_details_error_info().is_none(), "{status:?}");
            return;
        }
    }
}

/// Whether all keys are disabled; none stands otherwise than the others, and each names the same last change.
async fn all_alike(client: &Client) -> bool {
    let mut keys = client.all_keys().await;
    keys.retain(|key| key.owner == OWNER);
    assert_eq!(keys.len(), KEYS);
    let (state, revision) = (keys[0].state(), keys[0].revision);
    assert!(keys.iter().all(|key| (key.state(), key.revision) == (state, revision)), "half-way");
    let record = &client.log().await[usize::try_from(revision).unwrap() - 1];
    assert_eq!((record.key_count, record.group_id.is_empty()), (u64::try_from(KEYS).unwrap(), false));
    state == KeyState::Disabled
}
