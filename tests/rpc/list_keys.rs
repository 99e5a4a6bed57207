//! `ListKeys`.

use std::time::Duration;

use keyward::wire::v1;
use tonic::{Code, Response, Status};

use crate::support::{
    Keyward, START_MS, admin_rights, holder_key, signed,
    verbs::{MS, assert_field, refusal},
};

type Page = Result<Response<v1::ListKeysResponse>, Status>;

async fn list(keyward: &Keyward, caller: &str, request: v1::ListKeysRequest) -> Page {
    keyward.keys().list_keys(signed(caller, request)).await
}

fn ids(answer: &v1::ListKeysResponse) -> Vec<String> {
    answer.keys.iter().map(|key| key.id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_key_once_newest_first() {
    // K3
    let keyward = Keyward::start().await;
    let (workspace, first) = keyward.register("mine").await;
    let mut all = vec![first.key.id];
    for place in 0..10 {
        if place % 3 == 0 {
            keyward.clock.advance(MS);
        }
        let request = v1::IssueRequest { workspace_id: workspace.id.clone(), ..holder_key(&["a:a"]) };
        all.push(keyward.issue(request).await.key.id);
    }
    let whole = v1::ListKeysRequest { workspace_id: workspace.id.clone(), ..v1::ListKeysRequest::default() };
    let newest_first = ids(list(&keyward, &keyward.root, whole.clone()).await.unwrap().get_ref());
    assert_eq!(newest_first.len(), 11);
    for page_size in [1, 2, 5, 10, 11, 12, 1_000] {
        let mut seen = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListKeysRequest { page_size, page_token, ..whole.clone() };
            let page = list(&keyward, &keyward.root, request).await.unwrap().into_inner();
            assert!(page.keys.len() <= usize::try_from(page_size).unwrap());
            assert!(page.next_page_token.is_empty() || !page.keys.is_empty());
            let created: Vec<_> = page.keys.iter().map(|key| key.create_time.unwrap()).collect();
            assert!(
                created.windows(2).all(|pair| pair[0].seconds * 1_000_000_000 + i64::from(pair[0].nanos)
                    >= pair[1].seconds * 1_000_000_000 + i64::from(pair[1].nanos))
            );
            seen.extend(ids(&page));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, newest_first, "{page_size}");
    }
    let mut sorted = newest_first;
    sorted.sort();
    all.sort();
    assert_eq!(sorted, all);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_holds_fifty_unless_told() {
    let keyward = Keyward::start().await;
    let (workspace, _) = keyward.register("mine").await;
    for _ in 0..50 {
        let request = v1::IssueRequest { workspace_id: workspace.id.clone(), ..holder_key(&["a:a"]) };
        keyward.issue(request).await;
    }
    let request = v1::ListKeysRequest { workspace_id: workspace.id, ..v1::ListKeysRequest::default() };
    let page = list(&keyward, &keyward.root, request.clone()).await.unwrap().into_inner();
    assert_eq!(page.keys.len(), 50);
    let next = v1::ListKeysRequest { page_token: page.next_page_token, ..request };
    let page = list(&keyward, &keyward.root, next).await.unwrap().into_inner();
    assert_eq!((page.keys.len(), page.next_page_token.as_str()), (1, ""));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_can_be_listed_by_owner_and_environment() {
    // T4
    let keyward = Keyward::start().await;
    let make = async |owner: &str, environment: &str| {
        let request = v1::IssueRequest {
            owner: owner.to_owned(),
            environment: environment.to_owned(),
            ..holder_key(&["a:a"])
        };
        keyward.issue(request).await.key.id
    };
    let (one, two, three) =
        (make("user:1", "live").await, make("user:1", "test").await, make("user:2", "live").await);
    let ask = async |owner: &str, environment: &str| {
        let request = v1::ListKeysRequest {
            owner: owner.to_owned(),
            environment: environment.to_owned(),
            ..v1::ListKeysRequest::default()
        };
        let mut found = ids(list(&keyward, &keyward.root, request).await.unwrap().get_ref());
        found.sort();
        found
    };
    let sorted = |mut ids: Vec<&String>| {
        ids.sort();
        ids.into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(ask("user:1", "").await, sorted(vec![&one, &two]));
    assert_eq!(ask("user:1", "live").await, sorted(vec![&one]));
    assert_eq!(ask("", "live").await, sorted(vec![&one, &three]));
    assert_eq!(ask("user:", "").await, Vec::<String>::new());
    assert_eq!(ask("USER:1", "").await, Vec::<String>::new());
    assert_eq!(ask("", "admin").await, [keyward.root_id().await]);
    assert_eq!(
        ask("", "no-longer-configured").await,
        Vec::<String>::new(),
        "not an error: keys may be older"
    );
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_its_own_list_and_reach_only() {
    // T1
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let (theirs, _) = keyward.register("theirs").await;
    for workspace in [&mine, &theirs] {
        for _ in 0..3 {
            let request = v1::IssueRequest {
                workspace_id: workspace.id.clone(),
                owner: "user:1".to_owned(),
                ..holder_key(&["a:a"])
            };
            keyward.issue(request).await;
        }
    }
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["keys:read"], false)).await.api_key;
    let request =
        v1::ListKeysRequest { workspace_id: mine.id.clone(), page_size: 1, ..v1::ListKeysRequest::default() };
    let token = list(&keyward, &keyward.root, request.clone()).await.unwrap().into_inner().next_page_token;
    let with =
        |page_token: &str| v1::ListKeysRequest { page_token: page_token.to_owned(), ..request.clone() };
    list(&keyward, &keyward.root, with(&token)).await.unwrap();
    let resized = v1::ListKeysRequest { page_size: 2, ..with(&token) };
    list(&keyward, &keyward.root, resized).await.unwrap();

    let other_workspace = v1::ListKeysRequest { workspace_id: theirs.id.clone(), ..with(&token) };
    let default_workspace = v1::ListKeysRequest { workspace_id: String::new(), ..with(&token) };
    let other_owner = v1::ListKeysRequest { owner: "user:1".to_owned(), ..with(&token) };
    let other_environment = v1::ListKeysRequest { environment: "live".to_owned(), ..with(&token) };
    for request in [other_workspace, default_workspace, other_owner, other_environment] {
        assert_field(list(&keyward, &keyward.root, request).await, "page_token");
    }
    assert_field(list(&keyward, &admin, with(&token)).await, "page_token");
    for place in 0..token.len() {
        let mut flipped = token.clone();
        let instead = if &token[place..=place] == "A" { "B" } else { "A" };
        flipped.replace_range(place..=place, instead);
        assert_field(list(&keyward, &keyward.root, with(&flipped)).await, "page_token");
    }
    let log = v1::QueryLogRequest { page_size: 1, ..v1::QueryLogRequest::default() };
    let log = keyward.audit().query_log(keyward.as_root(log)).await.unwrap().into_inner().next_page_token;
    for bad in
        [&log, &token[1..], &token[..token.len() - 1], &format!("{token}="), &format!("{token}A"), "0", "%"]
    {
        assert_field(list(&keyward, &keyward.root, with(bad)).await, "page_token");
    }
    let keyward = keyward.restart().await;
    list(&keyward, &keyward.root, with(&token)).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_size_has_its_bounds() {
    let keyward = Keyward::start().await;
    for page_size in [-1, i32::MIN, 1_001, i32::MAX] {
        let request = v1::ListKeysRequest { page_size, ..v1::ListKeysRequest::default() };
        assert_field(list(&keyward, &keyward.root, request).await, "page_size");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_caller_sees_its_own_workspace_without_the_global_keys() {
    // T1
    let keyward = Keyward::start().await;
    let (mine, my_key) = keyward.register("mine").await;
    let (theirs, _) = keyward.register("theirs").await;
    let global = keyward.issue_admin(&mine.id, admin_rights(&["keys:read"], true)).await;
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["keys:read"], false)).await;
    let all = v1::ListKeysRequest::default();
    let mut seen = ids(list(&keyward, &admin.api_key, all).await.unwrap().get_ref());
    seen.sort();
    let mut expected = vec![my_key.key.id, admin.key.id];
    expected.sort();
    assert_eq!(seen, expected);
    let named = v1::ListKeysRequest { workspace_id: mine.id, ..v1::ListKeysRequest::default() };
    let whole = ids(list(&keyward, &keyward.root, named).await.unwrap().get_ref());
    assert!(whole.len() == 3 && whole.contains(&global.key.id), "a global caller sees all three");
    for id in [&theirs.id, "ws_00000000000000000000000000"] {
        let request = v1::ListKeysRequest { workspace_id: id.to_owned(), ..v1::ListKeysRequest::default() };
        let refused = list(&keyward, &admin.api_key, request).await;
        refusal(refused, Code::NotFound, "WORKSPACE_NOT_FOUND");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_tells_a_bound_caller_nothing_of_keys_out_of_its_reach() {
    // T1
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["keys:read"], false)).await;
    keyward.clock.advance(MS);
    let global = keyward.issue_admin(&mine.id, admin_rights(&["keys:read"], true)).await;
    let request = v1::ListKeysRequest { page_size: 1, ..v1::ListKeysRequest::default() };
    let page = list(&keyward, &admin.api_key, request).await.unwrap().into_inner();
    let token = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, &page.next_page_token);
    let shown = String::from_utf8_lossy(&token.unwrap()).into_owned();
    assert!(!shown.contains(&global.key.id), "{shown}");
    keyward.stop().await;
}

const SEND: &str = "messaging:send";

/// The names of the keys that a list shows, page after page.
async fn names(keyward: &Keyward, mut request: v1::ListKeysRequest) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let page = list(keyward, &keyward.root, request.clone()).await.unwrap().into_inner();
        names.extend(page.keys.into_iter().map(|key| key.name));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            names.sort();
            return names;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_by_what_a_review_asks_for() {
    // K7
    let keyward = Keyward::start().await;
    let (workspace, _) = keyward.register("mine").await;
    let named = |name: &str, scopes: &[&str]| v1::IssueRequest {
        name: name.to_owned(),
        workspace_id: workspace.id.clone(),
        ..holder_key(scopes)
    };
    let day = 24 * 60 * 60 * 1_000;
    let at = |days: i64| prost_types::Timestamp { seconds: START_MS / 1_000 + days * 86_400, nanos: 0 };
    let team = |value: &str| [("team".to_owned(), value.to_owned())].into();
    let old = keyward.issue(v1::IssueRequest { metadata: team("blue"), ..named("old", &[SEND]) }).await;
    let broad = v1::IssueRequest { metadata: team("red"), ..named("broad", &["storage:*", SEND]) };
    let broad = keyward.issue(broad).await;
    keyward.issue(v1::IssueRequest { expire_time: Some(at(20)), ..named("ending", &[SEND]) }).await;
    keyward.clock.advance(Duration::from_millis(10 * day));
    let used = keyward.issue(named("used", &["storage:read"])).await;
    let off = keyward.issue(v1::IssueRequest { owner: "ann".to_owned(), ..named("off", &[SEND]) }).await;
    let disable = v1::DisableKeyRequest { key_id: off.key.id.clone(), ..v1::DisableKeyRequest::default() };
    keyward.keys().disable_key(keyward.as_root(disable)).await.unwrap();
    let gone = keyward.issue(named("gone", &[SEND])).await;
    let target = Some(v1::revoke_request::Target::KeyId(gone.key.id.clone()));
    let revoke = v1::RevokeRequest { target, ..v1::RevokeRequest::default() };
    keyward.keys().revoke(keyward.as_root(revoke)).await.unwrap();
    for (key, scope) in [(&used, "storage:read"), (&broad, SEND), (&old, SEND)] {
        assert!(keyward.check(&key.api_key, &[scope]).await.allowed);
    }
    keyward.clock.advance(Duration::from_millis(2 * day));
    assert!(keyward.check(&broad.api_key, &[SEND]).await.allowed);

    let (active, disabled, revoked) =
        (v1::KeyState::Active.into(), v1::KeyState::Disabled.into(), v1::KeyState::Revoked.into());
    let expired = v1::KeyState::Expired.into();
    let all = || v1::ListKeysRequest { workspace_id: workspace.id.clone(), ..v1::ListKeysRequest::default() };
    let everything = ["broad", "ending", "gone", "off", "old", "test key", "used"];
    for (request, expected) in [
        (all(), everything.as_slice()),
        (v1::ListKeysRequest { tag: "team".to_owned(), ..all() }, &["broad", "old"]),
        (v1::ListKeysRequest { tag: "team=blue".to_owned(), ..all() }, &["old"]),
        (v1::ListKeysRequest { tag: "team=".to_owned(), ..all() }, &[]),
        (v1::ListKeysRequest { owner: "ann".to_owned(), ..all() }, &["off"]),
        (v1::ListKeysRequest { scope: "storage:read".to_owned(), ..all() }, &["broad", "used"]),
        (v1::ListKeysRequest { scope: "storage:nothing".to_owned(), ..all() }, &[]),
        (v1::ListKeysRequest { states: vec![active], tag: "team".to_owned(), ..all() }, &["broad", "old"]),
        (v1::ListKeysRequest { states: vec![disabled, revoked], ..all() }, &["gone", "off"]),
        (v1::ListKeysRequest { states: vec![expired], ..all() }, &[]),
        (v1::ListKeysRequest { issue_start_time: Some(at(10)), ..all() }, &["gone", "off", "used"]),
        (
            v1::ListKeysRequest { issue_end_time: Some(at(10)), ..all() },
            &["broad", "ending", "old", "test key"],
        ),
        (v1::ListKeysRequest { expire_before_time: Some(at(20)), ..all() }, &[]),
        (v1::ListKeysRequest { expire_before_time: Some(at(21)), ..all() }, &["ending"]),
        (
            v1::ListKeysRequest { without_expiry: true, ..all() },
            &["broad", "gone", "off", "old", "test key", "used"],
        ),
        (v1::ListKeysRequest { never_used: true, ..all() }, &["ending", "gone", "off", "test key"]),
        (
            v1::ListKeysRequest { unused_since_time: Some(at(11)), ..all() },
            &["ending", "gone", "off", "old", "test key", "used"],
        ),
        (v1::ListKeysRequest { unused_since_time: Some(at(10)), ..all() }, &["ending", "test key"]),
        (v1::ListKeysRequest { min_scopes: 2, ..all() }, &["broad"]),
        (v1::ListKeysRequest { min_scopes: 600, ..all() }, &[]),
        (v1::ListKeysRequest { wildcard: true, ..all() }, &["broad"]),
    ] {
        assert_eq!(names(&keyward, request.clone()).await, expected, "{request:?}");
        let by_one = v1::ListKeysRequest { page_size: 1, ..request.clone() };
        assert_eq!(names(&keyward, by_one).await, expected, "one by one: {request:?}");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_means_nothing_is_refused_with_its_field() {
    // K7
    let keyward = Keyward::start().await;
    let all = v1::ListKeysRequest::default;
    let never = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
    for (request, field) in [
        (v1::ListKeysRequest { tag: "=x".to_owned(), ..all() }, "tag"),
        (v1::ListKeysRequest { tag: "a b".to_owned(), ..all() }, "tag"),
        (v1::ListKeysRequest { scope: "storage:*".to_owned(), ..all() }, "scope"),
        (v1::ListKeysRequest { states: vec![1, 0], ..all() }, "states[1]"),
        (v1::ListKeysRequest { states: vec![99], ..all() }, "states[0]"),
        (v1::ListKeysRequest { issue_start_time: never, ..all() }, "issue_start_time"),
        (v1::ListKeysRequest { issue_end_time: never, ..all() }, "issue_end_time"),
        (v1::ListKeysRequest { unused_since_time: never, ..all() }, "unused_since_time"),
        (
            v1::ListKeysRequest {
                expire_before_time: Some(prost_types::Timestamp::default()),
                without_expiry: true,
                ..all()
            },
            "expire_before_time",
        ),
    ] {
        assert_field(list(&keyward, &keyward.root, request).await, field);
    }
    keyward.stop().await;
}
