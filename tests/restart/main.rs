//! What a process of its own promises: kill it, stop it, start it twice, start it first, and ask what holds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/exchange.rs"]
mod exchange;
#[cfg(target_os = "linux")]
#[path = "../support/mounts.rs"]
mod mounts;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/steady_load.rs"]
mod steady_load;
#[path = "../support/mod.rs"]
mod support;

mod anchor;
#[cfg(target_os = "linux")]
mod bogus;
mod bulk;
mod clock;
mod damage;
mod denials;
mod facts;
mod first_start;
mod foreign;
#[cfg(target_os = "linux")]
mod full_disk;
mod kill;
mod live_rotation;
mod load;
mod members;
#[cfg(target_os = "linux")]
mod read_only;
mod ready;
mod roots;
mod rotation;
#[cfg(target_os = "linux")]
mod sealed;
mod spend;
mod stands_still;
mod stop;
mod surfaces;
mod upgrade;
mod usage;
#[cfg(target_os = "linux")]
mod volume;

use std::path::Path;

use keyward::wire::v1::{
    self, audit_service_client::AuditServiceClient, key_service_client::KeyServiceClient,
};
use tonic::transport::Channel;

use crate::{
    process::{PATIENCE, Server},
    support::signed,
};

/// A server whose store begins with limits that nothing reaches.
fn start_roomy(data_dir: &Path) -> Server {
    let file = data_dir.with_extension("policy.toml");
    std::fs::write(&file, support::roomy(&support::policy()).to_toml()).unwrap();
    Server::start_with(data_dir, &["--listen", "127.0.0.1:0", "--policy", file.to_str().unwrap()])
}

/// A client of a server process, and the administration key that it sends.
#[derive(Clone)]
struct Client {
    channel: Channel,
    root: String,
}

impl Client {
    /// With the key that the first start left in the data directory.
    async fn of(server: &Server, data_dir: &Path) -> Self {
        Self::with(server, &read_key(&data_dir.join("root-key"))).await
    }

    async fn with(server: &Server, root: &str) -> Self {
        // A server that has gone is called again, and whoever has its port by then need not answer.
        let endpoint = Channel::from_shared(server.url()).unwrap().timeout(PATIENCE);
        let channel = endpoint.connect().await.unwrap();
        Self { channel, root: root.to_owned() }
    }

    fn audit(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.channel.clone())
    }

    fn keys(&self) -> KeyServiceClient<Channel> {
        KeyServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    fn signed<T>(&self, message: T) -> tonic::Request<T> {
        signed(&self.root, message)
    }

    /// Every key of the default workspace.
    async fn all_keys(&self) -> Vec<v1::Key> {
        let mut request = v1::ListKeysRequest { page_size: 1_000, ..v1::ListKeysRequest::default() };
        let mut keys = Vec::new();
        loop {
            let page = self.keys().list_keys(self.signed(request.clone())).await.unwrap().into_inner();
            assert!(!page.keys.is_empty(), "a page that was announced holds something");
            keys.extend(page.keys);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return keys;
            }
        }
    }

    /// The whole log, oldest first.
    async fn log(&self) -> Vec<v1::AuditRecord> {
        let mut audit = AuditServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20);
        let mut request = v1::QueryLogRequest { page_size: 1_000, ..v1::QueryLogRequest::default() };
        let mut records = Vec::new();
        loop {
            let page = audit.query_log(self.signed(request.clone())).await.unwrap().into_inner();
            assert!(!page.records.is_empty(), "a page that was announced holds something");
            records.extend(page.records);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                records.reverse();
                return records;
            }
        }
    }

    async fn status(&self) -> v1::GetStatusResponse {
        let mut audit = AuditServiceClient::new(self.channel.clone());
        audit.get_status(self.signed(v1::GetStatusRequest {})).await.unwrap().into_inner()
    }

    async fn verify_log(&self) -> v1::VerifyLogResponse {
        let mut audit = AuditServiceClient::new(self.channel.clone());
        audit.verify_log(self.signed(v1::VerifyLogRequest {})).await.unwrap().into_inner()
    }
}

fn read_key(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap().trim_end().to_owned()
}

/// The log on disk holds, whatever state its files are in.
fn verify_offline(data_dir: &Path) {
    let mut command = process::keyward();
    command.args(["audit", "verify", "--data-dir"]).arg(data_dir);
    let ended = process::run(command, "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
