//! A real Keyward, as a process, and a program in front of it.

use std::net::SocketAddr;

use tempfile::TempDir;
use tokio::time::timeout;

use crate::{
    example::{Example, Recipe},
    exchange::{Reply, exchange, request},
    process::{PATIENCE, Server, keyward, run},
};

/// What `GET /v1/templates` needs.
pub(crate) const READ: &str = "templates:read";

pub(crate) struct House {
    /// Nobody, while it is away.
    keyward: Option<Server>,
    keyward_address: SocketAddr,
    example: Example,
    files: TempDir,
}

impl House {
    /// `None`, said loudly, without what the program needs.
    pub(crate) fn build(recipe: &Recipe, settings: &[(&str, &str)]) -> Option<Self> {
        let files = tempfile::tempdir().unwrap();
        let keyward = Server::start(files.path());
        let example = Example::start(recipe, keyward.address, settings)?;
        let keyward_address = keyward.address;
        Some(Self { keyward: Some(keyward), keyward_address, example, files })
    }

    /// Where the program is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.example.address
    }

    /// Issues a key with `keyward issue`, as the README does.
    pub(crate) fn issue(&self, options: &[&str]) -> String {
        let mut command = keyward();
        command.args(["issue", "test key"]).args(options);
        command.env("KEYWARD_SERVER", self.keyward.as_ref().unwrap().url());
        command.env("KEYWARD_ADMIN_KEY_FILE", self.files.path().join("root-key"));
        let ended = run(command, "");
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.out.trim_end().to_owned()
    }

    /// Revokes a key by presenting it.
    pub(crate) fn revoke(&self, api_key: &str) {
        let mut command = keyward();
        command.args(["revoke", "--presented"]).env("KEYWARD_SERVER", self.keyward.as_ref().unwrap().url());
        let ended = run(command, api_key);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }

    /// The reply to this request, as it is.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let headers = [headers, &[("connection", "close"), ("content-length", "0")]].concat();
        exchange(self.example.address, &request(method, path, &headers, "")).await
    }

    /// The reply of Keyward to this request: a machine that is busy can make it too late, which is no answer.
    pub(crate) async fn answer(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let answered = async {
            loop {
                let reply = self.ask(method, path, headers).await;
                if reply.status != 503 {
                    return reply;
                }
            }
        };
        timeout(PATIENCE, answered).await.unwrap()
    }

    /// `GET /v1/templates` with this key.
    pub(crate) async fn read(&self, api_key: &str) -> Reply {
        self.answer("GET", "/v1/templates", &[("x-api-key", api_key)]).await
    }

    /// SIGTERM to Keyward, and its end.
    pub(crate) fn stop_keyward(&mut self) {
        self.keyward.take().unwrap().stop();
    }

    /// The same Keyward again, at the same address.
    pub(crate) fn start_keyward(&mut self) {
        let listen = self.keyward_address.to_string();
        self.keyward = Some(Server::start_with(self.files.path(), &["--listen", &listen]));
    }

    /// Ends all, and gives what the program has written, which holds none of these secrets.
    pub(crate) fn stop(self, secrets: &[&str]) -> String {
        let log = self.example.stop();
        for secret in secrets {
            assert!(!log.contains(secret), "a secret in the log: {log}");
        }
        log
    }
}
