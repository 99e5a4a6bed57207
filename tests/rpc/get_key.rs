//! `GetKey`.

use keyward::wire::v1;
use prost::Message as _;
use tonic::Code;

use crate::support::{
    Keyward, admin_rights, signed,
    verbs::{DAY, assert_field, named, refusal},
};

#[tokio::test(flavor = "multi_thread")]
async fn reading_a_key_shows_everything_but_what_proves_it() {
    // K2, K3
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let rotated = keyward.rotate(&issued.key.id, Some(DAY)).await;
    assert!(keyward.check(&rotated.api_key, &[]).await.allowed);
    let key = keyward.show(&issued.key.id).await;
    let mut used = v1::Key { last_use_time: key.last_use_time, ..rotated.key };
    used.secrets[0].last_use_time = key.last_use_time;
    assert_eq!(key, used);
    assert!(key.last_use_time.is_some());
    let bytes = key.encode_to_vec();
    for api_key in [&issued.api_key, &rotated.api_key] {
        let random = &api_key.as_bytes()[8..51];
        for length in [43, 16, 8] {
            assert!(!bytes.windows(length).any(|window| random.windows(length).any(|part| part == window)));
        }
        let digest = keyward::domain::audit::digest(api_key.as_bytes());
        assert!(!bytes.windows(32).any(|window| window == digest));
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_seen_from_its_own_workspace_only() {
    // T1
    let keyward = Keyward::start().await;
    let (mine, my_key) = keyward.register("mine").await;
    let (_, theirs) = keyward.register("theirs").await;
    let global = keyward.issue_admin(&mine.id, admin_rights(&["keys:read"], true)).await;
    let admin = keyward.issue_admin(&mine.id, admin_rights(&["keys:read"], false)).await;
    let ask = async |caller: &str, id: &str| keyward.keys().get_key(signed(caller, named(id))).await;
    for id in [&my_key.key.id, &admin.key.id] {
        ask(&admin.api_key, id).await.unwrap();
    }
    let mut messages = Vec::new();
    for id in [&theirs.key.id, &global.key.id, "key_00000000000000000000000000"] {
        let status = refusal(ask(&admin.api_key, id).await, Code::NotFound, "KEY_NOT_FOUND");
        messages.push(status.message().replace(id, ""));
    }
    assert!(messages.windows(2).all(|pair| pair[0] == pair[1]), "one answer for all: {messages:?}");
    ask(&global.api_key, &theirs.key.id).await.unwrap();
    ask(&keyward.root, &global.key.id).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_id_is_refused() {
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let id = issued.key.id;
    for bad in
        ["", "key_", &id.to_uppercase(), &format!("{id} "), &id.replace("key_", "ws_"), &issued.api_key]
    {
        assert_field(keyward.keys().get_key(keyward.as_root(named(bad))).await, "key_id");
    }
    keyward.stop().await;
}
