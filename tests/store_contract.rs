//! What every store must do, whatever it is made of. A back end takes part by a [`Backend`] and a line at the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod store_support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use keyward::{
    domain::{
        admin::{AdminRights, AdminScope},
        audit::{Action, Actor, FieldChange, LogEntry, PersonName, PersonRef, Salt},
        ceiling::{Ceiling, EnvironmentCeiling, GrantCeiling, LifetimeCeiling},
        credentials::RetiringSecret,
        grant::{Grant, Grants},
        group::GroupAct,
        id::{KeyId, WorkspaceId},
        key::{Creator, Key, KeyState, Revocation, RevokeReason},
        member::Member,
        network::{AllowedNetworks, parse_network},
        policy::{KeyRulesEntry, OwnKeyRules},
        resource::ResourcePattern,
        revision::Revision,
        scope::ScopePattern,
        text::{Comment, Description, EnvironmentName, Metadata, Name, Owner, Plan},
        workspace::{Within, Workspace, WorkspaceState},
    },
    ports::{
        KeyFilter, KeyPosition, KeyStore, LastUse, LogFilter, LogRecord, Mutation, Note, PolicyView, Rows,
        StoreError, Usage, UsageFilter, UsagePosition, View, ViewSink,
    },
};
use serde_json::Value;
use store_support::{
    Place, Seeded, at, entry, key, member, policy_version, put, put_group, put_member, put_workspace,
    request, secret, sorted, stored, stored_group, workspace,
};

/// A back end under test, in an empty place of its own.
trait Backend: Send + Sync {
    fn new() -> Self;

    /// Opens the store of this place; what was opened before is gone.
    fn open(&self) -> Arc<dyn KeyStore>;
}

struct Sqlite(Place);

impl Backend for Sqlite {
    fn new() -> Self {
        Self(Place::new())
    }

    fn open(&self) -> Arc<dyn KeyStore> {
        Arc::new(self.0.open())
    }
}

macro_rules! contract {
    ($backend:ident, $module:ident: $($name:ident,)*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name::<super::$backend>().await;
                }
            )*
        }
    };
}

contract! {
    Sqlite, sqlite:
    a_key_reads_back_as_it_was_stored,
    a_workspace_reads_back_as_it_was_stored,
    a_member_reads_back_as_it_was_stored_and_changes_in_its_turn,
    a_change_stands_on_a_member_and_a_workspace_as_they_were,
    who_lost_the_race_is_told_and_nothing_is_changed,
    a_change_stands_on_what_it_expects,
    a_policy_follows_the_newest_and_what_was_judged_by_another_is_refused,
    a_request_id_makes_one_key,
    revisions_are_in_the_order_of_commits,
    a_refused_change_leaves_the_others_of_its_group_alone,
    changes_that_belong_together_are_all_there_or_none,
    a_secret_belongs_to_one_key,
    an_entry_names_the_rows_it_writes,
    following_the_log_leads_to_the_same_view,
    keys_change_together_without_their_rows,
    keys_are_read_one_by_one_as_they_stand,
    everything_is_handed_over_in_parts_and_each_key_once,
    each_of_many_keys_finds_the_changes_that_name_it_and_no_other,
    a_change_of_many_keys_conflicts_with_what_it_has_not_seen,
    what_has_not_seen_a_change_of_many_keys_conflicts_with_it,
    a_request_id_changes_many_keys_once,
    keys_are_listed_page_by_page,
    the_log_is_queried_page_by_page,
    a_page_of_the_log_is_bounded_and_the_next_one_goes_on_behind_it,
    the_log_is_read_forward_without_a_gap,
    a_page_of_the_log_read_forward_ends_where_a_transaction_does,
    a_page_of_the_log_read_forward_is_bounded_by_its_bytes,
    an_entry_of_very_many_keys_is_as_short_as_any_other,
    an_untouched_log_holds,
    people_are_references_in_entries_and_names_to_who_reads_them,
    last_uses_only_move_forward,
    a_secret_has_eight_last_users_and_one_that_is_gone_has_none,
    usage_adds_up_and_is_read_page_by_page,
    old_usage_is_forgotten,
    a_reopened_store_keeps_all,
}

fn full_grants() -> Grants {
    let scope = |text| ScopePattern::parse(text).unwrap();
    let resource = |text: &str| ResourcePattern::parse(text).unwrap();
    let longest = format!("space/{}", "x".repeat(250));
    Grants::new(vec![
        Grant::unbound(scope("storage:*")),
        Grant::bound(scope("project:read"), vec![resource("project/*"), resource(&longest), resource("*")])
            .unwrap(),
    ])
    .unwrap()
}

/// Keys that between them use every field to its edge.
fn edge_keys(entropy: &Seeded, workspace: WorkspaceId) -> Vec<Key> {
    let text = |character: &str, length| character.repeat(length);
    let full = Key {
        name: Name::parse(&text("界", 128)).unwrap(),
        description: Description::parse(&text("\u{1F511}\" \\", 256)).unwrap(),
        owner: Some(Owner::parse(&text("~", 128)).unwrap()),
        creator: Arc::new(Creator::Admin {
            by: key(entropy, workspace).id.into(),
            owner: Some(Owner::parse("\"ops\\\"").unwrap()),
            workspace: Some(workspace),
            on_behalf_of: Some(Owner::parse("u/\"").unwrap()),
        }),
        follows_owner_role: true,
        environment: EnvironmentName::parse(&text("e", 32)).unwrap(),
        grants: Arc::new(full_grants()),
        networks: Arc::new(
            AllowedNetworks::new(vec![parse_network("10.0.0.0/8").unwrap(), parse_network("::/0").unwrap()])
                .unwrap(),
        ),
        metadata: Arc::new(
            Metadata::parse(BTreeMap::from([
                ("team".to_owned(), " Größe ".to_owned()),
                ("A.b-c_".to_owned(), String::new()),
            ]))
            .unwrap(),
        ),
        state: KeyState::Disabled,
        created: at(-62_135_596_800_000),
        expires: Some(at(253_402_300_799_999)),
        ..key(entropy, workspace)
    };
    let mut rotated = key(entropy, workspace);
    rotated.name = Name::parse("ci").unwrap();
    rotated.credentials.current = secret(entropy, u32::MAX);
    rotated.credentials.retiring = vec![
        RetiringSecret { secret: secret(entropy, 7), end: at(5_000) },
        RetiringSecret { secret: secret(entropy, 9), end: at(0) },
    ];
    let revoked = RevokeReason::ALL.map(|reason| {
        let by = (reason != RevokeReason::Unspecified).then_some(full.id);
        let comment = Comment::parse(if by.is_some() { "left\u{a0}the company’s “team”" } else { "" });
        let revocation =
            Revocation { at: at(2_000), by: by.map(Into::into), reason, comment: comment.unwrap() };
        Key { state: KeyState::Revoked(Box::new(revocation)), ..key(entropy, workspace) }
    });
    let admin = |rights| Key { admin: Some(Arc::new(rights)), ..key(entropy, workspace) };
    let narrow = AdminRights {
        scopes: [AdminScope::KeysIssue, AdminScope::AuditRead].into(),
        global: false,
        ceiling: Ceiling {
            grants: GrantCeiling::Within(full_grants()),
            environments: EnvironmentCeiling::Within([EnvironmentName::parse("test").unwrap()].into()),
            lifetime: LifetimeCeiling::AtMost(Duration::new(86_400, 999_999_999)),
            raise_limits: true,
        },
    };
    let nothing = AdminRights { scopes: [].into(), global: true, ceiling: Ceiling::nothing() };
    let mut keys = vec![full, rotated, admin(narrow), admin(nothing), admin(AdminRights::everything())];
    keys.extend(revoked);
    keys
}

/// Those keys, as a store has them.
async fn stored_edge_keys(store: &dyn KeyStore, entropy: &Seeded, workspace: WorkspaceId) -> Vec<Key> {
    let mut keys = Vec::new();
    for key in edge_keys(entropy, workspace) {
        keys.push(stored(store, &key).await);
    }
    keys
}

async fn a_key_reads_back_as_it_was_stored<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy);
    store.commit(put_workspace(&workspace)).await.unwrap();
    let mut keys = stored_edge_keys(&*store, &entropy, workspace.id).await;
    keys.sort_by_key(|key| key.id);
    let view = sorted(store.whole().await.unwrap());
    assert_eq!(view.keys, keys);
    assert_eq!(view.damaged, []);
    drop(store);
    assert_eq!(sorted(place.open().whole().await.unwrap()).keys, keys);
}

fn own_rules() -> Option<Arc<OwnKeyRules>> {
    let entry = KeyRulesEntry {
        require_expiry: true,
        max_lifetime: Some("90d".to_owned()),
        name_pattern: "[a-z\"]+".to_owned(),
        ..KeyRulesEntry::default()
    };
    OwnKeyRules::new(entry).unwrap().map(Arc::new)
}

async fn a_member_reads_back_as_it_was_stored_and_changes_in_its_turn<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy);
    stored_workspace(&*store, &workspace).await;
    let first = member(workspace.id, "auth0|u/\"\\~1", Some("owner"));
    let revision = store.commit(put_member(&first)).await.unwrap();
    let read = store.whole().await.unwrap().members;
    assert_eq!(read, [Member { revision, ..first.clone() }]);

    let demoted = Member { revision, ..member(workspace.id, "auth0|u/\"\\~1", Some("viewer")) };
    let at = store.commit(put_member(&demoted)).await.unwrap();
    assert_eq!(store.commit(put_member(&demoted)).await, Err(StoreError::Conflict), "an old revision");
    assert_eq!(store.commit(put_member(&first)).await, Err(StoreError::Conflict), "it is there already");
    let changes = store.changes_after(revision).await.unwrap();
    assert_eq!(changes.members, [Member { revision: at, ..demoted.clone() }]);
    let removed = Member { role: None, revision: at, ..demoted };
    let at = store.commit(put_member(&removed)).await.unwrap();
    let read = store.whole().await.unwrap();
    assert_eq!((read.members, read.damaged), (Vec::new(), Vec::new()));
    assert_eq!(read.removed_members, [(removed.id.clone(), at)]);
    let changes = store.changes_after(revision).await.unwrap();
    assert_eq!((changes.members.len(), changes.removed_members), (0, vec![(removed.id.clone(), at)]));
    let again = store.commit(put_member(&first)).await.unwrap();
    let read = store.whole().await.unwrap();
    assert_eq!((read.members, read.removed_members.len()), (vec![Member { revision: again, ..first }], 0));
}

async fn a_change_stands_on_a_member_and_a_workspace_as_they_were<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = stored_workspace(&*store, &workspace(&entropy)).await;
    let first = member(workspace.id, "ann", Some("owner"));
    let revision = store.commit(put_member(&first)).await.unwrap();
    let on_member = |revision| Mutation {
        expects_members: vec![(first.id.clone(), revision)],
        ..put(&key(&entropy, workspace.id))
    };
    let on_workspace = |revision| Mutation {
        expects_workspace: Some((workspace.id, revision)),
        ..put(&key(&entropy, workspace.id))
    };
    assert!(store.commit(on_member(revision)).await.is_ok());
    assert!(store.commit(on_workspace(workspace.revision)).await.is_ok());
    store.commit(put_member(&Member { role: None, revision, ..first.clone() })).await.unwrap();
    store.commit(put_workspace(&workspace)).await.unwrap();
    assert_eq!(store.commit(on_member(revision)).await, Err(StoreError::Conflict));
    assert_eq!(store.commit(on_workspace(workspace.revision)).await, Err(StoreError::Conflict));

    let elsewhere =
        Mutation { entry: put_member(&member(workspace.id, "bob", None)).entry, ..put_member(&first) };
    assert!(matches!(store.commit(elsewhere).await, Err(StoreError::Unavailable(_))), "it names another");
}

async fn a_workspace_reads_back_as_it_was_stored<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let full = Workspace {
        name: Name::parse("Ünïcode \"&\" 東京").unwrap(),
        owner: Some(Owner::parse("u-1").unwrap()),
        plan: Plan::parse("enterprise").unwrap(),
        key_rules: own_rules(),
        state: WorkspaceState::Suspended,
        is_default: true,
        ..workspace(&entropy)
    };
    let revision = store.commit(put_workspace(&full)).await.unwrap();
    let read = store.whole().await.unwrap().workspaces;
    assert_eq!(read, [Workspace { revision, ..full }]);
}

async fn who_lost_the_race_is_told_and_nothing_is_changed<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy);
    let first = stored(&*store, &key(&entropy, workspace.id)).await;
    let winner = Key { name: Name::parse("winner").unwrap(), ..first.clone() };
    let loser = Key { name: Name::parse("loser").unwrap(), ..first.clone() };
    let winner = stored(&*store, &winner).await;
    assert_eq!(store.commit(put(&loser)).await, Err(StoreError::Conflict));
    assert_eq!(
        store.commit(put(&Key { revision: Revision::ZERO, ..loser.clone() })).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(store.commit(put(&Key { revision: Revision(9), ..loser })).await, Err(StoreError::Conflict));
    let unknown = Key { revision: Revision(1), ..key(&entropy, workspace.id) };
    assert_eq!(store.commit(put(&unknown)).await, Err(StoreError::Conflict));
    let stale = Workspace { revision: Revision(1), ..workspace };
    assert_eq!(store.commit(put_workspace(&stale)).await, Err(StoreError::Conflict));

    let view = store.whole().await.unwrap();
    assert_eq!((view.keys, view.workspaces), (vec![winner], vec![]));
    assert_eq!(view.revision, Some(Revision(2)));
    assert_eq!(*store.revisions().borrow(), Revision(2));
}

async fn a_change_stands_on_what_it_expects<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy);
    let issuer = stored(&*store, &key(&entropy, workspace.id)).await;
    let standing_on = |expects| Mutation { expects, ..put(&key(&entropy, workspace.id)) };
    store.commit(standing_on(vec![(issuer.id, issuer.revision)])).await.unwrap();
    let issuer_now = stored(&*store, &issuer).await;
    for lost in [
        vec![(issuer.id, issuer.revision)],
        vec![(issuer.id, issuer_now.revision), (key(&entropy, workspace.id).id, Revision(1))],
    ] {
        assert_eq!(store.commit(standing_on(lost)).await, Err(StoreError::Conflict));
    }
    assert_eq!(store.whole().await.unwrap().keys.len(), 2);
}

async fn a_policy_follows_the_newest_and_what_was_judged_by_another_is_refused<B: Backend>() {
    // S2
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy);
    let apply = |version| {
        let mut entry = entry(Action::PolicyApply, workspace.id, None);
        (entry.workspace, entry.policy_version) = (None, Some(version));
        let rows = Rows { policy: Some(Arc::new(policy_version(version))), ..Rows::default() };
        Mutation::new(entry, rows)
    };
    let judged_by = |version| Mutation { judged_by: Some(version), ..put(&key(&entropy, workspace.id)) };
    assert_eq!(store.commit(judged_by(1)).await, Err(StoreError::Conflict));
    store.commit(apply(1)).await.unwrap();
    store.commit(judged_by(1)).await.unwrap();
    store.commit(apply(2)).await.unwrap();
    for lost in [judged_by(0), judged_by(1), judged_by(3), apply(1), apply(2)] {
        assert_eq!(store.commit(lost).await, Err(StoreError::Conflict));
    }
    store.commit(judged_by(2)).await.unwrap();

    let view = store.whole().await.unwrap();
    let Some(PolicyView::Sound(policy)) = view.policy else { panic!("{:?}", view.policy) };
    assert_eq!((policy.version, policy.revision, view.keys.len()), (2, Revision(3), 2));
    let versions = store.policy_versions(None, 9).await.unwrap();
    assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(store.policy_versions(Some(2), 1).await.unwrap()[0].version, 1);
}

async fn a_request_id_makes_one_key<B: Backend>() {
    // K10
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy);
    let made = key(&entropy, workspace.id);
    let (caller, other) = (key(&entropy, workspace.id).id, key(&entropy, workspace.id).id);
    let issue = |key: &Key, caller, id, fingerprint| {
        store.commit(Mutation { request: Some(request(caller, id, fingerprint)), ..put(key) })
    };
    issue(&made, caller, "r-1", 1).await.unwrap();
    let again = key(&entropy, workspace.id);
    let used = |same_arguments| Err(StoreError::RequestUsed { key: made.id, same_arguments });
    assert_eq!(issue(&again, caller, "r-1", 1).await, used(true));
    assert_eq!(issue(&again, caller, "r-1", 2).await, used(false));
    assert_eq!(issue(&made, caller, "r-1", 1).await, used(true), "before any conflict");
    let refused = issue(&made, caller, "r-2", 1).await;
    assert_eq!(refused, Err(StoreError::Conflict));
    issue(&again, caller, "r-2", 1).await.expect("a request that was refused was not used");
    issue(&key(&entropy, workspace.id), other, "r-1", 1).await.expect("another caller's id is another");
    issue(&key(&entropy, workspace.id), caller, "R-1", 1).await.expect("case counts");
    drop(store);
    let store = place.open();
    let retry = Mutation { request: Some(request(caller, "r-1", 1)), ..put(&again) };
    assert_eq!(store.commit(retry).await, used(true), "after a restart too");

    let racing: Vec<_> = (0..32).map(|_| key(&entropy, workspace.id)).collect();
    let retries = racing
        .iter()
        .map(|key| store.commit(Mutation { request: Some(request(caller, "r-3", 1)), ..put(key) }));
    let answers = join_all(retries).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let winner = answers.iter().position(Result::is_ok).unwrap();
    let used = Err(StoreError::RequestUsed { key: racing[winner].id, same_arguments: true });
    assert!(answers.iter().enumerate().all(|(at, answer)| at == winner || *answer == used));
}

async fn revisions_are_in_the_order_of_commits<B: Backend>() {
    let place = B::new();
    let store = place.open();
    let workspace = workspace(&Seeded::new(1)).id;
    let watch = store.revisions();
    let tasks = (0..64).map(|task| {
        let (store, watch) = (Arc::clone(&store), watch.clone());
        tokio::spawn(async move {
            let entropy = Seeded::new(100 + task);
            let mut revisions = Vec::new();
            for _ in 0..8 {
                let key = key(&entropy, workspace);
                let revision = store.commit(put(&key)).await.unwrap();
                assert!(*watch.borrow() >= revision, "who is answered sees the revision");
                revisions.push((revision, key.id));
            }
            assert!(revisions.is_sorted());
            revisions
        })
    });
    let mut all: Vec<_> = join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
    all.sort_unstable();
    let expected: Vec<_> = (1..=512).map(Revision).collect();
    assert_eq!(all.iter().map(|(revision, _)| *revision).collect::<Vec<_>>(), expected);
    for (revision, key) in all {
        let filter = LogFilter { key: Some(key), ..LogFilter::default() };
        let found = store.query_log(filter, None, 9).await.unwrap().records;
        assert_eq!(found.iter().map(|record| record.revision).collect::<Vec<_>>(), [revision]);
    }
    assert_eq!(store.verify_log().await.unwrap().fault, None);
}

async fn a_refused_change_leaves_the_others_of_its_group_alone<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy).id;
    let shared = stored(&*store, &key(&entropy, workspace)).await;
    let mutations: Vec<_> = (0..60)
        .map(|turn| if turn % 3 == 0 { put(&shared) } else { put(&key(&entropy, workspace)) })
        .collect();
    let answers = join_all(mutations.into_iter().map(|mutation| store.commit(mutation))).await;
    let (won, lost): (Vec<_>, Vec<_>) =
        answers.iter().enumerate().partition(|(turn, answer)| turn % 3 != 0 || answer.is_ok());
    assert_eq!((won.len(), lost.len()), (41, 19));
    assert!(lost.iter().all(|(_, answer)| **answer == Err(StoreError::Conflict)));
    let view = store.whole().await.unwrap();
    assert_eq!((view.keys.len(), view.damaged.len(), view.revision), (41, 0, Some(Revision(42))));
    assert_eq!(store.verify_log().await.unwrap().fault, None);
}

async fn changes_that_belong_together_are_all_there_or_none<B: Backend>() {
    // V4, D1
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspaces = [workspace(&entropy).id, workspace(&entropy).id];
    let first = stored(&*store, &key(&entropy, workspaces[0])).await;
    let second = stored(&*store, &key(&entropy, workspaces[1])).await;
    let seen = *store.revisions().borrow();
    let together = |first: &Key, second: &Key| {
        [first, second]
            .map(|key| put_group(&entropy, std::slice::from_ref(key), GroupAct::Disable, seen))
            .into()
    };
    let stale = stored(&*store, &Key { revision: second.revision, ..second.clone() }).await;
    let before = store.whole().await.unwrap();
    assert_eq!(store.commit_all(together(&first, &second)).await, Err(StoreError::Conflict));
    let reversed = together(&second, &first);
    assert_eq!(store.commit_all(reversed).await, Err(StoreError::Conflict), "whichever comes first");
    let after = store.whole().await.unwrap();
    assert_eq!(
        (after.revision, sorted(after).keys),
        (before.revision, sorted(before).keys),
        "nothing was written"
    );

    let seen = *store.revisions().borrow();
    let both =
        [&first, &stale].map(|key| put_group(&entropy, std::slice::from_ref(key), GroupAct::Disable, seen));
    let last = store.commit_all(both.into()).await.unwrap();
    assert_eq!(last, Revision(seen.0 + 2), "an entry each, in their order");
    drop(store);
    let view = place.open().whole().await.unwrap();
    assert!(view.keys.iter().all(|key| key.state == KeyState::Disabled) && view.keys.len() == 2);
    assert_eq!(place.open().verify_log().await.unwrap().fault, None);
}

async fn a_secret_belongs_to_one_key<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy).id;
    let first = stored(&*store, &key(&entropy, workspace)).await;
    let thief = Key { credentials: first.credentials.clone(), ..key(&entropy, workspace) };
    assert_eq!(store.commit(put(&thief)).await, Err(StoreError::Conflict));
    let view = store.whole().await.unwrap();
    assert_eq!((view.keys, view.damaged), (vec![first], vec![]));
}

async fn an_entry_names_the_rows_it_writes<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy);
    let key = key(&entropy, workspace.id);
    let other = LogEntry { key: None, ..put(&key).entry };
    let elsewhere = entry(Action::WorkspaceRegister, key.workspace, None);
    let foreign = Workspace { id: WorkspaceId::generate(&entropy).unwrap(), ..workspace };
    for misnamed in [
        Mutation { entry: other, ..put(&key) },
        Mutation { rows: Rows::default(), ..put(&key) },
        Mutation { entry: elsewhere, ..put_workspace(&foreign) },
    ] {
        assert!(matches!(store.commit(misnamed).await, Err(StoreError::Unavailable(_))));
    }
    assert_eq!(store.whole().await.unwrap().revision, Some(Revision::ZERO));
}

async fn following_the_log_leads_to_the_same_view<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(3));
    let store = place.open();
    let workspace = stored_workspace(&*store, &workspace(&entropy)).await;
    let (mut keys, mut workspaces) = (BTreeMap::new(), BTreeMap::new());
    let mut known = Revision::ZERO;
    let mut living = vec![stored(&*store, &key(&entropy, workspace.id)).await];
    for turn in 0..200_u32 {
        let place = entropy.below(living.len());
        let chosen = living[place].clone();
        match entropy.below(6) {
            0 => living.push(stored(&*store, &key(&entropy, workspace.id)).await),
            1 => {
                let rotated = chosen.rotate(secret(&entropy, turn + 2), Duration::ZERO, at(2_000)).unwrap();
                living[place] = stored(&*store, &rotated).await;
            }
            2 => living[place] = stored(&*store, &chosen.disable(at(3_000)).unwrap()).await,
            3 | 4 => {
                let some: Vec<_> = living.drain(..=place).collect();
                let acts =
                    [GroupAct::Disable, GroupAct::Enable, GroupAct::Retire(at(i64::from(turn) + 9_000))];
                let seen = *store.revisions().borrow();
                let change = put_group(&entropy, &some, acts[entropy.below(3)], seen);
                living.extend(stored_group(&*store, change, &some).await);
            }
            _ => living[place] = stored(&*store, &Key { updated: at(turn.into()), ..chosen }).await,
        }
        if entropy.below(5) == 0 {
            let changes = store.changes_after(known).await.unwrap();
            known = changes.revision.unwrap();
            assert_eq!(changes.damaged, []);
            keys.extend(changes.keys.into_iter().map(|key| (key.id, key)));
            for change in &changes.groups {
                for id in &change.keys {
                    let key: &mut Key = keys.get_mut(id).unwrap();
                    if key.revision < change.revision {
                        *key = key.clone().under(change);
                    }
                }
            }
            workspaces.extend(changes.workspaces.into_iter().map(|workspace| (workspace.id, workspace)));
            let view = sorted(store.whole().await.unwrap());
            assert_eq!(view.revision, Some(known));
            assert_eq!(view.keys, keys.values().cloned().collect::<Vec<_>>());
            assert_eq!(view.workspaces, workspaces.values().cloned().collect::<Vec<_>>());
        }
    }
    let head = *store.revisions().borrow();
    let nothing = store.changes_after(head).await.unwrap();
    assert_eq!((nothing.revision, nothing.keys.len(), nothing.workspaces.len()), (Some(head), 0, 0));
    let ahead = store.changes_after(head.next()).await;
    assert!(matches!(ahead, Err(StoreError::Corrupt(_))), "a store that fell back is noticed: {ahead:?}"); // D5
}

async fn keys_change_together_without_their_rows<B: Backend>() {
    // V4, A1, D1
    let (place, entropy) = (B::new(), Seeded::new(3));
    let store = place.open();
    let workspace = stored_workspace(&*store, &workspace(&entropy)).await;
    let mut keys = Vec::new();
    for _ in 0..7 {
        keys.push(stored(&*store, &key(&entropy, workspace.id)).await);
    }
    for act in [
        GroupAct::Disable,
        GroupAct::Enable,
        GroupAct::Retire(at(9_000)),
        GroupAct::Retire(at(8_000)),
        GroupAct::Revoke(RevokeReason::OwnerLeft),
    ] {
        let seen = *store.revisions().borrow();
        let (alone, together) = (keys.pop().unwrap(), keys);
        keys = stored_group(&*store, put_group(&entropy, &together, act, seen), &together).await;
        let changes = store.changes_after(seen).await.unwrap();
        assert_eq!((changes.keys.len(), changes.damaged.len(), changes.groups.len()), (0, 0, 1));
        assert_eq!((changes.groups[0].act, changes.groups[0].keys.len()), (act, together.len()));
        assert_eq!(together.into_iter().map(|key| key.under(&changes.groups[0])).collect::<Vec<_>>(), keys);
        keys.push(alone);
        let mut expected = keys.clone();
        expected.sort_by_key(|key| key.id);
        assert_eq!(sorted(store.whole().await.unwrap()).keys, expected);
        let about = LogFilter { key: Some(keys[0].id), ..LogFilter::default() };
        let about = store.query_log(about, None, 1).await.unwrap().records;
        assert_eq!(about[0].revision, seen.next(), "the entry is found by each of its keys");
        let about = LogFilter { key: Some(keys[keys.len() - 1].id), ..LogFilter::default() };
        assert!(
            store.query_log(about, None, 1).await.unwrap().records[0].revision <= seen,
            "and by no other"
        );
    }
    let before = sorted(store.whole().await.unwrap());
    assert!(matches!(before.keys[0].state, KeyState::Revoked(_) | KeyState::Active));
    assert_eq!(store.verify_log().await.unwrap().fault, None);
    drop(store);
    let store = place.open();
    let after = sorted(store.whole().await.unwrap());
    assert_eq!((after.keys, after.damaged), (before.keys, Vec::new()), "after a restart");
}

async fn keys_are_read_one_by_one_as_they_stand<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy);
    store.commit(put_workspace(&workspace)).await.unwrap();
    let mut keys = stored_edge_keys(&*store, &entropy, workspace.id).await;
    let unknown = key(&entropy, workspace.id).id;
    let read = |keys: &[Key]| {
        let ids = keys.iter().map(|key| key.id).collect();
        async {
            let read = store.keys(ids).await.unwrap();
            read.into_iter().map(|key| key.unwrap().unwrap()).collect::<Vec<_>>()
        }
    };
    assert_eq!(read(&keys).await, keys);
    keys.reverse();
    assert_eq!(read(&keys).await, keys, "in the order asked for");
    assert_eq!(store.keys(vec![unknown]).await.unwrap(), [None]);
    assert_eq!(store.keys(Vec::new()).await.unwrap(), []);

    // What comes to them among others, and what is changed alone after that.
    let mut both = [stored(&*store, &key(&entropy, workspace.id)).await, keys[0].clone()];
    for act in [GroupAct::Retire(at(7_000)), GroupAct::Disable] {
        let seen = both.iter().map(|key| key.revision).max().unwrap();
        let change = put_group(&entropy, &both, act, seen);
        both = stored_group(&*store, change, &both).await.try_into().unwrap();
    }
    assert_eq!(read(&both).await, both);
    let [renamed, _] = &mut both;
    renamed.name = Name::parse("renamed").unwrap();
    let change = Mutation { seen: renamed.revision, ..put(renamed) };
    renamed.revision = store.commit(change).await.unwrap();
    assert_eq!(read(&both).await, both);
}

/// Notes in what order parts come.
#[derive(Default)]
struct Parts(Mutex<Vec<View>>);

impl ViewSink for Parts {
    fn take(&self, part: View) {
        self.0.lock().unwrap().push(part);
    }

    fn begin_anew(&self) {
        self.0.lock().unwrap().clear();
    }
}

async fn everything_is_handed_over_in_parts_and_each_key_once<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy);
    store.commit(put_workspace(&workspace)).await.unwrap();
    let keys: Vec<_> = (0..3_000).map(|_| key(&entropy, workspace.id)).collect();
    let changes = keys.chunks(500).map(|keys| store.commit_all(keys.iter().map(put).collect()));
    assert!(join_all(changes).await.iter().all(Result::is_ok));
    let sink = Arc::new(Parts::default());
    let revision = store.load(Arc::<Parts>::clone(&sink)).await.unwrap();
    assert_eq!(revision, *store.revisions().borrow());
    let parts = std::mem::take(&mut *sink.0.lock().unwrap());
    assert!(parts.iter().all(|part| part.kept.len() <= 1_024 && part.revision.is_none()));
    let first = parts.iter().position(|part| !part.kept.is_empty()).unwrap();
    let with_workspace = parts.iter().position(|part| !part.workspaces.is_empty()).unwrap();
    assert!(with_workspace < first, "what a key stands in comes before it");
    let mut handed_over: Vec<_> =
        parts.into_iter().flat_map(|part| part.kept).map(|key| key.own.id).collect();
    let mut ids: Vec<_> = keys.iter().map(|key| key.id).collect();
    handed_over.sort_unstable();
    ids.sort_unstable();
    assert!(handed_over == ids, "each of them once");
}

async fn each_of_many_keys_finds_the_changes_that_name_it_and_no_other<B: Backend>() {
    // V4
    let (place, entropy) = (B::new(), Seeded::new(3));
    let store = place.open();
    let workspace = stored_workspace(&*store, &workspace(&entropy)).await;
    let mut keys = Vec::new();
    for _ in 0..200 {
        keys.push(stored(&*store, &key(&entropy, workspace.id)).await);
    }
    keys.sort_by_key(|key| key.id);
    let mut expected = vec![Vec::new(); keys.len()];
    for (every, act) in
        [(1, GroupAct::Disable), (2, GroupAct::Enable), (3, GroupAct::Disable), (199, GroupAct::Enable)]
    {
        let (places, some): (Vec<_>, Vec<_>) =
            (0..keys.len()).step_by(every).map(|at| (at, keys[at].clone())).unzip();
        let seen = *store.revisions().borrow();
        for (place, key) in
            places.iter().zip(stored_group(&*store, put_group(&entropy, &some, act, seen), &some).await)
        {
            keys[*place] = key;
            expected[*place].insert(0, seen.next());
        }
    }
    for (key, expected) in keys.iter().zip(expected) {
        let about = LogFilter { key: Some(key.id), ..LogFilter::default() };
        let mut found: Vec<_> =
            store.query_log(about, None, 10).await.unwrap().records.iter().map(|it| it.revision).collect();
        let _issued = found.pop();
        assert_eq!(found, expected, "{}", key.id);
        let stale = Key { revision: Revision(key.revision.0 - 1), ..key.clone() };
        assert_eq!(store.commit(put(&stale)).await, Err(StoreError::Conflict));
    }
    for key in keys {
        let seen = *store.revisions().borrow();
        store.commit(Mutation { seen, ..put(&key) }).await.unwrap();
    }
}

async fn a_change_of_many_keys_conflicts_with_what_it_has_not_seen<B: Backend>() {
    // D1
    let (place, entropy) = (B::new(), Seeded::new(3));
    let store = place.open();
    let workspace = stored_workspace(&*store, &workspace(&entropy)).await;
    let keys = [
        stored(&*store, &key(&entropy, workspace.id)).await,
        stored(&*store, &key(&entropy, workspace.id)).await,
    ];
    let seen = *store.revisions().borrow();
    stored(&*store, &key(&entropy, workspace.id)).await;
    let others_changed = put_group(&entropy, &keys, GroupAct::Enable, seen);
    store.commit(others_changed).await.expect("another key is none of its own");
    let again = put_group(&entropy, &keys[..1], GroupAct::Disable, seen);
    assert_eq!(store.commit(again).await, Err(StoreError::Conflict), "a change of many came first");
    let seen = *store.revisions().borrow();
    stored(&*store, &Key { revision: seen, ..keys[1].clone() }).await;
    let head = *store.revisions().borrow();
    let late = put_group(&entropy, &keys, GroupAct::Disable, seen);
    assert_eq!(store.commit(late).await, Err(StoreError::Conflict), "a change of one came first");
    assert_eq!(*store.revisions().borrow(), head);
    let apart = put_group(&entropy, &keys[..1], GroupAct::Disable, seen);
    store.commit(apart).await.expect("the other key is as it was seen");
}

async fn what_has_not_seen_a_change_of_many_keys_conflicts_with_it<B: Backend>() {
    // D1
    let (place, entropy) = (B::new(), Seeded::new(3));
    let store = place.open();
    let workspace = stored_workspace(&*store, &workspace(&entropy)).await;
    let keys = [stored(&*store, &key(&entropy, workspace.id)).await];
    let seen = *store.revisions().borrow();
    let revoke = GroupAct::Revoke(RevokeReason::Compromised);
    let after = stored_group(&*store, put_group(&entropy, &keys, revoke, seen), &keys).await;
    assert_eq!(store.commit(put(&keys[0])).await, Err(StoreError::Conflict), "it would live again");
    let other = key(&entropy, workspace.id);
    let stands_on = |key: &Key| Mutation { expects: vec![(key.id, key.revision)], ..put(&other) };
    assert_eq!(store.commit(stands_on(&keys[0])).await, Err(StoreError::Conflict));
    store.commit(stands_on(&after[0])).await.unwrap();
    let named = stored(&*store, &Key { name: Name::parse("new").unwrap(), ..after[0].clone() }).await;
    let loaded = store.whole().await.unwrap().keys;
    assert!(loaded.contains(&named) && matches!(named.state, KeyState::Revoked(_)));
}

async fn a_request_id_changes_many_keys_once<B: Backend>() {
    // K10
    let (place, entropy) = (B::new(), Seeded::new(3));
    let store = place.open();
    let workspace = stored_workspace(&*store, &workspace(&entropy)).await;
    let keys = [stored(&*store, &key(&entropy, workspace.id)).await];
    let caller = key(&entropy, workspace.id).id;
    let seen = *store.revisions().borrow();
    let asked = |fingerprint| Mutation {
        request: Some(request(caller, "r-1", fingerprint)),
        ..put_group(&entropy, &keys, GroupAct::Disable, seen)
    };
    let first = asked(1);
    let group = first.entry.group.as_ref().unwrap().id();
    store.commit(first).await.unwrap();
    drop(store);
    let store = place.open();
    for (fingerprint, same_arguments) in [(1, true), (2, false)] {
        let done = Err(StoreError::GroupDone { group, same_arguments });
        assert_eq!(store.commit(asked(fingerprint)).await, done);
        let unused = store.require_unused(request(caller, "r-1", fingerprint)).await;
        assert_eq!(unused, Err(StoreError::GroupDone { group, same_arguments }));
    }
}

async fn stored_workspace(store: &dyn KeyStore, workspace: &Workspace) -> Workspace {
    let revision = store.commit(put_workspace(workspace)).await.unwrap();
    Workspace { revision, ..workspace.clone() }
}

async fn keys_are_listed_page_by_page<B: Backend>() {
    // K3, T4
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let (mine, other) = (workspace(&entropy).id, workspace(&entropy).id);
    let owner = |text: &str| Some(Owner::parse(text).unwrap());
    let mut keys = Vec::new();
    for turn in 0..40_i64 {
        let key = Key {
            created: at(turn / 7),
            owner: [None, owner("ann"), owner("Ann")][entropy.below(3)].clone(),
            environment: EnvironmentName::parse(["live", "test"][entropy.below(2)]).unwrap(),
            ..key(&entropy, mine)
        };
        keys.push(stored(&*store, &key).await);
        keys.push(stored(&*store, &Key { workspace: other, ..self::key(&entropy, other) }).await);
    }
    keys.sort_by_key(|key| (key.workspace, std::cmp::Reverse((key.created, key.id))));
    for (within, owner, from, before) in [
        (Within::One(mine), None, None, None),
        (Within::One(other), None, None, None),
        (Within::One(mine), owner("ann"), None, None),
        (Within::One(mine), None, Some(at(1)), None),
        (Within::One(mine), owner("Ann"), Some(at(2)), Some(at(4))),
        (Within::One(mine), None, Some(at(4)), Some(at(4))),
        (Within::One(mine), owner("nobody"), None, None),
        (Within::All, None, None, None),
        (Within::All, owner("ann"), Some(at(2)), None),
        (Within::All, owner("nobody"), None, None),
    ] {
        let expected: Vec<_> = keys
            .iter()
            .filter(|key| within.has(key.workspace))
            .filter(|key| owner.is_none() || key.owner == owner)
            .filter(|key| from.is_none_or(|from| key.created >= from))
            .filter(|key| before.is_none_or(|before| key.created < before))
            .map(|key| KeyPosition { workspace: key.workspace, created: key.created, id: key.id })
            .collect();
        for limit in [1, 3, 40, 41, 81] {
            let (mut listed, mut after) = (Vec::new(), None);
            loop {
                let filter = KeyFilter { within, owner: owner.clone(), from, before };
                let page = store.list_keys(filter, after, limit).await.unwrap();
                assert!(page.len() <= limit);
                let Some(last) = page.last() else { break };
                after = Some(*last);
                listed.extend(page);
            }
            assert_eq!(listed, expected, "{within:?} {owner:?} {limit}");
        }
    }
}

/// The bytes of an entry with the salt and the references of a record.
fn bytes_of(entry: &LogEntry, record: &LogRecord) -> Vec<u8> {
    let reference = |name: &str| {
        let known = record.people.iter().find(|(_, known)| *known == PersonName::Known(name.to_owned()));
        known.map(|(reference, _)| *reference).ok_or(name.to_owned())
    };
    entry.canonical_bytes(record.revision, false, salt_of(record), reference).unwrap()
}

fn salt_of(record: &LogRecord) -> Salt {
    let entry: Value = serde_json::from_slice(&record.bytes).unwrap();
    // Spelled as a reference is.
    Salt(PersonRef::parse(entry["salt"].as_str().unwrap()).unwrap().to_bytes())
}

async fn the_log_is_queried_page_by_page<B: Backend>() {
    // A1, A2
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspaces = [workspace(&entropy).id, workspace(&entropy).id];
    let actors = [key(&entropy, workspaces[0]).id, key(&entropy, workspaces[0]).id];
    let mut entries = Vec::new();
    for turn in 0..60_i64 {
        let key = key(&entropy, workspaces[entropy.below(2)]);
        let address = Some("2001:db8::1".parse().unwrap());
        let entry = LogEntry {
            time: at(1_000 + turn / 3),
            actor: [
                Actor::System,
                Actor::Admin { by: actors[0].into(), owner: None, address },
                Actor::Holder { key: actors[1], owner: Some(Owner::parse("o").unwrap()), address: None },
            ][entropy.below(3)]
            .clone(),
            action: [Action::KeyIssue, Action::KeyUpdate][entropy.below(2)],
            changes: vec![FieldChange {
                field: "name".into(), from: Value::Null, to: "ä\"\u{1F511}".into()
            }],
            reason: Some("unused"),
            comment: Some(Comment::parse("why “not”").unwrap()),
            ..put(&key).entry
        };
        let revision = store.commit(Mutation { entry: entry.clone(), ..put(&key) }).await.unwrap();
        entries.insert(0, (revision, entry));
    }
    let actor_key = |actor: &Actor| match actor {
        Actor::Admin { by, .. } => Some(*by),
        Actor::Holder { key, .. } => Some((*key).into()),
        Actor::System => None,
    };
    let all = LogFilter::default();
    for filter in [
        all.clone(),
        LogFilter { workspace: Some(workspaces[0]), ..all.clone() },
        LogFilter { key: entries[7].1.key, ..all.clone() },
        LogFilter { actor_key: Some(actors[1].into()), ..all.clone() },
        LogFilter { action: Some("key.update"), ..all.clone() },
        LogFilter { start: Some(at(1_005)), end: Some(at(1_010)), ..all.clone() },
        LogFilter {
            workspace: Some(workspaces[1]),
            actor_key: Some(actors[0].into()),
            start: Some(at(1_004)),
            ..all.clone()
        },
        LogFilter { action: Some("key.revoke"), ..all },
    ] {
        let fits = |entry: &LogEntry| {
            filter.workspace.is_none_or(|id| entry.workspace == Some(id))
                && (filter.key.is_none() || entry.key == filter.key)
                && (filter.actor_key.is_none() || actor_key(&entry.actor) == filter.actor_key)
                && filter.action.is_none_or(|action| entry.action.as_str() == action)
                && filter.start.is_none_or(|start| entry.time >= start)
                && filter.end.is_none_or(|end| entry.time < end)
        };
        let expected: Vec<_> = entries
            .iter()
            .filter(|(_, entry)| fits(entry))
            .map(|(revision, entry)| (*revision, entry.clone()))
            .collect();
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = store.query_log(filter.clone(), before, 4).await.unwrap().records;
            let Some(last) = page.last() else { break };
            before = Some(last.revision);
            found.extend(page);
        }
        let places = |found: &[Revision]| format!("{filter:?} {found:?}");
        let revisions: Vec<_> = found.iter().map(|record| record.revision).collect();
        assert_eq!(found.len(), expected.len(), "{}", places(&revisions));
        for (record, (revision, entry)) in found.iter().zip(expected) {
            assert_eq!((record.revision, &record.bytes), (revision, &bytes_of(&entry, record)), "{filter:?}");
        }
    }
}

async fn a_page_of_the_log_is_bounded_and_the_next_one_goes_on_behind_it<B: Backend>() {
    // D7, A2
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let (mine, theirs) = (workspace(&entropy).id, workspace(&entropy).id);
    let first = stored(&*store, &key(&entropy, theirs)).await;
    for _ in 0..10 {
        let some: Vec<_> = (0..1_001).map(|_| put(&key(&entropy, mine))).collect();
        join_all(some.into_iter().map(|put| store.commit(put))).await.into_iter().for_each(|put| {
            put.unwrap();
        });
    }
    let ask = async |filter: LogFilter, before| {
        let page = store.query_log(filter, before, 1_000).await.unwrap();
        (page.records.iter().map(|record| record.revision.0).collect::<Vec<_>>(), page.more)
    };
    // 10,010 entries of which none fits: 2,000 are looked at, and the next page goes on behind them.
    let nothing = LogFilter { workspace: Some(mine), action: Some("key.revoke"), ..LogFilter::default() };
    let mut behind = None;
    for last in [8_012, 6_012, 4_012, 2_012, 12] {
        assert_eq!(ask(nothing.clone(), behind).await, (vec![], Some(Revision(last))));
        behind = Some(Revision(last));
    }
    assert_eq!(ask(nothing, behind).await, (vec![], None));
    // By what leaves out the most they are never looked at.
    let of_theirs = LogFilter { workspace: Some(theirs), ..LogFilter::default() };
    assert_eq!(ask(of_theirs, None).await, (vec![1], None));
    let by_action = LogFilter { action: Some("key.revoke"), ..LogFilter::default() };
    assert_eq!(ask(by_action, None).await, (vec![], None));
    let by_key = LogFilter { key: Some(first.id), ..LogFilter::default() };
    assert_eq!(ask(by_key, None).await, (vec![1], None));

    // Of entries of 300 kB the fourth makes a page full.
    for _ in 0..5 {
        let mut long = put(&key(&entropy, theirs));
        long.entry.changes =
            vec![FieldChange { field: "name".into(), from: Value::Null, to: "x".repeat(300_000).into() }];
        store.commit(long).await.unwrap();
    }
    let of_theirs = LogFilter { workspace: Some(theirs), ..LogFilter::default() };
    let (shown, more) = ask(of_theirs.clone(), None).await;
    assert_eq!((shown, more), (vec![10_016, 10_015, 10_014, 10_013], Some(Revision(10_013))));
    assert_eq!(ask(of_theirs, more).await, (vec![10_012, 1], None));
}

async fn people_are_references_in_entries_and_names_to_who_reads_them<B: Backend>() {
    // K12
    let (place, entropy) = (B::new(), Seeded::new(1));
    let workspace = workspace(&entropy).id;
    let owner = |name: &str| Some(Owner::parse(name).unwrap());
    let change = |name: &str| FieldChange { field: "owner".into(), from: Value::Null, to: name.into() };
    let (mut salts, mut references) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let store = place.open();
        for turn in 0..20 {
            let key = key(&entropy, workspace);
            let mut put = put(&key);
            put.entry.actor =
                Actor::Admin { by: key.id.into(), owner: owner("zoe-the-first"), address: None };
            put.entry.changes = vec![change(if turn % 2 == 0 { "zoe-the-first" } else { "ann/\"1\\" })];
            store.commit(put).await.unwrap();
        }
        let (forward, _) = read_forward(&*store, 7).await;
        let mut backward = store.query_log(LogFilter::default(), None, 99).await.unwrap().records;
        backward.reverse();
        assert_eq!(forward, backward);
        for record in &backward {
            let text = String::from_utf8(record.bytes.clone()).unwrap();
            assert!(!text.contains("zoe") && !text.contains("ann/"), "{text}");
            let shown = record.entry().unwrap();
            assert_eq!(shown["actor"]["owner"], "zoe-the-first");
            let turn = (record.revision.0 - 1) % 20;
            assert_eq!(shown["changes"][0]["to"], if turn % 2 == 0 { "zoe-the-first" } else { "ann/\"1\\" });
        }
        salts = backward.iter().map(|record| salt_of(record).0).collect();
        references = backward.iter().flat_map(|record| record.people.clone()).collect();
    }
    assert_eq!(salts.len(), 40);
    salts.sort_unstable();
    salts.dedup();
    assert_eq!(salts.len(), 40, "each entry has a salt of its own");
    references.sort_by_key(|(reference, _)| reference.to_bytes());
    references.dedup();
    assert_eq!(references.len(), 2, "one for each person, over restarts too");
}

/// All entries of a log, by its pages of at most so many, and of how many entries each page was.
async fn read_forward(store: &dyn KeyStore, limit: usize) -> (Vec<LogRecord>, Vec<usize>) {
    let (mut all, mut pages, mut after) = (Vec::new(), Vec::new(), Revision::ZERO);
    loop {
        let page = store.log_after(after, limit).await.unwrap();
        assert_eq!(page.head, *store.revisions().borrow());
        let Some(last) = page.records.last() else { break };
        assert!(last.revision > after, "it goes on");
        after = last.revision;
        pages.push(page.records.len());
        all.extend(page.records);
    }
    (all, pages)
}

async fn the_log_is_read_forward_without_a_gap<B: Backend>() {
    // A2
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let empty = store.log_after(Revision::ZERO, 9).await.unwrap();
    assert_eq!((empty.records.len(), empty.head), (0, Revision::ZERO));
    let workspace = stored_workspace(&*store, &workspace(&entropy)).await;
    for _ in 0..9 {
        stored(&*store, &key(&entropy, workspace.id)).await;
    }
    let mut backward = store.query_log(LogFilter::default(), None, 99).await.unwrap().records;
    backward.reverse();
    assert_eq!(backward.len(), 10);
    for (limit, expected) in
        [(1, vec![1; 10]), (3, vec![3, 3, 3, 1]), (5, vec![5, 5]), (10, vec![10]), (usize::MAX, vec![10])]
    {
        let (forward, pages) = read_forward(&*store, limit).await;
        assert_eq!(forward, backward, "{limit}");
        assert_eq!(pages, expected, "{limit}");
    }
    for after in 0..=10_u64 {
        let page = store.log_after(Revision(after), 2).await.unwrap();
        let revisions: Vec<_> = page.records.iter().map(|record| record.revision.0).collect();
        assert_eq!(revisions, (after + 1..=10).take(2).collect::<Vec<_>>());
    }
    let ahead = store.log_after(Revision(11), 2).await;
    assert!(
        matches!(ahead, Err(StoreError::Corrupt(_))),
        "nobody can have seen what is not there: {ahead:?}"
    );
}

async fn a_page_of_the_log_read_forward_ends_where_a_transaction_does<B: Backend>() {
    // A2: who acts upon entries never sees the half of what was committed together
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = stored_workspace(&*store, &workspace(&entropy)).await;
    for count in [1, 4, 2, 7, 1] {
        let together = (0..count).map(|_| put(&key(&entropy, workspace.id))).collect();
        store.commit_all(together).await.unwrap();
    }
    for (limit, expected) in [
        (1, vec![1, 1, 4, 2, 7, 1]),
        (3, vec![2, 4, 2, 7, 1]),
        (6, vec![6, 2, 7, 1]),
        (7, vec![6, 2, 7, 1]),
        (8, vec![8, 8]),
        (16, vec![16]),
    ] {
        let (forward, pages) = read_forward(&*store, limit).await;
        assert_eq!(pages, expected, "{limit}");
        let revisions: Vec<_> = forward.iter().map(|record| record.revision.0).collect();
        assert_eq!(revisions, (1..=16).collect::<Vec<_>>(), "{limit}");
    }
}

async fn a_page_of_the_log_read_forward_is_bounded_by_its_bytes<B: Backend>() {
    // D7
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = stored_workspace(&*store, &workspace(&entropy)).await;
    let long = || {
        let mut long = put(&key(&entropy, workspace.id));
        long.entry.changes =
            vec![FieldChange { field: "name".into(), from: Value::Null, to: "x".repeat(300_000).into() }];
        long
    };
    for count in [1, 1, 1, 1, 1, 4, 5] {
        store.commit_all((0..count).map(|_| long()).collect()).await.unwrap();
    }
    // Of entries of 300 kB the fourth makes a page full; those that were committed together stay together.
    let (_, pages) = read_forward(&*store, 1_000).await;
    assert_eq!(pages, [5, 1, 4, 5]);
}

async fn an_entry_of_very_many_keys_is_as_short_as_any_other<B: Backend>() {
    // A1, D7: a page of long ones would be more than memory
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = stored_workspace(&*store, &workspace(&entropy)).await;
    for count in [1, 39, 40, 41, 4_000] {
        let keys: Vec<_> = (0..count).map(|_| key(&entropy, workspace.id)).collect();
        let seen = *store.revisions().borrow();
        let revision = store.commit(put_group(&entropy, &keys, GroupAct::Disable, seen)).await.unwrap();
        for about in [&keys[0], &keys[count - 1]] {
            let about = LogFilter { key: Some(about.id), ..LogFilter::default() };
            let shown = store.query_log(about, None, 9).await.unwrap().records.remove(0);
            let entry: serde_json::Value = serde_json::from_slice(&shown.bytes).unwrap();
            assert_eq!((shown.revision, &entry["key_count"]), (revision, &serde_json::json!(count)));
            assert!(shown.bytes.len() < 1_000);
        }
        let mut ids: Vec<_> = keys.iter().map(|key| key.id).collect();
        ids.sort_unstable();
        assert_eq!(store.changes_after(seen).await.unwrap().groups[0].keys, ids);
    }
    assert_eq!(store.verify_log().await.unwrap().fault, None);
}

async fn an_untouched_log_holds<B: Backend>() {
    // A3
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let empty = store.verify_log().await.unwrap();
    assert_eq!((empty.records, empty.head, empty.fault), (0, Revision::ZERO, None));
    let workspace = workspace(&entropy);
    store.commit(put_workspace(&workspace)).await.unwrap();
    for _ in 0..20 {
        stored(&*store, &key(&entropy, workspace.id)).await;
    }
    let full = store.verify_log().await.unwrap();
    assert_eq!((full.records, full.head, &full.fault), (21, Revision(21), &None));
    let newest = store.query_log(LogFilter::default(), None, 1).await.unwrap().records;
    assert_eq!(newest[0].chain, full.chain);
}

async fn last_uses_only_move_forward<B: Backend>() {
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy).id;
    let keys: Vec<_> = (0..3).map(|_| key(&entropy, workspace).id).collect();
    let last = |place: usize, ms| last_use(keys[place], 1, ms);
    let used = |place, ms| Note::LastUse(last(place, ms));
    store.note(vec![used(0, 5_000), used(1, 7_000), used(0, 4_000)]).await.unwrap();
    store.note(vec![used(0, 3_000), used(1, 8_000)]).await.unwrap();
    store.note(Vec::new()).await.unwrap();
    let known = store.last_uses(keys.clone()).await.unwrap();
    assert_eq!(known, [last(0, 5_000), last(1, 8_000)]);
    assert_eq!(*store.revisions().borrow(), Revision::ZERO, "a use is no change");
    drop(store);
    assert_eq!(place.open().last_uses(keys.clone()).await.unwrap(), known);
}

fn last_use(key: KeyId, generation: u32, ms: i64) -> LastUse {
    LastUse { key, generation, caller: None, address: None, time: at(ms) }
}

async fn a_secret_has_eight_last_users_and_one_that_is_gone_has_none<B: Backend>() {
    // R5
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = workspace(&entropy);
    store.commit(put_workspace(&workspace)).await.unwrap();
    let key = stored(&*store, &key(&entropy, workspace.id)).await;
    let by = |address: u8, ms| LastUse {
        caller: Some(key.id.into()),
        address: Some([10, 0, 0, address].into()),
        ..last_use(key.id, 1, ms)
    };
    for address in 1..=9 {
        store.note(vec![Note::LastUse(by(address, i64::from(address) * 60_000))]).await.unwrap();
    }
    let users = async || store.last_uses(vec![key.id]).await.unwrap();
    let kept = users().await;
    assert_eq!(kept.len(), 8);
    assert!(!kept.contains(&by(1, 60_000)), "the one who used it longest ago makes room");
    assert!(kept.contains(&by(9, 9 * 60_000)), "{kept:?}");
    store.note(vec![Note::LastUse(last_use(key.id, 0, 20 * 60_000))]).await.unwrap();
    store.note(vec![Note::LastUse(last_use(key.id, 9, 5 * 60_000))]).await.unwrap();
    let kept = users().await;
    assert!(!kept.iter().any(|kept| kept.generation == 9), "there is no such secret");
    assert!(kept.contains(&last_use(key.id, 0, 20 * 60_000)), "the key's last use never goes back");
    store.note(vec![Note::LastUse(by(1, 21 * 60_000))]).await.unwrap();
    assert!(users().await.iter().all(|kept| kept.generation == 1), "until it is known whose it is");
}

fn used(key: &Key, hour: u32, tier: &str, outcome: &'static str, checks: u64, cost: u64) -> Usage {
    Usage { key: key.id, hour, tier: tier.into(), outcome: outcome.into(), checks, cost }
}

const EVER: (u32, u32) = (0, u32::MAX);

fn usage_of(workspace: WorkspaceId, (from, before): (u32, u32)) -> UsageFilter {
    UsageFilter { within: Within::One(workspace), key: None, owner: None, environment: None, from, before }
}

async fn usage_adds_up_and_is_read_page_by_page<B: Backend>() {
    // A4, L13
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let (mine, other) = (workspace(&entropy).id, workspace(&entropy).id);
    let environment = |text| EnvironmentName::parse(text).unwrap();
    let mut keys = Vec::new();
    for turn in 0..12_i64 {
        let key = Key {
            created: at(turn / 5),
            owner: (turn % 2 == 0).then(|| Owner::parse("ann").unwrap()),
            environment: environment(["live", "test", "test"][entropy.below(3)]),
            ..key(&entropy, if turn % 4 == 3 { other } else { mine })
        };
        keys.push(stored(&*store, &key).await);
    }
    keys.sort_by_key(|key| (key.workspace, std::cmp::Reverse((key.created, key.id))));
    let mut rows = Vec::new();
    for key in &keys {
        for hour in [0, 7, 8, u32::MAX] {
            rows.push(used(key, hour, "", "KEY_EXPIRED", 3, 0));
            rows.push(used(key, hour, "a", "ALLOWED", 2, 5));
            rows.push(used(key, hour, "a", "RATE_LIMITED", u64::MAX, 0));
            rows.push(used(key, hour, "b", "ALLOWED", 1, u64::MAX));
        }
    }
    for half in [true, false] {
        let noted = rows.iter().filter(|row| half || row.hour == 7).cloned();
        store.note(vec![Note::Usage(noted.collect())]).await.unwrap();
    }
    let most = u64::try_from(i64::MAX).unwrap();
    for row in &mut rows {
        let times = if row.hour == 7 { 2 } else { 1 };
        row.checks = row.checks.saturating_mul(times).min(most);
        row.cost = row.cost.saturating_mul(times).min(most);
    }
    drop(store);
    let store = place.open();
    for filter in [
        usage_of(mine, EVER),
        usage_of(other, EVER),
        usage_of(mine, (7, 8)),
        usage_of(mine, (8, 7)),
        UsageFilter { key: Some(keys[0].id), ..usage_of(keys[0].workspace, (1, u32::MAX)) },
        UsageFilter { key: Some(keys[0].id), ..usage_of(workspace(&entropy).id, EVER) },
        UsageFilter { owner: Some(Owner::parse("ann").unwrap()), ..usage_of(mine, EVER) },
        UsageFilter { environment: Some(environment("test")), ..usage_of(mine, (7, 9)) },
        UsageFilter { within: Within::All, ..usage_of(mine, EVER) },
        UsageFilter {
            within: Within::All,
            owner: Some(Owner::parse("ann").unwrap()),
            ..usage_of(mine, (7, 9))
        },
    ] {
        let of = |id| keys.iter().find(|key| key.id == id).unwrap();
        let matches = |row: &&Usage| {
            let key = of(row.key);
            filter.within.has(key.workspace)
                && filter.key.is_none_or(|id| id == key.id)
                && (filter.owner.is_none() || filter.owner == key.owner)
                && filter.environment.as_ref().is_none_or(|name| *name == key.environment)
                && (filter.from..filter.before).contains(&row.hour)
        };
        let expected: Vec<_> = rows.iter().filter(matches).cloned().collect();
        for limit in [1, 3, 16, 1_000] {
            let (mut read, mut after) = (Vec::new(), None::<UsagePosition>);
            loop {
                let page = store.usage(filter.clone(), after, limit).await.unwrap();
                assert!(page.rows.len() <= limit && page.looked_at >= page.rows.len());
                read.extend(page.rows);
                after = page.more;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(read, expected, "{filter:?} {limit}");
        }
    }
}

async fn old_usage_is_forgotten<B: Backend>() {
    // D7
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let key = stored(&*store, &key(&entropy, workspace(&entropy).id)).await;
    let rows = (0..2_000).map(|hour| used(&key, hour, "a", "ALLOWED", 1, 1));
    store.note(vec![Note::Usage(rows.collect())]).await.unwrap();
    let left = async || {
        let rows = store.usage(usage_of(key.workspace, EVER), None, 10_000).await.unwrap().rows;
        (rows.len(), rows.first().map(|row| row.hour))
    };
    store.note(vec![Note::UsageBefore(0)]).await.unwrap();
    assert_eq!(left().await, (2_000, Some(0)));
    store.note(vec![Note::UsageBefore(1_500)]).await.unwrap();
    assert_eq!(left().await, (500, Some(1_500)), "it is read no more");
    store.note(vec![Note::UsageBefore(1_500); 2]).await.unwrap();
    assert_eq!(left().await, (500, Some(1_500)));
}

async fn a_reopened_store_keeps_all<B: Backend>() {
    // D1
    let (place, entropy) = (B::new(), Seeded::new(1));
    let store = place.open();
    let workspace = stored_workspace(&*store, &workspace(&entropy)).await;
    for key in edge_keys(&entropy, workspace.id) {
        stored(&*store, &key).await;
    }
    let (view, log) = (sorted(store.whole().await.unwrap()), store.verify_log().await.unwrap());
    drop(store);
    let store = place.open();
    assert_eq!(*store.revisions().borrow(), log.head);
    let reopened = sorted(store.whole().await.unwrap());
    assert_eq!((reopened.keys, reopened.workspaces), (view.keys, view.workspaces));
    assert_eq!(store.verify_log().await.unwrap(), log);
    let next = stored(&*store, &key(&entropy, workspace.id)).await;
    assert_eq!(next.revision, log.head.next());
}
