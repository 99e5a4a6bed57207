//! Exactly one credential counts, from one of two headers.

use crate::{
    House, READ, STRANGER,
    answers::{assert_ambiguous, assert_in_url, assert_invalid, assert_missing},
    exchange::request,
};

/// A request for templates with these headers.
fn with(headers: &[(&str, &str)]) -> Vec<u8> {
    request("GET", "/v1/templates", headers, "")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_credentials_or_a_joined_one_are_400_wherever_they_stand() {
    // H1, X2
    let Some(house) = House::build().await else { return };
    let good = house.keyward.issue_scopes(&[READ]).await.api_key;
    let other = house.keyward.issue_scopes(&[READ]).await.api_key;
    let bearer = |key: &str| format!("Bearer {key}");
    for second in [other.as_str(), STRANGER, "x"] {
        let (joined, spaced) = (format!("{second},{good}"), format!("{good}, {second}"));
        let (bearer_good, bearer_second) = (bearer(&good), bearer(second));
        let rows: [&[(&str, &str)]; 10] = [
            &[("x-api-key", &good), ("x-api-key", second)],
            &[("x-api-key", second), ("X-Api-Key", &good)],
            &[("x-api-key", &joined)],
            &[("x-api-key", &spaced)],
            &[("authorization", &bearer(&joined))],
            &[("authorization", &bearer(&spaced))],
            &[("authorization", &format!("{bearer_second}, {bearer_good}"))],
            &[("authorization", &bearer_second), ("authorization", &bearer_good)],
            &[("authorization", &bearer_good), ("x-api-key", second)],
            &[("authorization", &bearer_second), ("x-api-key", &good)],
        ];
        for headers in rows {
            assert_ambiguous(&house.refused(&with(headers)).await);
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_the_url_a_cookie_a_body_or_another_header_is_no_credential() {
    // X2, X3, K5
    let Some(house) = House::build().await else { return };
    let key = house.keyward.issue_scopes(&["templates:*"]).await.api_key;
    let bearer = format!("Bearer {key}");
    for name in ["api_key", "x-api-key", "access_token", "authorization", "key"] {
        let path = format!("/v1/templates?{name}={key}");
        for headers in [&[][..], &[("authorization", bearer.as_str())]] {
            assert_in_url(&house.refused(&request("GET", &path, headers, "")).await);
        }
        let cookie = format!("{name}={key}");
        assert_missing(&house.refused(&with(&[("cookie", &cookie)])).await);
        let form = ("content-type", "application/x-www-form-urlencoded");
        assert_missing(&house.refused(&request("POST", "/v1/templates", &[form], &cookie)).await);
    }
    for name in
        ["proxy-authorization", "api-key", "apikey", "x-apikey", "x-auth-token", "x-authorization", "bearer"]
    {
        for value in [&key, &bearer] {
            assert_missing(&house.refused(&with(&[(name, value)])).await);
        }
    }
    let basic = "Basic a3dfbGl2ZV86a3dfbGl2ZV8=";
    for value in [basic, "Digest username=\"x\"", "Negotiate YII", &format!("Basic {key}"), ""] {
        assert_missing(&house.refused(&with(&[("authorization", value)])).await);
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_with_anything_around_it_is_401() {
    // X2
    let Some(house) = House::build().await else { return };
    let key = house.keyward.issue_scopes(&[READ]).await.api_key;
    let spoilt = [
        format!("{key} {key}"),
        format!("{key};"),
        format!("\"{key}\""),
        format!("{key}\u{301}"),
        format!("\u{feff}{key}"),
        format!("{key}%00"),
        format!("{key}\t{key}"),
        format!("Bearer {key}"),
        key.replacen('_', "%5f", 1),
        key.to_lowercase(),
    ];
    for value in &spoilt {
        assert_invalid(&house.refused(&with(&[("x-api-key", value)])).await);
        assert_invalid(&house.refused(&with(&[("authorization", &format!("Bearer {value}"))])).await);
    }
    for value in [format!("Bearer  {key}"), format!("Bearer\t{key}"), "Bearer".to_owned()] {
        assert_invalid(&house.refused(&with(&[("authorization", &value)])).await);
    }
    house.stop().await;
}
