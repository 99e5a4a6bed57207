//! Hostile spellings of a path: each is refused, or decided as exactly the path that the service gets.

use crate::{
    document::assert_table,
    exchange::request,
    gateway,
    house::{Holder, House},
    service::Seen,
};

/// In the table.
const TOLD: &[&str] = &[
    "/open/../v1/templates",
    "/v1/x/../templates",
    "/v1/./templates",
    "//v1//templates",
    "/open/%2e%2e/v1/templates",
    "/open/..%2fv1/templates",
    "/open\\..\\v1\\templates",
    "/open/..;/v1/templates",
    "/open;a",
    "/v1/%74emplates",
    "/open/%00",
    "/open/caf%C3%A9",
    "/open/caf%c3%a9",
    "/open/a%20b",
    "/open/%22%3C%3E%5B%5D%5E%60%7B%7C%7D",
    "/open/%FF",
    "/HEALTHZ",
    "/V1/templates",
    "/v1/templates/",
    "http://service.example/v1/templates",
    "*",
];
/// Beside those.
const OTHERS: &[&str] = &[
    "/healthz/../v1/templates",
    "/v1/templates/../../healthz",
    "/v1/templates/../../open/a",
    "/open/vault/../a",
    "/open/x/../vault/a",
    "/open/./vault/a",
    "/open//vault/a",
    "/open/%76ault/a",
    "/open/vault%2fa",
    "/open/%2e/vault/a",
    "/open/.%2e/vault/a",
    "/open/%252e%252e/vault",
    "/open/%c0%ae%c0%ae/vault",
    "/open/%u002e%u002e/vault",
    "/open/\u{ff0e}\u{ff0e}/vault/a",
    "/open/\u{2215}vault",
    "/\u{43e}pen/a",
    "/open/a\u{301}",
    "/open/a\0b",
    "/open/a\x01b",
    "/open/a\tb",
    "/open/..%5cvault",
    "/open/%5c..%5cvault",
    "/open/a%0d%0ax:y",
    "/open/a%0D%0Ax:y",
    "/open/a%20b/../vault",
    "/open/caf%C3/%A9",
    "/open/%C0%AE%C0%AE/vault",
    "/open/%EF%BC%8E%EF%BC%8E/a",
    "/open/a%20%2Fb",
    "/open/%C2%85",
    "/open/%7F",
    "/open/a%3Bb",
    "/open/a%21",
    "/open/a%2A",
    "/files/cdn-eu/caf%C3%A9",
    "/files/cdn-eu%20/a",
    "/v1/spaces/cdn-eu%20",
    "/v1/templates%20",
    "/%20/v1/templates",
    "/open/a%3fb",
    "/open/a%23b",
    "/open/a#b",
    "/open/...",
    "/open/a/..",
    "/open/a/.",
    "/open/..",
    "/open;/../v1/templates",
    "/open/vault;a/b",
    "/healthz/",
    "/healthz;a=b",
    "/healthz%00",
    "/healthz%3f",
    "/healthz%20",
    "//healthz",
    "/./healthz",
    "/files/cdn-eu/../cdn-us/a",
    "/files/cdn-eu%2f..%2fcdn-us/a",
    "/files/cdn%2deu/a",
    "/v1/spaces/cdn-eu/../cdn-us",
    "/v1/spaces/cdn-eux",
    "/v1/exports/../templates",
    "/-keyward/verify",
    "/-keyward/denied.json",
    "/verify",
    "open/a",
    "http://other.example/open/../v1/templates",
    "http:///open/a",
    "?/open/a",
    "",
];

/// Whether a request on a path, as the service gets it, may have come through: with the key of a reader, or without.
fn may_come_through(path: &str, has_key: bool) -> bool {
    let path = path.split('?').next().unwrap();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._~$&'()*+,=:@".contains(letter);
    let is_canonical = |segment: &str| {
        let mut parts = segment.split('%');
        let before = parts.next().unwrap();
        let mut decoded = before.as_bytes().to_vec();
        for part in parts {
            let digits = part.get(..2).filter(|digits| *digits == digits.to_uppercase());
            let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
                return false;
            };
            if byte.is_ascii() && !b" \"<>[]^`{|}".contains(&byte) {
                return false;
            }
            decoded.push(byte);
            decoded.extend_from_slice(&part.as_bytes()[2..]);
        }
        let is_text = String::from_utf8(decoded).is_ok_and(|text| !text.contains(char::is_control));
        let raw = |letter: char| is_plain(letter) || letter == '%';
        is_text && segment.chars().all(raw) && !matches!(segment, "" | "." | "..")
    };
    let Some(segments) = path.strip_prefix('/') else { return false };
    let segments: Vec<_> = segments.split('/').collect();
    // A template's rest may be nothing.
    let filled = segments.strip_suffix(&[""]).unwrap_or(&segments);
    let all_canonical = filled.iter().all(|segment| is_canonical(segment));
    match segments.as_slice() {
        ["healthz"] => true,
        ["open", "vault", ..] => false,
        ["open", ..] => all_canonical,
        ["v1", "templates"] => has_key,
        ["files", "cdn-eu", ..] => all_canonical && has_key,
        _ => false,
    }
}

#[test]
fn the_oracle_knows_the_policy() {
    for (path, without, with) in [
        ("/healthz", true, true),
        ("/healthz/", false, false),
        ("/open/a?..", true, true),
        ("/open/a/../b", false, false),
        ("/open/caf%C3%A9", true, true),
        ("/open/caf%c3%a9", false, false),
        ("/open/%2E%2E/a", false, false),
        ("/open/%C3", false, false),
        ("/open/vault/a", false, false),
        ("/v1/templates", false, true),
        ("/v1/templates/", false, false),
        ("/files/cdn-us/a", false, false),
    ] {
        assert_eq!((may_come_through(path, false), may_come_through(path, true)), (without, with), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_path_is_refused_or_decided_as_the_path_that_the_service_gets() {
    // X3, H7
    let Some(house) = House::build().await else { return };
    let key = house.key(Holder::Reader).await;
    let mut table = vec![vec!["path".to_owned()]];
    table[0].extend(gateway::ALL.map(|gateway| gateway.name.to_owned()));
    for (place, path) in TOLD.iter().chain(OTHERS).enumerate() {
        let mut cells = vec![format!("`{path}`")];
        for running in &house.gateways {
            let mut outcome = String::new();
            for headers in [&[][..], &[("x-api-key", key.as_str())]] {
                for query in ["", "?a=/../%2e", "?scopes=templates:read", "?body=header&environment=live"] {
                    let path = format!("{path}{query}");
                    let request = request("GET", &path, headers, "");
                    let (reply, reached) = house.ask(running, &request).await;
                    let name = format!("{path:?} {headers:?} through {}: {reply:?}", running.gateway.name);
                    assert_eq!(reached, usize::from(reply.status == 200), "{name}");
                    if reply.status == 200 {
                        let seen = Seen::of(&reply);
                        assert!(may_come_through(&seen.path, !headers.is_empty()), "{name}");
                        outcome = format!("as `{}`", seen.path.split('?').next().unwrap());
                    } else {
                        // The client's query may be the very words of the gateway, which says then that it is set up wrongly.
                        let own = if query.contains("scopes") { 503 } else { 400 };
                        assert!([400, 401, 403, 404, 405, own].contains(&reply.status), "{name}");
                        outcome = reply.status.to_string();
                    }
                }
            }
            cells.push(outcome);
        }
        if place < TOLD.len() {
            table.push(cells);
        }
    }
    house.stop().await;
    assert_table("paths", &table);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_path_and_a_long_query_go_through_as_they_are() {
    let Some(house) = House::build().await else { return };
    let segments = "/segment".repeat(50);
    for path in [
        format!("/open/{}", "a".repeat(3_500)),
        format!("/open{segments}?{}", "b".repeat(3_500)),
        format!("/open/a-._~$&'()*+,=:@b?{}", "c=%20&".repeat(500)),
        format!("/open/{}", "%F0%9F%94%91".repeat(250)),
    ] {
        for running in &house.gateways {
            let (reply, _) = house.ask(running, &request("GET", &path, &[], "")).await;
            assert_eq!(Seen::of(&reply).path, path, "{}", running.gateway.name);
        }
    }
    house.stop().await;
}
