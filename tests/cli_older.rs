//! The command line of today before a server of yesterday, and on a machine whose clock is wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/process.rs"]
mod process;

use std::{
    io,
    process::ExitCode,
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use axum::{extract::Request, middleware};
use clap::Parser as _;
use desk::{Desk, text};
use futures_util::stream;
use jiff::Timestamp;
use keyward::{
    cli::{self, Cli, Command, Console},
    wire::DESCRIPTOR_SET,
};
use process::{keyward, run};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio::{net::TcpListener, sync::oneshot};
use tonic::{service::Routes, transport::Server};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_server::{Health, HealthServer},
};

/// The fields that came after the first version, without which a request means something else.
const YOUNGER: [(&str, &[&str]); 9] = [
    ("IssueRequest", &["lifetime"]),
    ("UpdateKeyRequest", &["lifetime"]),
    ("RetireKeys", &["lifetime"]),
    ("ImportRow", &["lifetime"]),
    ("ListKeysRequest", &["all_workspaces"]),
    ("ChangeKeysRequest", &["all_workspaces", "request_id"]),
    ("GetUsageRequest", &["all_workspaces"]),
    ("ReviewKeysRequest", &["all_workspaces"]),
    ("RemoveMemberRequest", &["all_workspaces"]),
];
const PREVIEWS: [(&str, &[&str]); 2] =
    [("UpdateWorkspaceRequest", &["validate_only"]), ("CloseWorkspaceRequest", &["validate_only"])];

/// The schema as it was before these fields.
fn schema_of_old() -> FileDescriptorSet {
    let mut set = FileDescriptorSet::decode(DESCRIPTOR_SET).unwrap();
    for message in set.file.iter_mut().flat_map(|file| &mut file.message_type) {
        let gone = YOUNGER.iter().chain(&PREVIEWS).find(|(name, _)| *name == message.name());
        if let Some((_, fields)) = gone {
            let before = message.field.len();
            message.field.retain(|field| !fields.contains(&field.name()));
            assert_eq!(message.field.len(), before - fields.len(), "{}", message.name());
        }
    }
    set
}

/// What a server says of itself.
#[derive(Clone, Copy)]
enum Says {
    /// The schema before the fields above.
    Old,
    /// Nothing: a proxy lets through the services of Keyward alone.
    Nothing,
    /// A time that is none.
    NoTime,
}

/// A server that answers what a command may ask first, and writes down whatever else it is sent.
struct Older {
    url: String,
    sent: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Older {
    fn start(says: Says) -> Self {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, address) = std::sync::mpsc::channel();
        let seen = Arc::clone(&sent);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                let routes = Routes::from(routes(says).into_axum_router().layer(middleware::map_request(
                    move |request: Request| {
                        let path = request.uri().path().to_owned();
                        if path.starts_with("/keyward.") {
                            seen.lock().unwrap().push(path);
                        }
                        async { request }
                    },
                )));
                let incoming = stream::unfold(listener, async |listener| {
                    let (connection, _) = listener.accept().await.unwrap();
                    Some((Ok::<_, io::Error>(connection), listener))
                });
                let end = async { drop(stopped.await) };
                Server::builder()
                    .add_routes(routes)
                    .serve_with_incoming_shutdown(incoming, end)
                    .await
                    .unwrap();
            });
        });
        let url = format!("http://{}", address.recv().unwrap());
        Self { url, sent, stop: Some(stop), thread: Some(thread) }
    }

    /// What came, after one command against it.
    fn sent(&self) -> Vec<String> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

impl Drop for Older {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

fn routes(says: Says) -> Routes {
    let routes = Routes::new(HealthServer::new(Well(says)));
    let schema = match says {
        Says::Nothing | Says::NoTime => return routes,
        Says::Old => schema_of_old(),
    };
    let reflection = tonic_reflection::server::Builder::configure();
    routes.add_service(reflection.register_file_descriptor_set(schema).build_v1().unwrap())
}

/// Healthy. Hyper puts the time in, unless it is there.
struct Well(Says);

#[tonic::async_trait]
impl Health for Well {
    async fn check(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, tonic::Status> {
        let mut answer = tonic::Response::new(HealthCheckResponse { status: 1 });
        if matches!(self.0, Says::NoTime) {
            answer.metadata_mut().insert("date", "today".parse().unwrap());
        }
        Ok(answer)
    }

    type WatchStream = stream::Pending<Result<HealthCheckResponse, tonic::Status>>;

    async fn watch(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, tonic::Status> {
        Ok(tonic::Response::new(stream::pending()))
    }
}

const ID: &str = "key_00000000000000000000000000";
const WORKSPACE: &str = "ws_00000000000000000000000000";

/// Commands that an older server would carry out as if half of them had not been said, and which field it would miss.
const MEANT_OTHERWISE: &[(&[&str], &str, &str)] = &[
    (&["issue", "ci", "--scope", "a:b", "--expires", "90d"], "lifetime", "IssueRequest"),
    (&["workspace", "register", "x", "--scope", "a:b", "--expires", "90d"], "lifetime", "IssueRequest"),
    (&["update", ID, "--expires", "90d"], "lifetime", "UpdateKeyRequest"),
    (&["bulk", "retire", "--owner", "ann", "--at", "90d"], "lifetime", "RetireKeys"),
    (&["list", "--workspace", "all"], "all_workspaces", "ListKeysRequest"),
    (&["usage", "--workspace", "all"], "all_workspaces", "GetUsageRequest"),
    (&["review", "--workspace", "all"], "all_workspaces", "ReviewKeysRequest"),
    (&["bulk", "revoke", "--workspace", "all"], "all_workspaces", "ChangeKeysRequest"),
    (
        &["bulk", "disable", "--owner", "a", "--confirm", "1", "--request-id", "r"],
        "request_id",
        "ChangeKeysRequest",
    ),
    (&["member", "remove", "ann", "--workspace", "all"], "all_workspaces", "RemoveMemberRequest"),
    (&["workspace", "close", WORKSPACE], "validate_only", "CloseWorkspaceRequest"),
    (&["workspace", "close", WORKSPACE, "--confirm", "3"], "validate_only", "CloseWorkspaceRequest"),
    (
        &["workspace", "update", WORKSPACE, "--plan", "pro", "--dry-run"],
        "validate_only",
        "UpdateWorkspaceRequest",
    ),
];

/// A command against a server, as somebody with an administration key.
fn against(server: &Older, arguments: &[&str], input: &str) -> process::Ended {
    let mut command = keyward();
    command.args(arguments).env("KEYWARD_SERVER", &server.url).env("KEYWARD_ADMIN_KEY", "kw_admin_x");
    run(command, input)
}

#[test]
fn a_command_that_an_older_server_would_take_for_another_is_not_sent() {
    // K11, K10, V4
    for (says, why) in [
        (Says::Old, "is older than this command and knows no"),
        (Says::Nothing, "does not say by gRPC reflection whether it knows"),
    ] {
        let server = Older::start(says);
        for (arguments, field, message) in MEANT_OTHERWISE {
            let ended = against(&server, arguments, "");
            assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{arguments:?}: {ended:?}");
            assert!(ended.err.contains(&format!("{why} `{field}` of {message}")), "{arguments:?}: {ended:?}");
            assert!(ended.err.contains("\nnext: update the server, or "), "{arguments:?}: {ended:?}");
            assert_eq!(server.sent(), Vec::<String>::new(), "{arguments:?}: nothing of it is sent");
        }
    }
}

#[test]
fn rows_with_a_lifetime_are_not_imported_by_an_older_server() {
    // K11
    let server = Older::start(Says::Old);
    let row = format!("Theirs,160,{}", "ab".repeat(32));
    let of_file = format!("name,secret_bits,sha256,lifetime\n{row},90d\n");
    let of_all = format!("name,secret_bits,sha256\n{row}\n");
    let import = ["import", "-", "--format", "csv", "--scope", "a:b"];
    for (flags, input) in [(&[][..], &of_file), (&["--dry-run"], &of_file), (&["--expires", "90d"], &of_all)]
    {
        let ended = against(&server, &[&import[..], flags].concat(), input);
        assert_eq!(ended.code, Some(1), "{flags:?}: {ended:?}");
        assert!(ended.err.contains("knows no `lifetime` of ImportRow: the end would be lost"), "{ended:?}");
        assert_eq!(server.sent(), Vec::<String>::new(), "{flags:?}");
    }
    against(&server, &[&import[..], &["--expires", "2099-12-31"]].concat(), &of_all);
    assert_eq!(server.sent(), ["/keyward.v1.KeyService/ImportKeys"], "a time is known to all");
}

#[test]
fn what_an_older_server_understands_is_sent_to_it_without_a_question() {
    // M4
    let server = Older::start(Says::Nothing);
    for (arguments, path) in [
        (&["issue", "ci", "--scope", "a:b", "--expires", "2099-12-31"][..], "KeyService/Issue"),
        (&["update", ID, "--expires", "2099-12-31"], "KeyService/UpdateKey"),
        (&["bulk", "retire", "--owner", "ann", "--at", "2099-12-31"], "KeyService/ChangeKeys"),
        (&["list"], "KeyService/ListKeys"),
        (&["list", "--workspace", WORKSPACE, "--older-than", "90d"], "KeyService/ListKeys"),
        (&["workspace", "update", WORKSPACE, "--plan", "pro"], "WorkspaceService/UpdateWorkspace"),
    ] {
        against(&server, arguments, "");
        assert_eq!(server.sent(), [format!("/keyward.v1.{path}")], "{arguments:?}");
    }
}

/// A command in this process, on a machine that thinks it is that time: what it prints.
fn at(time: &str, desk: &Desk, arguments: &[&str]) -> String {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (url, key) = (desk.server.url(), desk.root_key());
    let server = ["--server", &url, "--admin-key-file", key.to_str().unwrap()];
    let line = [&["keyward"], arguments, &server].concat();
    let Command::Client(command) = Cli::parse_from(line).command else { panic!("{arguments:?}: no client") };
    let mut console = Console {
        out: &mut out,
        out_terminal: None,
        err: &mut err,
        input: &mut io::empty(),
        input_is_terminal: false,
        input_waits: &|| false,
        err_is_terminal: false,
        admin_key: None,
        now: time.parse::<Timestamp>().unwrap(),
    };
    let code = cli::run(*command, &mut console, &|_, _, _| Err("not here".to_owned()));
    let (out, err) = (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap());
    assert_eq!(code, ExitCode::SUCCESS, "{arguments:?}: {out}{err}");
    out
}

#[test]
fn a_duration_means_the_same_whatever_the_machines_clock_shows() {
    // M4
    let desk = Desk::new();
    let made = desk.json(&["issue", "new", "--scope", "messaging:send", "--expires", "10d"]);
    let (id, secret) = (text(&made["key"]["id"]), text(&made["api_key"]));
    assert_eq!(desk.run(&["check", "--scope", "messaging:send"], &secret).code, Some(0));
    for time in ["1999-12-31T00:00:00Z", "2099-12-31T00:00:00Z"] {
        for (arguments, is_in_it) in [
            (&["list", "--expiring-within", "14d"][..], true),
            (&["list", "--expiring-within", "7d"], false),
            (&["list", "--issued-from", "1h"], true),
            (&["list", "--issued-before", "1h"], false),
            (&["list", "--older-than", "1h"], false),
            (&["list", "--unused-for", "1h"], false),
            (&["audit", "query", "--since", "1h"], true),
            (&["audit", "query", "--until", "1h"], false),
            (&["usage", "--from", "2h"], true),
            (&["bulk", "disable", "--issued-from", "1h"], true),
            (&["bulk", "disable", "--issued-before", "1h"], false),
        ] {
            let shown = at(time, &desk, arguments);
            assert_eq!(shown.contains(&id), is_in_it, "{time} {arguments:?}: {shown}");
        }
        for arguments in
            [&["least-privilege", &id, "--since", "2h"][..], &["narrow", &id, "--dry-run", "--since", "2h"]]
        {
            let shown = at(time, &desk, arguments);
            assert!(shown.contains("messaging:send"), "{time} {arguments:?}: {shown}");
        }
    }
}

#[test]
fn a_duration_is_refused_where_the_server_does_not_say_what_time_it_is() {
    // M4
    let server = Older::start(Says::NoTime);
    for arguments in [
        &["list", "--expiring-within", "14d"][..],
        &["usage", "--from", "7d"],
        &["audit", "query", "--since", "7d"],
        &["bulk", "disable", "--issued-from", "7d"],
        &["narrow", ID, "--since", "90d"],
        &["least-privilege", ID, "--since", "90d"],
    ] {
        let ended = against(&server, arguments, "");
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains("does not say what time it is there"), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains("next: write a time or a date in place of the duration"), "{ended:?}");
        assert_eq!(server.sent(), Vec::<String>::new(), "{arguments:?}");
    }
}
