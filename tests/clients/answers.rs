//! What a client gets, as docs/gateways.md says.

use std::process::Command;

use serde_json::json;

use crate::{
    example::Recipe,
    exchange::Reply,
    house::{House, READ},
    skip,
};

/// A key that is well-formed, and nobody's (docs/security.md).
const STRANGER: &str = "kw_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg418bBM";

/// Everything that may be told of limits.
const LIMITS: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

#[track_caller]
fn assert_refused(reply: &Reply, status: u16, code: &str, challenge: Option<&str>) {
    assert_eq!((reply.status, reply.json()["error"]["code"].as_str()), (status, Some(code)), "{reply:?}");
    // H5
    let message = reply.json()["error"]["message"].clone();
    assert!(message.as_str().is_some_and(|message| message.len() > 10), "{reply:?}");
    assert_eq!(reply.json(), json!({"success": false, "error": {"code": code, "message": message}}));
    assert_eq!(reply.message.header("content-type"), Some("application/json"));
    assert_eq!(reply.message.header("cache-control"), Some("no-store"));
    // H3
    let expected = challenge.map(|challenge| format!("Bearer realm=\"api\"{challenge}"));
    assert_eq!(reply.message.header("www-authenticate"), expected.as_deref());
}

/// A header that tells of a limit, as a number.
fn told(reply: &Reply, name: &str) -> Option<u64> {
    let value = reply.limits.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    value.map(|value| value.parse().unwrap())
}

// H1 H2 H3 H4 H5 H6 L9
pub(crate) async fn all(recipe: &Recipe) {
    let Some(house) = House::build(recipe, &[]) else { return };
    let key = house.issue(&["--owner", "ann", "--scope", READ, "--limit", "default/recent=3/30m"]);

    let allowed = house.answer("GET", "/v1/templates", &[("authorization", &format!("Bearer {key}"))]).await;
    assert_eq!(allowed.status, 200, "{allowed:?}");
    assert_eq!(allowed.json()["owner"], "ann");
    assert!(allowed.json()["key"].as_str().unwrap().starts_with("key_"), "{allowed:?}");
    assert_eq!(told(&allowed, "x-ratelimit-limit"), Some(3));
    let remaining = told(&allowed, "x-ratelimit-remaining").unwrap();

    let missing = house.answer("GET", "/v1/templates", &[]).await;
    assert_refused(&missing, 401, "CREDENTIALS_MISSING", Some(""));
    let unknown = house.read(STRANGER).await;
    assert_refused(&unknown, 401, "CREDENTIALS_INVALID", Some(", error=\"invalid_token\""));
    let malformed = house.read("kw_live_0").await;
    assert!(malformed.is_like(&unknown), "{malformed:?}");
    let revoked = house.issue(&["--scope", READ]);
    house.revoke(&revoked);
    assert!(house.read(&revoked).await.is_like(&unknown), "a stranger learns of a key that was revoked");
    for reply in [&missing, &unknown, &malformed] {
        assert!(LIMITS.iter().all(|name| told(reply, name).is_none()), "{reply:?}");
    }

    let lacking = house.answer("POST", "/v1/messages", &[("x-api-key", &key)]).await;
    let challenge = ", error=\"insufficient_scope\", scope=\"messaging:send\"";
    assert_refused(&lacking, 403, "SCOPE_INSUFFICIENT", Some(challenge));
    assert_eq!(told(&lacking, "x-ratelimit-remaining"), Some(remaining), "a denial is charged");

    let mut admitted = 1;
    let spent = loop {
        let reply = house.read(&key).await;
        if reply.status != 200 {
            break reply;
        }
        admitted += 1;
    };
    assert!(admitted <= 3, "{admitted}");
    assert_refused(&spent, 429, "RATE_LIMITED", None);
    let wait: u64 = spent.message.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2_000).contains(&wait), "{wait}");
    let message = format!("Rate limit exceeded. Retry after {wait} seconds.");
    assert_eq!(spent.json()["error"]["message"], message);
    assert_eq!(LIMITS.map(|name| told(&spent, name).is_some()), [true; 3]);
    assert_eq!(told(&spent, "x-ratelimit-remaining"), Some(0));

    let log = house.stop(&[&key, STRANGER, &revoked]);
    for reason in
        ["KEY_UNKNOWN", "CREDENTIALS_MALFORMED", "KEY_REVOKED", "SCOPE_INSUFFICIENT", "RATE_LIMITED"]
    {
        assert!(log.contains(reason), "the operator is not told {reason}: {log}");
    }
}

pub(crate) fn of_the_readme(recipe: &Recipe) {
    let Some(curl) = skip::tool("curl") else { return };
    let Some(house) = House::build(recipe, &[]) else { return };
    let readme = recipe.readme();
    let (_, issued) = readme.split_once("keyward issue reader ").unwrap();
    let options: Vec<_> = issued.split(')').next().unwrap().split(' ').collect();
    let key = house.issue(&options);
    let lines: Vec<_> =
        readme.lines().filter_map(|line| line.strip_prefix("curl -i ")?.split_once(" # ")).collect();
    assert_eq!(lines.len(), 4);
    for (arguments, expected) in lines {
        let arguments = arguments.replace("127.0.0.1:8000", &house.address().to_string());
        // A machine that is busy can make an answer too late: 503.
        let command = format!("\"$CURL\" --retry 9 -s -w '%{{http_code}}' {arguments}");
        let mut shell = Command::new("sh");
        let ended = shell.args(["-c", &command]).env("CURL", &curl).env("API_KEY", &key).output().unwrap();
        let shown = String::from_utf8_lossy(&ended.stdout);
        assert!(shown.ends_with(&expected[..3]), "{arguments}: {shown}");
    }
}

// H1 X2
pub(crate) async fn credentials(recipe: &Recipe) {
    let Some(house) = House::build(recipe, &[]) else { return };
    let key = &house.issue(&["--scope", READ]);
    let bearer = |scheme: &str, token: &str| format!("{scheme} {token}");
    let (both, second) = (bearer("Bearer", key), bearer("Basic dTpw, Bearer", key));
    let joined = bearer("Bearer", &format!("{key},{STRANGER}"));
    let is_ambiguous =
        |reply: &Reply| (reply.status, reply.json()["error"]["code"] == "CREDENTIALS_AMBIGUOUS");

    let one: [&[(&str, &str)]; 5] = [
        &[("authorization", &bearer("bearer", key))],
        &[("Authorization", &bearer("BEARER", key))],
        &[("authorization", &both), ("x-api-key", key)],
        &[("authorization", "Basic dTpw"), ("X-API-Key", key)],
        &[("authorization", "Digest a=\"b\", c=d"), ("x-api-key", key)],
    ];
    for headers in one {
        assert_eq!(house.answer("GET", "/v1/templates", headers).await.status, 200, "{headers:?}");
    }
    let several: [&[(&str, &str)]; 8] = [
        &[("authorization", &both), ("x-api-key", STRANGER)],
        &[("x-api-key", key), ("x-api-key", STRANGER)],
        &[("x-api-key", key), ("x-api-key", key)],
        &[("authorization", &both), ("authorization", &both)],
        &[("x-api-key", &format!("{key},{STRANGER}"))],
        &[("x-api-key", &format!("{key},"))],
        &[("authorization", &joined)],
        &[("authorization", &second), ("x-api-key", key)],
    ];
    for headers in several {
        let reply = house.answer("GET", "/v1/templates", headers).await;
        assert_eq!(is_ambiguous(&reply), (400, true), "{headers:?}: {reply:?}");
        assert_refused(&reply, 400, "CREDENTIALS_AMBIGUOUS", Some(", error=\"invalid_request\""));
    }
    let none: [&[(&str, &str)]; 7] = [
        &[("authorization", "Basic dTpw")],
        &[("authorization", key)],
        &[("authorization", &bearer("Bearer ", key))],
        &[("cookie", &format!("x-api-key={key}"))],
        &[("authorization", "Bearer")],
        &[("x-api-key", &format!("{key} {key}"))],
        &[("x-api-key", "k\u{e4}y")],
    ];
    for headers in none {
        let reply = house.answer("GET", "/v1/templates", headers).await;
        assert_eq!(reply.status, 401, "{headers:?}: {reply:?}");
    }
    let reply = house.answer("GET", &format!("/v1/templates?api_key={key}"), &[]).await;
    assert_eq!(reply.status, 401, "{reply:?}");
    house.stop(&[]);
}
