//! The keys that are asked about: issued by the Keyward under measurement, or made up.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use keyward::{
    domain::policy::Policy,
    wire::v1::{
        ApplyPolicyRequest, IssueRequest, ValidatePolicyRequest, apply_policy_request,
        key_service_client::KeyServiceClient, policy_service_client::PolicyServiceClient,
        validate_policy_request,
    },
};
use tokio::time::sleep;
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

use crate::child::Server;

/// What every key has.
pub(crate) const SCOPE: &str = "templates:read";
/// Issues under way at once: enough to fill a group commit.
const ISSUES_IN_FLIGHT: usize = 64;

/// As long as real ones, and nothing else.
pub(crate) fn made_up(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("kw_live_{number:049}")).collect()
}

/// Starts `keyward serve` on an empty data directory and issues keys; the last is its first administration key.
pub(crate) async fn keyward(
    binary: &Path,
    count: usize,
    workers: usize,
) -> io::Result<(Server, Vec<String>, String)> {
    let files = tempfile::tempdir()?;
    let root_key = files.path().join("root-key");
    let address = free_address()?;
    let child = Command::new(binary)
        .arg("serve")
        .arg("--data-dir")
        .arg(files.path().join("data"))
        .arg("--root-key-file")
        .arg(&root_key)
        .args(["--listen", &address.to_string(), "--http-listen", "127.0.0.1:0"])
        .args(["--workers", &workers.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let server = Server::new(child, address, files);
    // The port is bound first, so that a connection waits; the file has its name when the key in it is good.
    let root_key = until_there(&root_key).await?;
    let channel = until_up(address).await?;
    widen(PolicyServiceClient::new(channel.clone()), root_key.trim()).await;
    let client = KeyServiceClient::new(channel);
    let api_keys = stream::iter(0..count)
        .map(|number| issue(client.clone(), root_key.trim(), number))
        .buffer_unordered(ISSUES_IN_FLIGHT)
        .collect()
        .await;
    Ok((server, api_keys, root_key.trim().to_owned()))
}

/// Gives every limit its greatest size, so that each request is counted and none is denied.
async fn widen(mut policies: PolicyServiceClient<Channel>, root_key: &str) {
    let mut document = Policy::default_document().unwrap().document().clone();
    let of_plans = document.plans.iter_mut().flat_map(|plan| {
        plan.limits.iter_mut().chain(plan.tiers.iter_mut().flat_map(|tier| &mut tier.limits))
    });
    let of_tiers = document.tiers.iter_mut().flat_map(|tier| &mut tier.limits);
    of_tiers.chain(of_plans).for_each(|limit| limit.limit = 1_000_000_000_000);
    let toml = Policy::new(document).unwrap().to_toml();
    let judged =
        ValidatePolicyRequest { document: Some(validate_policy_request::Document::Toml(toml.clone())) };
    let judged = policies.validate_policy(signed(root_key, judged)).await.unwrap();
    let apply = ApplyPolicyRequest {
        document: Some(apply_policy_request::Document::Toml(toml)),
        expected_version: judged.get_ref().current_version,
        comment: "limits that no measurement reaches".into(),
        expected_gains: None,
    };
    policies.apply_policy(signed(root_key, apply)).await.unwrap();
}

pub(crate) fn signed<T>(root_key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {root_key}").parse().unwrap());
    request
}

async fn issue(mut client: KeyServiceClient<Channel>, root_key: &str, number: usize) -> String {
    let request = IssueRequest {
        name: format!("bench {number}"),
        scopes: vec![SCOPE.into()],
        ..IssueRequest::default()
    };
    client.issue(signed(root_key, request)).await.unwrap().get_ref().api_key.clone()
}

pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

async fn until_there(file: &Path) -> io::Result<String> {
    for _ in 0..500 {
        match fs::read_to_string(file) {
            Ok(text) => return Ok(text),
            Err(_not_yet) => sleep(Duration::from_millis(20)).await,
        }
    }
    Err(io::Error::other("keyward serve made no root key within 10 s"))
}

async fn until_up(address: SocketAddr) -> io::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    for _ in 0..500 {
        if let Ok(channel) = endpoint.connect().await {
            return Ok(channel);
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err(io::Error::other("keyward serve did not come up within 10 s"))
}
