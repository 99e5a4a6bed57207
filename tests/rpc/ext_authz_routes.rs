//! Requests for which Envoy's settings name no scopes: a route of the policy decides, or nothing does and they are denied.

use keyward::{
    domain::{
        gateway::Gateway,
        policy::{Policy, RouteEntry},
        text::{HeaderName, Realm},
    },
    wire::{envoy::service::auth::v3::CheckRequest, v1},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    ext_authz::{SOMEWHERE, Seen, ask, assert_unavailable, request},
    support::{Keyward, check, holder_key, policy_with_routes, verbs::bound},
};

const FILES: &str = "/v1/spaces/{space}/files/{file=**}";
const NOTHING: &[(&str, &str)] = &[];

fn routes() -> Policy {
    policy_with_routes(&[
        ("GET", FILES, "storage:read", "space/{space}"),
        ("PUT", FILES, "storage:read storage:upload", "space/{space}"),
        ("OPTIONS", FILES, "public", ""),
        ("", "/v1/spaces/{space}", "storage:read", "space/{space}"),
        ("", "/v1/spaces/shared", "templates:read", ""),
        ("GET", "/v1/events", "events:read", "events"),
        ("", "/public/{rest=**}", "public", ""),
        ("", "/public/vault/{rest=**}", "denied", ""),
        ("GET", "/", "public", ""),
        ("HEAD", "/v1/events", "denied", ""),
    ])
}

async fn start() -> Keyward {
    Keyward::start_with(true, routes()).await
}

/// A request for this, with these headers and route settings.
fn asking(method: &str, path: &str, headers: &[(&str, &str)], extensions: &[(&str, &str)]) -> CheckRequest {
    let mut asked = request(headers, extensions, SOMEWHERE);
    let http = asked.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
    (http.method, http.path) = (method.to_owned(), path.to_owned());
    asked
}

/// A key for reading in one space, and for reading templates everywhere.
async fn reader(keyward: &Keyward) -> String {
    let grants = vec![bound("storage:read", &["space/cdn-eu"])];
    keyward.issue(v1::IssueRequest { grants, ..holder_key(&["templates:read"]) }).await.api_key
}

#[track_caller]
fn assert_closed(denied: &Seen, what: &str) {
    assert_eq!((denied.code, denied.status, denied.reason()), (7, 403, "ROUTE_NOT_FOUND"), "{what}");
    let challenge = "Bearer realm=\"keyward\", error=\"insufficient_scope\"";
    assert_eq!(denied.header("www-authenticate"), challenge, "{what}");
    assert_eq!(
        denied.body,
        concat!(
            r#"{"success":false,"error":{"code":"ROUTE_NOT_FOUND","#,
            r#""message":"No API key gives access to this."}}"#
        ),
        "{what}"
    );
}

#[tokio::test]
async fn a_route_says_which_scopes_a_request_needs_on_which_resource() {
    // H2 H3 H7
    let keyward = start().await;
    let key = reader(&keyward).await;
    let rows = [
        ("GET", "/v1/spaces/cdn-eu/files/a/b.png", "", ""),
        ("GET", "/v1/spaces/cdn-eu/files", "", ""),
        ("GET", "/v1/spaces/cdn-eu/files/?x=/../..%2f", "", ""),
        ("GET", "/v1/spaces/cdn-us/files/a", "RESOURCE_NOT_GRANTED", "storage:read"),
        ("PUT", "/v1/spaces/cdn-eu/files/a", "SCOPE_INSUFFICIENT", "storage:read storage:upload"),
        ("DELETE", "/v1/spaces/cdn-eu", "", ""),
        ("DELETE", "/v1/spaces/cdn-us", "RESOURCE_NOT_GRANTED", "storage:read"),
        ("GET", "/v1/spaces/shared", "", ""),
        ("GET", "/v1/spaces/shared/files/a", "RESOURCE_NOT_GRANTED", "storage:read"),
        ("GET", "/v1/events", "SCOPE_INSUFFICIENT", "events:read"),
    ];
    for (method, path, reason, scopes) in rows {
        let answer = ask(&keyward, asking(method, path, &[("x-api-key", &key)], NOTHING)).await;
        assert_eq!(answer.reason(), reason, "{method} {path}");
        let status = if reason.is_empty() { 200 } else { 403 };
        assert_eq!(answer.status, status, "{method} {path}");
        if !scopes.is_empty() {
            let challenge =
                format!("Bearer realm=\"keyward\", error=\"insufficient_scope\", scope=\"{scopes}\"");
            assert_eq!(answer.header("www-authenticate"), challenge, "{method} {path}");
        }
        assert_eq!(ask(&keyward, asking(method, path, &[], NOTHING)).await.reason(), "CREDENTIALS_MISSING");
        let unknown = ask(&keyward, asking(method, path, &[("x-api-key", "k")], NOTHING)).await;
        assert_eq!((unknown.status, unknown.reason()), (401, "KEY_UNKNOWN"), "{method} {path}");
    }
}

#[tokio::test]
async fn what_matches_no_route_or_a_denied_one_is_denied_to_every_key() {
    // H2 H7
    let keyward = start().await;
    let key = keyward.issue_scopes(&["storage:*", "events:*", "templates:*"]).await.api_key;
    for (method, path) in [
        ("DELETE", "/v1/spaces/cdn-eu/files/a"),
        ("get", "/v1/spaces/cdn-eu/files/a"),
        ("GET", "/V1/spaces/cdn-eu/files/a"),
        ("GET", "/v1/spaces/cdn-eu/filesystem"),
        ("GET", "/v1/spaces/cdn-eu/"),
        ("GET", "/v1/spaces"),
        ("GET", "/v1/events/"),
        ("GET", "/v2/events"),
        ("POST", "/"),
        ("GET", "/public/vault/a"),
        ("GET", "/public/vault"),
        ("OPTIONS", "/public/vault/a/b"),
        ("", "/v1/events"),
        ("GET", ""),
    ] {
        let what = format!("{method} {path}");
        assert_closed(&ask(&keyward, asking(method, path, &[("x-api-key", &key)], NOTHING)).await, &what);
        let nobody = ask(&keyward, asking(method, path, &[], NOTHING)).await;
        assert_eq!((nobody.status, nobody.reason()), (401, "CREDENTIALS_MISSING"), "{what}");
    }
}

#[tokio::test]
async fn a_method_is_its_own_but_a_route_for_get_covers_head() {
    // H2 H7 H11
    let keyward = start().await;
    let key = reader(&keyward).await;
    let path = "/v1/spaces/cdn-eu/files/a";
    let all = keyward.issue_scopes(&["storage:*", "events:*"]).await.api_key;
    let head = async |path: &str, headers: &[(&str, &str)]| {
        ask(&keyward, asking("HEAD", path, headers, NOTHING)).await
    };
    assert_eq!(head(path, &[("x-api-key", &key)]).await.status, 200, "a route of GET");
    assert_eq!(head(path, &[]).await.reason(), "CREDENTIALS_MISSING");
    let other = head("/v1/spaces/cdn-us/files/a", &[("x-api-key", &key)]).await;
    assert_eq!(other.reason(), "RESOURCE_NOT_GRANTED", "and what it needs");
    assert_eq!(head("/", &[]).await.status, 200, "a public one");
    assert_closed(&head("/v1/events", &[("x-api-key", &all)]).await, "it has one of its own");
    for method in ["POST", "OPTIONS", "M-SEARCH"] {
        let asked = asking(method, "/v1/events", &[("x-api-key", &all)], NOTHING);
        assert_closed(&ask(&keyward, asked).await, method);
    }
    for method in ["HEAD", "OPTIONS", "M-SEARCH"] {
        let path = "/v1/spaces/cdn-eu";
        assert_eq!(ask(&keyward, asking(method, path, &[("x-api-key", &key)], NOTHING)).await.status, 200);
        assert_eq!(ask(&keyward, asking(method, path, &[], NOTHING)).await.status, 401, "{method}");
    }
    assert_eq!(ask(&keyward, asking("OPTIONS", path, &[], NOTHING)).await.status, 200, "a public preflight");
}

#[tokio::test]
async fn a_public_route_is_for_everybody_and_believes_no_claim() {
    // H6 H7
    let keyward = start().await;
    let good = reader(&keyward).await;
    let names = ["key-id", "workspace-id", "owner", "environment", "scopes", "plan"];
    let names = names.map(|name| format!("x-keyward-{name}"));
    let claims: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "root")).collect();
    let joined = format!("{good},k");
    let credentials: [&[(&str, &str)]; 5] = [
        &[],
        &[("x-api-key", "k")],
        &[("x-api-key", &good)],
        &[("x-api-key", &joined)],
        &[("authorization", "Bearer \u{e4}")],
    ];
    for credential in credentials {
        for path in ["/public/a", "/public", "/public/", "/?x", "/public/vaults"] {
            let headers = [credential, &claims].concat();
            let open = ask(&keyward, asking("GET", path, &headers, NOTHING)).await;
            assert_eq!((open.code, open.status), (0, 200), "{path} {credential:?}");
            assert!(open.headers.is_empty() && open.limits().is_empty(), "{open:?}");
            assert_eq!(open.removed, names, "{path}");
            assert!(open.metadata.is_empty(), "{:?}", open.metadata);
        }
    }
}

#[tokio::test]
async fn a_credential_that_is_to_be_removed_is_removed_on_a_public_route_too() {
    // H6
    let name = |text| HeaderName::parse(text).unwrap();
    let gateway = Gateway::new(name("authorization"), name("x-api-key"), true, Realm::default()).unwrap();
    let keyward = Keyward::start_behind(gateway, true, routes()).await;
    let key = reader(&keyward).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("x-api-key", &key)];
    for path in ["/public/a", "/v1/spaces/shared"] {
        let allowed = ask(&keyward, asking("GET", path, &headers, NOTHING)).await;
        assert_eq!(allowed.status, 200, "{path}");
        for name in ["authorization", "x-api-key"] {
            assert!(allowed.removed.iter().any(|removed| removed == name), "{path}: {:?}", allowed.removed);
        }
    }
}

/// Spellings that some server somewhere reads as a path on a route.
fn other_spellings() -> Vec<String> {
    let mut paths: Vec<String> = [
        "/public/../v1/events",
        "/public/..",
        "/public/.",
        "/public/./a",
        "/./public",
        "//public/a",
        "/public//a",
        "/public///",
        "//",
        "/v1//events",
        "/v1/../v1/events",
        "/v1/x/../events",
        "/public/..;/v1/events",
        "/public;/a",
        "/public;a=b/a",
        "/public/a;b",
        "/public/a!",
        "/public/!!/v1/events",
        "/public\\a",
        "/public\\..\\v1\\events",
        "\\public\\a",
        "/public/a\0",
        "/public\0/a",
        "/public/\r\nx: y",
        "/public/a\tb",
        "/public/a b",
        " /public/a",
        "/public/a#",
        "/public/a?b#c",
        "/public/ä",
        "/public/\u{2024}\u{2024}/v1/events",
        "/public/\u{ff0f}a",
        "/v1/events%",
        "/v1/events%0",
        "/v1/%65vents",
        "/%70ublic/a",
        "public/a",
        "?/public/a",
        "*",
        "http://api.example.com/public/a",
        "//api.example.com/public/a",
    ]
    .map(str::to_owned)
    .to_vec();
    for escape in [
        "%2e%2e", "%2E%2E", "%2e.", ".%2E", "%2f", "%2F", "%5c", "%5C", "%252e", "%252f", "%00", "%3b",
        "%u002e",
    ] {
        paths.extend(["", "/", "/v1/events"].map(|rest| format!("/public/{escape}{rest}")));
        paths.push(format!("/v1/spaces/cdn-eu{escape}/files/a"));
    }
    paths
}

#[tokio::test]
async fn a_path_in_another_spelling_is_denied_and_never_matched() {
    // X3
    let keyward = start().await;
    let key = keyward.issue_scopes(&["storage:*", "events:*", "templates:*"]).await.api_key;
    for path in other_spellings() {
        let headers = [("x-api-key", key.as_str())];
        assert_closed(&ask(&keyward, asking("GET", &path, &headers, NOTHING)).await, &format!("{path:?}"));
        let nobody = ask(&keyward, asking("GET", &path, &[], NOTHING)).await;
        assert_eq!((nobody.status, nobody.reason()), (401, "CREDENTIALS_MISSING"), "{path:?}");
    }
    for host in ["", "api.example.com.", "u@api.example.com", "a/b", "api.example.com:", "a\0", "a,b"] {
        let mut asked = asking("GET", "/public/a", &[("x-api-key", &key)], NOTHING);
        let http = asked.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        host.clone_into(&mut http.host);
        assert_closed(&ask(&keyward, asked).await, &format!("{host:?}"));
    }
}

#[tokio::test]
async fn an_escape_that_a_path_needs_is_matched_and_becomes_a_resource_as_it_was_sent() {
    // H12
    let keyward = start().await;
    let grants = vec![bound("storage:read", &["space/caf%C3%A9", "space/a%20b"])];
    let key = keyward.issue(v1::IssueRequest { grants, ..holder_key(&[]) }).await.api_key;
    for (path, reason) in [
        ("/v1/spaces/caf%C3%A9/files/a", ""),
        ("/v1/spaces/a%20b/files/%F0%9F%94%91/%5Bx%5D", ""),
        ("/v1/spaces/cafe%CC%81/files/a", "RESOURCE_NOT_GRANTED"),
        ("/v1/spaces/a%20b%20/files/a", "RESOURCE_NOT_GRANTED"),
        ("/v1/spaces/caf%c3%a9/files/a", "ROUTE_NOT_FOUND"),
        ("/v1/spaces/caf%E9/files/a", "ROUTE_NOT_FOUND"),
        ("/v1/spaces/caf%C3/%A9", "ROUTE_NOT_FOUND"),
        ("/v1/spaces/a%20b%2Ffiles", "ROUTE_NOT_FOUND"),
        ("/v1/spaces/a+b/files/a", "RESOURCE_NOT_GRANTED"),
    ] {
        let answer = ask(&keyward, asking("GET", path, &[("x-api-key", &key)], NOTHING)).await;
        assert_eq!(answer.reason(), reason, "{path}");
    }
    // What the gateway names is a resource of the same kind, and so is that of a Check.
    let named = &[("scopes", "storage:read"), ("resource", "space/caf%C3%A9")];
    assert_eq!(ask(&keyward, asking("GET", "/x", &[("x-api-key", &key)], named)).await.status, 200);
    let wrong = &[("scopes", "storage:read"), ("resource", "space/caf%c3%a9")];
    assert_eq!(ask(&keyward, asking("GET", "/x", &[("x-api-key", &key)], wrong)).await.status, 503);
}

#[tokio::test]
async fn a_segment_that_can_be_part_of_no_resource_touches_none() {
    // X3
    let keyward = start().await;
    let key = keyward.issue_scopes(&["storage:*"]).await.api_key;
    let long = "s".repeat(300);
    for space in ["*", "cdn-*", "a,b", "a=b", "$", "(a)", &long] {
        let path = format!("/v1/spaces/{space}");
        assert_closed(&ask(&keyward, asking("GET", &path, &[("x-api-key", &key)], NOTHING)).await, &path);
    }
}

#[tokio::test]
async fn a_route_of_a_host_is_for_that_host() {
    // H7
    let mut document = routes().document().clone();
    document.routes.push(RouteEntry {
        host: "admin.example.com".to_owned(),
        path: "/public/{rest=**}".to_owned(),
        scopes: vec!["permissions:manage".to_owned()],
        ..RouteEntry::default()
    });
    let keyward = Keyward::start_with(true, Policy::new(document).unwrap()).await;
    for (host, status) in [
        ("admin.example.com", 401),
        ("ADMIN.example.com:8443", 401),
        ("admin.example.com:443", 401),
        ("api.example.com", 200),
        ("xadmin.example.com", 200),
        ("admin.example.com.", 401),
        ("[::1]:80", 200),
    ] {
        let mut asked = asking("GET", "/public/a", &[("host", "api.example.com")], NOTHING);
        let http = asked.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        host.clone_into(&mut http.host);
        assert_eq!(ask(&keyward, asked).await.status, status, "{host}");
    }
}

#[tokio::test]
async fn what_the_gateway_says_holds_on_a_route_too() {
    // H7
    let keyward = start().await;
    let key = reader(&keyward).await;
    let (other, _) = keyward.register("other").await;
    let path = "/v1/spaces/cdn-eu/files/a";
    let with = |extensions: &[(&str, &str)]| asking("GET", path, &[("x-api-key", &key)], extensions);
    let rows: [(&[(&str, &str)], &str); 6] = [
        (&[("environment", "live"), ("cost", "3"), ("workspace_id", "")], ""),
        (&[("cost", "0")], ""),
        (&[("environment", "test")], "ENVIRONMENT_MISMATCH"),
        (&[("workspace_id", &other.id)], "WORKSPACE_MISMATCH"),
        (&[("resource", "space/cdn-us")], ""),
        (&[("scopes", "storage:read"), ("resource", "space/cdn-us")], "RESOURCE_NOT_GRANTED"),
    ];
    for (extensions, reason) in rows {
        assert_eq!(ask(&keyward, with(extensions)).await.reason(), reason, "{extensions:?}");
    }
    for wrong in [
        ("cost", "-1"),
        ("cost", "1000000000001"),
        ("environment", "Live"),
        ("Scopes", "a:b"),
        ("scopes", ""),
        ("scopes", "  "),
    ] {
        assert_unavailable(&ask(&keyward, with(&[wrong])).await);
        assert_unavailable(&ask(&keyward, asking("GET", "/public/a", &[], &[wrong])).await);
    }
}

#[tokio::test]
async fn where_the_gateway_names_scopes_no_route_is_asked() {
    // H7
    let keyward = start().await;
    let key = reader(&keyward).await;
    let templates = [("scopes", "templates:read")];
    for (path, status) in [("/v1/events", 200), ("/public/vault/a", 200), ("/nowhere", 200)] {
        let allowed = ask(&keyward, asking("GET", path, &[("x-api-key", &key)], &templates)).await;
        assert_eq!(allowed.status, status, "{path}");
    }
    let nobody = ask(&keyward, asking("GET", "/public/a", &[], &templates)).await;
    assert_eq!(nobody.status, 401, "a route that is public in the policy");
}

#[tokio::test]
async fn whatever_is_asked_of_whatever_way_is_answered_and_nobody_gets_past_a_public_route() {
    // X1 X3
    let keyward = start().await;
    let revoked = keyward.issue_scopes(&["storage:*", "events:*", "templates:*"]).await;
    keyward.revoke(&revoked.key.id).await;
    let bearer = format!("Bearer {}", revoked.api_key);
    let credentials = ["", "k", &revoked.api_key, &bearer, "Bearer", "Basic x, Bearer y", "\r\n", "\u{fffd}"];
    let open = ["/public/a", "/public", "/public/a?b"];
    let hosts = ["api.example.com", "", "[::1]", "a\0", "\u{e4}", "a:99999"];
    let methods = ["GET", "get", "", "HEAD", "OPTIONS", "G\r\nT", "\u{130}"];
    let texts = ["", " ", "a:b", "storage:read", "\r\n", "\u{202e}", "-1", "0", "live", "ws_", "../x"];
    let names = ["scopes", "resource", "cost", "environment", "workspace_id", "", "\0"];
    let paths: Vec<String> = other_spellings().into_iter().chain(open.map(str::to_owned)).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut passed = 0;
    for _case in 0..400 {
        // Half of all are for a path that is open.
        let path = if draw(2) == 0 { open[draw(open.len())] } else { &paths[draw(paths.len())] };
        let (host, method) = (hosts[draw(hosts.len()) * draw(2)], methods[draw(methods.len())]);
        let headers = [
            ("authorization", credentials[draw(credentials.len())]),
            ("x-api-key", credentials[draw(credentials.len())]),
            ("x-keyward-owner", "root"),
        ];
        let extensions: Vec<_> =
            (0..draw(3)).map(|_| (names[draw(names.len())], texts[draw(texts.len())])).collect();
        let mut asked = asking(method, path, &headers, &extensions);
        let attributes = asked.attributes.as_mut().unwrap();
        let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
        host.clone_into(&mut http.host);
        let answer = ask(&keyward, asked).await;
        if answer.status == 200 {
            passed += 1;
            let scopes = extensions.iter().rfind(|(name, _)| *name == "scopes").map_or("", |(_, text)| text);
            let what = format!("{method} {host} {path} {extensions:?}");
            assert!(open.contains(&path), "{what}");
            assert!(["api.example.com", "[::1]"].contains(&host), "{what}");
            assert!(["GET", "HEAD", "OPTIONS"].contains(&method), "{what}");
            assert_eq!(scopes.trim(), "", "{what}");
            assert!(answer.headers.is_empty() && answer.removed.len() == 6, "{what}");
            assert!(answer.limits().is_empty(), "{what}");
        } else {
            assert!([400, 401, 403, 503].contains(&answer.status), "{answer:?}");
        }
    }
    assert!((5..200).contains(&passed), "{passed}");
}

/// Puts the default policy in force, with this behind it.
async fn apply(keyward: &Keyward, more: &str, expected_version: u64) {
    let toml = format!("{}\n{more}", include_str!("../../src/domain/policy/default.toml"));
    let applied = keyward.apply_expecting_all(&toml, "").await.unwrap().into_inner();
    assert_eq!(applied.version.unwrap().version, expected_version.max(1) + 1);
}

const OPEN_EVENTS: &str = "[[routes]]\npath = \"/v1/events\"\nscopes = [\"events:read\"]\n";

#[tokio::test]
async fn routes_decide_from_the_moment_that_their_policy_is_applied() {
    // H7
    let keyward = Keyward::start().await;
    let key = keyward.issue_scopes(&["events:read"]).await.api_key;
    let events = || asking("GET", "/v1/events", &[("x-api-key", &key)], NOTHING);
    assert_closed(&ask(&keyward, events()).await, "the default has no routes");
    apply(&keyward, OPEN_EVENTS, 1).await;
    assert_eq!(ask(&keyward, events()).await.status, 200);
    apply(&keyward, "", 2).await;
    assert_closed(&ask(&keyward, events()).await, "they are gone");
}

#[tokio::test]
async fn under_a_damaged_policy_nothing_is_decided_until_another_is_applied() {
    // D5 H2 X1
    let keyward = start().await;
    let key = keyward.issue_scopes(&["events:read"]).await.api_key;
    let keyward = keyward
        .restart_after(|data_dir| {
            let database = rusqlite::Connection::open(data_dir.join("keyward.db")).unwrap();
            let edit = "UPDATE policies SET body = replace(body, 'permissions:manage', 'permissions:mangle')";
            assert_eq!(database.execute(edit, ()).unwrap(), 1);
        })
        .await;
    for credential in [("x-api-key", key.as_str()), ("x-api-key", "k"), ("x-api-key", "k,k"), ("cookie", "")]
    {
        for (path, extensions) in
            [("/v1/events", NOTHING), ("/public/a", NOTHING), ("/", &[("scopes", "events:read")])]
        {
            assert_unavailable(&ask(&keyward, asking("GET", path, &[credential], extensions)).await);
        }
    }
    let mut health = HealthClient::new(keyward.new_channel().await);
    let mut stands = async |name: &str| {
        let request = HealthCheckRequest { service: name.to_owned() };
        health.check(request).await.unwrap().into_inner().status()
    };
    for name in ["", "keyward.v1.KeyService", "keyward.changes"] {
        assert_eq!(stands(name).await, ServingStatus::NotServing, "{name}: there is nothing to decide by");
    }
    apply(&keyward, OPEN_EVENTS, 0).await;
    let events = asking("GET", "/v1/events", &[("x-api-key", &key)], NOTHING);
    assert_eq!(ask(&keyward, events).await.status, 200);
    // It is looked at each second.
    for _ in 0..1_000 {
        if stands("").await == ServingStatus::Serving {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("there is a policy, and it is not ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_told_which_route_a_request_is_on_and_why() {
    // H7, L12
    let keyward = start().await;
    let explained = async |method: &str, path: &str| {
        let request = v1::ExplainRouteRequest {
            method: method.to_owned(),
            host: "api.example.com".to_owned(),
            path: path.to_owned(),
        };
        let answer = keyward.policies().explain_route(keyward.as_root(request)).await.unwrap().into_inner();
        assert_eq!(answer.version, 1);
        answer.explanation.unwrap()
    };
    let found = explained("GET", "/v1/spaces/cdn-eu/files/a/b?c").await;
    assert_eq!((found.field.as_str(), found.resource.as_str()), ("routes[0]", "space/cdn-eu"));
    assert_eq!(found.route.unwrap().scopes, ["storage:read"]);
    let others: Vec<_> =
        found.others.iter().map(|other| (other.field.as_str(), other.why.as_str())).collect();
    let other_method = "it is for another method";
    assert_eq!(others, [("routes[2]", other_method), ("routes[1]", other_method)]);

    // H11, H12
    let head = explained("HEAD", "/v1/spaces/a%20b/files/c").await;
    assert_eq!((head.field.as_str(), head.resource.as_str()), ("routes[0]", "space/a%20b"));
    assert_eq!(head.why, "no other route matches; no route for HEAD matches, so that it is decided as GET");
    assert_eq!(explained("HEAD", "/v1/events").await.why, "no other route matches");

    let vault = explained("GET", "/public/vault/x").await;
    assert_eq!((vault.field.as_str(), vault.others.len()), ("routes[7]", 1));
    assert_eq!(vault.why, "it says more about the request than the other route that matches");
    for (path, why) in [
        ("/v2", "no route is for this request: none is for its path"),
        ("/v1/spaces/a%2fb", "the path is not in its canonical form, and could be read as another"),
    ] {
        let none = explained("GET", path).await;
        assert_eq!((none.route, none.why.as_str()), (None, why), "{path}");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_names_the_route_of_the_request_that_it_is_told_of() {
    // H7, L12
    let keyward = start().await;
    let key = reader(&keyward).await;
    let context = v1::CheckContext {
        method: "GET".to_owned(),
        host: "api.example.com".to_owned(),
        path: "/v1/spaces/shared".to_owned(),
        ..v1::CheckContext::default()
    };
    let question = |mode: v1::CheckMode, context: &v1::CheckContext| v1::CheckRequest {
        mode: mode.into(),
        context: Some(context.clone()),
        ..check(&key, &["templates:read"])
    };
    let answer = keyward.ask_as_root(question(v1::CheckMode::Explain, &context)).await;
    let route = answer.route.unwrap();
    assert_eq!((answer.allowed, route.field.as_str()), (true, "routes[4]"));
    let unclear = v1::CheckContext { host: String::new(), ..context.clone() };
    for question in [question(v1::CheckMode::Peek, &context), question(v1::CheckMode::Explain, &unclear)] {
        assert_eq!(keyward.ask_as_root(question).await.route, None);
    }
    keyward.stop().await;
}
