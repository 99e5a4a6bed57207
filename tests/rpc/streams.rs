//! `StreamReviewKeys` and `StreamVerifyLog`: looks at everything, for as long as they take.

use std::time::Duration;

use keyward::wire::v1::{self, stream_review_keys_response, stream_verify_log_response};
use tonic::{Code, Status, Streaming};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{
    Keyward, admin_rights, signed,
    verbs::{DAY, refusal},
};

/// Too short for what is looked at here.
const SHORT: Duration = Duration::from_millis(100);

type Reviewing = Streaming<v1::StreamReviewKeysResponse>;

impl Keyward {
    async fn reviewing(&self, request: v1::StreamReviewKeysRequest) -> Result<Reviewing, Status> {
        let mut request = self.as_root(request);
        request.set_timeout(SHORT);
        Ok(self.keys().stream_review_keys(request).await?.into_inner())
    }
}

/// What a stream told: how often how far it was, the keys, and the end.
async fn read(mut told: Reviewing) -> (usize, Vec<v1::ReviewedKey>, v1::ReviewKeysResponse) {
    use stream_review_keys_response::News;
    let (mut told_of, mut keys, mut end) = (0, Vec::new(), None);
    while let Some(message) = told.message().await.unwrap() {
        assert!(end.is_none(), "the result comes last");
        match message.news.unwrap() {
            News::Reviewed(_) => told_of += 1,
            News::Keys(some) => keys.extend(some.keys),
            News::Result(result) => end = Some(result),
        }
    }
    (told_of, keys, end.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_of_many_keys_is_told_whole_whatever_the_deadline_and_ends_with_its_client() {
    const KEYS: usize = 12_000;
    let keyward = Keyward::start().await;
    keyward.take_in(KEYS.try_into().unwrap()).await;
    keyward.clock.advance(DAY * 40);
    let mut request =
        keyward.as_root(v1::ReviewKeysRequest { page_size: 1_000, ..v1::ReviewKeysRequest::default() });
    let page = keyward.keys().review_keys(request).await.unwrap().into_inner();
    request = keyward.as_root(v1::ReviewKeysRequest::default());
    request.set_timeout(SHORT);
    let late = keyward.keys().review_keys(request).await.unwrap_err();
    assert!([Code::DeadlineExceeded, Code::Cancelled].contains(&late.code()), "{late:?}");

    let everything = v1::StreamReviewKeysRequest::default();
    let (told_of, keys, end) = read(keyward.reviewing(everything.clone()).await.unwrap()).await;
    assert!(told_of > 20, "{told_of}");
    assert_eq!((keys.len(), end.reviewed, &end.totals), (KEYS + 1, page.reviewed, &page.totals));
    assert_eq!(end.next_page_token, "");
    assert_eq!(keys[..1_000], page.keys, "the same as of pages");
    let some = v1::StreamReviewKeysRequest { max_keys: 600, ..everything.clone() };
    let (_, first, end) = read(keyward.reviewing(some.clone()).await.unwrap()).await;
    let next = v1::StreamReviewKeysRequest { page_token: end.next_page_token, ..some };
    let (_, second, end) = read(keyward.reviewing(next).await.unwrap()).await;
    assert_eq!([first, second].concat(), keys[..1_200]);
    assert_ne!(end.next_page_token, "");

    // One key has four places, which streams hold that nobody reads.
    let mut unread = Vec::new();
    for _ in 0..4 {
        unread.push(keyward.reviewing(everything.clone()).await.unwrap());
    }
    let fifth = keyward.reviewing(everything.clone()).await;
    refusal(fifth.map(tonic::Response::new), Code::ResourceExhausted, "SHARE_TAKEN");
    drop(unread);
    let again = loop {
        match keyward.reviewing(everything.clone()).await {
            Ok(told) => break told,
            Err(status) => assert_eq!(status.code(), Code::ResourceExhausted),
        }
    };
    assert_eq!(read(again).await.1.len(), KEYS + 1);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_verified_in_a_stream_that_says_how_far_it_is() {
    // A3
    use stream_verify_log_response::News;
    let keyward = Keyward::start().await;
    keyward.take_in(9_000).await;
    let whole =
        keyward.audit().verify_log(keyward.as_root(v1::VerifyLogRequest {})).await.unwrap().into_inner();
    let mut request = keyward.as_root(v1::StreamVerifyLogRequest {});
    request.set_timeout(SHORT);
    let mut told = keyward.audit().stream_verify_log(request).await.unwrap().into_inner();
    let (mut read, mut found) = (Vec::new(), None);
    while let Some(message) = told.message().await.unwrap() {
        assert!(found.is_none(), "the result comes last");
        match message.news.unwrap() {
            News::RecordsRead(records) => read.push(records),
            News::Result(result) => found = Some(result),
        }
    }
    assert!(read.is_sorted() && read.first() == Some(&0) && read.contains(&4_096), "{read:?}");
    assert_eq!(found, Some(whole));

    let bound = keyward.issue_admin("", admin_rights(&["audit:read"], false)).await;
    let refused =
        keyward.audit().stream_verify_log(signed(&bound.api_key, v1::StreamVerifyLogRequest {})).await;
    refusal(refused, Code::PermissionDenied, "GLOBAL_CALLER_REQUIRED");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_an_open_stream_at_once_and_says_so() {
    // D10
    let keyward = Keyward::start().await;
    keyward.take_in(24_000).await;
    keyward.clock.advance(DAY * 40);
    let mut probe = HealthClient::new(keyward.new_channel().await);
    let mut watch = probe.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let mut told = keyward.reviewing(v1::StreamReviewKeysRequest::default()).await.unwrap();
    told.message().await.unwrap().unwrap();
    let stopping = tokio::spawn(keyward.stop());
    // Nothing is read before the stop has begun, and more is told than a client's window takes.
    while watch.message().await.unwrap().is_some() {}
    let end = loop {
        match told.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("what was cut short looks whole"),
            Err(status) => break status,
        }
    };
    refusal::<()>(Err(end), Code::Unavailable, "STORE_UNAVAILABLE");
    // Before the 15 seconds that open calls have.
    drop(tokio::time::timeout(Duration::from_secs(10), stopping).await.unwrap().unwrap());
}
