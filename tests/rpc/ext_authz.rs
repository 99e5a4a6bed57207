//! Envoy's question, asked as Envoy asks it: whatever is sent, the answer is an allow, a denial, or a 503 to pass on.

use std::collections::BTreeMap;

use keyward::wire::envoy::{
    config::core::v3::{Address, HeaderMap, HeaderValue, SocketAddress, address},
    service::auth::v3::{
        AttributeContext, CheckRequest, CheckResponse,
        attribute_context::{self, HttpRequest},
        authorization_client::AuthorizationClient,
        check_response::HttpResponse,
    },
};

use crate::support::Keyward;

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
const SOMEWHERE: &str = "203.0.113.7";

/// A request with these headers, for which `messaging:send` is needed.
fn to_send(headers: &[(&str, &str)]) -> CheckRequest {
    request(headers, SEND, SOMEWHERE)
}

/// An answer in short.
#[derive(Debug, PartialEq)]
struct Seen {
    code: i32,
    status: i32,
    headers: BTreeMap<String, String>,
    removed: Vec<String>,
    body: String,
    metadata: BTreeMap<String, String>,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn reason(&self) -> &str {
        self.metadata.get("denial_reason").map_or("", String::as_str)
    }
}

/// Reads an answer, which is whole: an allow with status 200, or a denial with another.
#[track_caller]
fn seen(answer: CheckResponse) -> Seen {
    let code = answer.status.expect("an answer without a status is an allow to Envoy").code;
    let metadata = answer.dynamic_metadata.unwrap().fields;
    let metadata = metadata.into_iter().map(|(name, value)| match value.kind.unwrap() {
        prost_types::value::Kind::StringValue(text) => (name, text),
        other => panic!("{name}: {other:?}"),
    });
    let (status, headers, removed, body) = match answer.http_response.unwrap() {
        HttpResponse::OkResponse(ok) => (200, ok.headers, ok.headers_to_remove, String::new()),
        HttpResponse::DeniedResponse(denied) => {
            (denied.status.unwrap().code, denied.headers, Vec::new(), denied.body)
        }
        HttpResponse::ErrorResponse(_) => panic!("an error is what Envoy may let through"),
    };
    assert_eq!(code == 0, status == 200, "status and response agree");
    let headers = headers.into_iter().map(|option| {
        assert_eq!(option.append_action, 2, "a copy that the client sent is overwritten");
        let header = option.header.unwrap();
        assert!(header.value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{}", header.key);
        (header.key, header.value)
    });
    Seen { code, status, headers: headers.collect(), removed, body, metadata: metadata.collect() }
}

async fn ask(keyward: &Keyward, asked: CheckRequest) -> Seen {
    let mut client = AuthorizationClient::new(keyward.new_channel().await);
    seen(client.check(asked).await.expect("Envoy takes an error for an outage").into_inner())
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
        assert_eq!(allowed.header("x-keyward-scopes"), "messaging:send storage:*");
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
