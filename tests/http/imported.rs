//! Keys of other systems through gateways: a known one is let through, and no bad one can be told from a native one.

use std::time::Duration;

use keyward::wire::v1::{self, import_row::Hash};
use ring::digest;

use crate::{
    client::Headers,
    support::{Keyward, check, holder_key},
    twins::{Asked, ask_envoy, ask_verify},
};

const TOKEN: &str = "sk_live_4eC39HqLyjWDarjtT1zdp7dcABCD";

async fn import(keyward: &Keyward, token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec();
    let row = v1::ImportRow {
        name: "moved".to_owned(),
        scopes: vec!["messaging:send".to_owned()],
        secret_bits: 160,
        hash: Some(Hash::Sha256(hash)),
        ..v1::ImportRow::default()
    };
    let request = v1::ImportKeysRequest { rows: vec![row], ..v1::ImportKeysRequest::default() };
    let answer = keyward.keys().import_keys(keyward.as_root(request)).await.unwrap().into_inner();
    assert_eq!(answer.good, 1, "{answer:?}");
    answer.results[0].key_id.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_key_is_let_through_wherever_it_is_presented() {
    // H1, H6, K6
    let keyward = Keyward::start().await;
    let id = import(&keyward, TOKEN).await;
    let bearer = format!("Bearer {TOKEN}");
    let ways: [Headers<'_>; 3] = [
        &[("authorization", &bearer)],
        &[("x-api-key", TOKEN)],
        &[("authorization", &bearer), ("x-api-key", TOKEN)],
    ];
    for headers in ways {
        for reply in [
            ask_envoy(&keyward, Asked { headers, ..Asked::default() }).await,
            ask_verify(&keyward, Asked { headers, ..Asked::default() }).await,
        ] {
            assert_eq!((reply.status, reply.header("x-keyward-key-id")), (200, id.as_str()), "{headers:?}");
        }
    }
    let question = format!(r#"{{"api_key":"{TOKEN}","scopes":["messaging:send"]}}"#);
    let json = [("content-type", "application/json")];
    let answer = crate::client::ask(&keyward, "POST", "/v1/check", &json, &question).await.json();
    assert_eq!(answer["key"]["id"], id.as_str());

    // H1, X2: exactly one counts, whoever made it.
    let native = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let joined = format!("{TOKEN},{native}");
    for headers in
        [&[("authorization", bearer.as_str()), ("x-api-key", native.as_str())][..], &[("x-api-key", &joined)]]
    {
        assert_eq!(ask_verify(&keyward, Asked { headers, ..Asked::default() }).await.status, 400);
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_imported_key_is_told_as_every_other_is() {
    // X7, H5
    let keyward = Keyward::start().await;
    import(&keyward, TOKEN).await;
    let [revoked, disabled, replaced] = ["revoked-token-one", "disabled-token-one", "replaced-token-one"];
    keyward.revoke(&import(&keyward, revoked).await).await;
    keyward.disable(&import(&keyward, disabled).await).await;
    keyward.rotate(&import(&keyward, replaced).await, Some(Duration::ZERO)).await;
    let native = keyward.issue(holder_key(&["messaging:send"])).await;
    keyward.revoke(&native.key.id).await;
    let first =
        ask_verify(&keyward, Asked { headers: &[("x-api-key", &native.api_key)], ..Asked::default() }).await;
    assert_eq!(first.status, 401);
    for presented in [revoked, disabled, replaced, "never-heard-of-it"] {
        let headers: Headers<'_> = &[("x-api-key", presented)];
        let reply = ask_verify(&keyward, Asked { headers, ..Asked::default() }).await;
        assert_eq!((reply.status, &reply.body), (first.status, &first.body), "{presented}");
        assert_eq!(reply.header("www-authenticate"), first.header("www-authenticate"));
        let by_envoy = ask_envoy(&keyward, Asked { headers, ..Asked::default() }).await;
        assert_eq!((by_envoy.status, &by_envoy.body), (first.status, &first.body), "{presented}");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_key_in_a_url_is_denied_as_a_native_one_is() {
    let keyward = Keyward::start().await;
    let padded = "c2stc29tZXRoaW5nLWluLWJhc2UtNjQ/a+b==";
    let (in_path, in_query) = (format!("/v1/{TOKEN}/messages"), format!("/v1/messages?a=b&key={TOKEN}#x"));
    let escaped = in_query.replace("live", "l%69ve");
    let base64 = format!("/v1/messages?key={padded}");
    for imported in [false, true] {
        if imported {
            import(&keyward, TOKEN).await;
            import(&keyward, padded).await;
        }
        for path in [&in_path, &in_query, &escaped, &base64] {
            let asked = Asked { path, headers: &[("x-api-key", "nobody")], ..Asked::default() };
            let reply = ask_verify(&keyward, asked).await;
            assert_eq!(reply.code() == "CREDENTIALS_IN_URL", imported, "{path}: {reply:?}");
        }
        let asked = Asked { path: "/v1/some-other-long-segment/messages", ..Asked::default() };
        assert_ne!(ask_verify(&keyward, asked).await.code(), "CREDENTIALS_IN_URL");
    }
    assert!(keyward.keys().check(check(TOKEN, &[])).await.unwrap().into_inner().allowed);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_url_tells_whether_an_imported_key_that_is_no_good_ever_existed() {
    // X7, H5
    let keyward = Keyward::start().await;
    let [good, revoked, disabled, replaced] = [
        "good-token-number-one",
        "revoked-token-number-one",
        "disabled-token-number-one",
        "replaced-token-number-one",
    ];
    import(&keyward, good).await;
    keyward.revoke(&import(&keyward, revoked).await).await;
    keyward.disable(&import(&keyward, disabled).await).await;
    keyward.rotate(&import(&keyward, replaced).await, Some(Duration::ZERO)).await;
    let ask = async |token: &str| {
        let path = format!("/v1/messages?key={token}");
        ask_verify(&keyward, Asked { path: &path, headers: &[("x-api-key", "nobody")], ..Asked::default() })
            .await
    };
    assert_eq!(ask(good).await.code(), "CREDENTIALS_IN_URL");
    let unknown = ask("never-heard-of-this-token").await;
    for token in [revoked, disabled, replaced] {
        let reply = ask(token).await;
        assert_eq!((reply.status, &reply.body), (unknown.status, &unknown.body), "{token}");
    }
    keyward.stop().await;
}
