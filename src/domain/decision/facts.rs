//! What is known of a denial: a row of the table of denials, without the table.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    net::IpAddr,
    time::Duration,
};

use crate::domain::time::Timestamp;

/// What kind of thing is wrong. It decides what a client is told and with which status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialKind {
    /// No credential came.
    CredentialMissing,
    /// A credential came in a way that is never taken.
    CredentialMisplaced,
    /// The credential is not good. Strangers are told no more, nor how limits stand: all of these are told alike (X7).
    CredentialInvalid,
    /// The key is good, and may not do this. Its holder is told why, and how its limits stand.
    NotPermitted,
    /// No key may do this; none was looked up.
    NobodyPermitted,
    /// The key may do this, but not now: a limit is spent.
    LimitSpent,
}

/// A denial for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenialReason {
    /// Its name in answers, logs and usage.
    pub name: &'static str,
    /// Its number on the wire.
    pub number: i32,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct DenialFacts {
    /// For machines, exact: for who asks the Check, and not for strangers.
    pub reason: DenialReason,
    /// What is wrong.
    pub kind: DenialKind,
    /// For people who may know all of it.
    pub(super) exact: &'static str,
    /// For the sender of the request.
    pub(super) told: &'static str,
}

/// What a denial is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Detail<'a> {
    /// Nothing that a sentence names.
    Nothing,
    /// When it came to be so: `{at}`.
    At(Timestamp),
    /// Scopes that the key lacks altogether: `{scopes}`.
    Missing(&'a [String]),
    /// Scopes that it has for other resources: `{scopes}`.
    Bound(&'a [String]),
    /// Where it was used: `{address}`.
    Address(IpAddr),
    /// The limit, and how long to wait: `{limit}`, `{seconds}`.
    Spent(&'a Spent),
}

/// A limit that does not allow a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// Its tier and name, for example `default/hour`.
    pub limit: Box<str>,
    /// Units that it admits in a window.
    pub admits: u64,
    /// How long until the request passes it, if no other request uses it; `None` where it never does, because the request
    /// costs more than the limit admits.
    pub wait: Option<Duration>,
}

/// What denials are made of.
#[derive(Debug, Clone, Copy)]
pub struct DenialDetails<'a> {
    /// When the key expired, or the grace of its secret ended.
    pub at: Timestamp,
    /// Scopes that it lacks.
    pub missing: &'a [String],
    /// Scopes that it has for other resources.
    pub bound: &'a [String],
    /// Whether the request named a resource.
    pub named: bool,
    /// From where it was used.
    pub address: Option<IpAddr>,
    /// The limit that is spent.
    pub spent: &'a Spent,
}

/// What the details of most denials take.
const USUAL_BYTES: usize = 64;

/// What a holder is told whose credential is not good: the same text for every fault.
const INVALID: (&str, &str) = ("CREDENTIALS_INVALID", "The API key is not valid.");

impl DenialFacts {
    /// A row of the table: both sentences are for people, the second for the sender of the request. What stands in braces in
    /// them is filled from the detail.
    pub(super) const fn new(
        reason: DenialReason,
        kind: DenialKind,
        exact: &'static str,
        told: &'static str,
    ) -> Self {
        Self { reason, kind, exact, told }
    }

    /// A row of a credential that is not good.
    pub(super) const fn invalid(reason: DenialReason, exact: &'static str) -> Self {
        Self::new(reason, DenialKind::CredentialInvalid, exact, INVALID.1)
    }

    /// The reason that the sender of the request is told.
    #[must_use]
    pub const fn told_reason(&self) -> &'static str {
        match self.kind {
            DenialKind::CredentialInvalid => INVALID.0,
            DenialKind::CredentialMissing
            | DenialKind::CredentialMisplaced
            | DenialKind::NotPermitted
            | DenialKind::NobodyPermitted
            | DenialKind::LimitSpent => self.reason.name,
        }
    }
}

impl Detail<'_> {
    /// The sentence with this detail in the places that it names in braces; `scopes` writes a list of them.
    pub(super) fn fill(
        &self,
        sentence: &'static str,
        scopes: impl Fn(&[String], &mut String),
    ) -> Cow<'static, str> {
        let (false, Some(first)) = (matches!(self, Self::Nothing), next_place(sentence)) else {
            return sentence.into();
        };
        let mut text = String::with_capacity(sentence.len().saturating_add(USUAL_BYTES));
        let (mut rest, mut next) = (sentence, Some(first));
        while let Some((before, name, after)) = next {
            text.push_str(before);
            self.write(name, &mut text, &scopes).unwrap_or_default();
            (rest, next) = (after, next_place(after));
        }
        text.push_str(rest);
        text.into()
    }

    /// Writes what stands in the place of this name.
    fn write(&self, name: &str, text: &mut String, scopes: &impl Fn(&[String], &mut String)) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::At(at) => write!(text, "{at}"),
            Self::Missing(named) | Self::Bound(named) => {
                scopes(named, text);
                Ok(())
            }
            Self::Address(address) => write!(text, "{address}"),
            Self::Spent(spent) if name == "limit" => write!(text, "{} of {}", spent.limit, spent.admits),
            Self::Spent(spent) => write!(text, "{}", spent.retry_after().unwrap_or_default()),
        }
    }
}

/// The next place in a sentence: what stands before it, its name, and what follows. By bytes: this is on the path of a denial.
fn next_place(sentence: &str) -> Option<(&str, &str, &str)> {
    let open = sentence.bytes().position(|byte| byte == b'{')?;
    let (before, place) = sentence.split_at(open);
    let (name, after) = place.split_at(place.bytes().position(|byte| byte == b'}')?);
    Some((before, name.get(1..)?, after.get(1..)?))
}

impl Spent {
    /// The same in whole seconds, rounded up, at least one (L9).
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        self.wait.map(|wait| wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1))
    }
}

/// Writes all of these scopes.
pub(super) fn join(scopes: &[String], text: &mut String) {
    for (place, scope) in scopes.iter().enumerate() {
        text.push_str(if place == 0 { "" } else { ", " });
        text.push_str(scope);
    }
}
