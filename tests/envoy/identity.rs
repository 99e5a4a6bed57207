//! Who the holder is, only Keyward says: to the service behind, and to the access log.

use keyward::wire::v1;

use crate::{
    House, READ, STRANGER,
    config::Config,
    exchange::request,
    keyward,
    service::Seen,
    support::{Issued, holder_key},
};

/// The headers that the service may trust.
const NAMES: [&str; 6] = [
    "x-keyward-key-id",
    "x-keyward-workspace-id",
    "x-keyward-owner",
    "x-keyward-environment",
    "x-keyward-scopes",
    "x-keyward-plan",
];

/// What the service must see of a key without an owner.
fn identity(issued: &Issued) -> Vec<(&str, &str)> {
    vec![
        ("x-keyward-environment", "live"),
        ("x-keyward-key-id", &issued.key.id),
        ("x-keyward-plan", "starter"),
        ("x-keyward-scopes", READ),
        ("x-keyward-workspace-id", &issued.key.workspace_id),
    ]
}

/// Claims under every name, also one that Keyward does not use.
fn claims(key: &str) -> Vec<(&str, &str)> {
    let mut headers = vec![("x-api-key", key)];
    headers.extend(NAMES.map(|name| (name, "forged")));
    headers.extend([("X-KEYWARD-OWNER", "forged again"), ("X-Keyward-Role", "admin")]);
    headers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_claims_never_reaches_the_service() {
    // H6
    let Some(house) = House::build().await else { return };
    let issued = house.keyward.issue_scopes(&[READ]).await;
    let seen = Seen::of(&house.ask(&request("GET", "/v1/templates", &claims(&issued.api_key), "")).await);
    assert_eq!(seen.identity(), identity(&issued));
    let open = Seen::of(&house.ask(&request("GET", "/healthz", &claims(&issued.api_key), "")).await);
    assert_eq!(open.identity(), []);
    for name in ["x_keyward_owner", "x-keyward_owner", "X_Keyward-Key-Id"] {
        let headers = [("x-api-key", issued.api_key.as_str()), (name, "forged")];
        assert_eq!(house.refused(&request("GET", "/v1/templates", &headers, "")).await.status, 400, "{name}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keyward_overwrites_claims_also_where_nothing_strips_them_ahead() {
    // H6
    let config = Config::default().without_stripping();
    let Some(house) = House::around(keyward().await, config).await else { return };
    let issued = house.keyward.issue_scopes(&[READ]).await;
    let seen = Seen::of(&house.ask(&request("GET", "/v1/templates", &claims(&issued.api_key), "")).await);
    let known: Vec<_> = seen.identity().into_iter().filter(|(name, _)| NAMES.contains(name)).collect();
    assert_eq!(known, identity(&issued));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_access_log_says_who_asked_and_why_it_was_denied_and_holds_no_secret() {
    // H5, H6, K2
    let Some(house) = House::build().await else { return };
    let wanted = v1::IssueRequest { owner: "ann".to_owned(), ..holder_key(&[READ]) };
    let (issued, revoked) = (house.keyward.issue(wanted).await, house.keyward.issue_scopes(&[READ]).await);
    house.keyward.revoke(&revoked.key.id).await;
    let key = issued.api_key.as_str();
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    house.ask(&request("GET", "/v1/templates?q=1", &headers, "")).await;
    house.ask(&request("GET", &format!("/v1/templates?api_key={key}"), &headers, "")).await;
    house.ask(&request("POST", "/v1/templates", &headers, key)).await;
    house.ask(&request("GET", "/v1/templates", &[("x-api-key", &revoked.api_key)], "")).await;
    house.ask(&request("GET", "/v1/templates", &[("x-api-key", STRANGER)], "")).await;
    let joined = format!("{key},{key}");
    house.ask(&request("GET", "/v1/templates", &[("x-api-key", &joined)], "")).await;
    let id = issued.key.id.as_str();
    let expected = [
        (200, Some(id), None),
        (400, None, Some("CREDENTIALS_IN_URL")),
        (403, Some(id), Some("SCOPE_INSUFFICIENT")),
        (401, None, Some("KEY_REVOKED")),
        (401, None, Some("KEY_UNKNOWN")),
        (400, None, Some("CREDENTIALS_AMBIGUOUS")),
    ];
    for envoy in &house.envoys {
        let log = envoy.access_log(expected.len()).await;
        for (line, (status, key_id, reason)) in log.iter().zip(&expected) {
            assert_eq!(line["status"], *status, "{line}");
            assert_eq!(line["denial_reason"].as_str(), *reason, "{line}");
            if key_id.is_some() {
                assert_eq!(line["key_id"].as_str(), *key_id, "{line}");
                assert_eq!(line["owner"], "ann", "{line}");
                assert_eq!(line["environment"], "live", "{line}");
                assert_eq!(line["workspace_id"], issued.key.workspace_id, "{line}");
            }
        }
        let all = envoy.logs();
        for secret in [key, &revoked.api_key] {
            assert!(!all.contains(&secret[8..]), "a secret: {all}");
        }
    }
    house.stop().await;
}
