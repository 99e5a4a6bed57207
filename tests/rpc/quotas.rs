//! Quotas: what a workspace keeps and changes grows so far and no further, exactly, and what takes rights away always has room.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use keyward::{
    domain::policy::{Policy, QuotasEntry},
    wire::v1::{self, import_row::Hash},
};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::{
    members::{add, change, remove},
    support::{
        Issued, Keyward, admin_rights, holder_key, signed,
        verbs::{
            DAY, by_id, disabling, enabling, metadata, refusal, renaming, rotation, strings, toml, update,
            wire,
        },
    },
};

const SEND: &[&str] = &["messaging:send"];

fn policy(of_starter: QuotasEntry, of_all: QuotasEntry) -> Policy {
    let mut document = Policy::default_document().unwrap().document().clone();
    document.quotas = Some(of_all);
    document.plans[0].quotas = Some(of_starter);
    Policy::new(document).unwrap()
}

/// One with these quotas for workspaces of the first plan.
async fn start(of_starter: QuotasEntry) -> Keyward {
    Keyward::start_with(true, policy(of_starter, QuotasEntry::default())).await
}

fn in_workspace(workspace: &str) -> v1::IssueRequest {
    v1::IssueRequest { workspace_id: workspace.to_owned(), ..holder_key(SEND) }
}

/// How much is taken of each quota, and how far it goes.
async fn taken(keyward: &Keyward, caller: &str, workspace: &str) -> BTreeMap<String, (u64, u64)> {
    let request = v1::GetWorkspaceRequest { workspace_id: workspace.to_owned() };
    let answer = keyward.workspaces().get_workspace(signed(caller, request)).await.unwrap().into_inner();
    answer.quotas.into_iter().map(|taken| (taken.quota, (taken.used, taken.limit))).collect()
}

/// Passes if a call was refused for this quota, and its details say so.
#[track_caller]
fn assert_reached<T>(result: Result<Response<T>, Status>, quota: &str, workspace: Option<&str>) -> Status {
    let status = refusal(result, Code::ResourceExhausted, "QUOTA_REACHED");
    assert_eq!(metadata(&status, "quota").as_deref(), Some(quota), "{status:?}");
    assert_eq!(metadata(&status, "workspace_id").as_deref(), workspace);
    let number = |name| metadata(&status, name).unwrap().parse::<u64>().unwrap();
    assert!(number("used") + number("needed") > number("limit"));
    let failure = status.get_details_quota_failure().unwrap();
    let subject = workspace.map_or_else(|| "store".to_owned(), |workspace| format!("workspace:{workspace}"));
    assert_eq!(failure.violations.len(), 1);
    assert_eq!(
        (&failure.violations[0].subject, &*failure.violations[0].description),
        (&subject, status.message())
    );
    status
}

fn labelled(id: &str, bytes: usize) -> v1::UpdateKeyRequest {
    let metadata = (0..bytes.div_ceil(250)).map(|place| (format!("l{place}"), "v".repeat(250))).collect();
    update(v1::Key { id: id.to_owned(), metadata, ..v1::Key::default() }, &["metadata"])
}

impl Keyward {
    async fn manager(&self, workspace: &str) -> Issued {
        let scopes = [
            "keys:issue",
            "keys:import",
            "keys:update",
            "keys:revoke",
            "keys:rotate",
            "workspaces:read",
            "workspaces:manage",
        ];
        self.issue_admin(workspace, admin_rights(&scopes, false)).await
    }

    async fn relabel(
        &self,
        caller: &str,
        id: &str,
        bytes: usize,
    ) -> Result<Response<v1::UpdateKeyResponse>, Status> {
        self.keys().update_key(signed(caller, labelled(id, bytes))).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_keys_at_once_for_the_last_places_as_many_are_issued_as_there_are() {
    // X6 D7 T1
    let keyward = start(QuotasEntry { keys: Some(10), ..QuotasEntry::default() }).await;
    let (mine, first) = keyward.register("mine").await;
    let (other, _) = keyward.register("other").await;
    for round in 0..3 {
        let at_once =
            join_all((0..24).map(|_| keyward.try_issue(&keyward.root, in_workspace(&mine.id)))).await;
        let (good, bad): (Vec<_>, Vec<_>) = at_once.into_iter().partition(Result::is_ok);
        assert_eq!(good.len(), 9, "round {round}");
        for refused in bad {
            assert_reached(refused, "keys", Some(&mine.id));
        }
        assert_eq!(taken(&keyward, &keyward.root, &mine.id).await["keys"], (10, 10));
        let ids = good.into_iter().map(|issued| issued.unwrap().into_inner().key.clone().unwrap().id);
        // A disabled key has its place still, and a revoked one has none.
        for (place, id) in ids.enumerate() {
            keyward.disable(&id).await;
            if place == 0 {
                assert_reached(
                    keyward.try_issue(&keyward.root, in_workspace(&mine.id)).await,
                    "keys",
                    Some(&mine.id),
                );
            }
            keyward.revoke(&id).await;
        }
    }
    assert_eq!(taken(&keyward, &keyward.root, &mine.id).await["kept_keys"].0, 28);
    assert_eq!(taken(&keyward, &keyward.root, &other.id).await["keys"], (1, 10), "others have their own");
    assert_eq!(keyward.denied(&first.api_key, SEND).await, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_counts_what_is_there_and_an_expired_key_frees_its_place() {
    // D7 K8
    let keyward = start(QuotasEntry { keys: Some(3), kept_keys: Some(5), ..QuotasEntry::default() }).await;
    let (mine, _) = keyward.register("mine").await;
    let in_a_minute = keyward.clock.after(Duration::from_secs(60));
    let ending = v1::IssueRequest { expire_time: Some(in_a_minute), ..in_workspace(&mine.id) };
    keyward.issue(ending).await;
    let third = keyward.issue(in_workspace(&mine.id)).await;
    assert_reached(keyward.try_issue(&keyward.root, in_workspace(&mine.id)).await, "keys", Some(&mine.id));

    let before = taken(&keyward, &keyward.root, &mine.id).await;
    let keyward = keyward.restart().await;
    assert_eq!(taken(&keyward, &keyward.root, &mine.id).await, before);
    assert_reached(keyward.try_issue(&keyward.root, in_workspace(&mine.id)).await, "keys", Some(&mine.id));

    keyward.clock.advance(Duration::from_secs(60));
    keyward.issue(in_workspace(&mine.id)).await;
    keyward.revoke(&third.key.id).await;
    keyward.issue(in_workspace(&mine.id)).await;
    let counts = taken(&keyward, &keyward.root, &mine.id).await;
    assert_eq!((counts["keys"], counts["kept_keys"]), ((3, 3), (5, 5)));
    let keyward = keyward.restart().await;
    assert_eq!(
        taken(&keyward, &keyward.root, &mine.id).await["keys"],
        (3, 3),
        "by rows of keys that are over, too"
    );
    keyward.revoke(&keyward.issue_scopes(SEND).await.key.id).await;
    assert_reached(keyward.try_issue(&keyward.root, in_workspace(&mine.id)).await, "keys", Some(&mine.id));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_keys_are_kept_and_have_a_quota_of_their_own() {
    // D7
    let keyward = start(QuotasEntry { kept_keys: Some(3), ..QuotasEntry::default() }).await;
    let (mine, first) = keyward.register("mine").await;
    for _ in 0..2 {
        let issued = keyward.issue(in_workspace(&mine.id)).await;
        keyward.revoke(&issued.key.id).await;
    }
    assert_reached(
        keyward.try_issue(&keyward.root, in_workspace(&mine.id)).await,
        "kept_keys",
        Some(&mine.id),
    );
    keyward.rotate(&first.key.id, None).await;
    keyward.revoke(&first.key.id).await;
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_hold_so_much_together_and_what_makes_them_smaller_passes() {
    // X6
    let keyward = start(QuotasEntry { key_bytes: Some(8_000), ..QuotasEntry::default() }).await;
    let (mine, first) = keyward.register("mine").await;
    let second = keyward.issue(in_workspace(&mine.id)).await;
    let root = &keyward.root;
    keyward.relabel(root, &first.key.id, 4_000).await.unwrap();
    let refused = keyward.relabel(root, &second.key.id, 4_000).await;
    let status = assert_reached(refused, "key_bytes", Some(&mine.id));
    let before = taken(&keyward, root, &mine.id).await["key_bytes"].0;
    assert_eq!(metadata(&status, "used"), Some(before.to_string()));
    assert_eq!(keyward.show(&second.key.id).await.metadata.len(), 0, "nothing was changed");

    let at_once = join_all((0..8).map(|_| {
        keyward.try_issue(
            root,
            v1::IssueRequest {
                metadata: labelled("", 1_000).key.unwrap().metadata,
                ..in_workspace(&mine.id)
            },
        )
    }))
    .await;
    let good = at_once.iter().filter(|issued| issued.is_ok()).count();
    let (used, limit) = taken(&keyward, root, &mine.id).await["key_bytes"];
    let each = (used - before) / u64::try_from(good).unwrap();
    assert!(used <= limit && used + each > limit, "{good} of {each} bytes: {used} of {limit}");
    keyward.relabel(root, &first.key.id, 250).await.unwrap();
    keyward.relabel(root, &second.key.id, 250).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_have_a_quota_and_a_removed_one_frees_its_place() {
    let keyward = start(QuotasEntry { members: Some(3), ..QuotasEntry::default() }).await;
    let (mine, _) = keyward.register("mine").await;
    let manager = keyward.manager(&mine.id).await.api_key;
    let root = &keyward.root;
    let at_once =
        ["a", "b", "c", "d", "e"].map(async |name| add(&keyward, root, &mine.id, name, "viewer").await);
    let answers = join_all(at_once).await;
    assert_eq!(answers.iter().filter(|added| added.is_ok()).count(), 3);
    for refused in answers.into_iter().filter(Result::is_err) {
        assert_reached(refused, "members", Some(&mine.id));
    }
    let members = keyward
        .workspaces()
        .list_members(keyward.as_root(v1::ListMembersRequest {
            workspace_id: mine.id.clone(),
            ..v1::ListMembersRequest::default()
        }))
        .await
        .unwrap()
        .into_inner()
        .members;
    change(&keyward, root, &mine.id, &members[0].subject, "editor").await.unwrap();
    remove(&keyward, &mine.id, &members[0].subject).await.unwrap();
    add(&keyward, root, &mine.id, "f", "viewer").await.unwrap();
    assert_reached(add(&keyward, root, &mine.id, "g", "viewer").await, "members", Some(&mine.id));
    let keyward = keyward.restart().await;
    assert_eq!(taken(&keyward, &manager, "").await["members"], (3, 3), "a tenant sees it too");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_writes_so_much_to_the_log_in_a_day_and_what_takes_rights_away_always_passes() {
    // X6 D7 L6 V1
    let keyward = start(QuotasEntry { log_bytes_per_day: Some(60_000), ..QuotasEntry::default() }).await;
    let (mine, first) = keyward.register("mine").await;
    let manager = keyward.manager(&mine.id).await.api_key;
    let wide =
        v1::IssueRequest { scopes: strings(&["messaging:send", "storage:read"]), ..in_workspace(&mine.id) };
    let [wide, other, rotated, enabled] =
        [wide, in_workspace(&mine.id), in_workspace(&mine.id), in_workspace(&mine.id)]
            .map(async |key| keyward.issue(key).await);
    let (wide, other, rotated, enabled) = (wide.await, other.await, rotated.await, enabled.await);
    keyward.rotate(&rotated.key.id, None).await;
    for (name, role) in [("ann", "editor"), ("bob", "viewer")] {
        add(&keyward, &keyward.root, &mine.id, name, role).await.unwrap();
    }
    keyward.disable(&enabled.key.id).await;

    let mut updates = 0;
    let status = loop {
        let bytes = if updates % 2 == 0 { 4_000 } else { 3_000 };
        match keyward.relabel(&manager, &first.key.id, bytes).await {
            Ok(_) => updates += 1,
            refused => break assert_reached(refused, "log_bytes_per_day", Some(&mine.id)),
        }
    };
    assert!((4..16).contains(&updates), "{updates}");
    let (used, limit) = taken(&keyward, &manager, "").await["log_bytes_per_day"];
    assert!(used <= limit && used > limit - 9_000, "{used}");
    let until_midnight = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(until_midnight <= DAY && !until_midnight.is_zero(), "{until_midnight:?}");

    // Fill what smaller changes would still find.
    while keyward.keys().update_key(signed(&manager, renaming(&other.key.id, "x"))).await.is_ok() {
        if keyward.keys().update_key(signed(&manager, renaming(&other.key.id, "y"))).await.is_err() {
            break;
        }
    }
    let over = |result| assert_reached(result, "log_bytes_per_day", Some(&mine.id));
    over(keyward.try_issue(&manager, holder_key(SEND)).await.map(|_| Response::new(())));
    over(
        keyward
            .keys()
            .rotate(signed(&manager, rotation(&other.key.id, None)))
            .await
            .map(|_| Response::new(())),
    );
    over(
        keyward
            .keys()
            .enable_key(signed(&manager, enabling(&enabled.key.id)))
            .await
            .map(|_| Response::new(())),
    );
    over(add(&keyward, &manager, &mine.id, "eve", "viewer").await.map(|_| Response::new(())));
    over(change(&keyward, &manager, &mine.id, "bob", "owner").await.map(|_| Response::new(())));

    // Whatever takes away.
    let narrower =
        update(v1::Key { id: wide.key.id.clone(), scopes: strings(SEND), ..v1::Key::default() }, &["scopes"]);
    keyward.keys().update_key(signed(&manager, narrower)).await.unwrap();
    let sooner = v1::Key {
        id: wide.key.id.clone(),
        expire_time: Some(keyward.clock.after(DAY)),
        ..v1::Key::default()
    };
    keyward.keys().update_key(signed(&manager, update(sooner, &["expire_time"]))).await.unwrap();
    change(&keyward, &manager, &mine.id, "ann", "viewer").await.unwrap();
    remove(&keyward, &mine.id, "bob").await.unwrap();
    let ending = v1::UpdateGraceRequest {
        key_id: rotated.key.id.clone(),
        grace: Some(wire(Duration::ZERO)),
        ..v1::UpdateGraceRequest::default()
    };
    keyward.keys().update_grace(signed(&manager, ending)).await.unwrap();
    keyward.keys().disable_key(signed(&manager, disabling(&other.key.id))).await.unwrap();
    keyward.keys().revoke(signed(&manager, by_id(&first.key.id))).await.unwrap();
    keyward.end(&wide.api_key).await.unwrap();
    assert!(
        keyward.denied(&first.api_key, SEND).await.is_some()
            && keyward.denied(&wide.api_key, SEND).await.is_some()
    );

    // Neither a restart nor another day's begin gives more than a day's.
    let keyward = keyward.restart().await;
    over(keyward.relabel(&manager, &other.key.id, 1_000).await.map(|_| Response::new(())));
    keyward.clock.advance(DAY);
    keyward.relabel(&manager, &other.key.id, 1_000).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_above_a_lowered_quota_keeps_what_it_has() {
    let keyward = start(QuotasEntry::default()).await;
    let (mine, first) = keyward.register("mine").await;
    for name in ["a", "b", "c"] {
        add(&keyward, &keyward.root, &mine.id, name, "viewer").await.unwrap();
        keyward.issue(in_workspace(&mine.id)).await;
    }
    let few = QuotasEntry {
        keys: Some(2),
        kept_keys: Some(2),
        key_bytes: Some(1),
        members: Some(1),
        ..QuotasEntry::default()
    };
    let document = policy(few, QuotasEntry::default()).document().clone();
    let fields = keyward.judge(&toml(&document)).await.unwrap().into_inner().effect.unwrap().changes;
    assert!(
        fields
            .iter()
            .any(|change| change.field == "plans[starter].quotas.keys"
                || change.field == "plans[starter].quotas"),
        "{fields:?}"
    );
    keyward.apply(&document).await;
    assert!(keyward.in_force().await.toml.contains("kept_keys = 2"));

    assert_eq!(taken(&keyward, &keyward.root, &mine.id).await["keys"], (4, 2));
    assert_eq!(keyward.denied(&first.api_key, SEND).await, None);
    keyward.rotate(&first.key.id, None).await;
    keyward
        .update(v1::Key { id: first.key.id.clone(), name: "k".to_owned(), ..v1::Key::default() }, &["name"])
        .await;
    change(&keyward, &keyward.root, &mine.id, "a", "editor").await.unwrap();
    let refused = |result| refusal(result, Code::ResourceExhausted, "QUOTA_REACHED");
    refused(keyward.try_issue(&keyward.root, in_workspace(&mine.id)).await.map(|_| Response::new(())));
    refused(keyward.relabel(&keyward.root, &first.key.id, 1_000).await.map(|_| Response::new(())));
    refused(add(&keyward, &keyward.root, &mine.id, "d", "viewer").await.map(|_| Response::new(())));

    // What a change adds is judged, and nothing else: above the number of keys a key may still grow.
    let fewer = QuotasEntry { keys: Some(2), kept_keys: Some(2), members: Some(1), ..QuotasEntry::default() };
    keyward.apply(policy(fewer, QuotasEntry::default()).document()).await;
    keyward.relabel(&keyward.root, &first.key.id, 1_000).await.unwrap();

    let none = QuotasEntry { keys: Some(0), ..QuotasEntry::default() };
    let mut document = policy(QuotasEntry::default(), QuotasEntry::default()).document().clone();
    document.quotas = Some(none);
    let status = refusal(keyward.judge(&toml(&document)).await, Code::InvalidArgument, "FIELD_INVALID");
    assert_eq!(metadata(&status, "field").as_deref(), Some("policy.quotas.keys"));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_takes_as_many_rows_as_there_are_places() {
    // X6
    let keyward = start(QuotasEntry { keys: Some(11), ..QuotasEntry::default() }).await;
    let (mine, _) = keyward.register("mine").await;
    let row = |line: u64| v1::ImportRow {
        line,
        name: format!("moved {line}"),
        scopes: strings(SEND),
        secret_bits: 160,
        hash: Some(Hash::Sha256(vec![u8::try_from(line).unwrap(); 32])),
        ..v1::ImportRow::default()
    };
    let request = v1::ImportKeysRequest {
        workspace_id: mine.id.clone(),
        rows: (1..=30).map(row).collect(),
        ..v1::ImportKeysRequest::default()
    };
    let answer = keyward.keys().import_keys(keyward.as_root(request)).await.unwrap().into_inner();
    let errors: Vec<_> =
        answer.results.iter().filter_map(|result| Some(result.error.as_ref()?.reason.as_str())).collect();
    assert_eq!(errors, ["QUOTA_REACHED"; 20]);
    assert_eq!(taken(&keyward, &keyward.root, &mine.id).await["keys"], (11, 11));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_takes_so_many_workspaces_and_import_schemes() {
    let few = QuotasEntry { workspaces: Some(3), import_schemes: Some(1), ..QuotasEntry::default() };
    let keyward = Keyward::start_with(true, policy(QuotasEntry::default(), few)).await;
    let register = async |name: &str| {
        let request = v1::RegisterWorkspaceRequest {
            name: name.to_owned(),
            key: Some(holder_key(SEND)),
            ..v1::RegisterWorkspaceRequest::default()
        };
        keyward.workspaces().register_workspace(keyward.as_root(request)).await
    };
    let answers = join_all(["a", "b", "c", "d"].map(register)).await;
    assert_eq!(answers.iter().filter(|made| made.is_ok()).count(), 2, "beside the default one");
    for refused in answers.into_iter().filter(Result::is_err) {
        assert_reached(refused, "workspaces", None);
    }
    let scheme = |name: &str| v1::AddImportSchemeRequest {
        name: name.to_owned(),
        hmac_sha256_secret: b"a secret of the other system".to_vec(),
    };
    keyward.keys().add_import_scheme(keyward.as_root(scheme("one"))).await.unwrap();
    let second = keyward.keys().add_import_scheme(keyward.as_root(scheme("two"))).await;
    assert_reached(second, "import_schemes", None);
    keyward.keys().add_import_scheme(keyward.as_root(scheme("one"))).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_came_and_went_leave_no_row_and_a_second_removal_changes_nothing() {
    // D7 S5
    let keyward = start(QuotasEntry { members: Some(2), ..QuotasEntry::default() }).await;
    let (mine, _) = keyward.register("mine").await;
    let mut last = 0;
    for round in 0..300 {
        let name = format!("user-{round}");
        add(&keyward, &keyward.root, &mine.id, &name, "viewer").await.unwrap();
        last = remove(&keyward, &mine.id, &name).await.unwrap().into_inner().revision;
    }
    for name in ["user-0", "user-299"] {
        let again = remove(&keyward, &mine.id, name).await.unwrap().into_inner().revision;
        assert!(again <= last && (name == "user-0" || again == last), "{name}");
    }
    let rows = |keyward: &Keyward| {
        let database = rusqlite::Connection::open(keyward.data_dir().join("keyward.db")).unwrap();
        database.query_row("SELECT count(*) FROM members", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(rows(&keyward), 0);
    let keyward = keyward.restart().await;
    assert_eq!(remove(&keyward, &mine.id, "user-299").await.unwrap().into_inner().revision, last);
    refusal(remove(&keyward, &mine.id, "nobody").await, Code::NotFound, "MEMBER_NOT_FOUND");
    add(&keyward, &keyward.root, &mine.id, "user-0", "editor").await.unwrap();
    let keyward = keyward.restart().await;
    change(&keyward, &keyward.root, &mine.id, "user-0", "viewer").await.unwrap();
    assert_eq!((rows(&keyward), taken(&keyward, &keyward.root, &mine.id).await["members"]), (1, (1, 2)));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_many_keys_counts_each_of_them() {
    // D7 V4
    let keyward = start(QuotasEntry { keys: Some(5), ..QuotasEntry::default() }).await;
    let (mine, _) = keyward.register("mine").await;
    for _ in 0..4 {
        keyward.issue(in_workspace(&mine.id)).await;
    }
    let revoking = v1::ChangeKeysRequest {
        workspace_id: mine.id.clone(),
        action: Some(v1::change_keys_request::Action::Revoke(v1::RevokeKeys { reason: 1 })),
        expected_count: 5,
        ..v1::ChangeKeysRequest::default()
    };
    keyward.keys().change_keys(keyward.as_root(revoking)).await.unwrap();
    let counts = taken(&keyward, &keyward.root, &mine.id).await;
    assert_eq!((counts["keys"].0, counts["kept_keys"].0), (0, 5));
    keyward.issue(in_workspace(&mine.id)).await;
    let keyward = keyward.restart().await;
    assert_eq!(taken(&keyward, &keyward.root, &mine.id).await["keys"], (1, 5));
    keyward.stop().await;
}
