//! Why a command could not do what it was asked to, said so that the reader can act.

use std::{error::Error, io};

use serde_json::{Value, json};

use super::{explain, text::printable};

/// Why a command failed. None of these is a denial: that is an answer.
pub(super) enum Failure {
    /// What was given, a file, a variable or an argument, cannot be used. Nothing was sent.
    Input(String),
    /// No connection to the server. Nothing was sent.
    Unreachable { server: String, cause: String },
    /// The server refused, failed, or did not answer.
    Rpc { server: String, status: Box<tonic::Status> },
    /// An answer lacks what it must hold.
    Answer(&'static str),
    /// The answer could not be written.
    Output(io::Error),
    /// A fresh secret could not be written, and nobody has seen it.
    SecretLost { key_id: String, error: io::Error },
    /// The key was made, and has no end though one was asked for.
    Endless { key_id: String },
    /// The work on this machine failed.
    Local(String),
}

/// A failure in words.
#[derive(Default)]
pub(super) struct Explanation {
    /// The gRPC code, for example `NOT_FOUND`. Empty when no server answered.
    pub(super) code: &'static str,
    /// The reason of the error's `ErrorInfo`, bare. Empty when there is none.
    pub(super) reason: String,
    /// What happened.
    pub(super) message: String,
    /// Field or subject, and what is wrong with it.
    pub(super) violations: Vec<(String, String)>,
    /// What the server added: names and values.
    pub(super) metadata: Vec<(String, String)>,
    /// What to do next. Empty when there is nothing to advise.
    pub(super) next: String,
}

impl Failure {
    pub(super) fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// Whether the reader of the answer has gone away, and needs no explanation.
    pub(super) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What happened and what to do next.
    pub(super) fn explain(&self) -> Explanation {
        let (message, next) = match self {
            Self::Rpc { server, status } => return explain::status(server, status),
            Self::Input(message) | Self::Local(message) => (message.clone(), String::new()),
            Self::Unreachable { server, cause } => (
                format!("cannot reach {server}: {cause}"),
                format!(
                    "is `keyward serve` running at {server}? Another address is given with --server or KEYWARD_SERVER"
                ),
            ),
            Self::Endless { key_id } => (
                format!(
                    "{key_id} was made without an end: the server is older than this command and knows no lifetimes"
                ),
                format!(
                    "give it an end with `keyward update {key_id} --expires TIME`, or end it with `keyward revoke {key_id}`"
                ),
            ),
            Self::Answer(what) => (
                format!("the server's answer lacks {what}"),
                "compare the versions of server and client".to_owned(),
            ),
            Self::Output(error) => (format!("cannot write the answer: {error}"), String::new()),
            Self::SecretLost { key_id, error } => (
                format!("the secret of {key_id} could not be written, and nobody has seen it: {error}"),
                format!("make another with `keyward rotate {key_id} --grace 0`"),
            ),
        };
        Explanation { message, next, ..Explanation::default() }
    }
}

impl Explanation {
    /// For eyes: what happened, each detail on a line of its own, what to do next.
    pub(super) fn text(&self) -> String {
        let origin = match (self.code, self.reason.as_str()) {
            ("", _) => String::new(),
            (code, "") => format!(" ({code})"),
            (code, reason) => format!(" ({code}, {})", printable(reason)),
        };
        let mut lines = vec![format!("keyward: {}{origin}", printable(&self.message))];
        let details = self.violations.iter().chain(&self.metadata);
        lines.extend(details.map(|(name, value)| format!("  {}: {}", printable(name), printable(value))));
        if !self.next.is_empty() {
            lines.push(format!("next: {}", printable(&self.next)));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// For scripts.
    pub(super) fn json(&self) -> Value {
        let violations: Vec<Value> = self
            .violations
            .iter()
            .map(|(field, description)| json!({ "field": field, "description": description }))
            .collect();
        let metadata: serde_json::Map<String, Value> =
            self.metadata.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({ "error": {
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
            "violations": violations,
            "metadata": metadata,
            "next": self.next,
        } })
    }
}

/// The innermost cause, which names what the outer ones only call a transport error.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_happened_and_what_to_do() {
        for (failure, text) in [
            (Failure::input("no API key"), "keyward: no API key\n"),
            (
                Failure::Unreachable {
                    server: "http://127.0.0.1:1".into(),
                    cause: "Connection refused".into(),
                },
                "keyward: cannot reach http://127.0.0.1:1: Connection refused\nnext: is `keyward serve` running at \
                 http://127.0.0.1:1? Another address is given with --server or KEYWARD_SERVER\n",
            ),
            (
                Failure::SecretLost { key_id: "key_1".into(), error: io::ErrorKind::StorageFull.into() },
                "keyward: the secret of key_1 could not be written, and nobody has seen it: no storage space\n\
                 next: make another with `keyward rotate key_1 --grace 0`\n",
            ),
        ] {
            assert_eq!(failure.explain().text(), text);
        }
    }

    #[test]
    fn scripts_get_the_same_as_json() {
        let json = Failure::input("no\u{1b}").explain().json();
        assert_eq!(json["error"]["message"], "no\u{1b}");
        assert_eq!(json["error"]["code"], "");
    }
}
