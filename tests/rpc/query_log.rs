//! `QueryLog`.

use keyward::wire::v1::{self, AuditAction};
use tonic::{Code, Response, Status};

use crate::support::{
    Keyward, admin_rights, holder_key, signed,
    verbs::{HOUR, MS, assert_field, refusal},
};

type Page = Result<Response<v1::QueryLogResponse>, Status>;

async fn query(keyward: &Keyward, caller: &str, request: v1::QueryLogRequest) -> Page {
    keyward.audit().query_log(signed(caller, request)).await
}

async fn revisions(keyward: &Keyward, request: v1::QueryLogRequest) -> Vec<u64> {
    let answer = query(keyward, &keyward.root, request).await.unwrap().into_inner();
    answer.records.iter().map(|record| record.revision).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_change_has_exactly_one_record() {
    // A1
    let keyward = Keyward::start().await;
    let (_, first) = keyward.register("mine").await;
    let issued = keyward.issue_scopes(&["a:a"]).await;
    let rotated = keyward.rotate(&issued.key.id, Some(HOUR)).await;
    keyward.update(v1::Key { name: "n".to_owned(), ..issued.key.clone() }, &["name"]).await;
    keyward.disable(&issued.key.id).await;
    keyward.enable(&issued.key.id).await;
    keyward.end(&issued.api_key).await.unwrap();
    keyward.end(&rotated.api_key).await.unwrap();
    keyward.revoke(&first.key.id).await;
    let answer = query(&keyward, &keyward.root, v1::QueryLogRequest::default()).await.unwrap().into_inner();
    let actions: Vec<_> = answer.records.iter().rev().map(v1::AuditRecord::action).collect();
    assert_eq!(
        actions,
        [
            AuditAction::StoreInitialize,
            AuditAction::WorkspaceRegister,
            AuditAction::KeyIssue,
            AuditAction::KeyRotate,
            AuditAction::KeyUpdate,
            AuditAction::KeyDisable,
            AuditAction::KeyEnable,
            AuditAction::SecretEnd,
            AuditAction::KeyRevoke,
            AuditAction::KeyRevoke,
        ]
    );
    let revisions: Vec<_> = answer.records.iter().rev().map(|record| record.revision).collect();
    assert_eq!(revisions, (1..=10).collect::<Vec<_>>(), "from 1, without gaps");
    assert!(answer.records.iter().all(|record| record.chain.len() == 32 && record.time.is_some()));
    let system = answer.records[9].actor.clone().unwrap();
    assert_eq!((system.kind(), system.key_id.as_str()), (v1::ActorKind::System, ""));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_denials_and_refusals_leave_no_record() {
    // A1
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["a:a"]).await;
    let before = keyward.revision().await;
    keyward.check(&issued.api_key, &["b:b"]).await;
    keyward.show(&issued.key.id).await;
    keyward.keys().list_keys(keyward.as_root(v1::ListKeysRequest::default())).await.unwrap();
    keyward.try_issue(&keyward.root, holder_key(&[])).await.err().unwrap();
    keyward.audit().verify_log(keyward.as_root(v1::VerifyLogRequest {})).await.unwrap();
    assert_eq!(keyward.revision().await, before);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_found_by_key_actor_workspace_action_and_time() {
    // A2
    let keyward = Keyward::start().await;
    let admin = keyward.issue_admin("", admin_rights(&["keys:issue"], true)).await; // 2
    keyward.clock.advance(HOUR);
    let (mine, _) = keyward.register("mine").await; // 3
    keyward.clock.advance(HOUR);
    let answer = keyward.try_issue(&admin.api_key, holder_key(&["a:a"])).await.unwrap(); // 4
    let key = answer.get_ref().key.clone().unwrap();
    keyward.disable(&key.id).await; // 5
    let none = v1::QueryLogRequest::default;
    let at = |hours: u32| {
        let ms = crate::support::START_MS + i64::from(hours) * 3_600_000;
        Some(prost_types::Timestamp { seconds: ms / 1_000, nanos: 0 })
    };
    for (request, expected) in [
        (none(), vec![5, 4, 3, 2, 1]),
        (v1::QueryLogRequest { key_id: key.id.clone(), ..none() }, vec![5, 4]),
        (v1::QueryLogRequest { actor_key_id: admin.key.id.clone(), ..none() }, vec![4]),
        (v1::QueryLogRequest { actor_key_id: keyward.root_id().await, ..none() }, vec![5, 3, 2]),
        (v1::QueryLogRequest { workspace_id: mine.id.clone(), ..none() }, vec![3]),
        (v1::QueryLogRequest { action: AuditAction::KeyIssue.into(), ..none() }, vec![4, 2]),
        (v1::QueryLogRequest { action: AuditAction::AdminRecover.into(), ..none() }, vec![]),
        (v1::QueryLogRequest { start_time: at(1), ..none() }, vec![5, 4, 3]),
        (v1::QueryLogRequest { end_time: at(1), ..none() }, vec![2, 1]),
        (v1::QueryLogRequest { start_time: at(1), end_time: at(2), ..none() }, vec![3]),
        (v1::QueryLogRequest { start_time: at(2), end_time: at(1), ..none() }, vec![]),
        (
            v1::QueryLogRequest {
                key_id: key.id.clone(),
                action: AuditAction::KeyDisable.into(),
                actor_key_id: keyward.root_id().await,
                ..none()
            },
            vec![5],
        ),
        (v1::QueryLogRequest { workspace_id: mine.id, key_id: key.id, ..none() }, vec![]),
    ] {
        assert_eq!(revisions(&keyward, request.clone()).await, expected, "{request:?}");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_record_once_and_tokens_cannot_be_forged() {
    // A2, T1
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["audit:read"], false)).await;
    for _ in 0..52 {
        let request = v1::IssueRequest { workspace_id: mine.id.clone(), ..holder_key(&["a:a"]) };
        keyward.issue(request).await;
    }
    let of_mine = v1::QueryLogRequest { workspace_id: mine.id.clone(), ..v1::QueryLogRequest::default() };
    let first = query(&keyward, &keyward.root, of_mine.clone()).await.unwrap().into_inner();
    assert_eq!(first.records.len(), 50, "unless told");
    let token = first.next_page_token;
    let with =
        |page_token: &str| v1::QueryLogRequest { page_token: page_token.to_owned(), ..of_mine.clone() };
    let second = query(&keyward, &keyward.root, with(&token)).await.unwrap().into_inner();
    let seen: Vec<_> = first.records.iter().chain(&second.records).map(|record| record.revision).collect();
    assert_eq!((seen, second.next_page_token.as_str()), ((2..=55).rev().collect(), ""));
    let mut single = Vec::new();
    let mut page_token = String::new();
    for _ in 0..54 {
        let request = v1::QueryLogRequest { page_size: 1, ..with(&page_token) };
        let page = query(&keyward, &keyward.root, request).await.unwrap().into_inner();
        single.extend(page.records.iter().map(|record| record.revision));
        page_token = page.next_page_token;
    }
    assert_eq!((single, page_token.as_str()), ((2..=55).rev().collect(), ""));

    let all = v1::QueryLogRequest { workspace_id: String::new(), ..with(&token) };
    let action = v1::QueryLogRequest { action: AuditAction::KeyIssue.into(), ..with(&token) };
    let later = v1::QueryLogRequest { start_time: Some(keyward.clock.after(MS)), ..with(&token) };
    for request in [all, action, later] {
        assert_field(query(&keyward, &keyward.root, request).await, "page_token");
    }
    assert_field(query(&keyward, &admin.api_key, with(&token)).await, "page_token");
    for place in 0..token.len() {
        let mut flipped = token.clone();
        let instead = if &token[place..=place] == "A" { "B" } else { "A" };
        flipped.replace_range(place..=place, instead);
        assert_field(query(&keyward, &keyward.root, with(&flipped)).await, "page_token");
    }
    let keys =
        v1::ListKeysRequest { workspace_id: mine.id.clone(), page_size: 1, ..v1::ListKeysRequest::default() };
    let keys = keyward.keys().list_keys(keyward.as_root(keys)).await.unwrap().into_inner().next_page_token;
    for bad in [keys.as_str(), "55", "AAAA", "%"] {
        assert_field(query(&keyward, &keyward.root, with(bad)).await, "page_token");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_size_has_its_bounds() {
    let keyward = Keyward::start().await;
    for page_size in [-1, i32::MIN, 1_001, i32::MAX] {
        let request = v1::QueryLogRequest { page_size, ..v1::QueryLogRequest::default() };
        assert_field(query(&keyward, &keyward.root, request).await, "page_size");
    }
    let request = v1::QueryLogRequest { page_size: 1_000, ..v1::QueryLogRequest::default() };
    assert_eq!(revisions(&keyward, request).await, [1]);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_caller_reads_its_own_workspace_only() {
    // T1, A2
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let (theirs, their_key) = keyward.register("theirs").await;
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["audit:read"], false)).await.api_key;
    let none = v1::QueryLogRequest::default;
    let own = query(&keyward, &admin, none()).await.unwrap().into_inner();
    assert_eq!(own.records.len(), 2);
    assert!(own.records.iter().all(|record| record.workspace_id == mine.id));
    let foreign = v1::QueryLogRequest { workspace_id: theirs.id, ..none() };
    refusal(query(&keyward, &admin, foreign).await, Code::NotFound, "WORKSPACE_NOT_FOUND");
    let unknown = v1::QueryLogRequest { workspace_id: "ws_00000000000000000000000000".to_owned(), ..none() };
    refusal(query(&keyward, &admin, unknown).await, Code::NotFound, "WORKSPACE_NOT_FOUND");
    let about = v1::QueryLogRequest { key_id: their_key.key.id, ..none() };
    assert!(query(&keyward, &admin, about).await.unwrap().into_inner().records.is_empty());
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_caller_reads_nothing_about_a_global_administration_key_in_its_own_workspace() {
    // T1
    let keyward = Keyward::start().await;
    let root = keyward.root_id().await;
    let bound = keyward.issue_admin("", admin_rights(&["audit:read"], false)).await;
    let global = keyward.issue_admin("", admin_rights(&["keys:read"], true)).await;
    assert_eq!(bound.key.workspace_id, global.key.workspace_id, "both live in the default workspace");
    keyward.update(v1::Key { name: "all-seeing".to_owned(), ..global.key.clone() }, &["name"]).await;
    let holder = keyward.issue_scopes(&["a:a"]).await;
    keyward.rotate(&global.key.id, Some(HOUR)).await;
    keyward.disable(&global.key.id).await;
    keyward.revoke(&global.key.id).await;
    keyward.disable(&holder.key.id).await;

    let about = |id: &str| v1::QueryLogRequest { key_id: id.to_owned(), ..v1::QueryLogRequest::default() };
    for id in [&root, &global.key.id] {
        let seen = query(&keyward, &bound.api_key, about(id)).await.unwrap().into_inner();
        assert_eq!(seen, v1::QueryLogResponse::default());
    }
    let seen = query(&keyward, &keyward.root, about(&global.key.id)).await.unwrap().into_inner();
    assert_eq!(seen.records.len(), 5, "a global caller reads them");

    // Whatever the size of the pages, and they all are reached.
    let expected = [holder.key.id.as_str(), &holder.key.id, &bound.key.id];
    for page_size in [0, 1, 2, 3, 1_000] {
        let mut request = v1::QueryLogRequest { page_size, ..v1::QueryLogRequest::default() };
        let mut seen = Vec::new();
        loop {
            let page = query(&keyward, &bound.api_key, request.clone()).await.unwrap().into_inner();
            seen.extend(page.records.into_iter().map(|record| record.key_id));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, expected, "pages of {page_size}");
    }
    keyward.stop().await;
}
