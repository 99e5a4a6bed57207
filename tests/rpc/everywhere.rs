//! All workspaces at once: who may, what answers say they looked at, and that each workspace's log tells of its own.

use std::collections::BTreeSet;

use keyward::wire::v1::{
    self, AuditAction, ChangeKeysRequest, ChangeKeysResponse, DenialReason, KeyState,
    change_keys_request::Action,
};
use tonic::{Code, Response, Status};

use crate::{
    members::add,
    support::{
        Issued, Keyward, admin_rights, check, holder_key, signed,
        verbs::{DAY, assert_field, metadata, refusal},
    },
};

const SCOPE: &str = "messaging:send";
const DISABLE: Action = Action::Disable(v1::DisableKeys {});
const ENABLE: Action = Action::Enable(v1::EnableKeys {});

/// Three workspaces, in each of which ann and bob have a key; and an administration key that is bound to the second.
struct World {
    keyward: Keyward,
    workspaces: Vec<String>,
    anns: Vec<Issued>,
    tenant: String,
}

impl World {
    async fn new() -> Self {
        let keyward = Keyward::start().await;
        let mut workspaces = vec![keyward.default_workspace().await];
        for name in ["second", "third"] {
            workspaces.push(keyward.register(name).await.0.id.clone());
        }
        let mut anns = Vec::new();
        for workspace in &workspaces {
            for owner in ["ann", "bob"] {
                let issued = keyward.issue(owned(workspace, owner)).await;
                if owner == "ann" {
                    anns.push(issued);
                }
            }
        }
        let scopes = ["keys:read", "keys:update", "keys:revoke", "workspaces:manage", "audit:read"];
        let tenant = keyward.issue_admin(&workspaces[1], admin_rights(&scopes, false)).await.api_key;
        Self { keyward, workspaces, anns, tenant }
    }

    async fn change(&self, request: ChangeKeysRequest) -> Result<Response<ChangeKeysResponse>, Status> {
        self.keyward.keys().change_keys(self.keyward.as_root(request)).await
    }

    async fn carry_out(&self, request: ChangeKeysRequest) -> ChangeKeysResponse {
        let preview = ChangeKeysRequest { validate_only: true, ..request.clone() };
        let seen = self.change(preview).await.unwrap().into_inner();
        assert!(seen.group_id.is_empty());
        let confirmed = ChangeKeysRequest { expected_count: seen.count, ..request };
        let done = self.change(confirmed).await.unwrap().into_inner();
        assert_eq!(done.key_ids, seen.key_ids);
        assert_eq!((done.count, done.workspace_count), (seen.count, seen.workspace_count));
        done
    }

    async fn log(&self, caller: &str, request: v1::QueryLogRequest) -> Vec<v1::AuditRecord> {
        let answer = self.keyward.audit().query_log(signed(caller, request)).await;
        answer.unwrap().into_inner().records.clone()
    }

    async fn states(&self) -> Vec<KeyState> {
        let mut states = Vec::new();
        for issued in &self.anns {
            states.push(self.keyward.show(&issued.key.id).await.state());
        }
        states
    }
}

fn owned(workspace: &str, owner: &str) -> v1::IssueRequest {
    v1::IssueRequest { workspace_id: workspace.to_owned(), owner: owner.to_owned(), ..holder_key(&[SCOPE]) }
}

fn anns(action: Action) -> ChangeKeysRequest {
    ChangeKeysRequest {
        owner: "ann".to_owned(),
        action: Some(action),
        all_workspaces: true,
        ..ChangeKeysRequest::default()
    }
}

fn every_key() -> v1::ListKeysRequest {
    v1::ListKeysRequest { all_workspaces: true, ..v1::ListKeysRequest::default() }
}

/// Every key of a list, page by page.
async fn listed(keyward: &Keyward, request: v1::ListKeysRequest) -> Vec<v1::Key> {
    let (mut keys, mut request) = (Vec::new(), request);
    for _ in 0..100 {
        let page = keyward.keys().list_keys(keyward.as_root(request.clone())).await.unwrap().into_inner();
        assert_eq!(page.workspace_id, "", "all were looked at");
        keys.extend(page.keys);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return keys;
        }
    }
    panic!("the pages have no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_bound_to_one_workspace_is_refused_all_and_nobody_names_one_beside() {
    // T1, M4
    let world = World::new().await;
    let (keyward, tenant) = (&world.keyward, world.tenant.as_str());
    let (mut keys, mut workspaces) = (keyward.keys(), keyward.workspaces());
    let reason = "GLOBAL_CALLER_REQUIRED";
    let usage = v1::GetUsageRequest { all_workspaces: true, ..v1::GetUsageRequest::default() };
    let review = v1::ReviewKeysRequest { all_workspaces: true, ..v1::ReviewKeysRequest::default() };
    let removal = v1::RemoveMemberRequest {
        subject: "ann".to_owned(),
        all_workspaces: true,
        ..v1::RemoveMemberRequest::default()
    };
    let revision = keyward.revision().await;
    let denied = Code::PermissionDenied;
    refusal(keys.list_keys(signed(tenant, every_key())).await, denied, reason);
    refusal(keys.get_usage(signed(tenant, usage.clone())).await, denied, reason);
    refusal(keys.review_keys(signed(tenant, review.clone())).await, denied, reason);
    refusal(keys.change_keys(signed(tenant, anns(DISABLE))).await, denied, reason);
    refusal(workspaces.remove_member(signed(tenant, removal.clone())).await, denied, reason);

    let named = world.workspaces[1].clone();
    let list = v1::ListKeysRequest { workspace_id: named.clone(), ..every_key() };
    assert_field(keys.list_keys(keyward.as_root(list)).await, "all_workspaces");
    let usage = v1::GetUsageRequest { workspace_id: named.clone(), ..usage };
    assert_field(keys.get_usage(keyward.as_root(usage)).await, "all_workspaces");
    let review = v1::ReviewKeysRequest { workspace_id: named.clone(), ..review };
    assert_field(keys.review_keys(keyward.as_root(review)).await, "all_workspaces");
    let bulk = ChangeKeysRequest { workspace_id: named.clone(), ..anns(DISABLE) };
    assert_field(keys.change_keys(keyward.as_root(bulk)).await, "all_workspaces");
    let removal = v1::RemoveMemberRequest { workspace_id: named, ..removal };
    assert_field(workspaces.remove_member(keyward.as_root(removal)).await, "all_workspaces");
    assert_eq!(keyward.revision().await, revision);

    // No workspace is called `all`: it is an id like any other that is none.
    let all = v1::ListKeysRequest { workspace_id: "all".to_owned(), ..v1::ListKeysRequest::default() };
    assert_field(keys.list_keys(keyward.as_root(all)).await, "workspace_id");
    world.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_say_which_workspace_they_looked_at() {
    // M4
    let world = World::new().await;
    let (keyward, tenant) = (&world.keyward, world.tenant.as_str());
    for (caller, named, looked_at) in [
        (keyward.root.as_str(), "", 0),
        (keyward.root.as_str(), world.workspaces[2].as_str(), 2),
        (tenant, "", 1),
        (tenant, world.workspaces[1].as_str(), 1),
    ] {
        let (mut keys, mut workspaces) = (keyward.keys(), keyward.workspaces());
        let (workspace_id, expected) = (named.to_owned(), world.workspaces[looked_at].as_str());
        let list = v1::ListKeysRequest { workspace_id: workspace_id.clone(), ..Default::default() };
        assert_eq!(keys.list_keys(signed(caller, list)).await.unwrap().into_inner().workspace_id, expected);
        let usage = v1::GetUsageRequest { workspace_id: workspace_id.clone(), ..Default::default() };
        assert_eq!(keys.get_usage(signed(caller, usage)).await.unwrap().into_inner().workspace_id, expected);
        let review = v1::ReviewKeysRequest { workspace_id: workspace_id.clone(), ..Default::default() };
        let review = keys.review_keys(signed(caller, review)).await.unwrap().into_inner();
        assert_eq!(review.workspace_id, expected);
        assert!(review.keys.iter().all(|key| key.workspace_id == expected));
        let bulk = ChangeKeysRequest {
            workspace_id: workspace_id.clone(),
            validate_only: true,
            all_workspaces: false,
            ..anns(DISABLE)
        };
        let bulk = keys.change_keys(signed(caller, bulk)).await.unwrap().into_inner();
        assert_eq!((bulk.workspace_id.as_str(), bulk.count, bulk.workspace_count), (expected, 1, 1));
        add(keyward, caller, named, "eve", "viewer").await.unwrap();
        let removal =
            v1::RemoveMemberRequest { workspace_id, subject: "eve".to_owned(), ..Default::default() };
        let removal = workspaces.remove_member(signed(caller, removal)).await.unwrap().into_inner();
        assert_eq!((removal.workspace_id.as_str(), removal.workspace_count), (expected, 1));
    }
    // A key says its own workspace, whatever the default one is.
    let of_third = v1::GetUsageRequest { key_id: world.anns[2].key.id.clone(), ..Default::default() };
    let told = keyward.keys().get_usage(keyward.as_root(of_third)).await.unwrap().into_inner();
    assert_eq!(told.workspace_id, world.workspaces[2]);
    world.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_all_workspaces_are_listed_one_workspace_after_the_other() {
    // K7, T4
    let world = World::new().await;
    let keyward = &world.keyward;
    keyward.clock.advance(DAY);
    for workspace in &world.workspaces {
        keyward.issue(owned(workspace, "cid")).await;
    }
    let all = listed(keyward, every_key()).await;
    let mut expected = Vec::new();
    let ids: BTreeSet<_> = world.workspaces.iter().cloned().collect();
    for workspace_id in ids {
        let one = v1::ListKeysRequest { workspace_id, page_size: 1_000, ..Default::default() };
        expected.extend(keyward.keys().list_keys(keyward.as_root(one)).await.unwrap().into_inner().keys);
    }
    assert_eq!(all, expected);
    for page_size in [1, 2, 5] {
        assert_eq!(
            listed(keyward, v1::ListKeysRequest { page_size, ..every_key() }).await,
            all,
            "{page_size}"
        );
    }

    let of_ann = v1::ListKeysRequest { owner: "ann".to_owned(), page_size: 1, ..every_key() };
    let found: BTreeSet<_> =
        listed(keyward, of_ann.clone()).await.into_iter().map(|key| key.id.clone()).collect();
    assert_eq!(found, world.anns.iter().map(|issued| issued.key.id.clone()).collect());
    let never = v1::ListKeysRequest { never_used: true, ..of_ann.clone() };
    assert_eq!(listed(keyward, never).await.len(), 3);
    assert!(keyward.check(&world.anns[1].api_key, &[SCOPE]).await.allowed);
    let never = v1::ListKeysRequest { never_used: true, ..of_ann.clone() };
    assert_eq!(listed(keyward, never).await.len(), 2);

    // A token is good for its own question alone.
    let first = keyward.keys().list_keys(keyward.as_root(of_ann.clone())).await.unwrap().into_inner();
    let one =
        v1::ListKeysRequest { all_workspaces: false, page_token: first.next_page_token.clone(), ..of_ann };
    assert_field(keyward.keys().list_keys(keyward.as_root(one)).await, "page_token");
    world.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_in_all_workspaces_together_and_each_log_tells_of_its_own() {
    // V4, A1, T1, T4
    let world = World::new().await;
    let keyward = &world.keyward;
    let before = keyward.revision().await;
    let wrong = ChangeKeysRequest { expected_count: 2, ..anns(DISABLE) };
    let status = refusal(world.change(wrong).await, Code::FailedPrecondition, "COUNT_CHANGED");
    assert_eq!(metadata(&status, "count").as_deref(), Some("3"));
    assert_eq!(keyward.revision().await, before);

    let request = ChangeKeysRequest {
        request_id: "offboard-ann".to_owned(),
        comment: "she has left".to_owned(),
        ..anns(DISABLE)
    };
    let done = world.carry_out(request.clone()).await;
    assert_eq!((done.count, done.workspace_count, done.unchanged_count), (3, 3, 0));
    assert_eq!((done.workspace_id.as_str(), done.revision), ("", before + 3));
    for (place, issued) in world.anns.iter().enumerate() {
        assert_eq!(keyward.denied(&issued.api_key, &[SCOPE]).await, Some(DenialReason::KeyDisabled));
        let workspace = &world.workspaces[place];
        let by_key = v1::QueryLogRequest { key_id: issued.key.id.clone(), ..Default::default() };
        let by_workspace = v1::QueryLogRequest { workspace_id: workspace.clone(), ..Default::default() };
        for request in [by_key, by_workspace] {
            let record = world.log(&keyward.root, request).await.remove(0);
            assert_eq!((record.action(), &record.workspace_id), (AuditAction::KeyDisable, workspace));
            assert_eq!((&record.group_id, record.key_count), (&done.group_id, 1));
            assert_eq!(
                (record.comment.as_str(), record.request_id.as_str()),
                ("she has left", "offboard-ann")
            );
        }
    }
    let seen_by_tenant = world.log(&world.tenant, v1::QueryLogRequest::default()).await;
    let told: Vec<_> = seen_by_tenant.iter().filter(|record| !record.group_id.is_empty()).collect();
    assert_eq!((told.len(), told[0].key_count), (1, 1), "a tenant hears of its own keys, and of no others");

    let again = ChangeKeysRequest { expected_count: 3, ..request };
    let status = refusal(world.change(again.clone()).await, Code::AlreadyExists, "GROUP_DONE");
    assert_eq!(metadata(&status, "group_id"), Some(done.group_id.clone()));
    let World { keyward, workspaces, anns: issued, tenant } = world;
    let world = World { keyward: keyward.restart().await, workspaces, anns: issued, tenant };
    refusal(world.change(again).await, Code::AlreadyExists, "GROUP_DONE");
    assert_eq!(world.states().await, [KeyState::Disabled; 3]);
    let verify = world.keyward.as_root(v1::VerifyLogRequest {});
    assert_eq!(world.keyward.audit().verify_log(verify).await.unwrap().into_inner().fault, None);

    // Nobody enables keys of a closed workspace: there it is left alone, and done in the others.
    let close = v1::CloseWorkspaceRequest { workspace_id: world.workspaces[2].clone(), ..Default::default() };
    world.keyward.workspaces().close_workspace(world.keyward.as_root(close)).await.unwrap();
    let done = world.carry_out(anns(ENABLE)).await;
    assert_eq!((done.count, done.workspace_count, done.unchanged_count), (2, 2, 1));
    let left = [KeyState::Active, KeyState::Active, KeyState::Disabled];
    assert_eq!(world.states().await, left);
    let revoke = Action::Revoke(v1::RevokeKeys::default());
    assert_eq!(world.carry_out(anns(revoke)).await.count, 3, "but a right is taken away everywhere");
    world.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_workspaces_are_reviewed_and_their_usage_is_told() {
    // K7, A4
    let world = World::new().await;
    let keyward = &world.keyward;
    for issued in &world.anns {
        assert!(keyward.ask(check(&issued.api_key, &[SCOPE])).await.allowed);
    }
    let mut usage = Vec::new();
    let mut request = v1::GetUsageRequest { all_workspaces: true, page_size: 1, ..Default::default() };
    for _ in 0..10 {
        let page = keyward.keys().get_usage(keyward.as_root(request.clone())).await.unwrap().into_inner();
        assert_eq!(page.workspace_id, "");
        usage.extend(page.usage);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let told: Vec<_> =
        usage.iter().map(|sum| (sum.workspace_id.clone(), sum.key_id.clone(), sum.allowed)).collect();
    let mut expected: Vec<_> =
        world.anns.iter().map(|one| (one.key.workspace_id.clone(), one.key.id.clone(), 1)).collect();
    expected.sort();
    assert_eq!(told, expected, "one workspace after the other");
    let of_ann = v1::GetUsageRequest { owner: "bob".to_owned(), all_workspaces: true, ..Default::default() };
    assert!(keyward.keys().get_usage(keyward.as_root(of_ann)).await.unwrap().into_inner().usage.is_empty());

    let review = v1::ReviewKeysRequest { all_workspaces: true, page_size: 4, ..Default::default() };
    let first = keyward.keys().review_keys(keyward.as_root(review.clone())).await.unwrap().into_inner();
    let next =
        v1::ReviewKeysRequest { page_token: first.next_page_token.clone(), page_size: 1_000, ..review };
    let rest = keyward.keys().review_keys(keyward.as_root(next)).await.unwrap().into_inner();
    let everyone = listed(keyward, every_key()).await.len();
    assert_eq!(usize::try_from(first.reviewed).unwrap(), everyone);
    let found = first.keys.iter().chain(&rest.keys);
    let found: BTreeSet<_> = found.map(|key| (key.key_id.clone(), key.workspace_id.clone())).collect();
    let anns = world.anns.iter().map(|one| (one.key.id.clone(), one.key.workspace_id.clone()));
    assert!(anns.into_iter().all(|ann| found.contains(&ann)), "{found:?}");
    world.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_removed_from_every_workspace_at_once() {
    // S5, A1, T1
    let world = World::new().await;
    let keyward = &world.keyward;
    let mut followers = Vec::new();
    for workspace in &world.workspaces {
        add(keyward, &keyward.root, workspace, "ann", "editor").await.unwrap();
        let follows = v1::IssueRequest { follows_owner_role: true, ..owned(workspace, "ann") };
        followers.push(keyward.issue(v1::IssueRequest { scopes: Vec::new(), ..follows }).await);
    }
    let close = v1::CloseWorkspaceRequest { workspace_id: world.workspaces[2].clone(), ..Default::default() };
    keyward.workspaces().close_workspace(keyward.as_root(close)).await.unwrap();
    let removal = |subject: &str| v1::RemoveMemberRequest {
        subject: subject.to_owned(),
        comment: "she has left".to_owned(),
        all_workspaces: true,
        ..Default::default()
    };
    let before = keyward.revision().await;
    let mut workspaces = keyward.workspaces();
    let done = workspaces.remove_member(keyward.as_root(removal("ann"))).await.unwrap().into_inner();
    assert_eq!((done.workspace_count, done.closed_workspace_count), (2, 1));
    assert_eq!((done.following_keys, done.other_keys, done.revision), (2, 2, before + 2));
    for follower in &followers[..2] {
        let denied = keyward.denied(&follower.api_key, &["storage:read"]).await;
        assert_eq!(denied, Some(DenialReason::OwnerRemoved));
    }
    for workspace in &world.workspaces[..2] {
        let of = v1::QueryLogRequest { workspace_id: workspace.clone(), ..Default::default() };
        let record = world.log(&keyward.root, of).await.remove(0);
        assert_eq!((record.action(), record.member.as_str()), (AuditAction::MemberRemove, "ann"));
    }
    let again = workspaces.remove_member(keyward.as_root(removal("ann"))).await.unwrap().into_inner();
    assert_eq!((again.workspace_count, again.closed_workspace_count), (0, 1));
    assert_eq!(keyward.revision().await, before + 2, "twice is once");
    let nobody = workspaces.remove_member(keyward.as_root(removal("nobody"))).await;
    refusal(nobody, Code::NotFound, "MEMBER_NOT_FOUND");
    world.keyward.stop().await;
}
