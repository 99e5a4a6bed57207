//! `QueryDenials`.

use std::time::Duration;

use keyward::{
    domain::secret::{Prefix, SecretKey},
    wire::v1::{self, DenialGrouping, check_request::Subject},
};
use tonic::Code;

use crate::support::{
    Keyward, SeededEntropy, admin_rights, check, holder_key, signed,
    verbs::{DAY, HOUR, assert_field, peek, refusal},
};

const MINUTE: Duration = Duration::from_secs(60);

/// A key that nobody issued.
fn bogus(number: u64) -> String {
    let entropy = SeededEntropy::new(0xDE1A << 32 | number << 8);
    SecretKey::generate(&Prefix::parse("kw_live_").unwrap(), &entropy).unwrap().reveal()
}

fn by(grouping: DenialGrouping) -> v1::QueryDenialsRequest {
    v1::QueryDenialsRequest { group_by: grouping.into(), ..v1::QueryDenialsRequest::default() }
}

async fn page(keyward: &Keyward, caller: &str, request: v1::QueryDenialsRequest) -> v1::QueryDenialsResponse {
    keyward.audit().query_denials(signed(caller, request)).await.unwrap().into_inner()
}

async fn denials(keyward: &Keyward, request: v1::QueryDenialsRequest) -> Vec<v1::DenialSum> {
    page(keyward, &keyward.root, request).await.denials
}

/// Door, call and reason, with how many there were, sorted.
fn labels(denials: &[v1::DenialSum]) -> Vec<(&str, &str, &str, u64)> {
    let label = |sum: &'_ v1::DenialSum| (sum.count, sum.max_count);
    assert!(denials.iter().map(label).all(|(count, most)| count == most), "{denials:?}");
    let mut labels: Vec<_> = denials
        .iter()
        .map(|sum| (sum.door.as_str(), sum.call.as_str(), sum.reason.as_str(), sum.count))
        .collect();
    labels.sort_unstable();
    labels
}

/// A Check of a key from there.
fn from(api_key: &str, source: &str) -> v1::CheckRequest {
    let context = v1::CheckContext { source_address: source.to_owned(), ..v1::CheckContext::default() };
    v1::CheckRequest { context: Some(context), ..check(api_key, &["messaging:send"]) }
}

#[tokio::test(flavor = "multi_thread")]
async fn denials_are_told_by_minute_and_reason_and_allows_and_looks_are_not() {
    // A4
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await;
    for number in 0..3 {
        keyward.check(&bogus(number), &["messaging:send"]).await;
    }
    keyward.check(&key.api_key, &["messaging:send"]).await;
    keyward.check(&key.api_key, &["links:read"]).await;
    let looked =
        v1::CheckRequest { mode: v1::CheckMode::Peek.into(), ..check(&bogus(9), &["messaging:send"]) };
    keyward.ask(looked).await;
    keyward.ask_as_root(peek(&key.key.id, &["links:read"])).await;
    keyward.clock.advance(MINUTE);
    let requests =
        vec![check(&bogus(1), &[]), check("", &[]), check("kw_live_no", &[]), check(&bogus(2), &[])];
    let batch = v1::BatchCheckRequest { requests, ..v1::BatchCheckRequest::default() };
    keyward.keys().batch_check(batch).await.unwrap();

    let told = denials(&keyward, by(DenialGrouping::Time)).await;
    let times: Vec<_> = told.iter().map(|sum| sum.start_time.unwrap().seconds).collect();
    let newest = times[0];
    let (new, old) = told.split_at(3);
    assert!(
        times.iter().all(|time| time % 60 == 0) && told.iter().all(|sum| sum.duration.unwrap().seconds == 60)
    );
    assert!(new.iter().all(|sum| sum.start_time.unwrap().seconds == newest));
    assert!(old.iter().all(|sum| sum.start_time.unwrap().seconds == newest - 60));
    assert_eq!(
        labels(new),
        [
            ("grpc", "", "CREDENTIALS_MALFORMED", 1),
            ("grpc", "", "CREDENTIALS_MISSING", 1),
            ("grpc", "", "KEY_UNKNOWN", 2)
        ]
    );
    assert_eq!(labels(old), [("grpc", "", "KEY_UNKNOWN", 3), ("grpc", "", "SCOPE_INSUFFICIENT", 1)]);

    let only = v1::QueryDenialsRequest { reason: "KEY_UNKNOWN".to_owned(), ..by(DenialGrouping::Time) };
    assert_eq!(denials(&keyward, only).await.iter().map(|sum| sum.count).collect::<Vec<_>>(), [2, 3]);
    let none = v1::QueryDenialsRequest { door: "envoy".to_owned(), ..by(DenialGrouping::Time) };
    assert_eq!(denials(&keyward, none).await, []);
    let end_time = Some(prost_types::Timestamp { seconds: newest, nanos: 0 });
    let before = v1::QueryDenialsRequest { end_time, ..by(DenialGrouping::Time) };
    assert_eq!(denials(&keyward, before).await, old);

    // Pages of any size reach all of them, each once.
    for page_size in [1, 2, 4, 1_000] {
        let mut request = v1::QueryDenialsRequest { page_size, ..by(DenialGrouping::Time) };
        let mut seen = Vec::new();
        loop {
            let found = page(&keyward, &keyward.root, request.clone()).await;
            assert!(found.denials.len() <= usize::try_from(page_size).unwrap());
            seen.extend(found.denials);
            request.page_token = found.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, told, "pages of {page_size}");
    }

    let keyward = keyward.restart().await;
    assert_eq!(denials(&keyward, by(DenialGrouping::Time)).await, told, "after a restart");
    keyward.check(&bogus(3), &["messaging:send"]).await;
    let again = denials(&keyward, by(DenialGrouping::Time)).await;
    assert_eq!(again.iter().map(|sum| sum.count).sum::<u64>(), 9, "the minute goes on: {again:?}");
    assert_eq!(again.len(), told.len());
    keyward.clock.advance(31 * DAY);
    let start_time = Some(prost_types::Timestamp { seconds: newest - 60, nanos: 0 });
    let all = v1::QueryDenialsRequest { start_time, ..by(DenialGrouping::Time) };
    assert_eq!(denials(&keyward, all).await, [], "after 30 days nothing is told, removed or not");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_denied_most_is_named_without_a_secret_and_all_others_together() {
    // A4, K3
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["messaging:send"]).await;
    let (often, once) = (bogus(1), bogus(2));
    for _ in 0..5 {
        keyward.ask(from(&often, "192.0.2.1")).await;
    }
    keyward.ask(from(&once, "2001:db8:1:2::7")).await;
    keyward.ask(from(&once, "2001:db8:1:2::8")).await;
    keyward.ask(from(&key.api_key, "192.0.2.1")).await;
    keyward.revoke(&key.key.id).await;
    for _ in 0..3 {
        keyward.ask(from(&key.api_key, "198.51.100.9")).await;
    }
    keyward.check("some-other-systems-token-0123456789", &[]).await;

    let told = denials(&keyward, by(DenialGrouping::Source)).await;
    let sources: Vec<_> =
        told.iter().map(|sum| (sum.source.as_str(), sum.reason.as_str(), sum.count)).collect();
    let expected = [
        ("192.0.2.1", "KEY_UNKNOWN", 5),
        ("198.51.100.9", "KEY_REVOKED", 3),
        ("2001:db8:1:2::", "KEY_UNKNOWN", 2),
        ("", "KEY_UNKNOWN", 1),
    ];
    assert_eq!(sources, expected);
    let told = denials(&keyward, by(DenialGrouping::Credential)).await;
    let hint = |secret: &str| format!("kw_live_…{}", &secret[secret.len() - 4..]);
    let credentials: Vec<_> =
        told.iter().map(|sum| (sum.key_id.clone(), sum.hint.clone(), sum.count)).collect();
    let none = String::new;
    let expected = [
        (none(), hint(&often), 5),
        (key.key.id.clone(), none(), 3),
        (none(), hint(&once), 2),
        (none(), none(), 1),
    ];
    assert_eq!(credentials, expected, "of another system's token nothing is told");
    assert_eq!(told[1].workspace_id, key.key.workspace_id);

    let two = v1::QueryDenialsRequest { page_size: 2, ..by(DenialGrouping::Source) };
    let told = page(&keyward, &keyward.root, two).await;
    assert_eq!(told.next_page_token, "");
    let counts: Vec<_> = told.denials.iter().map(|sum| (sum.others, sum.count)).collect();
    assert_eq!(counts, [(false, 5), (false, 3), (true, 3)]);
    let of_revoked =
        v1::QueryDenialsRequest { reason: "KEY_REVOKED".to_owned(), ..by(DenialGrouping::Source) };
    let told = denials(&keyward, of_revoked).await;
    assert_eq!(told.len(), 1, "nothing else is of that reason: {told:?}");
    let told = denials(&keyward, by(DenialGrouping::Workspace)).await;
    let workspaces: Vec<_> = told.iter().map(|sum| (sum.workspace_id.as_str(), sum.count)).collect();
    assert_eq!(workspaces, [("", 8), (key.key.workspace_id.as_str(), 3)]);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_administration_is_told_with_who_from_where_and_what() {
    // A6
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let (theirs, their_key) = keyward.register("theirs").await;
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["keys:read", "audit:read"], false)).await;
    let mut keys = keyward.keys();
    let named = |id: &str| v1::GetKeyRequest { key_id: id.to_owned(), ..v1::GetKeyRequest::default() };
    let wrong = bogus(5);
    keys.get_key(signed(&wrong, named(&their_key.key.id))).await.unwrap_err();
    keys.get_key(signed(&their_key.api_key, named(&their_key.key.id))).await.unwrap_err();
    keys.get_key(named(&their_key.key.id)).await.unwrap_err();
    assert!(keys.issue(signed(&admin.api_key, holder_key(&["a:b"]))).await.is_err());
    keys.get_key(signed(&admin.api_key, named(&their_key.key.id))).await.unwrap_err();
    keys.get_key(signed(&admin.api_key, named("key_00000000000000000000000000"))).await.unwrap_err();
    let foreign = v1::ListKeysRequest { workspace_id: theirs.id.clone(), ..v1::ListKeysRequest::default() };
    keys.list_keys(signed(&admin.api_key, foreign)).await.unwrap_err();
    keyward.audit().verify_log(signed(&admin.api_key, v1::VerifyLogRequest::default())).await.unwrap_err();
    let stream = v1::StreamVerifyLogRequest::default();
    drop(keyward.audit().stream_verify_log(signed(&admin.api_key, stream)).await);
    let explain =
        v1::CheckRequest { subject: Some(Subject::KeyId(their_key.key.id.clone())), ..check("", &[]) };
    keys.check(signed(&admin.api_key, explain)).await.unwrap_err();

    let told = denials(&keyward, by(DenialGrouping::Time)).await;
    let all = [
        ("admin", "Check", "ADMIN_SCOPE_MISSING", 1),
        ("admin", "GetKey", "CALLER_INVALID", 2),
        ("admin", "GetKey", "CALLER_MISSING", 1),
        ("admin", "GetKey", "OUT_OF_REACH", 1),
        ("admin", "Issue", "ADMIN_SCOPE_MISSING", 1),
        ("admin", "ListKeys", "OUT_OF_REACH", 1),
        ("admin", "StreamVerifyLog", "GLOBAL_CALLER_REQUIRED", 1),
        ("admin", "VerifyLog", "GLOBAL_CALLER_REQUIRED", 1),
    ];
    assert_eq!(labels(&told), all);
    let only = v1::QueryDenialsRequest { door: "admin".to_owned(), ..by(DenialGrouping::Credential) };
    let told = denials(&keyward, only).await;
    let of = |reason: &str| {
        let mut who: Vec<_> = told
            .iter()
            .filter(|sum| sum.reason == reason)
            .map(|sum| [sum.key_id.as_str(), sum.hint.as_str(), sum.workspace_id.as_str()])
            .collect();
        who.sort_unstable();
        who
    };
    let hint = format!("kw_live_…{}", &wrong[wrong.len() - 4..]);
    assert_eq!(of("CALLER_INVALID"), [["", hint.as_str(), ""], [their_key.key.id.as_str(), "", ""]]);
    assert_eq!(of("CALLER_MISSING"), [["", "", ""]]);
    assert_eq!(of("OUT_OF_REACH"), [[admin.key.id.as_str(), "", mine.id.as_str()]; 2]);
    let told = denials(&keyward, by(DenialGrouping::Source)).await;
    assert!(told.iter().all(|sum| sum.source == "127.0.0.1"), "{told:?}");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_caller_is_told_of_its_own_workspace_only() {
    // T1
    let keyward = Keyward::start().await;
    let (mine, my_key) = keyward.register("mine").await;
    let (theirs, their_key) = keyward.register("theirs").await;
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["audit:read"], false)).await.api_key;
    keyward.check(&my_key.api_key, &["links:read"]).await;
    keyward.check(&their_key.api_key, &["links:read"]).await;
    keyward.check(&bogus(1), &[]).await;
    for grouping in
        [DenialGrouping::Time, DenialGrouping::Source, DenialGrouping::Credential, DenialGrouping::Workspace]
    {
        // What is refused below is told, too, but by the door of administration.
        let of_checks = || v1::QueryDenialsRequest { door: "grpc".to_owned(), ..by(grouping) };
        let told = page(&keyward, &admin, of_checks()).await.denials;
        assert_eq!(labels(&told), [("grpc", "", "SCOPE_INSUFFICIENT", 1)], "{grouping:?}");
        assert_eq!(told[0].workspace_id, mine.id);
        let key = if grouping == DenialGrouping::Credential { my_key.key.id.as_str() } else { "" };
        assert_eq!(told[0].key_id, key);
        let of_theirs = v1::QueryDenialsRequest { workspace_id: theirs.id.clone(), ..of_checks() };
        let told = denials(&keyward, of_theirs.clone()).await;
        assert_eq!((told.len(), told[0].count), (1, 1), "a global caller is told of any: {told:?}");
        let refused = keyward.audit().query_denials(signed(&admin, of_theirs)).await;
        refusal(refused, Code::NotFound, "WORKSPACE_NOT_FOUND");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_by_the_name_of_the_field() {
    let keyward = Keyward::start().await;
    let none = v1::QueryDenialsRequest::default;
    let (now, later) = (keyward.clock.after(Duration::ZERO), keyward.clock.after(HOUR));
    for (request, field) in [
        (v1::QueryDenialsRequest { workspace_id: "ws_".to_owned(), ..none() }, "workspace_id"),
        (v1::QueryDenialsRequest { start_time: Some(later), ..none() }, "start_time"),
        (v1::QueryDenialsRequest { start_time: Some(later), end_time: Some(now), ..none() }, "end_time"),
        (v1::QueryDenialsRequest { reason: "key_unknown".to_owned(), ..none() }, "reason"),
        (v1::QueryDenialsRequest { reason: "UNHEARD_OF".to_owned(), ..none() }, "reason"),
        (v1::QueryDenialsRequest { door: "window".to_owned(), ..none() }, "door"),
        (v1::QueryDenialsRequest { group_by: 99, ..none() }, "group_by"),
        (v1::QueryDenialsRequest { page_size: 1_001, ..none() }, "page_size"),
        (v1::QueryDenialsRequest { page_token: "x".to_owned(), ..none() }, "page_token"),
    ] {
        assert_field(keyward.audit().query_denials(keyward.as_root(request)).await, field);
    }
    keyward.stop().await;
}
