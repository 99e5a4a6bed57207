//! A data directory full of keys: made by the server that is measured, one Issue for each key.

use std::{
    cell::{Cell, RefCell},
    fs, io,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use keyward::{
    domain::policy::Policy,
    wire::v1::{
        ApplyPolicyRequest, GetPolicyRequest, IssueRequest, IssueResponse, RegisterWorkspaceRequest,
        UpdateKeyRequest, ValidatePolicyRequest, apply_policy_request,
        policy_service_client::PolicyServiceClient, validate_policy_request,
        workspace_service_client::WorkspaceServiceClient,
    },
};
use prost::Message as _;
use prost_types::FieldMask;
use tokio::{
    task::{JoinSet, LocalSet},
    time::{Instant, sleep},
};
use tonic::{
    Code, Request,
    transport::{Channel, Endpoint},
};

use crate::{
    process::{Home, Memory, Server},
    wire::{self, Connections},
};

/// What Checks ask for; two limits are charged for it.
pub(crate) const SCOPE: &str = "templates:read";
/// What the change of the policy takes away, and gives back.
const COMES_AND_GOES: &str = "templates:measure";
/// How many keys have that scope, at most.
pub(crate) const CHANGED: usize = 100_000;
/// Issues under way at once, on each of the connections: more than go into one transaction.
const ISSUES_IN_FLIGHT: usize = 48;

/// Keys, and what it took to issue them.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub(crate) api_keys: Vec<String>,
    pub(crate) seconds: f64,
    pub(crate) memory: Memory,
}

/// The keys of this directory: those that it has, or as many new ones. Each has as many changes behind it, one entry of the
/// log for each.
pub(crate) async fn fill(home: &Home, count: usize, changes: usize) -> io::Result<Filled> {
    let (issued, keys) = (home.directory.join("issued"), home.directory.join("api-keys"));
    if !issued.exists() {
        fs::create_dir_all(&home.directory)?;
        let server = home.serve()?;
        let root_key = until_there(home).await?;
        widen(&server, &root_key).await;
        let began = Instant::now();
        let made = LocalSet::new().run_until(issue_all(server.address, root_key.clone(), count)).await?;
        let seconds = began.elapsed().as_secs_f64();
        let memory = server.memory();
        let ids = made.iter().map(|(id, _)| id.clone()).collect();
        LocalSet::new().run_until(change_all(server.address, root_key, ids, changes)).await?;
        server.stop()?;
        let lines: Vec<String> = made.into_iter().map(|(_, api_key)| api_key).collect();
        fs::write(&keys, lines.join("\n"))?;
        fs::write(&issued, format!("{seconds} {} {}", memory.resident, memory.peak))?;
    }
    let text = fs::read_to_string(&issued)?;
    let mut fields = text.split_whitespace();
    let mut field = || fields.next().unwrap();
    let seconds = field().parse().unwrap();
    let memory = Memory { resident: field().parse().unwrap(), peak: field().parse().unwrap() };
    let api_keys: Vec<String> = fs::read_to_string(&keys)?.lines().map(str::to_owned).collect();
    assert_eq!(api_keys.len(), count, "{} has other keys", home.directory.display());
    Ok(Filled { api_keys, seconds, memory })
}

/// The default policy with two limits for each key by its plan, which no measurement reaches, and with one scope more.
fn policy(has_more: bool) -> String {
    let mut text = Policy::default_document().unwrap().to_toml();
    if has_more {
        text += "\n[[scopes]]\nname = \"";
        text += COMES_AND_GOES;
        text += "\"\ndescription = \"Comes and goes\"\n";
    }
    text += "\n[[plans]]\nname = \"measured\"\ndescription = \"Two limits a key\"\n";
    text += "tiers = [{ tier = \"default\", limits = [";
    text += "{ name = \"hour\", limit = 100000000, calendar = \"hour\" }, ";
    text += "{ name = \"day\", limit = 1000000000, calendar = \"day\" }] }]\n";
    text
}

async fn widen(server: &Server, root_key: &str) {
    apply(server.address, root_key, true, 0).await;
}

/// How long the preview of a change took, and the change itself from the call to the answer, when it is in force; and how many
/// keys it touched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) preview: Duration,
    pub(crate) applying: Duration,
    pub(crate) keys: u64,
}

/// Gives the keys of the first workspace a scope, or takes it away.
/// `touched` is how many keys that concerns, where a preview does not say it in time.
pub(crate) async fn apply(server: SocketAddr, root_key: &str, has_more: bool, touched: u64) -> Change {
    let toml = policy(has_more);
    let mut policies = PolicyServiceClient::new(channel(server).await).max_decoding_message_size(64 << 20);
    let current = version(&mut policies, root_key).await;
    let judged =
        ValidatePolicyRequest { document: Some(validate_policy_request::Document::Toml(toml.clone())) };
    let began = Instant::now();
    let judged = policies.validate_policy(signed(root_key, judged)).await;
    let preview = began.elapsed();
    // One that takes longer than a call may take has its deadline for its time, and says no number.
    let effect = judged.ok().and_then(|judged| judged.into_inner().effect);
    let keys = effect.map(|effect| effect.gaining_key_count.max(effect.affected_key_count));
    let apply = ApplyPolicyRequest {
        document: Some(apply_policy_request::Document::Toml(toml)),
        expected_version: current,
        comment: "measured".into(),
        expected_gains: Some(if has_more { keys.unwrap_or(touched) } else { 0 }),
    };
    let began = Instant::now();
    if let Err(status) = policies.apply_policy(signed(root_key, apply)).await {
        // The change goes on.
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        while version(&mut policies, root_key).await == current {
            sleep(Duration::from_millis(20)).await;
        }
    }
    Change { preview, applying: began.elapsed(), keys: keys.unwrap_or(touched) }
}

async fn version(policies: &mut PolicyServiceClient<Channel>, root_key: &str) -> u64 {
    let answer = policies.get_policy(signed(root_key, GetPolicyRequest::default())).await.unwrap();
    answer.into_inner().version.unwrap().version
}

/// Two workspaces, one of which has the keys that the change of the policy touches.
async fn workspaces(server: SocketAddr, root_key: &str) -> [String; 2] {
    let mut client = WorkspaceServiceClient::new(channel(server).await);
    let mut ids = [String::new(), String::new()];
    for (id, name) in ids.iter_mut().zip(["changed", "others"]) {
        let request = RegisterWorkspaceRequest {
            name: name.into(),
            plan: "measured".into(),
            ..RegisterWorkspaceRequest::default()
        };
        let made = client.register_workspace(signed(root_key, request)).await.unwrap().into_inner();
        *id = made.workspace.clone().unwrap().id;
    }
    ids
}

/// The id of each key, and the key.
async fn issue_all(server: SocketAddr, root_key: String, count: usize) -> io::Result<Vec<(String, String)>> {
    let [changed, others] = workspaces(server, &root_key).await;
    let request = move |number: usize| IssueRequest {
        workspace_id: if number < CHANGED { &changed } else { &others }.clone(),
        name: format!("key {number}"),
        owner: format!("user-{number}"),
        scopes: vec![
            "storage:upload".into(),
            SCOPE.into(),
            if number < CHANGED { COMES_AND_GOES } else { "events:read" }.into(),
        ],
        ..IssueRequest::default()
    };
    let answers =
        each(server, wire::ISSUE, root_key, count, move |number| wire::framed(&request(number))).await?;
    let read = |message| {
        let answer = IssueResponse::decode(message).unwrap();
        (answer.key.clone().unwrap().id, answer.api_key.clone())
    };
    Ok(answers.into_iter().map(read).collect())
}

/// So many changes of each key, round after round.
async fn change_all(server: SocketAddr, root_key: String, ids: Vec<String>, rounds: usize) -> io::Result<()> {
    let ids: Rc<[String]> = ids.into();
    for round in 0..rounds {
        let (count, ids) = (ids.len(), Rc::clone(&ids));
        let request = move |number: usize| {
            wire::framed(&UpdateKeyRequest {
                key: Some(keyward::wire::v1::Key {
                    id: ids[number].clone(),
                    description: format!("changed {} times", round + 1),
                    ..keyward::wire::v1::Key::default()
                }),
                update_mask: Some(FieldMask { paths: vec!["description".into()] }),
                ..UpdateKeyRequest::default()
            })
        };
        each(server, wire::UPDATE, root_key.clone(), count, request).await?;
    }
    Ok(())
}

/// Calls so often, as fast as the server takes it, and gives the answers.
async fn each(
    server: SocketAddr,
    path: &'static str,
    root_key: String,
    count: usize,
    request: impl Fn(usize) -> bytes::Bytes + 'static,
) -> io::Result<Vec<bytes::Bytes>> {
    let connections = Connections::new(server, wire::CONNECTIONS).await?;
    let (next, request, root_key) = (Rc::new(Cell::new(0)), Rc::new(request), Rc::new(root_key));
    let answers = Rc::new(RefCell::new(Vec::with_capacity(count)));
    let mut callers = JoinSet::new();
    for caller in 0..(wire::CONNECTIONS * ISSUES_IN_FLIGHT).min(count) {
        let (send, next, request) = (connections.of(caller), Rc::clone(&next), Rc::clone(&request));
        let (root_key, answers) = (Rc::clone(&root_key), Rc::clone(&answers));
        callers.spawn_local(async move {
            while next.get() < count {
                let number = next.replace(next.get() + 1);
                let answer = wire::call(send.clone(), path, &root_key, request(number)).await.unwrap();
                assert_eq!(answer.status, "0", "{path} failed");
                answers.borrow_mut().push(answer.message);
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    drop(callers);
    Ok(answers.take())
}

async fn until_there(home: &Home) -> io::Result<String> {
    for _ in 0..500 {
        match home.root_key() {
            Ok(text) => return Ok(text),
            Err(_not_yet) => sleep(Duration::from_millis(20)).await,
        }
    }
    Err(io::Error::other("keyward serve made no root key within 10 s"))
}

async fn channel(server: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{server}")).unwrap();
    for _ in 0..500 {
        if let Ok(channel) = endpoint.connect().await {
            return channel;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("keyward serve did not come up within 10 s")
}

fn signed<T>(root_key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {root_key}").parse().unwrap());
    request
}
