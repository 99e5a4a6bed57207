//! Envoy's question, asked as Envoy asks it: whatever is sent, the answer is an allow, a denial, or a 503 to pass on.

use std::{collections::BTreeMap, time::Duration};

use keyward::wire::{
    envoy::{
        config::core::v3::{Address, HeaderMap, HeaderValue, HeaderValueOption, SocketAddress, address},
        service::auth::v3::{
            AttributeContext, CheckRequest, CheckResponse,
            attribute_context::{self, HttpRequest},
            authorization_client::AuthorizationClient,
            check_response::HttpResponse,
        },
    },
    v1,
};

use prost::Message as _;
use prost_types::value::Kind;
use tokio::net::TcpStream;

use crate::{
    request_id::{REQUEST_ID, without_request_id},
    support::{
        Keyward, admin_rights, holder_key, policy, roomy, signed,
        verbs::{DAY, HOUR, bound, strings},
    },
};

/// A request with these headers and route settings, from this address.
pub(crate) fn request(headers: &[(&str, &str)], extensions: &[(&str, &str)], from: &str) -> CheckRequest {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let socket = SocketAddress { address: from.to_owned(), ..SocketAddress::default() };
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: "/v1/messages?limit=10".to_owned(),
        host: "api.example.com".to_owned(),
        headers: map(headers),
        ..HttpRequest::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(attribute_context::Peer {
                address: Some(Address { address: Some(address::Address::SocketAddress(socket)) }),
                ..attribute_context::Peer::default()
            }),
            request: Some(attribute_context::Request { time: None, http: Some(http) }),
            context_extensions: map(extensions),
            ..AttributeContext::default()
        }),
    }
}

const SEND: &[(&str, &str)] = &[("scopes", "messaging:send")];
pub(crate) const SOMEWHERE: &str = "203.0.113.7";

/// A request with these headers, for which `messaging:send` is needed.
fn to_send(headers: &[(&str, &str)]) -> CheckRequest {
    request(headers, SEND, SOMEWHERE)
}

/// An answer in short.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) code: i32,
    pub(crate) status: i32,
    /// For the service behind, or with a denial for the client.
    pub(crate) headers: BTreeMap<String, String>,
    /// For the client, whatever the answer is.
    pub(crate) told: BTreeMap<String, String>,
    pub(crate) removed: Vec<String>,
    pub(crate) body: String,
    /// The id of the request, which is nowhere else here.
    pub(crate) request_id: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The headers for the client that tell of limits, without the latency that each answer has.
    #[track_caller]
    pub(crate) fn limits(&self) -> Vec<(&str, &str)> {
        let mut told = self.told.clone();
        // The clock stands still.
        assert_eq!(told.remove("x-ratelimit-latency").as_deref(), Some("0"));
        let of_limits = |name: &str| name.contains("ratelimit") || name == "retry-after";
        let told = self.told.iter().filter(|(name, _)| told.contains_key(*name) && of_limits(name));
        told.map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub(crate) fn reason(&self) -> &str {
        self.metadata.get("denial_reason").map_or("", String::as_str)
    }
}

/// Reads an answer, which is whole: an allow with status 200, or a denial with another.
#[track_caller]
fn seen(answer: CheckResponse) -> Seen {
    let code = answer.status.unwrap_or_else(|| panic!("without a status it is an allow to Envoy")).code;
    let metadata = answer.dynamic_metadata.unwrap().fields;
    let metadata = metadata.into_iter().map(|(name, value)| {
        let Some(Kind::StringValue(text)) = value.kind else { panic!("{name} is no text") };
        (name, text)
    });
    let (status, headers, told, removed, body) = match answer.http_response.unwrap() {
        HttpResponse::OkResponse(ok) => {
            (200, ok.headers, ok.response_headers_to_add, ok.headers_to_remove, String::new())
        }
        HttpResponse::DeniedResponse(denied) => {
            (denied.status.unwrap().code, denied.headers.clone(), denied.headers, Vec::new(), denied.body)
        }
        HttpResponse::ErrorResponse(_) => panic!("an error is what Envoy may let through"),
    };
    assert_eq!(code == 0, status == 200, "status and response agree");
    let (mut headers, mut told) = (each_once(headers), each_once(told));
    // M7
    headers.remove(REQUEST_ID);
    let request_id = told.remove(REQUEST_ID);
    assert!(request_id.is_some() || !body.contains("request_id"), "without its header: {body}");
    let body = without_request_id(&body, request_id.as_deref());
    Seen { code, status, headers, told, removed, body, request_id, metadata: metadata.collect() }
}

#[track_caller]
fn each_once(options: Vec<HeaderValueOption>) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for option in options {
        assert_eq!(option.append_action, 2, "a copy that somebody else sent is overwritten");
        let header = option.header.unwrap();
        assert!(header.value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{}", header.key);
        assert_eq!(headers.insert(header.key, header.value), None, "twice");
    }
    headers
}

pub(crate) async fn ask(keyward: &Keyward, asked: CheckRequest) -> Seen {
    let mut client = AuthorizationClient::new(keyward.new_channel().await);
    let answer = client.check(asked).await;
    seen(answer.unwrap_or_else(|error| panic!("Envoy takes an error for an outage: {error:?}")).into_inner())
}

#[tokio::test]
async fn a_good_key_is_let_through_with_the_identity_of_its_holder() {
    // H1 H6
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send", "storage:*"]).await;
    let bearer = format!("bearer {}", issued.api_key);
    let ways: [&[(&str, &str)]; 3] = [
        &[("authorization", &bearer)],
        &[("x-api-key", &issued.api_key)],
        &[("Authorization", &bearer), ("X-Api-Key", &issued.api_key)],
    ];
    for headers in ways {
        let allowed = ask(&keyward, to_send(headers)).await;
        assert_eq!((allowed.code, allowed.status), (0, 200), "{allowed:?}");
        assert_eq!(allowed.header("x-keyward-key-id"), issued.key.id);
        assert_eq!(allowed.header("x-keyward-workspace-id"), issued.key.workspace_id);
        assert_eq!(allowed.header("x-keyward-environment"), "live");
        assert_eq!(
            allowed.header("x-keyward-scopes"),
            "messaging:send storage:delete storage:read storage:upload"
        );
        assert_eq!(allowed.header("x-keyward-plan"), "starter");
        assert_eq!(allowed.headers.len(), 5);
        assert_eq!(allowed.removed, ["x-keyward-owner"], "what has no value must not come from the client");
        assert_eq!(allowed.metadata["key_id"], issued.key.id);
        assert_eq!(allowed.reason(), "");
    }
}

#[tokio::test]
async fn without_a_credential_the_challenge_names_no_error() {
    // H2 H3 H5
    let keyward = Keyward::start().await;
    let denied = ask(&keyward, to_send(&[])).await;
    assert_eq!((denied.code, denied.status), (16, 401));
    assert_eq!(denied.header("www-authenticate"), "Bearer realm=\"keyward\"");
    assert_eq!(denied.header("content-type"), "application/json");
    assert_eq!(denied.header("cache-control"), "no-store");
    assert_eq!(
        denied.body,
        r#"{"success":false,"error":{"code":"CREDENTIALS_MISSING","message":"An API key is required."}}"#
    );
    assert_eq!(denied.reason(), "CREDENTIALS_MISSING");
}

/// The answer to one key for `messaging:send`.
async fn present(keyward: &Keyward, api_key: &str) -> Seen {
    ask(keyward, to_send(&[("x-api-key", api_key)])).await
}

#[tokio::test]
async fn whose_key_it_is_and_what_plan_it_is_on_reach_the_service_behind() {
    // H6
    let keyward = Keyward::start().await;
    let owned = v1::IssueRequest {
        owner: "user_1".to_owned(),
        environment: "test".to_owned(),
        grants: vec![bound("storage:upload", &["bucket_1"])],
        ..holder_key(&["messaging:send"])
    };
    let issued = keyward.issue(owned).await;
    let allowed = present(&keyward, &issued.api_key).await;
    assert_eq!(allowed.status, 200, "{allowed:?}");
    assert_eq!(allowed.header("x-keyward-owner"), "user_1");
    assert_eq!(allowed.header("x-keyward-environment"), "test");
    assert_eq!(allowed.header("x-keyward-scopes"), "messaging:send", "bound scopes are not told");
    assert!(allowed.removed.is_empty(), "{:?}", allowed.removed);
    let metadata = [
        ("key_id", issued.key.id.as_str()),
        ("workspace_id", &issued.key.workspace_id),
        ("owner", "user_1"),
        ("environment", "test"),
        ("plan", "starter"),
    ];
    let metadata = metadata.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(allowed.metadata, BTreeMap::from(metadata));
}

#[tokio::test]
async fn identity_headers_of_the_client_never_survive() {
    // H6
    let keyward = Keyward::start().await;
    let issued = keyward
        .issue(v1::IssueRequest { grants: vec![bound("messaging:send", &["inbox_1"])], ..holder_key(&[]) });
    let issued = issued.await;
    let names = ["key-id", "workspace-id", "owner", "environment", "scopes", "plan"];
    let names = names.map(|name| format!("x-keyward-{name}"));
    let mut headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "root")).collect();
    headers.push(("x-api-key", &issued.api_key));
    let extensions = [("scopes", "messaging:send"), ("resource", "inbox_1")];
    let allowed = ask(&keyward, request(&headers, &extensions, SOMEWHERE)).await;
    assert_eq!(allowed.status, 200, "{allowed:?}");
    for name in &names {
        let overwritten = allowed.headers.get(name).is_some_and(|value| value != "root");
        let removed = allowed.removed.contains(name);
        assert!(overwritten != removed, "{name}");
    }
    assert!(allowed.removed.contains(&"x-keyward-scopes".to_owned()), "it has bound scopes only");
}

#[tokio::test]
async fn scopes_that_are_too_many_for_a_header_are_cut_between_two() {
    // H6
    let keyward = Keyward::start().await;
    let many: Vec<String> = (0..100).map(|n| format!("r{n:03}:{}", "a".repeat(60))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain(["messaging:send"]).collect();
    let issued = keyward.issue_scopes(&many).await;
    let allowed = present(&keyward, &issued.api_key).await;
    let told = allowed.header("x-keyward-scopes");
    assert!(told.len() <= 4_096 && told.len() > 4_000, "{}", told.len());
    assert!(told.split(' ').all(|scope| many.contains(&scope)));
}

#[tokio::test]
async fn no_credential_that_fails_can_be_told_from_another() {
    // H2 H3 H5 X7
    let keyward = Keyward::start().await;
    let revoked = keyward.issue_scopes(&["messaging:send"]).await;
    let disabled = keyward.issue_scopes(&["messaging:send"]).await;
    let replaced = keyward.issue_scopes(&["messaging:send"]).await;
    let expiring =
        v1::IssueRequest { expire_time: Some(keyward.clock.after(HOUR)), ..holder_key(&["messaging:send"]) };
    let expiring = keyward.issue(expiring).await;
    keyward.revoke(&revoked.key.id).await;
    keyward.disable(&disabled.key.id).await;
    keyward.rotate(&replaced.key.id, Some(Duration::ZERO)).await;
    keyward.clock.advance(DAY);

    // Another Keyward's key, from other numbers, is well-formed and unknown here.
    let stranger = {
        let elsewhere = Keyward::start().await.restart().await;
        elsewhere.issue_scopes(&["messaging:send"]).await.api_key
    };
    let mut typo = revoked.api_key.clone();
    typo.push('x');
    let rows = [
        (revoked.api_key.as_str(), "KEY_REVOKED", true),
        (&disabled.api_key, "KEY_DISABLED", true),
        (&expiring.api_key, "KEY_EXPIRED", true),
        (&replaced.api_key, "KEY_EXPIRED", true),
        (&stranger, "KEY_UNKNOWN", false),
        ("another-systems-token", "KEY_UNKNOWN", false),
        (&keyward.root, "KEY_UNKNOWN", false),
        (&typo, "CREDENTIALS_MALFORMED", false),
        ("not a token", "CREDENTIALS_MALFORMED", false),
        ("k\u{e4}", "CREDENTIALS_MALFORMED", false),
    ];
    let first = present(&keyward, "k").await;
    assert_eq!((first.code, first.status), (16, 401));
    let challenge = first.header("www-authenticate");
    assert_eq!(challenge, "Bearer realm=\"keyward\", error=\"invalid_token\"");
    assert_eq!(
        first.body,
        r#"{"success":false,"error":{"code":"CREDENTIALS_INVALID","message":"The API key is not valid."}}"#
    );
    for (api_key, reason, known) in rows {
        let denied = present(&keyward, api_key).await;
        assert_eq!(denied.reason(), reason);
        assert_eq!(denied.metadata.contains_key("key_id"), known, "{reason}");
        let same = (denied.code, denied.status, &denied.headers, &denied.body);
        assert_eq!(same, (first.code, first.status, &first.headers, &first.body), "{reason}");
    }
}

#[tokio::test]
async fn a_known_key_that_may_not_is_told_what_it_lacks() {
    // H2 H3 H5 S8
    let keyward = Keyward::start().await;
    let (other, _) = keyward.register("other").await;
    let issued = keyward.issue(v1::IssueRequest {
        grants: vec![bound("storage:upload", &["bucket_1"])],
        allowed_cidrs: strings(&["203.0.113.0/24"]),
        ..holder_key(&["messaging:send"])
    });
    let issued = issued.await;
    let needs = |extensions: &[(&str, &str)], from: &str| {
        request(&[("x-api-key", &issued.api_key)], extensions, from)
    };
    let workspace = [("scopes", "messaging:send"), ("workspace_id", other.id.as_str())];
    let rows: [(CheckRequest, &str, &str, &str); 7] = [
        (
            needs(&[("scopes", "messaging:send  storage:delete")], SOMEWHERE),
            "SCOPE_INSUFFICIENT",
            "messaging:send storage:delete",
            "The API key lacks storage:delete.",
        ),
        (
            needs(&[("scopes", "storage:upload"), ("resource", "bucket_2")], SOMEWHERE),
            "RESOURCE_NOT_GRANTED",
            "storage:upload",
            "The API key has storage:upload for other resources only.",
        ),
        (
            needs(&[("scopes", "messaging:send"), ("environment", "test")], SOMEWHERE),
            "ENVIRONMENT_MISMATCH",
            "messaging:send",
            "The API key belongs to another environment.",
        ),
        (
            needs(&workspace, SOMEWHERE),
            "WORKSPACE_MISMATCH",
            "messaging:send",
            "The API key belongs to another workspace.",
        ),
        (
            needs(SEND, "198.51.100.7"),
            "ADDRESS_NOT_ALLOWED",
            "messaging:send",
            "The API key may not be used from this address.",
        ),
        (
            needs(SEND, "nowhere"),
            "ADDRESS_NOT_ALLOWED",
            "messaging:send",
            "The API key may not be used from this address.",
        ),
        (needs(&[("cost", "0")], SOMEWHERE), "ROUTE_NOT_FOUND", "", "No API key gives access to this."),
    ];
    for (asked, reason, scopes, message) in rows {
        let denied = ask(&keyward, asked).await;
        assert_eq!((denied.code, denied.status, denied.reason()), (7, 403, reason));
        let scope = if scopes.is_empty() { String::new() } else { format!(", scope=\"{scopes}\"") };
        let challenge = format!("Bearer realm=\"keyward\", error=\"insufficient_scope\"{scope}");
        assert_eq!(denied.header("www-authenticate"), challenge);
        let body = format!(r#"{{"success":false,"error":{{"code":"{reason}","message":"{message}"}}}}"#);
        assert_eq!(denied.body, body);
        let others = denied.headers.keys().filter(|name| !name.contains("ratelimit")).count();
        assert_eq!(others, 3, "{:?}", denied.headers);
        assert_eq!(denied.limits().is_empty(), reason == "ROUTE_NOT_FOUND", "then no key was looked up");
    }
    assert_eq!(ask(&keyward, needs(SEND, "::ffff:203.0.113.9")).await.status, 200);
}

#[tokio::test]
async fn exactly_one_credential_counts() {
    // H1 X2
    let keyward = Keyward::start().await;
    let (good, other) =
        (keyward.issue_scopes(&["messaging:send"]).await, keyward.issue_scopes(&["messaging:send"]).await);
    let (good, other) = (good.api_key, other.api_key);
    let bearer = format!("Bearer {good}");
    let joined =
        [format!("{good},{other}"), format!("{good},{good}"), format!("bad,{good}"), format!("{good},")];
    let mut ambiguous: Vec<Vec<(&str, &str)>> = vec![
        vec![("authorization", &bearer), ("x-api-key", &other)],
        vec![("authorization", &bearer), ("Authorization", &bearer)],
        vec![("x-api-key", &good), ("X-API-Key", &other)],
    ];
    let joined_bearers = joined.each_ref().map(|joined| format!("Bearer {joined}"));
    ambiguous.extend(joined.iter().map(|joined| vec![("x-api-key", joined.as_str())]));
    ambiguous.extend(joined_bearers.iter().map(|joined| vec![("authorization", joined.as_str())]));
    for headers in &ambiguous {
        let denied = ask(&keyward, to_send(headers)).await;
        assert_eq!((denied.code, denied.status, denied.reason()), (3, 400, "CREDENTIALS_AMBIGUOUS"));
        let challenge = denied.header("www-authenticate");
        assert_eq!(challenge, "Bearer realm=\"keyward\", error=\"invalid_request\"");
    }
    for bad in [
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\0"),
        format!("{good}\u{e9}"),
        format!("{good}\r\nx: y"),
    ] {
        assert_eq!(present(&keyward, &bad).await.status, 401);
        let bad = format!("Bearer {bad}");
        assert_eq!(ask(&keyward, to_send(&[("authorization", &bad)])).await.status, 401);
    }
    for elsewhere in ["cookie", "x-keyward-key", "proxy-authorization", ":path"] {
        assert_eq!(ask(&keyward, to_send(&[(elsewhere, &bearer)])).await.reason(), "CREDENTIALS_MISSING");
    }
    let beside = [("authorization", "Basic dTpw"), ("x-api-key", good.as_str())];
    assert_eq!(ask(&keyward, to_send(&beside)).await.status, 200);
}

#[tokio::test]
async fn every_answer_has_the_id_of_its_request_or_one_of_our_own() {
    // M7
    let keyward = Keyward::start().await;
    let issued = keyward.issue(holder_key(&["messaging:send"])).await;
    let key = ("x-api-key", issued.api_key.as_str());
    for headers in [&[key][..], &[]] {
        let with = |id| [headers, &[(REQUEST_ID, id)]].concat();
        let told = ask(&keyward, to_send(&with("0192f0c1-7c3a-7d2e-8f4b-1a2b3c4d5e6f"))).await.request_id;
        assert_eq!(told.as_deref(), Some("0192f0c1-7c3a-7d2e-8f4b-1a2b3c4d5e6f"));
        for unfit in ["", "two words", "\"}", "a,b", &"x".repeat(129)] {
            let own = ask(&keyward, to_send(&with(unfit))).await.request_id.unwrap();
            assert!(own.len() == 32 && own.bytes().all(|byte| byte.is_ascii_hexdigit()), "{unfit}: {own}");
        }
        let mut drawn = Vec::new();
        for _ in 0..3 {
            drawn.push(ask(&keyward, to_send(headers)).await.request_id.unwrap());
        }
        drawn.dedup();
        assert_eq!(drawn.len(), 3, "each request has another");
    }
}

#[tokio::test]
async fn raw_headers_are_read_as_plain_ones_are() {
    // X2
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let raw = |headers: &[(&str, &[u8])]| {
        let mut asked = to_send(&[]);
        let http = asked.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        let headers = headers.iter().map(|(key, value)| HeaderValue {
            key: (*key).to_owned(),
            value: String::new(),
            raw_value: value.to_vec(),
        });
        http.header_map = Some(HeaderMap { headers: headers.collect() });
        asked
    };
    let good = issued.api_key.as_bytes();
    assert_eq!(ask(&keyward, raw(&[("X-Api-Key", good)])).await.status, 200);
    assert_eq!(ask(&keyward, raw(&[("x-api-key", good), ("x-api-key", good)])).await.status, 400);
    assert_eq!(ask(&keyward, raw(&[("x-api-key", &[good, b"\xff"].concat())])).await.status, 401);
    assert_eq!(ask(&keyward, raw(&[("authorization", b"Bearer \xff\xfe")])).await.status, 401);
    let mut plain = raw(&[]);
    let http = plain.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
    let header =
        HeaderValue { key: "x-api-key".to_owned(), value: issued.api_key.clone(), raw_value: Vec::new() };
    http.header_map.as_mut().unwrap().headers.push(header);
    assert_eq!(ask(&keyward, plain).await.status, 200);
}

/// Passes if the answer says that Keyward cannot decide.
#[track_caller]
pub(crate) fn assert_unavailable(answer: &Seen) {
    assert_eq!((answer.code, answer.status, answer.reason()), (14, 503, "UNAVAILABLE"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(
        answer.body,
        concat!(
            r#"{"success":false,"error":{"code":"UNAVAILABLE","#,
            r#""message":"The request cannot be authorized at the moment. Try again."}}"#
        )
    );
}

#[tokio::test]
async fn an_operators_mistake_in_a_route_lets_nothing_through_and_blames_no_client() {
    // H2 X1
    let keyward = Keyward::start_with(true, roomy(&policy())).await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let long = vec!["a:b"; 65].join(" ");
    let endless = vec!["messaging:send"; 10_000].join(" ");
    for wrong in [
        ("scope", "messaging:send"),
        ("scopes", "messaging"),
        ("scopes", "messaging:*"),
        ("scopes", "messaging:send,storage:read"),
        ("scopes", &long),
        ("scopes", &endless),
        ("scopes", "messaging:send\tmessaging:send"),
        ("scopes", "messaging:send\r\nx: y"),
        ("scopes", "messaging:s\u{435}nd"),
        ("scopes", "messaging:send\0"),
        ("scopes", "\"messaging:send"),
        ("resource", "../x"),
        ("resource", "a\r\nb"),
        ("resource", "*"),
        ("environment", "Live"),
        ("environment", "live\0"),
        ("environment", "l\u{456}ve"),
        ("workspace_id", "ws_1"),
        ("workspace_id", " "),
        ("cost", "-1"),
        ("cost", "+1"),
        ("cost", ""),
        ("cost", " 1"),
        ("cost", "1e3"),
        ("cost", "0x1"),
        ("cost", "\u{661}"),
        ("cost", "1000000000001"),
        ("cost", "18446744073709551616"),
        ("cost", "99999999999999999999"),
        ("", ""),
        ("\r\nx: y", "\u{202e}"),
    ] {
        let extensions = [("scopes", "messaging:send"), wrong];
        let asked = request(&[("x-api-key", &issued.api_key)], &extensions, SOMEWHERE);
        assert_unavailable(&ask(&keyward, asked).await);
    }
    let all =
        [("scopes", "messaging:send"), ("cost", "1000000000000"), ("resource", ""), ("environment", "live")];
    let asked = request(&[("x-api-key", &issued.api_key)], &all, SOMEWHERE);
    assert_eq!(ask(&keyward, asked).await.status, 200, "all that there is");
    keyward.clock.advance(HOUR);
    let most = vec!["messaging:send"; 64].join(" ");
    let asked = request(&[("x-api-key", &issued.api_key)], &[("scopes", &most)], SOMEWHERE);
    assert_eq!(ask(&keyward, asked).await.status, 200);
}

#[tokio::test]
async fn without_a_rule_nothing_is_let_through() {
    // H2 H7
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let asked = request(&[("x-api-key", &issued.api_key)], &[], SOMEWHERE);
    let denied = ask(&keyward, asked).await;
    assert_eq!((denied.status, denied.reason()), (403, "ROUTE_NOT_FOUND"));
}

#[tokio::test]
async fn a_gateway_that_may_not_ask_is_answered_503() {
    // X1 T1
    let keyward = Keyward::start_closed().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let (other, others) = keyward.register("other").await;
    let checker = keyward.issue_admin("", admin_rights(&["keys:check"], true)).await;
    let reader = keyward.issue_admin("", admin_rights(&["keys:read"], true)).await;
    let bound = keyward.issue_admin(&other.id, admin_rights(&["keys:check"], false)).await;

    let mut client = AuthorizationClient::new(keyward.new_channel().await);
    let asked = to_send(&[("x-api-key", &issued.api_key)]);
    assert_unavailable(&seen(client.check(asked.clone()).await.unwrap().into_inner()));
    for wrong in [reader.api_key.as_str(), &issued.api_key, "x", ""] {
        assert_unavailable(&seen(client.check(signed(wrong, asked.clone())).await.unwrap().into_inner()));
    }
    let ask = |caller: &str, asked: &CheckRequest| {
        let (mut client, request) = (client.clone(), signed(caller, asked.clone()));
        async move { seen(client.check(request).await.unwrap().into_inner()) }
    };
    assert_eq!(ask(&checker.api_key, &asked).await.status, 200);
    assert_eq!(ask(&bound.api_key, &asked).await.reason(), "KEY_UNKNOWN", "it knows its own workspace only");
    assert_eq!(ask(&bound.api_key, &to_send(&[("x-api-key", &others.api_key)])).await.status, 200);
    let foreign = [("scopes", "messaging:send"), ("workspace_id", issued.key.workspace_id.as_str())];
    let foreign = request(&[("x-api-key", &others.api_key)], &foreign, SOMEWHERE);
    assert_unavailable(&ask(&bound.api_key, &foreign).await);
}

#[tokio::test]
async fn a_sealed_store_goes_on_deciding() {
    // M2, D3
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    assert_eq!(present(&keyward, &issued.api_key).await.status, 200);
    let database = keyward.data_dir().join("keyward.db");
    std::fs::rename(&database, database.with_extension("away")).unwrap();
    let refused = keyward.keys().issue(keyward.as_root(holder_key(&["messaging:send"]))).await;
    assert!(refused.is_err());
    assert_eq!(present(&keyward, &issued.api_key).await.status, 200);
    assert_eq!(present(&keyward, "x").await.status, 401);
    assert_eq!(ask(&keyward, CheckRequest { attributes: None }).await.status, 400);
}

/// Sends these bytes as the body of a call, and reads the answer's message.
async fn raw_call(send: &h2::client::SendRequest<bytes::Bytes>, body: Vec<u8>) -> CheckResponse {
    let head = http::Request::post("http://localhost/envoy.service.auth.v3.Authorization/Check")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let mut send = send.clone().ready().await.unwrap();
    let (response, mut stream) = send.send_request(head.body(()).unwrap(), false).unwrap();
    // What is too long is answered before it was all sent.
    drop(stream.send_data(body.into(), true));
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    let trailers = body.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "0", "Envoy takes an error for an outage");
    CheckResponse::decode(&bytes[5..]).unwrap()
}

async fn raw_client(keyward: &Keyward) -> h2::client::SendRequest<bytes::Bytes> {
    let socket = TcpStream::connect(keyward.address).await.unwrap();
    let (send, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    send
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

#[tokio::test]
async fn hostile_bytes_get_a_denial() {
    // X1
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let send = raw_client(&keyward).await;
    let good = framed(&to_send(&[("x-api-key", &issued.api_key)]).encode_to_vec());
    assert_eq!(seen(raw_call(&send, good.clone()).await).status, 200);
    let mut compressed = good.clone();
    compressed[0] = 1;
    let mut huge = to_send(&[("x-api-key", &issued.api_key)]);
    let http = huge.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
    http.raw_body = vec![b'a'; 2 << 20];
    let rows = [
        ("no frame", Vec::new()),
        ("half a prefix", vec![0; 3]),
        ("an empty message", framed(&[])),
        ("attributes of nothing", framed(&[0x0a, 0])),
        ("cut off", good[..good.len() - 1].to_vec()),
        ("one byte more", [&good[..], &[0]].concat()),
        ("two messages", [&good[..], &good].concat()),
        ("compressed", compressed),
        ("garbage", vec![0xff; 1_000]),
        ("framed garbage", framed(&[0xff; 1_000])),
        ("2 MiB", framed(&huge.encode_to_vec())),
        ("2 MiB of garbage", vec![0; 2 << 20]),
    ];
    for (what, body) in rows {
        let denied = seen(raw_call(&send, body).await);
        assert_eq!((denied.code, denied.status, denied.reason()), (3, 400, "REQUEST_MALFORMED"), "{what}");
        let challenge = denied.header("www-authenticate");
        assert_eq!(challenge, "Bearer realm=\"keyward\", error=\"invalid_request\"");
        assert_eq!(
            denied.body,
            r#"{"success":false,"error":{"code":"REQUEST_MALFORMED","message":"The request is malformed."}}"#
        );
    }
}

#[tokio::test]
async fn a_question_may_have_one_mebibyte_and_no_byte_more() {
    // X1
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let send = raw_client(&keyward).await;
    let with_body = |length: usize| {
        let mut asked = to_send(&[("x-api-key", &issued.api_key)]);
        let http = asked.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        http.raw_body = vec![b'a'; length];
        framed(&asked.encode_to_vec())
    };
    let rest = with_body(1_000_000).len() - 5 - 1_000_000;
    let most = (1 << 20) - rest;
    assert_eq!(seen(raw_call(&send, with_body(most)).await).status, 200);
    assert_eq!(seen(raw_call(&send, with_body(most + 1)).await).reason(), "REQUEST_MALFORMED");
}

#[tokio::test]
async fn random_bytes_are_always_answered_and_never_let_through() {
    // X1
    let keyward = Keyward::start().await;
    let send = raw_client(&keyward).await;
    let good = to_send(&[("x-api-key", "k")]).encode_to_vec();
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut random = move |below: usize| usize::try_from(next() % u64::try_from(below).unwrap()).unwrap();
    for case in 0..200 {
        let mut message = if case % 2 == 0 { good.clone() } else { vec![0; random(300)] };
        let changes = if case % 2 == 0 { 1 + random(8) } else { message.len() };
        for _ in 0..changes {
            let at = random(message.len());
            message[at] = u8::try_from(random(256)).unwrap();
        }
        let body = if case % 5 == 4 { message } else { framed(&message) };
        let answer = seen(raw_call(&send, body).await);
        assert!([400, 401, 403, 503].contains(&answer.status), "{answer:?}");
    }
}
