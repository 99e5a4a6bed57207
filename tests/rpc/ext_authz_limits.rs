//! What a gateway's client is told of its limits.

use std::time::Duration;

use keyward::{
    domain::policy::{BucketEntry, LimitEntry, Policy, RouteEntry},
    wire::{envoy::service::auth::v3::CheckRequest, v1},
};

use crate::{
    ext_authz::{self, SOMEWHERE, Seen, assert_unavailable, request},
    limits::{calendar, limited_to, under},
    support::{
        Issued, Keyward, START_MS, holder_key,
        verbs::{HOUR, MS, bound},
    },
};

const SECOND: Duration = Duration::from_secs(1);
const SEND: (&str, &str) = ("scopes", "messaging:send");
const ALL: [&str; 5] =
    ["ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

/// Asks again where a charge must be written first and the disk is busy: nothing was charged then.
async fn ask(keyward: &Keyward, asked: CheckRequest) -> Seen {
    for _retry in 0..100 {
        let seen = ext_authz::ask(keyward, asked.clone()).await;
        if seen.status != 503 {
            return seen;
        }
    }
    panic!("always 503");
}

/// A request with this key and these settings of the gateway.
fn with_key(issued: &Issued, extensions: &[(&str, &str)]) -> CheckRequest {
    request(&[("x-api-key", &issued.api_key)], extensions, SOMEWHERE)
}

async fn send(keyward: &Keyward, issued: &Issued) -> Seen {
    ask(keyward, with_key(issued, &[SEND])).await
}

async fn issue(keyward: &Keyward) -> Issued {
    keyward.issue_scopes(&["messaging:send"]).await
}

#[track_caller]
fn told<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.told.get(name).unwrap_or_else(|| panic!("no {name}: {seen:?}"))
}

/// Passes if the request was let through, and so many units are left.
#[track_caller]
fn assert_left(seen: &Seen, units: u64) {
    assert_eq!((seen.status, told(seen, "x-ratelimit-remaining")), (200, units.to_string().as_str()));
}

/// Passes if this is a denial for a spent limit; tells after how many seconds to come back.
#[track_caller]
fn assert_spent(seen: &Seen, code: &str, what: &str) -> u64 {
    assert_eq!((seen.code, seen.status, seen.reason()), (8, 429, code), "{seen:?}");
    let seconds = told(seen, "retry-after");
    let message = format!("{what} exceeded. Retry after {seconds} seconds.");
    let body = format!(r#"{{"success":false,"error":{{"code":"{code}","message":"{message}"}}}}"#);
    assert_eq!(seen.body, body);
    assert!(!seen.told.contains_key("www-authenticate"), "the key is good");
    seconds.parse().unwrap()
}

#[tokio::test]
async fn each_request_counts_down_wherever_its_key_stands() {
    // H1, H4, L11
    let keyward = under(&[calendar("hour", 1_000, "hour")]).await;
    keyward.clock.advance(MS);
    let issued = issue(&keyward).await;
    let bearer = format!("Bearer {}", issued.api_key);
    let ways: [&[(&str, &str)]; 4] = [
        &[("x-api-key", &issued.api_key)],
        &[("authorization", &bearer)],
        &[("authorization", &bearer), ("x-api-key", &issued.api_key)],
        &[("authorization", "Basic dTpw"), ("x-api-key", &issued.api_key)],
    ];
    let reset = (START_MS / 1_000 + 3_600).to_string();
    for (headers, left) in ways.into_iter().zip([999, 998, 997, 996]) {
        let allowed = ask(&keyward, request(headers, &[SEND], SOMEWHERE)).await;
        assert_eq!(allowed.status, 200);
        let state = format!("\"default/hour\";r={left};t=3600");
        let expected = [
            ("ratelimit", state.as_str()),
            ("ratelimit-policy", "\"default/hour\";q=1000;w=3600"),
            ("x-ratelimit-limit", "1000"),
            ("x-ratelimit-remaining", &left.to_string()),
            ("x-ratelimit-reset", &reset),
        ];
        assert_eq!(allowed.limits(), expected);
        assert_eq!(allowed.told.len(), 6, "these and the latency");
        assert!(allowed.headers.keys().all(|name| !name.contains("ratelimit")), "not for the service");
    }
}

#[tokio::test]
async fn every_limit_is_listed_and_the_scarcest_comes_first() {
    // H4, L2
    let keyward = Keyward::start_with(true, Policy::default_document().unwrap()).await;
    let issued = keyward.issue_scopes(&["messaging:send", "permissions:audit"]).await;
    let both = [("scopes", "messaging:send permissions:audit")];
    let allowed = ask(&keyward, with_key(&issued, &both)).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(told(&allowed, "x-ratelimit-limit"), "100");
    assert_eq!(told(&allowed, "x-ratelimit-remaining"), "99");
    let policies = "\"permissions-audit/hour\";q=100;w=3600, \"default/hour\";q=1000;w=3600";
    assert_eq!(told(&allowed, "ratelimit-policy"), policies);
    let states = "\"permissions-audit/hour\";r=99;t=3600, \"default/hour\";r=999;t=3600";
    assert_eq!(told(&allowed, "ratelimit"), states);
}

#[tokio::test]
async fn a_403_of_a_good_key_shows_its_limits_and_charges_nothing() {
    // H4, L7, L11
    let keyward = Keyward::start_with(true, Policy::default_document().unwrap()).await;
    let wanted =
        v1::IssueRequest { grants: vec![bound("storage:read", &["a"])], ..holder_key(&["messaging:send"]) };
    let issued = keyward.issue(wanted).await;
    assert_left(&send(&keyward, &issued).await, 999);
    let denials: [&[(&str, &str)]; 4] = [
        &[("scopes", "messaging:send templates:read")],
        &[("scopes", "storage:read"), ("resource", "b")],
        &[SEND, ("environment", "test")],
        &[SEND, ("environment", "test"), ("cost", "2000")],
    ];
    for extensions in denials {
        let denied = ask(&keyward, with_key(&issued, extensions)).await;
        assert_eq!(denied.status, 403, "{denied:?}");
        let names: Vec<&str> = denied.limits().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ALL, "no Retry-After: waiting does not help");
        assert_eq!(told(&denied, "x-ratelimit-remaining"), "999");
    }
    assert_left(&send(&keyward, &issued).await, 998);
}

#[tokio::test]
async fn what_is_not_said_of_a_good_key_tells_the_latency_alone() {
    // H4, H5, X7
    let mut document = limited_to(&[calendar("hour", 10, "hour")]);
    document.routes = [("/open", "public"), ("/closed", "denied")]
        .map(|(path, access)| RouteEntry {
            path: path.to_owned(),
            access: access.to_owned(),
            ..RouteEntry::default()
        })
        .to_vec();
    let keyward = Keyward::start_with(true, Policy::new(document).unwrap()).await;
    let [good, revoked, disabled] = [issue(&keyward).await, issue(&keyward).await, issue(&keyward).await];
    for used in [&good, &revoked, &disabled] {
        assert_left(&send(&keyward, used).await, 9);
    }
    keyward.revoke(&revoked.key.id).await;
    keyward.disable(&disabled.key.id).await;
    for bad in [&revoked.api_key, &disabled.api_key, "kw_live_0", "*"] {
        let denied = ask(&keyward, request(&[("x-api-key", bad)], &[SEND], SOMEWHERE)).await;
        assert_eq!((denied.status, denied.limits()), (401, vec![]), "{bad}");
    }
    let missing = ask(&keyward, request(&[], &[SEND], SOMEWHERE)).await;
    assert_eq!((missing.status, missing.limits()), (401, vec![]));
    let joined = format!("{0},{0}", good.api_key);
    let ambiguous = ask(&keyward, request(&[("x-api-key", &joined)], &[SEND], SOMEWHERE)).await;
    assert_eq!((ambiguous.status, ambiguous.limits()), (400, vec![]));
    let undecided = ext_authz::ask(&keyward, with_key(&good, &[SEND, ("cost", "many")])).await;
    assert_unavailable(&undecided);
    assert_eq!(undecided.limits(), [("retry-after", "1")]);
    for (path, status) in [("/open", 200), ("/closed", 403), ("/elsewhere", 403)] {
        let mut asked = with_key(&good, &[]);
        let http = asked.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        http.path = path.to_owned();
        let seen = ask(&keyward, asked).await;
        assert_eq!((seen.status, seen.limits()), (status, vec![]), "{path}");
    }
    assert_left(&send(&keyward, &good).await, 8);
}

#[tokio::test]
async fn waiting_exactly_as_long_as_retry_after_says_is_enough() {
    // H2, H4, H5, L9, L11
    let none = LimitEntry { name: "limit".to_owned(), limit: 2, ..LimitEntry::default() };
    let bucket = BucketEntry { refill: 2, every: "7s".to_owned() };
    // A rolling window counts by sixteenths of it.
    let kinds = [
        (calendar("limit", 2, "minute"), 43),
        (LimitEntry { rolling: Some("1m".to_owned()), ..none.clone() }, 64),
        (LimitEntry { bucket: Some(bucket), ..none }, 4),
    ];
    for (limit, longest) in kinds {
        let keyward = under(std::slice::from_ref(&limit)).await;
        keyward.clock.advance(SECOND * 17 + MS);
        let issued = issue(&keyward).await;
        assert_left(&send(&keyward, &issued).await, 1);
        assert_left(&send(&keyward, &issued).await, 0);
        let denied = send(&keyward, &issued).await;
        let seconds = assert_spent(&denied, "RATE_LIMITED", "Rate limit");
        assert!((1..=longest).contains(&seconds), "{seconds}: {limit:?}");
        assert_eq!(told(&denied, "x-ratelimit-limit"), "2");
        assert_eq!(told(&denied, "x-ratelimit-remaining"), "0");
        for _retry in 0..20 {
            let mut again = send(&keyward, &issued).await;
            again.request_id.clone_from(&denied.request_id);
            assert_eq!(again, denied, "a retry makes it no longer");
        }
        keyward.clock.advance(SECOND * u32::try_from(seconds - 1).unwrap());
        assert_eq!(assert_spent(&send(&keyward, &issued).await, "RATE_LIMITED", "Rate limit"), 1);
        keyward.clock.advance(SECOND);
        assert_eq!(send(&keyward, &issued).await.status, 200, "{limit:?}");
    }
}

#[tokio::test]
async fn a_quota_and_a_rate_have_codes_of_their_own_and_the_longest_wait_is_told() {
    // H2, H4, L4, L9
    let keyward = under(&[calendar("minute", 1, "minute"), calendar("day", 2, "day")]).await;
    keyward.clock.advance(HOUR * 23);
    let issued = issue(&keyward).await;
    assert_left(&send(&keyward, &issued).await, 0);
    let rate = send(&keyward, &issued).await;
    assert_eq!(assert_spent(&rate, "RATE_LIMITED", "Rate limit"), 60);
    assert_eq!(told(&rate, "x-ratelimit-limit"), "1");
    let states = "\"default/minute\";r=0;t=60, \"default/day\";r=1;t=3600";
    assert_eq!(told(&rate, "ratelimit"), states);
    keyward.clock.advance(SECOND * 60);
    assert_left(&send(&keyward, &issued).await, 0);
    let quota = send(&keyward, &issued).await;
    assert_eq!(assert_spent(&quota, "QUOTA_EXCEEDED", "Quota"), 3_540);
    assert_eq!(told(&quota, "x-ratelimit-limit"), "2");
    let reset = START_MS / 1_000 + 86_400;
    assert_eq!(told(&quota, "x-ratelimit-reset"), reset.to_string(), "midnight");
    let states = "\"default/day\";r=0;t=3540, \"default/minute\";r=0;t=60";
    assert_eq!(told(&quota, "ratelimit"), states);
    keyward.clock.advance(SECOND * 3_540);
    assert_eq!(send(&keyward, &issued).await.status, 200);
}

#[tokio::test]
async fn a_cost_is_charged_whoever_names_it() {
    // H7, L7
    let mut document = limited_to(&[calendar("hour", 1_000, "hour")]);
    let route = |path: &str, cost| RouteEntry {
        path: path.to_owned(),
        scopes: vec!["messaging:send".to_owned()],
        cost,
        ..RouteEntry::default()
    };
    document.routes = vec![route("/dear", Some(100)), route("/free", Some(0)), route("/plain", None)];
    let keyward = Keyward::start_with(true, Policy::new(document).unwrap()).await;
    let issued = issue(&keyward).await;
    let on = async |path: &str, extensions: &[(&str, &str)]| {
        let mut asked = with_key(&issued, extensions);
        let http = asked.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        http.path = path.to_owned();
        ask(&keyward, asked).await
    };
    assert_left(&on("/", &[SEND, ("cost", "10")]).await, 990);
    assert_left(&on("/", &[SEND, ("cost", "0")]).await, 990);
    assert_left(&on("/dear", &[]).await, 890);
    assert_left(&on("/free", &[]).await, 890);
    assert_left(&on("/plain", &[]).await, 889);
    assert_left(&on("/plain", &[("cost", "9")]).await, 880);
    assert_left(&on("/dear", &[("cost", "9")]).await, 780);
    let denied = on("/dear", &[SEND, ("cost", "781")]).await;
    assert_eq!(assert_spent(&denied, "RATE_LIMITED", "Rate limit"), 3_600);
    assert_eq!(told(&denied, "x-ratelimit-remaining"), "780", "nothing is charged");
    assert_left(&on("/", &[SEND, ("cost", "780")]).await, 0);
    assert_left(&on("/free", &[]).await, 0);
}

#[tokio::test]
async fn a_cost_above_the_limit_is_told_no_time_to_come_back() {
    // H4, L9
    let keyward = under(&[calendar("hour", 1_000, "hour")]).await;
    let issued = issue(&keyward).await;
    let denied = ask(&keyward, with_key(&issued, &[SEND, ("cost", "1001")])).await;
    assert_eq!((denied.code, denied.status, denied.reason()), (8, 429, "RATE_LIMITED"));
    let names: Vec<&str> = denied.limits().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ALL);
    let message = "Rate limit exceeded. The request costs more than the limit admits.";
    let body = format!(r#"{{"success":false,"error":{{"code":"RATE_LIMITED","message":"{message}"}}}}"#);
    assert_eq!(denied.body, body);
    assert_left(&ask(&keyward, with_key(&issued, &[SEND, ("cost", "1000")])).await, 0);
}
