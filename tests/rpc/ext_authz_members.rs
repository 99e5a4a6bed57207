//! What a gateway's client sees of members, roles and workspaces out of use.

use keyward::wire::v1;

use crate::{
    ext_authz::{SOMEWHERE, Seen, ask, request},
    support::{Issued, Keyward, holder_key},
};

async fn present(keyward: &Keyward, api_key: &str, scopes: &str) -> Seen {
    ask(keyward, request(&[("x-api-key", api_key)], &[("scopes", scopes)], SOMEWHERE)).await
}

/// A workspace of ann's, and a key that follows her.
async fn place(keyward: &Keyward) -> (String, Issued) {
    let request = v1::RegisterWorkspaceRequest {
        name: "Bakery".to_owned(),
        owner: "ann".to_owned(),
        owner_role: "viewer".to_owned(),
        key: Some(v1::IssueRequest { follows_owner_role: true, ..holder_key(&[]) }),
        ..v1::RegisterWorkspaceRequest::default()
    };
    let answer = keyward.workspaces().register_workspace(keyward.as_root(request)).await.unwrap();
    let mut answer = answer.into_inner();
    let key = Issued { key: answer.key.take().unwrap(), api_key: std::mem::take(&mut answer.api_key) };
    (key.key.workspace_id.clone(), key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_does_not_suffice_is_403_and_names_the_scopes() {
    // H2, H3, H4, S5
    let keyward = Keyward::start().await;
    let (_, key) = place(&keyward).await;
    assert_eq!(present(&keyward, &key.api_key, "storage:read").await.code, 0);
    let denied = present(&keyward, &key.api_key, "storage:read storage:upload").await;
    assert_eq!((denied.code, denied.status, denied.reason()), (7, 403, "ROLE_INSUFFICIENT"));
    let challenge =
        "Bearer realm=\"keyward\", error=\"insufficient_scope\", scope=\"storage:read storage:upload\"";
    assert_eq!(denied.header("www-authenticate"), challenge);
    assert!(denied.body.contains("\"ROLE_INSUFFICIENT\""), "{}", denied.body);
    assert!(denied.body.contains("The role of the API key's owner lacks storage:upload."), "{}", denied.body);
    assert!(!denied.limits().is_empty(), "the key is in order");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_owner_is_the_401_of_a_stranger_and_a_suspended_workspace_is_403() {
    // H2, H4, H5, X7
    let keyward = Keyward::start().await;
    let (workspace_id, key) = place(&keyward).await;
    let suspend = v1::SuspendWorkspaceRequest { workspace_id: workspace_id.clone(), comment: String::new() };
    keyward.workspaces().suspend_workspace(keyward.as_root(suspend)).await.unwrap();
    let denied = present(&keyward, &key.api_key, "storage:read").await;
    assert_eq!((denied.status, denied.reason()), (403, "WORKSPACE_SUSPENDED"));
    assert!(denied.body.contains("The workspace of the API key is suspended."), "{}", denied.body);
    let resume = v1::ResumeWorkspaceRequest { workspace_id: workspace_id.clone(), comment: String::new() };
    keyward.workspaces().resume_workspace(keyward.as_root(resume)).await.unwrap();

    let gone = v1::RemoveMemberRequest {
        workspace_id,
        subject: "ann".to_owned(),
        ..v1::RemoveMemberRequest::default()
    };
    keyward.workspaces().remove_member(keyward.as_root(gone)).await.unwrap();
    let stranger = present(&keyward, "another-systems-token", "storage:read").await;
    let denied = present(&keyward, &key.api_key, "storage:read").await;
    assert_eq!(
        (denied.status, denied.reason()),
        (401, "OWNER_REMOVED"),
        "the exact reason is the operator's"
    );
    let same = (denied.code, denied.status, &denied.headers, &denied.body);
    assert_eq!(same, (stranger.code, stranger.status, &stranger.headers, &stranger.body));
    assert!(denied.limits().is_empty(), "nothing is told of limits");
    keyward.stop().await;
}
