//! `ChangeKeys`: many keys at once, previewed and confirmed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use keyward::wire::v1::{
    self, AuditAction, ChangeKeysRequest, ChangeKeysResponse, DenialReason, DisableKeys, EnableKeys,
    KeyState, RetireKeys, RevokeKeys, change_keys_request::Action, key_service_client::KeyServiceClient,
};
use tonic::{Code, Response, Status};

use crate::support::{
    Issued, Keyward, admin_rights, check, holder_key, reason, signed,
    verbs::{DAY, HOUR, MS, assert_field, metadata, refusal},
};

const SCOPE: &str = "messaging:send";

const DISABLE: Action = Action::Disable(DisableKeys {});
const ENABLE: Action = Action::Enable(EnableKeys {});
/// `COMPROMISED`.
const REVOKE: Action = Action::Revoke(RevokeKeys { reason: 1 });

fn retire(at: prost_types::Timestamp) -> Action {
    Action::Retire(RetireKeys { expire_time: Some(at), lifetime: None })
}

fn of_owner(owner: &str, action: Action) -> ChangeKeysRequest {
    ChangeKeysRequest { owner: owner.to_owned(), ..of_all(action) }
}

fn of_all(action: Action) -> ChangeKeysRequest {
    ChangeKeysRequest { action: Some(action), ..ChangeKeysRequest::default() }
}

fn preview(request: ChangeKeysRequest) -> ChangeKeysRequest {
    ChangeKeysRequest { validate_only: true, ..request }
}

fn confirmed(request: ChangeKeysRequest, expected_count: u64) -> ChangeKeysRequest {
    ChangeKeysRequest { expected_count, ..request }
}

type Answer = Result<Response<ChangeKeysResponse>, Status>;

impl Keyward {
    async fn try_change(&self, request: ChangeKeysRequest) -> Answer {
        self.keys().change_keys(self.as_root(request)).await
    }

    async fn change(&self, request: ChangeKeysRequest) -> ChangeKeysResponse {
        self.try_change(request).await.unwrap().into_inner()
    }

    /// Previews, and then does what was previewed.
    async fn carry_out(&self, request: ChangeKeysRequest) -> ChangeKeysResponse {
        let seen = self.change(preview(request.clone())).await;
        let done = self.change(confirmed(request, seen.count)).await;
        assert_eq!((done.count, &done.key_ids), (seen.count, &seen.key_ids));
        assert_eq!(done.unchanged_count, seen.unchanged_count);
        done
    }

    async fn issue_to(&self, owner: &str) -> Issued {
        self.issue(v1::IssueRequest { owner: owner.to_owned(), ..holder_key(&[SCOPE]) }).await
    }

    async fn state(&self, issued: &Issued) -> KeyState {
        self.show(&issued.key.id).await.state()
    }
}

fn ids(keys: &[&Issued]) -> Vec<String> {
    let mut ids: Vec<_> = keys.iter().map(|issued| issued.key.id.clone()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_picked_by_owner_tag_environment_time_and_workspace() {
    // V4, T4
    let keyward = Keyward::start().await;
    let labels = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let ann = keyward.issue_to("ann").await;
    let labelled =
        |value: &str| v1::IssueRequest { metadata: labels("batch", value), ..holder_key(&[SCOPE]) };
    let seven = keyward.issue(labelled("7")).await;
    let eight = keyward.issue(labelled("8")).await;
    let test = v1::IssueRequest { environment: "test".to_owned(), ..holder_key(&[SCOPE]) };
    let test = keyward.issue(test).await;
    let noon = keyward.clock.after(HOUR);
    keyward.clock.advance(HOUR);
    let late = keyward.issue_to("bob").await;
    let (elsewhere, theirs) = keyward.register("elsewhere").await;

    let tagged = |tag: &str| ChangeKeysRequest { tag: tag.to_owned(), ..of_all(DISABLE) };
    for (request, expected) in [
        (of_owner("ann", DISABLE), ids(&[&ann])),
        (tagged("batch=7"), ids(&[&seven])),
        (tagged("batch"), ids(&[&seven, &eight])),
        (ChangeKeysRequest { environment: "test".to_owned(), ..of_all(DISABLE) }, ids(&[&test])),
        (ChangeKeysRequest { issue_start_time: Some(noon), ..of_all(DISABLE) }, ids(&[&late])),
        (
            ChangeKeysRequest { issue_end_time: Some(noon), ..of_all(DISABLE) },
            ids(&[&ann, &seven, &eight, &test]),
        ),
        (ChangeKeysRequest { workspace_id: elsewhere.id.clone(), ..of_all(DISABLE) }, ids(&[&theirs])),
        (ChangeKeysRequest { owner: "ann".to_owned(), ..tagged("batch") }, Vec::new()),
        (of_owner("nobody", DISABLE), Vec::new()),
        (of_all(DISABLE), ids(&[&ann, &seven, &eight, &test, &late])),
    ] {
        let before = keyward.revision().await;
        let previewed = keyward.change(preview(request.clone())).await;
        assert_eq!(
            (previewed.count, &previewed.key_ids),
            (u64::try_from(expected.len()).unwrap(), &expected)
        );
        assert_eq!(
            (previewed.group_id.as_str(), previewed.revision),
            ("", before),
            "a preview changes nothing"
        );
        assert_eq!(keyward.revision().await, before);
        let done = keyward.change(confirmed(request, previewed.count)).await;
        assert_eq!(done.key_ids, expected);
        assert_eq!(done.group_id.is_empty(), expected.is_empty());
        for id in &expected {
            assert_eq!(keyward.show(id).await.state(), KeyState::Disabled);
        }
        if expected.is_empty() {
            assert_eq!(keyward.revision().await, before, "nothing to change is no entry");
        } else {
            let again =
                ChangeKeysRequest { workspace_id: done_in(&keyward, &expected[0]).await, ..of_all(ENABLE) };
            keyward.carry_out(again).await;
        }
    }
    keyward.stop().await;
}

async fn done_in(keyward: &Keyward, id: &str) -> String {
    keyward.show(id).await.workspace_id
}

#[tokio::test(flavor = "multi_thread")]
async fn each_action_does_what_it_says_and_is_one_record() {
    // V4, A1
    let keyward = Keyward::start().await;
    let keys = [keyward.issue_to("ann").await, keyward.issue_to("ann").await];
    let bystander = keyward.issue_to("bob").await;
    let root = keyward.root_id().await;
    for (action, log_action, denial, reason) in [
        (DISABLE, AuditAction::KeyDisable, Some(DenialReason::KeyDisabled), ""),
        (ENABLE, AuditAction::KeyEnable, None, ""),
        (retire(keyward.clock.after(DAY)), AuditAction::KeyUpdate, None, ""),
        (REVOKE, AuditAction::KeyRevoke, Some(DenialReason::KeyRevoked), "compromised"),
    ] {
        keyward.clock.advance(HOUR);
        let before = keyward.revision().await;
        let request = ChangeKeysRequest { comment: "ticket 4711".to_owned(), ..of_owner("ann", action) };
        let done = keyward.carry_out(request).await;
        assert_eq!((done.count, done.unchanged_count, done.revision), (2, 0, before + 1));
        let record = keyward.newest_record().await;
        assert_eq!((record.revision, record.action()), (done.revision, log_action));
        assert_eq!((&record.group_id, record.key_count), (&done.group_id, 2));
        assert_eq!((record.key_id.as_str(), record.comment.as_str()), ("", "ticket 4711"));
        assert_eq!((record.reason.as_str(), record.actor.unwrap().key_id), (reason, root.clone()));
        assert_eq!(record.changes.len(), 1);
        for issued in &keys {
            assert_eq!(keyward.denied(&issued.api_key, &[SCOPE]).await, denial);
            let shown = keyward.show(&issued.key.id).await;
            assert_eq!((shown.revision, shown.update_time), (done.revision, record.time));
            let about = v1::QueryLogRequest { key_id: issued.key.id.clone(), ..Default::default() };
            let about = keyward.audit().query_log(keyward.as_root(about)).await.unwrap().into_inner();
            assert_eq!(about.records[0].group_id, done.group_id, "found by each of its keys");
            assert_eq!(about.records.last().unwrap().action(), AuditAction::KeyIssue);
        }
    }
    assert_eq!(keyward.show(&bystander.key.id).await, bystander.key);
    let revocation = keyward.show(&keys[0].key.id).await.revocation.unwrap();
    assert_eq!((revocation.reason(), revocation.revoked_by), (v1::RevokeReason::Compromised, root));
    assert_eq!(revocation.comment, "ticket 4711");
    let verified = keyward.audit().verify_log(keyward.as_root(v1::VerifyLogRequest {})).await;
    assert_eq!(verified.unwrap().into_inner().fault, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_says_what_the_keys_were_only_where_they_were_alike() {
    // A1, V4
    let keyward = Keyward::start().await;
    keyward.issue_to("ann").await;
    let ends = Some(keyward.clock.after(2 * DAY));
    let request = v1::IssueRequest { owner: "ann".to_owned(), expire_time: ends, ..holder_key(&[SCOPE]) };
    let other = keyward.issue(request).await;
    let from = async |action| {
        keyward.carry_out(of_owner("ann", action)).await;
        keyward.newest_record().await.changes.remove(0).from
    };
    assert_eq!(from(retire(keyward.clock.after(DAY))).await, "\"various\"", "one of them never ended");
    assert_eq!(from(DISABLE).await, "\"active\"");
    keyward.enable(&other.key.id).await;
    assert_eq!(from(REVOKE).await, "\"various\"");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_than_was_confirmed_changes_nothing() {
    // V4
    let keyward = Keyward::start().await;
    let issued = keyward.issue_to("ann").await;
    keyward.issue_to("ann").await;
    let before = keyward.revision().await;
    for wrong in [0, 1, 3, u64::MAX] {
        let refused = keyward.try_change(confirmed(of_owner("ann", REVOKE), wrong)).await;
        let status = refusal(refused, Code::FailedPrecondition, "COUNT_CHANGED");
        assert_eq!(metadata(&status, "count").as_deref(), Some("2"));
        assert_eq!(metadata(&status, "expected_count"), Some(wrong.to_string()));
    }
    assert_eq!(keyward.revision().await, before);
    assert_eq!(keyward.denied(&issued.api_key, &[SCOPE]).await, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn final_states_stay_and_are_counted_as_unchanged() {
    // V4, K9
    let keyward = Keyward::start().await;
    let revoked = keyward.issue_to("ann").await;
    keyward.revoke(&revoked.key.id).await;
    let ends =
        |at| v1::IssueRequest { owner: "ann".to_owned(), expire_time: Some(at), ..holder_key(&[SCOPE]) };
    let expired = keyward.issue(ends(keyward.clock.after(MS))).await;
    keyward.clock.advance(MS);
    let off = keyward.issue_to("ann").await;
    keyward.disable(&off.key.id).await;
    let on = keyward.issue_to("ann").await;
    let soon = keyward.issue(ends(keyward.clock.after(HOUR))).await;
    let shown = async |issued: &Issued| keyward.show(&issued.key.id).await;
    let (was_revoked, was_expired) = (shown(&revoked).await, shown(&expired).await);

    for (action, count, unchanged) in [
        (DISABLE, 2, 3),
        (ENABLE, 3, 2),
        (retire(keyward.clock.after(DAY)), 2, 3),
        (retire(keyward.clock.after(2 * DAY)), 0, 5),
        (REVOKE, 3, 2),
        (ENABLE, 0, 5),
        (DISABLE, 0, 5),
        (REVOKE, 0, 5),
    ] {
        let done = keyward.carry_out(of_owner("ann", action)).await;
        assert_eq!((done.count, done.unchanged_count), (count, unchanged), "{action:?}");
    }
    assert_eq!((shown(&revoked).await, shown(&expired).await), (was_revoked, was_expired));
    assert_eq!(shown(&soon).await.expire_time, soon.key.expire_time, "never later than it was");
    assert_eq!(keyward.state(&on).await, KeyState::Revoked);
    assert_eq!(keyward.state(&off).await, KeyState::Revoked);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_key_ends_at_its_millisecond() {
    // V4, K8
    let keyward = Keyward::start().await;
    let issued = keyward.issue_to("ann").await;
    let end = keyward.clock.after(HOUR);
    keyward.carry_out(of_owner("ann", retire(end))).await;
    assert_eq!(keyward.show(&issued.key.id).await.expire_time, Some(end));
    keyward.clock.advance(HOUR.saturating_sub(MS));
    assert_eq!(keyward.denied(&issued.api_key, &[SCOPE]).await, None);
    keyward.clock.advance(MS);
    assert_eq!(keyward.denied(&issued.api_key, &[SCOPE]).await, Some(DenialReason::KeyExpired));
    for past in [keyward.clock.after(std::time::Duration::ZERO), end] {
        let refused = keyward.try_change(preview(of_owner("ann", retire(past)))).await;
        assert_field(refused, "retire.expire_time");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn later_changes_of_one_key_stand_on_those_of_many_and_a_restart_keeps_all() {
    // V4, D1
    let keyward = Keyward::start().await;
    let mut keys = Vec::new();
    for _ in 0..6 {
        keys.push(keyward.issue_to("ann").await);
    }
    keyward.carry_out(of_owner("ann", DISABLE)).await;
    keyward.enable(&keys[1].key.id).await;
    let rotated = keyward.rotate(&keys[2].key.id, None).await;
    let renamed = v1::Key { id: keys[3].key.id.clone(), name: "other".to_owned(), ..v1::Key::default() };
    keyward.update(renamed, &["name"]).await;
    keyward.revoke(&keys[4].key.id).await;
    keyward.carry_out(of_owner("ann", retire(keyward.clock.after(DAY)))).await;
    keyward.enable(&keys[3].key.id).await;
    keyward.clock.advance(HOUR);
    keyward.carry_out(of_owner("ann", retire(keyward.clock.after(HOUR)))).await;
    keyward.enable(&keys[5].key.id).await;
    keyward.carry_out(of_owner("ann", DISABLE)).await;
    keyward.enable(&keys[0].key.id).await;

    let states = [
        KeyState::Active,
        KeyState::Disabled,
        KeyState::Disabled,
        KeyState::Disabled,
        KeyState::Revoked,
        KeyState::Disabled,
    ];
    let mut before = Vec::new();
    for (issued, state) in keys.iter().zip(states) {
        let shown = keyward.show(&issued.key.id).await;
        assert_eq!(shown.state(), state);
        before.push(shown);
    }
    assert_eq!(before[2].secrets.len(), 2, "{:?}", rotated.key.id);
    let listing = || v1::ListKeysRequest { owner: "ann".to_owned(), ..v1::ListKeysRequest::default() };
    let listed = keyward.keys().list_keys(keyward.as_root(listing())).await.unwrap().into_inner().keys;
    for shown in &before {
        assert!(listed.contains(shown), "{shown:?}\n{listed:?}");
    }

    let keyward = keyward.restart().await;
    for shown in &before {
        assert_eq!(keyward.show(&shown.id).await, *shown, "after a restart");
    }
    let again = keyward.keys().list_keys(keyward.as_root(listing())).await.unwrap().into_inner().keys;
    assert_eq!(again, listed);
    assert_eq!(keyward.denied(&keys[0].api_key, &[SCOPE]).await, None);
    assert_eq!(keyward.denied(&keys[1].api_key, &[SCOPE]).await, Some(DenialReason::KeyDisabled));
    keyward.carry_out(of_owner("ann", ENABLE)).await;
    keyward.disable(&keys[1].key.id).await;
    assert_eq!(keyward.state(&keys[1]).await, KeyState::Disabled);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_check_after_the_answer_is_denied_on_every_connection() {
    // V1, V4
    const CONNECTIONS: usize = 8;
    let keyward = Keyward::start().await;
    let issued = join_all((0..300).map(|_| keyward.issue_to("ann"))).await;
    let secrets: Arc<Vec<String>> = Arc::new(issued.iter().map(|issued| issued.api_key.clone()).collect());
    // Odd from the answer that all are disabled until they are to be enabled again: what straddles that may be told either.
    let (stop, turn) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut load = Vec::new();
    for connection in 0..CONNECTIONS {
        let mut client = KeyServiceClient::new(keyward.new_channel().await);
        let (secrets, stop, turn) = (Arc::clone(&secrets), Arc::clone(&stop), Arc::clone(&turn));
        load.push(tokio::spawn(async move {
            let mut place = connection * 31;
            while !stop.load(Ordering::SeqCst) {
                place += 1;
                let began = turn.load(Ordering::SeqCst);
                let answer = client.check(check(&secrets[place % secrets.len()], &[SCOPE])).await.unwrap();
                let denied = reason(answer.get_ref());
                assert!(matches!(denied, None | Some(DenialReason::KeyDisabled)), "{denied:?}");
                let must_be_denied = began % 2 == 1 && turn.load(Ordering::SeqCst) == began;
                assert!(!must_be_denied || denied.is_some(), "allowed after the answer");
            }
        }));
    }
    for _ in 0..5 {
        keyward.carry_out(of_owner("ann", DISABLE)).await;
        turn.fetch_add(1, Ordering::SeqCst);
        for secret in secrets.iter() {
            assert_eq!(keyward.denied(secret, &[SCOPE]).await, Some(DenialReason::KeyDisabled));
        }
        turn.fetch_add(1, Ordering::SeqCst);
        keyward.carry_out(of_owner("ann", ENABLE)).await;
        for secret in secrets.iter().take(20) {
            assert_eq!(keyward.denied(secret, &[SCOPE]).await, None);
        }
    }
    stop.store(true, Ordering::SeqCst);
    for task in load {
        task.await.unwrap();
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_many_and_of_one_at_the_same_time_lose_neither() {
    // V4, D1
    let keyward = Keyward::start().await;
    let issued = join_all((0..40).map(|_| keyward.issue_to("ann"))).await;
    let renamed = |place: usize| v1::Key {
        id: issued[place % issued.len()].key.id.clone(),
        name: format!("name {place}"),
        ..v1::Key::default()
    };
    let rename = join_all((0..200).map(|place| keyward.update(renamed(place), &["name"])));
    let bulk = async {
        for _ in 0..10 {
            assert_eq!(keyward.carry_out(of_owner("ann", DISABLE)).await.count, 40);
            assert_eq!(keyward.carry_out(of_owner("ann", ENABLE)).await.count, 40);
        }
        keyward.carry_out(of_owner("ann", DISABLE)).await
    };
    let (_renamed, last) = tokio::join!(rename, bulk);
    for issued in &issued {
        let shown = keyward.show(&issued.key.id).await;
        assert_eq!(shown.state(), KeyState::Disabled);
        assert!(shown.name.starts_with("name ") && shown.revision >= last.revision, "{shown:?}");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_changes_keys_once() {
    // V4, K10
    let keyward = Keyward::start().await;
    let issued = keyward.issue_to("ann").await;
    let request = confirmed(of_owner("ann", DISABLE), 1);
    let request = ChangeKeysRequest { request_id: "r-1".to_owned(), ..request };
    let done = keyward.change(request.clone()).await;
    assert_eq!(keyward.newest_record().await.request_id, "r-1");
    keyward.enable(&issued.key.id).await;
    let status = refusal(keyward.try_change(request.clone()).await, Code::AlreadyExists, "GROUP_DONE");
    assert_eq!(metadata(&status, "group_id").as_deref(), Some(done.group_id.as_str()));
    let keyward = keyward.restart().await;
    refusal(keyward.try_change(request.clone()).await, Code::AlreadyExists, "GROUP_DONE");
    assert_eq!(keyward.state(&issued).await, KeyState::Active, "it was not done again");
    let other = ChangeKeysRequest { action: Some(REVOKE), ..request };
    refusal(keyward.try_change(other).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn administration_keys_are_never_among_them() {
    // V4, X9
    let keyward = Keyward::start().await;
    let admin = v1::IssueRequest {
        name: "operator".to_owned(),
        owner: "ann".to_owned(),
        admin: Some(admin_rights(&["keys:read"], true)),
        ..v1::IssueRequest::default()
    };
    let admin = keyward.issue(admin).await;
    let key = keyward.issue_to("ann").await;
    let done = keyward.carry_out(of_owner("ann", REVOKE)).await;
    assert_eq!((done.key_ids, done.unchanged_count), (vec![key.key.id], 0));
    assert_eq!(keyward.state(&admin).await, KeyState::Active);
    assert_eq!(keyward.carry_out(of_all(REVOKE)).await.unchanged_count, 1);
    assert_eq!(keyward.state(&admin).await, KeyState::Active);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_keys_beyond_their_scope_reach_or_ceiling() {
    // V4, T1, X9
    let keyward = Keyward::start().await;
    let (mine, my_key) = keyward.register("mine").await;
    let (theirs, their_key) = keyward.register("theirs").await;
    let rights = |scopes: &[&str]| admin_rights(scopes, false);
    let updater = keyward.issue_admin(&mine.id, rights(&["keys:update"])).await.api_key;
    let revoker = keyward.issue_admin(&mine.id, rights(&["keys:revoke"])).await.api_key;
    let as_caller = async |caller: &str, request| keyward.keys().change_keys(signed(caller, request)).await;
    let refused = as_caller(&updater, preview(of_all(REVOKE))).await;
    refusal(refused, Code::PermissionDenied, "ADMIN_SCOPE_MISSING");
    for action in [DISABLE, ENABLE, retire(keyward.clock.after(DAY))] {
        let refused = as_caller(&revoker, preview(of_all(action))).await;
        refusal(refused, Code::PermissionDenied, "ADMIN_SCOPE_MISSING");
    }
    let elsewhere = ChangeKeysRequest { workspace_id: theirs.id.clone(), ..of_all(DISABLE) };
    refusal(as_caller(&updater, elsewhere).await, Code::NotFound, "WORKSPACE_NOT_FOUND");
    let done = as_caller(&updater, confirmed(of_all(DISABLE), 1)).await.unwrap().into_inner();
    assert_eq!(done.key_ids, ids(&[&my_key]));
    assert_eq!(keyward.state(&their_key).await, KeyState::Active);

    let mut narrow = rights(&["keys:update"]);
    let ceiling = narrow.ceiling.as_mut().unwrap();
    (ceiling.any_grant, ceiling.scopes) = (false, vec!["a:a".to_owned()]);
    let narrow = keyward.issue_admin(&mine.id, narrow).await.api_key;
    for request in [preview(of_all(ENABLE)), confirmed(of_all(ENABLE), 1)] {
        let status = refusal(as_caller(&narrow, request).await, Code::PermissionDenied, "CEILING_EXCEEDED");
        assert_eq!(metadata(&status, "count").as_deref(), Some("1"));
        assert_eq!(metadata(&status, "key_id"), Some(my_key.key.id.clone()));
    }
    assert_eq!(keyward.state(&my_key).await, KeyState::Disabled);
    as_caller(&updater, confirmed(of_all(ENABLE), 1)).await.unwrap();
    as_caller(&narrow, confirmed(of_all(DISABLE), 1)).await.expect("what takes away needs no ceiling");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_named_and_changes_nothing() {
    let keyward = Keyward::start().await;
    keyward.issue_to("ann").await;
    let before = keyward.revision().await;
    let bad = || "\0".to_owned();
    let absurd = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
    let unknown_reason = Action::Revoke(RevokeKeys { reason: 99 });
    let request = || confirmed(of_all(DISABLE), 1);
    for (spoilt, field) in [
        (ChangeKeysRequest { workspace_id: bad(), ..request() }, "workspace_id"),
        (ChangeKeysRequest { owner: bad(), ..request() }, "owner"),
        (ChangeKeysRequest { tag: bad(), ..request() }, "tag"),
        (ChangeKeysRequest { environment: bad(), ..request() }, "environment"),
        (ChangeKeysRequest { issue_start_time: Some(absurd), ..request() }, "issue_start_time"),
        (ChangeKeysRequest { issue_end_time: Some(absurd), ..request() }, "issue_end_time"),
        (ChangeKeysRequest { comment: bad(), ..request() }, "comment"),
        (ChangeKeysRequest { request_id: bad(), ..request() }, "request_id"),
        (ChangeKeysRequest { action: None, ..request() }, "action"),
        (confirmed(of_all(unknown_reason), 1), "revoke.reason"),
        (confirmed(of_all(retire(absurd)), 1), "retire.expire_time"),
        (confirmed(of_all(Action::Retire(RetireKeys::default())), 1), "retire.expire_time"),
    ] {
        assert_field(keyward.try_change(spoilt).await, field);
    }
    assert_eq!(keyward.revision().await, before);
    keyward.stop().await;
}
