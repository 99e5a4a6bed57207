//! Lists that have much to look at and little to show: a page ends after so many rows or so much time, and the next goes on.

use std::time::Duration;

use keyward::wire::v1::{self, AuditAction, UsagePeriod};
use tonic::Code;

use crate::support::{
    Keyward, check, holder_key,
    verbs::{DAY, HOUR, refusal},
};

/// More than half of what a page may take: it ends after a few pieces.
const TICK: Duration = Duration::from_millis(16);

impl Keyward {
    /// Takes so many keys in, a thousand at a time.
    pub(crate) async fn take_in(&self, count: u32) {
        let numbers: Vec<u32> = (0..count).collect();
        for some in numbers.chunks(1_000) {
            let row = |number: &u32| {
                let mut hash = vec![7; 32];
                hash[..4].copy_from_slice(&number.to_be_bytes());
                v1::ImportRow {
                    line: u64::from(*number) + 1,
                    name: format!("key {number}"),
                    scopes: vec!["a:a".to_owned()],
                    secret_bits: 256,
                    hash: Some(v1::import_row::Hash::Sha256(hash)),
                    ..v1::ImportRow::default()
                }
            };
            let request = v1::ImportKeysRequest {
                rows: some.iter().map(row).collect(),
                ..v1::ImportKeysRequest::default()
            };
            let answer = self.keys().import_keys(self.as_root(request)).await.unwrap().into_inner();
            assert_eq!(usize::try_from(answer.good), Ok(some.len()));
        }
    }

    async fn list_page(&self, request: &v1::ListKeysRequest) -> v1::ListKeysResponse {
        self.keys().list_keys(self.as_root(request.clone())).await.unwrap().into_inner()
    }
}

/// The ids on each page.
async fn pages(keyward: &Keyward, mut request: v1::ListKeysRequest) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    loop {
        let page = keyward.list_page(&request).await;
        found.push(page.keys.iter().map(|key| key.id.clone()).collect());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_keys_ends_after_its_time_and_the_next_goes_on() {
    let keyward = Keyward::start().await;
    let oldest = keyward.issue_scopes(&["b:b"]).await;
    keyward.clock.advance(DAY);
    keyward.take_in(2_500).await;
    let of_scope = v1::ListKeysRequest { scope: "b:b".into(), ..v1::ListKeysRequest::default() };
    let never_used =
        v1::ListKeysRequest { never_used: true, scope: "b:b".into(), ..v1::ListKeysRequest::default() };
    for request in [of_scope, never_used] {
        assert_eq!(pages(&keyward, request.clone()).await, [[oldest.key.id.clone()]], "no time has passed");
        keyward.clock.tick(TICK);
        let found = pages(&keyward, request).await;
        keyward.clock.tick(Duration::ZERO);
        assert!(found.len() > 2, "{}", found.len());
        assert!(found[0].is_empty(), "short, and not the last");
        assert_eq!(found.concat(), std::slice::from_ref(&oldest.key.id));
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_keys_looks_at_twenty_thousand() {
    let keyward = Keyward::start().await;
    let oldest = keyward.issue_scopes(&["b:b"]).await;
    assert!(keyward.ask(check(&oldest.api_key, &["b:b"])).await.allowed);
    let begun = keyward.clock.after(Duration::ZERO);
    keyward.clock.advance(DAY);
    keyward.take_in(21_000).await;
    let request = v1::ListKeysRequest { scope: "b:b".into(), ..v1::ListKeysRequest::default() };
    assert_eq!(pages(&keyward, request).await, [vec![], vec![oldest.key.id]]);
    // So does a page of usage: of very many keys that did nothing.
    let mut request = v1::GetUsageRequest { start_time: Some(begun), ..v1::GetUsageRequest::default() };
    let mut on_pages = Vec::new();
    loop {
        let page = keyward.keys().get_usage(keyward.as_root(request.clone())).await.unwrap().into_inner();
        on_pages.push(page.usage.len());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(on_pages, [0, 1]);
    // And a review that would look at more is refused, and says which call serves.
    let review = keyward.keys().review_keys(keyward.as_root(v1::ReviewKeysRequest::default())).await;
    let refused = refusal(review, Code::FailedPrecondition, "TOO_MANY_KEYS");
    assert!(refused.message().contains("StreamReviewKeys"), "{refused:?}");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_usage_ends_after_its_time_and_no_sum_is_cut() {
    const KEYS: usize = 40;
    const HOURS: u64 = 60;
    let keyward = Keyward::start().await;
    let mut keys = Vec::new();
    for _ in 0..KEYS {
        keys.push(keyward.issue(holder_key(&["a:a"])).await.api_key);
    }
    for _ in 0..HOURS {
        for key in &keys {
            assert!(keyward.keys().check(check(key, &["a:a"])).await.unwrap().get_ref().allowed);
        }
        keyward.clock.advance(HOUR);
    }
    let mut request = v1::GetUsageRequest {
        period: UsagePeriod::Total.into(),
        start_time: Some(keyward.clock.after(Duration::ZERO)),
        ..v1::GetUsageRequest::default()
    };
    let start = request.start_time.as_mut().unwrap();
    start.seconds -= 100 * 3_600;
    keyward.clock.tick(TICK * 2);
    let (mut sums, mut on_pages) = (Vec::new(), Vec::new());
    loop {
        let page = keyward.keys().get_usage(keyward.as_root(request.clone())).await.unwrap().into_inner();
        on_pages.push(page.usage.len());
        sums.extend(page.usage);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(on_pages.len() > 2, "{on_pages:?}");
    assert!(on_pages[0] < KEYS, "short, and not the last: {on_pages:?}");
    let mut ids: Vec<_> = sums.iter().map(|sum| sum.key_id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), sums.len()), (KEYS, KEYS), "each key has one sum");
    assert!(sums.iter().all(|sum| sum.allowed == HOURS), "and it is whole");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_log_ends_after_its_time_and_the_next_goes_on() {
    let keyward = Keyward::start().await;
    keyward.register("mine").await;
    keyward.take_in(5_000).await;
    let root = keyward.newest_record().await.actor.unwrap().key_id;
    let mut request = v1::QueryLogRequest {
        actor_key_id: root,
        action: AuditAction::WorkspaceRegister.into(),
        ..v1::QueryLogRequest::default()
    };
    keyward.clock.tick(TICK * 2);
    let mut on_pages = Vec::new();
    loop {
        let page = keyward.audit().query_log(keyward.as_root(request.clone())).await.unwrap().into_inner();
        on_pages.push(page.records.len());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(on_pages, [0, 0, 1], "2,000 are read at once");
    keyward.clock.tick(Duration::ZERO);
    request.page_token.clear();
    let page = keyward.audit().query_log(keyward.as_root(request)).await.unwrap().into_inner();
    assert_eq!((page.records.len(), page.next_page_token.as_str()), (1, ""), "no time has passed");
    keyward.stop().await;
}
