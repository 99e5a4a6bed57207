//! `ReviewKeys`.

use std::time::Duration;

use keyward::wire::v1::{self, FindingKind, FindingSeverity};

use crate::support::{
    Issued, Keyward, holder_key, signed,
    verbs::{DAY, HOUR, assert_field, bound, wire},
};

impl Keyward {
    async fn review(&self, request: v1::ReviewKeysRequest) -> v1::ReviewKeysResponse {
        self.keys().review_keys(self.as_root(request)).await.unwrap().into_inner()
    }

    async fn in_workspace(&self, workspace: &str, name: &str, request: v1::IssueRequest) -> Issued {
        let request =
            v1::IssueRequest { workspace_id: workspace.to_owned(), name: name.to_owned(), ..request };
        self.issue(request).await
    }
}

fn of(workspace: &str) -> v1::ReviewKeysRequest {
    v1::ReviewKeysRequest { workspace_id: workspace.to_owned(), ..v1::ReviewKeysRequest::default() }
}

fn kinds(key: &v1::ReviewedKey) -> Vec<FindingKind> {
    key.findings.iter().map(v1::Finding::kind).collect()
}

/// A key that ends in so many days.
fn ending(keyward: &Keyward, scopes: &[&str], days: u32) -> v1::IssueRequest {
    v1::IssueRequest { expire_time: Some(keyward.clock.after(DAY * days)), ..holder_key(scopes) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_careful_owner_would_act_on_comes_in_order_of_risk() {
    // K7, R5
    use FindingKind::{
        BroadAnywhere, BroadUnused, DisabledLong, ExpiringInUse, NeverUsed, NoExpiry, Old, RetiringStillUsed,
        ScopesUnused, Unused,
    };
    let keyward = Keyward::start().await;
    let (workspace, first) = keyward.register("mine").await;
    let id = &workspace.id;
    keyward.revoke(&first.key.id).await;
    let make = async |name: &str, scopes: &[&str], days| {
        keyward.in_workspace(id, name, ending(&keyward, scopes, days)).await
    };
    let broad = make("broad", &["storage:*"], 3_000).await;
    let never = make("never", &["messaging:send"], 3_000).await;
    let unused = make("unused", &["messaging:send"], 3_000).await;
    let disabled = make("disabled", &["messaging:send"], 3_000).await;
    let scopes = make("scopes", &["messaging:send", "events:read"], 3_000).await;
    let soon = make("soon", &["messaging:send"], 410).await;
    let old = make("old", &["messaging:send"], 3_000).await;
    let narrow = v1::IssueRequest {
        grants: vec![bound("storage:*", &["space/a"])],
        scopes: Vec::new(),
        ..ending(&keyward, &[], 3_000)
    };
    let bound_one = keyward.in_workspace(id, "bound", narrow).await;
    assert!(keyward.check(&unused.api_key, &["messaging:send"]).await.allowed);
    keyward.disable(&disabled.key.id).await;
    keyward.clock.advance(DAY * 400);
    let endless = keyward.in_workspace(id, "endless", holder_key(&["messaging:send"])).await;
    let rotated = make("rotated", &["messaging:send"], 3_000).await;
    let _new = keyward.rotate(&rotated.key.id, None).await;
    let fine = make("fine", &["messaging:send"], 300).await;
    for used in [&scopes, &soon, &old, &endless, &rotated, &fine] {
        assert!(keyward.check(&used.api_key, &["messaging:send"]).await.allowed);
    }

    let page = keyward.review(of(id)).await;
    let found: Vec<_> = page.keys.iter().map(|key| (key.name.as_str(), kinds(key), key.score)).collect();
    let mut last = [("never", vec![NeverUsed, Old], 50), ("bound", vec![NeverUsed, Old], 50)];
    if never.key.id > bound_one.key.id {
        last.reverse();
    }
    let mut expected = vec![
        ("broad", vec![BroadUnused, BroadAnywhere, NeverUsed, Old], 170),
        ("soon", vec![ExpiringInUse, Old], 105),
        ("rotated", vec![RetiringStillUsed], 100),
    ];
    expected.extend(last);
    expected.extend([
        ("unused", vec![Unused, Old], 45),
        ("scopes", vec![ScopesUnused, Old], 35),
        ("old", vec![Old], 15),
        ("endless", vec![NoExpiry], 10),
        ("disabled", vec![DisabledLong], 5),
    ]);
    assert_eq!(found, expected);
    assert_eq!(page.reviewed, 12, "the revoked one is looked at, and done with");
    let totals: Vec<_> = page.totals.iter().map(|total| (total.kind(), total.keys)).collect();
    let expected = [
        (RetiringStillUsed, 1),
        (ExpiringInUse, 1),
        (BroadUnused, 1),
        (BroadAnywhere, 1),
        (NeverUsed, 3),
        (Unused, 1),
        (ScopesUnused, 1),
        (Old, 7),
        (NoExpiry, 1),
        (DisabledLong, 1),
    ];
    assert_eq!(totals, expected);
    assert_eq!((page.keys[0].key_id.as_str(), page.keys[0].last_use_time), (broad.key.id.as_str(), None));
    let breadth = page.keys[0].breadth.unwrap();
    assert_eq!((breadth.scopes, breadth.unbound_scopes, breadth.wildcards, breadth.networks), (3, 3, 1, 0));
    assert_eq!(page.keys[0].findings[0].severity(), FindingSeverity::High);
    assert_eq!(page.keys[6].findings[0].words, "1 of 2 scopes not used in 90 days");
    assert!(page.next_page_token.is_empty());
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_review_add_up_and_go_by_the_time_of_the_first() {
    // K7
    let keyward = Keyward::start().await;
    let (workspace, _first) = keyward.register("mine").await;
    for number in 0..25 {
        keyward.in_workspace(&workspace.id, &format!("k{number}"), holder_key(&["messaging:send"])).await;
    }
    keyward.clock.advance(DAY * 31);
    let whole = keyward.review(v1::ReviewKeysRequest { page_size: 1_000, ..of(&workspace.id) }).await;
    assert_eq!(whole.keys.len(), 26);
    let (mut keys, mut token) = (Vec::new(), String::new());
    for _ in 0..7 {
        let request = v1::ReviewKeysRequest { page_size: 4, page_token: token.clone(), ..of(&workspace.id) };
        let page = keyward.review(request).await;
        assert_eq!(page.totals, whole.totals);
        keys.extend(page.keys);
        token = page.next_page_token;
        keyward.clock.advance(DAY * 100);
    }
    assert!(token.is_empty());
    assert_eq!(keys, whole.keys, "each key once, as it stood at the first page");
    let half = v1::ReviewKeysRequest { page_size: 4, ..of(&workspace.id) };
    let token = keyward.review(half.clone()).await.next_page_token;
    for other in [
        v1::ReviewKeysRequest { page_token: "AAAA".to_owned(), ..half.clone() },
        v1::ReviewKeysRequest { page_token: token.clone(), unused_for: Some(wire(DAY)), ..half.clone() },
        v1::ReviewKeysRequest { page_token: token, workspace_id: String::new(), ..half },
    ] {
        assert_field(keyward.keys().review_keys(keyward.as_root(other)).await, "page_token");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_shows_the_keys_within_reach_alone() {
    // T1
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let (theirs, _) = keyward.register("theirs").await;
    let rights = crate::support::admin_rights(&["keys:read"], false);
    let reader = keyward.issue_admin(&mine.id, rights).await;
    keyward.clock.advance(DAY * 40);
    let as_reader =
        async |workspace: &str| keyward.keys().review_keys(signed(&reader.api_key, of(workspace))).await;
    let page = as_reader("").await.unwrap().into_inner();
    assert_eq!((page.reviewed, page.keys.len()), (2, 2), "the first key, and the reader's own");
    assert_eq!(as_reader(&theirs.id).await.unwrap_err().code(), tonic::Code::NotFound);
    let of_default = keyward.review(of("")).await;
    assert!(of_default.keys.iter().all(|key| key.key_id != page.keys[0].key_id));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_have_their_bounds() {
    // K7
    let keyward = Keyward::start().await;
    let too_long = Some(prost_types::Duration { seconds: 3_661 * 86_400, nanos: 0 });
    for bad in [Some(wire(Duration::ZERO)), too_long, Some(prost_types::Duration { seconds: -1, nanos: 0 })] {
        for (field, request) in [
            ("unused_for", v1::ReviewKeysRequest { unused_for: bad, ..of("") }),
            ("older_than", v1::ReviewKeysRequest { older_than: bad, ..of("") }),
            ("expiring_within", v1::ReviewKeysRequest { expiring_within: bad, ..of("") }),
        ] {
            assert_field(keyward.keys().review_keys(keyward.as_root(request)).await, field);
        }
    }
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    assert!(keyward.check(&issued.api_key, &[]).await.allowed);
    keyward.clock.advance(HOUR * 2);
    let strict = v1::ReviewKeysRequest { unused_for: Some(wire(HOUR)), ..of("") };
    let page = keyward.review(strict).await;
    let mine = page.keys.iter().find(|key| key.key_id == issued.key.id).unwrap();
    assert_eq!(kinds(mine), [FindingKind::Unused, FindingKind::NoExpiry]);
    keyward.stop().await;
}
