//! A server in its group, and an honest client beside the floods.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use keyward::wire::{
    envoy::service::auth::v3::{self as envoy, authorization_client::AuthorizationClient},
    v1::{self, check_request::Subject, key_service_client::KeyServiceClient},
};
use tonic::{Request, transport::Channel};

use crate::{
    memory_group::{MemoryGroup, NOT_HERE},
    process::{Server, keyward},
};

/// How often the honest client is answered while a flood is held.
const BESIDE: u64 = 20;

/// What a container for Keyward is given.
pub(crate) const GROUP_BYTES: u64 = 256 << 20;

pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) root_key: String,
    bound: u64,
    name: &'static str,
    _files: tempfile::TempDir,
    group: Option<MemoryGroup>,
}

impl House {
    /// A server that may take so many bytes.
    pub(crate) fn start(name: &'static str, bound: u64) -> Self {
        Self::start_with(name, bound, &[])
    }

    /// The same with these flags.
    pub(crate) fn start_with(name: &'static str, bound: u64, flags: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let group = MemoryGroup::new(name, bound);
        if group.is_none() {
            say(&format!("{name}: {NOT_HERE}"));
        }
        let mut command = keyward();
        let root_key = files.path().join("root");
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(files.path().join("data"));
        command.arg("--root-key-file").arg(&root_key).args(flags);
        let command = group.as_ref().map_or_else(|| copy(&command), |group| group.around(&command));
        let server = Server::start_by(command);
        let root_key = read_key(&root_key);
        Self { server, root_key, bound, name, _files: files, group }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Asks honestly while the flood comes and while it is held, and sees that the server has lived through it.
    pub(crate) fn outlives<F>(self, flood: impl FnOnce(&Self) -> F) {
        let honest = Honest::begin(&self);
        let held = flood(&self);
        let answered = honest.end();
        drop(held);
        let peak = self.server.peak_bytes();
        let of_group = self.group.as_ref().and_then(MemoryGroup::peak);
        say(&format!(
            "{}: {answered} honest calls, peak {} MiB, of the group {:?} MiB",
            self.name,
            peak >> 20,
            of_group.map(|bytes| bytes >> 20)
        ));
        assert!(answered > 0, "nobody asked");
        assert!(peak < self.bound, "{peak} bytes");
        self.server.stop();
    }
}

/// Past the test runner, which would hide it where a test passes.
fn say(message: &str) {
    std::io::stderr().write_all(format!("{message}\n").as_bytes()).unwrap();
}

fn copy(command: &std::process::Command) -> std::process::Command {
    let mut same = std::process::Command::new(command.get_program());
    same.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => same.env(name, value),
            None => same.env_remove(name),
        };
    }
    same
}

fn read_key(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap().trim().to_owned()
}

/// A client that asks one question after another, over connections of its own, until it is told to stop.
struct Honest {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    asking: JoinHandle<()>,
}

impl Honest {
    fn begin(house: &House) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (told, count) = (Arc::clone(&stop), Arc::clone(&answered));
        let (url, root_key) = (house.server.url(), house.root_key.clone());
        let (begun, has_begun) = std::sync::mpsc::channel();
        let asking = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
                let secret = issue(channel.clone(), &root_key).await;
                while !told.load(Ordering::Relaxed) {
                    ask(&channel, &secret).await;
                    count.fetch_add(1, Ordering::Relaxed);
                    let _nobody = begun.send(());
                }
            });
        });
        has_begun.recv().unwrap();
        Self { stop, answered, asking }
    }

    /// How many were answered; all of them rightly.
    fn end(self) -> u64 {
        let before = self.answered.load(Ordering::Relaxed);
        while !self.asking.is_finished() && self.answered.load(Ordering::Relaxed) < before + BESIDE {
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
        self.stop.store(true, Ordering::Relaxed);
        self.asking.join().unwrap();
        self.answered.load(Ordering::Relaxed)
    }
}

async fn issue(channel: Channel, root_key: &str) -> String {
    let mut request = Request::new(v1::IssueRequest {
        name: "honest".to_owned(),
        scopes: vec!["messaging:send".to_owned()],
        ..v1::IssueRequest::default()
    });
    request.metadata_mut().insert("authorization", format!("Bearer {root_key}").parse().unwrap());
    KeyServiceClient::new(channel).issue(request).await.unwrap().into_inner().api_key.clone()
}

/// A Check that is allowed, one that is denied, a batch, and a question of a gateway, which is denied.
async fn ask(channel: &Channel, secret: &str) {
    let mut keys = KeyServiceClient::new(channel.clone());
    let of = |secret: &str| v1::CheckRequest {
        subject: Some(Subject::ApiKey(secret.to_owned())),
        scopes: vec!["messaging:send".to_owned()],
        // It has no limit that it could spend.
        cost: Some(0),
        ..v1::CheckRequest::default()
    };
    assert!(keys.check(of(secret)).await.unwrap().into_inner().allowed);
    assert!(!keys.check(of("nobody")).await.unwrap().into_inner().allowed);
    let requests = vec![of(secret), of("nobody")];
    let batch = v1::BatchCheckRequest { requests, ..v1::BatchCheckRequest::default() };
    let answers = keys.batch_check(batch).await.unwrap().into_inner().responses;
    assert_eq!(answers.iter().map(|answer| answer.allowed).collect::<Vec<_>>(), [true, false]);
    let mut gateway = AuthorizationClient::new(channel.clone());
    let answer = gateway.check(envoy::CheckRequest::default()).await.unwrap().into_inner();
    assert!(answer.status.is_some_and(|status| status.code != 0) && answer.http_response.is_some());
}
