//! What is said of members and workspaces holds after kill -9.

use keyward::wire::v1::{
    self, DenialReason, check_request::Subject, workspace_service_client::WorkspaceServiceClient,
};

use crate::{Client, process::Server, support::reason, verify_offline};

const READ: &str = "storage:read";
const WRITE: &str = "storage:upload";

async fn denied(client: &Client, api_key: &str, scope: &str) -> Option<DenialReason> {
    let request = v1::CheckRequest {
        subject: Some(Subject::ApiKey(api_key.to_owned())),
        scopes: vec![scope.to_owned()],
        ..v1::CheckRequest::default()
    };
    reason(&client.keys().check(request).await.unwrap().into_inner())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_a_removal_and_a_suspension_that_were_acknowledged_hold_after_kill_9() {
    // D1, S5
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let mut workspaces = WorkspaceServiceClient::new(client.channel.clone());
    let register = v1::RegisterWorkspaceRequest {
        name: "Bakery".to_owned(),
        owner: "ann".to_owned(),
        owner_role: "editor".to_owned(),
        key: Some(v1::IssueRequest {
            name: "tools".to_owned(),
            follows_owner_role: true,
            ..v1::IssueRequest::default()
        }),
        ..v1::RegisterWorkspaceRequest::default()
    };
    let made = workspaces.register_workspace(client.signed(register)).await.unwrap().into_inner();
    let (workspace_id, api_key) = (made.workspace.clone().unwrap().id, made.api_key.clone());
    assert_eq!(denied(&client, &api_key, WRITE).await, None);
    let demotion = v1::UpdateMemberRequest {
        workspace_id: workspace_id.clone(),
        subject: "ann".to_owned(),
        role: "viewer".to_owned(),
        expected_gains: None,
    };
    workspaces.update_member(client.signed(demotion)).await.unwrap();
    server.kill();

    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let mut workspaces = WorkspaceServiceClient::new(client.channel.clone());
    assert_eq!(denied(&client, &api_key, WRITE).await, Some(DenialReason::RoleInsufficient));
    assert_eq!(denied(&client, &api_key, READ).await, None);
    let removal = v1::RemoveMemberRequest {
        workspace_id: workspace_id.clone(),
        subject: "ann".to_owned(),
        ..v1::RemoveMemberRequest::default()
    };
    workspaces.remove_member(client.signed(removal)).await.unwrap();
    server.kill();

    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let mut workspaces = WorkspaceServiceClient::new(client.channel.clone());
    assert_eq!(denied(&client, &api_key, READ).await, Some(DenialReason::OwnerRemoved));
    let suspension = v1::SuspendWorkspaceRequest { workspace_id, comment: String::new() };
    workspaces.suspend_workspace(client.signed(suspension)).await.unwrap();
    server.kill();
    verify_offline(&data_dir);

    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    assert_eq!(denied(&client, &api_key, READ).await, Some(DenialReason::WorkspaceSuspended));
    server.stop();
    verify_offline(&data_dir);
}
