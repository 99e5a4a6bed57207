//! A failure in words: for eyes, and the same for scripts.

use std::{borrow::Cow, error::Error};

use serde_json::{Value, json};

use super::text::printable;

/// A failure in words.
#[derive(Default)]
pub(in crate::cli) struct FailureText {
    /// The gRPC code, for example `NOT_FOUND`. Empty when no server answered.
    pub(in crate::cli) code: &'static str,
    /// The reason of the error's `ErrorInfo`, bare. Empty when there is none.
    pub(in crate::cli) reason: String,
    /// What happened.
    pub(in crate::cli) message: String,
    /// Field or subject, and what is wrong with it.
    pub(in crate::cli) violations: Vec<(String, String)>,
    /// What the server added: names and values.
    pub(in crate::cli) metadata: Vec<(String, String)>,
    /// What to do next. Empty when there is nothing to advise.
    pub(in crate::cli) next: String,
}

impl FailureText {
    /// For eyes: what happened, each detail on a line of its own, what to do next.
    pub(in crate::cli) fn text(&self) -> String {
        let origin = match (self.code, self.reason.as_str()) {
            ("", _) => String::new(),
            (code, "") => format!(" ({code})"),
            (code, reason) => format!(" ({code}, {})", printable(reason)),
        };
        let message = self.headline();
        let mut message_lines = message.lines().map(printable);
        let mut lines = vec![format!("keyward: {}{origin}", message_lines.next().unwrap_or_default())];
        lines.extend(message_lines.map(|line| format!("  {line}")));
        for (name, value) in self.violations.iter().filter(|(_, why)| !message.contains(without_line(why))) {
            lines.push(format!("  {}: {}", printable(name), printable(value)));
        }
        let told = lines.join("\n");
        let untold = self.metadata.iter().filter(|(_, value)| !tells(&told, value));
        lines.extend(untold.map(|(name, value)| format!("  {}: {}", printable(name), printable(value))));
        if !self.next.is_empty() {
            lines.push(format!("next: {}", printable(&self.next)));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// What happened, in a way that leaves the details to the lines below it where there are several.
    fn headline(&self) -> Cow<'_, str> {
        let repeats = |(_, why): &(String, String)| self.message.contains(without_line(why));
        match self.violations.len() {
            several @ 2.. if self.violations.iter().any(repeats) => {
                format!("{several} things are wrong").into()
            }
            _ => (&self.message).into(),
        }
    }

    /// For scripts.
    pub(in crate::cli) fn json(&self) -> Value {
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

/// What is wrong, without where in a document.
fn without_line(why: &str) -> &str {
    why.strip_prefix("line ").and_then(|rest| rest.split_once(": ")).map_or(why, |(_, why)| why)
}

/// Whether a text has this value in it, as a word of its own.
fn tells(text: &str, value: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !value.is_empty()
        && text.match_indices(value).any(|(at, found)| {
            let (before, after) = (text.get(..at), text.get(at.saturating_add(found.len())..));
            !is_part(before.and_then(|text| text.chars().next_back()))
                && !is_part(after.and_then(|text| text.chars().next()))
        })
}

/// The innermost cause, which names what the outer ones only call a transport error.
pub(in crate::cli) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
