//! gRPC, web sockets, pages in browsers, lines that somebody adds, and headers: what goes through each gateway beside plain
//! requests and answers.

mod added;
mod browser;
mod grpc;
mod grpc_service;
mod headers;
mod life;
mod pages;
mod websocket;

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    gateway::{CADDY, ENVOY, Gateway, TRAEFIK},
    process::run,
    support::skip,
};

/// Those whose examples these tests are about.
const HERE: [&Gateway; 3] = [&ENVOY, &CADDY, &TRAEFIK];

/// A client of gRPC, whose retry policy asks again four times after UNAVAILABLE.
#[derive(Debug, Clone, Copy)]
enum Client {
    Grpcio,
    GrpcJs,
}

/// What came of a call.
#[derive(Debug, Deserialize)]
struct Called {
    /// The name of its code.
    code: String,
    details: String,
    /// What came before the answer, and after it: names and values.
    initial: Vec<(String, String)>,
    trailing: Vec<(String, String)>,
    /// The messages of the answer.
    messages: Vec<String>,
}

impl Called {
    fn value(&self, name: &str) -> Option<&str> {
        let all = self.initial.iter().chain(&self.trailing);
        all.clone().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    const ALL: [Self; 2] = [Self::Grpcio, Self::GrpcJs];

    const fn name(self) -> &'static str {
        match self {
            Self::Grpcio => "grpcio",
            Self::GrpcJs => "grpc-js",
        }
    }

    /// Calls a method once, with these messages; if it `holds`, it sends no end, and waits for that of the other side. `None`,
    /// said loudly, where this client is not there.
    fn call(self, address: std::net::SocketAddr, call: &Call<'_>) -> Option<Called> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateways/streams");
        let mut command = match self {
            Self::Grpcio => {
                let mut python = Command::new(skip::tool("python3")?);
                python.env("PYTHONPATH", skip::installed("clients/python")?).arg(here.join("caller.py"));
                python
            }
            Self::GrpcJs => {
                let mut node = Command::new(skip::tool("node")?);
                node.env("NODE_PATH", skip::installed("clients/node/node_modules")?)
                    .arg(here.join("caller.cjs"));
                node
            }
        };
        command.arg(address.to_string()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ended = run(command, &call.json().to_string());
        assert_eq!(ended.code, Some(0), "{}: {ended:?}", self.name());
        Some(serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}")))
    }
}

/// What a client is to call.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    method: &'a str,
    metadata: &'a [(&'a str, &'a str)],
    messages: &'a [&'a str],
    holds: bool,
}

impl Call<'_> {
    fn json(&self) -> Value {
        json!({ "method": self.method, "metadata": self.metadata, "messages": self.messages, "holds": self.holds })
    }
}

/// One answer to one question.
const fn unary<'a>(metadata: &'a [(&'a str, &'a str)]) -> Call<'a> {
    Call { method: grpc_service::UNARY, metadata, messages: &["hello"], holds: false }
}
