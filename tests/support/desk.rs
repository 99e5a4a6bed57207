//! A server, and an administrator before it who types commands.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, missing_docs, reason = "tests")]

use std::{fs, path::PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Ended, Server, keyward, run};

pub struct Desk {
    pub folder: TempDir,
    pub server: Server,
}

impl Desk {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("data"));
        Self { folder, server }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn root_key(&self) -> PathBuf {
        self.data_dir().join("root-key")
    }

    /// Writes a file and says where.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A command as nobody.
    pub fn stranger(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = keyward();
        command.args(arguments).env("KEYWARD_SERVER", self.server.url());
        run(command, input)
    }

    /// A command as the administrator, whose key lies in a file.
    pub fn run(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = keyward();
        command.args(arguments).env("KEYWARD_SERVER", self.server.url());
        command.env("KEYWARD_ADMIN_KEY_FILE", self.root_key());
        run(command, input)
    }

    /// What it prints, after a success.
    pub fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments, "");
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.out
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[arguments, &["--json"]].concat())).unwrap()
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
