//! Why a command could not do what it was asked to, said so that the reader can act.

use std::io;

use super::output::{explain, explanation::FailureText};
use crate::domain::policy::Fault;

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
    /// The server is older than the command, or does not say whether it is. Nothing was sent.
    Older { message: String, next: String },
    /// The key was made, and has no end though one was asked for.
    Endless { key_id: String },
    /// The work on this machine failed.
    Local(String),
    /// A policy document is wrong, as this machine reads it.
    Document(Vec<Fault>),
}

impl Failure {
    pub(super) fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// Whether the reader of the answer has gone away, and needs no explanation.
    pub(super) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether what was to end is denied by the server, in its memory only.
    pub(super) fn is_denied_not_durable(&self) -> bool {
        let Self::Rpc { status, .. } = self else { return false };
        explain::is_denied_not_durable(status)
    }

    /// What happened and what to do next.
    pub(super) fn explain(&self) -> FailureText {
        let (message, next) = match self {
            Self::Rpc { server, status } => return explain::status(server, status),
            Self::Input(message) | Self::Local(message) => (message.clone(), String::new()),
            Self::Document(faults) => return of_document(faults),
            Self::Unreachable { server, cause } => (
                format!("cannot reach {server}: {cause}"),
                format!(
                    "is `keyward serve` running at {server}? Another address is given with --server or KEYWARD_SERVER"
                ),
            ),
            Self::Older { message, next } => (message.clone(), next.clone()),
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
        FailureText { message, next, ..FailureText::default() }
    }
}

/// A document that this machine found wrong: each fault by its field and line.
fn of_document(faults: &[Fault]) -> FailureText {
    let line = |fault: &Fault| fault.line.map(|line| format!("line {line}: ")).unwrap_or_default();
    let violation = |fault: &Fault| {
        let field = if fault.field.is_empty() { "document" } else { &fault.field };
        (field.to_owned(), format!("{}{}", line(fault), fault.why))
    };
    FailureText {
        message: "the document is wrong".to_owned(),
        violations: faults.iter().map(violation).collect(),
        ..FailureText::default()
    }
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

    /// One fault, as a server tells it: in the message, as a violation, and in the metadata.
    fn of_a_field(fields: &[(&str, &str)]) -> FailureText {
        let (field, why) = fields[0];
        let more = if fields.len() > 1 { " (and 1 more)" } else { "" };
        FailureText {
            code: "INVALID_ARGUMENT",
            reason: "FIELD_INVALID".to_owned(),
            message: format!("{field}: {why}{more}"),
            violations: fields
                .iter()
                .map(|(field, why)| ((*field).to_owned(), format!("line 3: {why}")))
                .collect(),
            metadata: vec![("field".to_owned(), field.to_owned()), ("count".to_owned(), "1".to_owned())],
            next: String::new(),
        }
    }

    #[test]
    fn what_is_wrong_is_said_once() {
        // M4
        let one = of_a_field(&[("environment", "must be short")]).text();
        assert_eq!(
            one,
            "keyward: environment: must be short (INVALID_ARGUMENT, FIELD_INVALID)\n  count: 1\n"
        );
        let two = of_a_field(&[("name", "must be short"), ("owner", "must be there")]).text();
        assert_eq!(
            two,
            "keyward: 2 things are wrong (INVALID_ARGUMENT, FIELD_INVALID)\n  name: line 3: must be short\n  \
             owner: line 3: must be there\n  count: 1\n"
        );
        let named = FailureText {
            message: "there is no key key_1".to_owned(),
            metadata: vec![("key_id".to_owned(), "key_1".to_owned()), ("other".to_owned(), "key".to_owned())],
            ..FailureText::default()
        };
        assert_eq!(named.text(), "keyward: there is no key key_1\n", "a word of the message is told");
        let part = FailureText {
            message: "there is no key key_12".to_owned(),
            metadata: vec![("key_id".to_owned(), "key_1".to_owned())],
            ..FailureText::default()
        };
        assert_eq!(part.text(), "keyward: there is no key key_12\n  key_id: key_1\n");
    }

    #[test]
    fn a_message_of_several_lines_keeps_them() {
        let text = Failure::Local("the policy is wrong:\nline 1: a\u{1b}".to_owned()).explain().text();
        assert_eq!(text, "keyward: the policy is wrong:\n  line 1: a\\u{1b}\n");
    }

    #[test]
    fn scripts_get_the_same_as_json() {
        let json = Failure::input("no\u{1b}").explain().json();
        assert_eq!(json["error"]["message"], "no\u{1b}");
        assert_eq!(json["error"]["code"], "");
    }
}
