//! What is known of a denial: a row of the table of denials, without the table.

use std::{borrow::Cow, net::IpAddr, time::Duration};

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
pub struct DenialFacts<'a> {
    /// For machines, exact: for who asks the Check, and not for strangers.
    pub reason: DenialReason,
    /// What is wrong.
    pub kind: DenialKind,
    /// For people who may know all of it.
    exact: &'static str,
    /// For the sender of the request.
    told: &'static str,
    /// What stands in the place of the braces of both.
    pub(super) detail: Detail<'a>,
}

/// What a denial is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Detail<'a> {
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
    /// How long until the request passes it, if nobody else uses it; `None` where it never does, because the request costs
    /// more than the limit admits.
    pub wait: Option<Duration>,
}

/// What holders are told whose credential is not good, whatever is wrong with it.
const INVALID: (&str, &str) = ("CREDENTIALS_INVALID", "The API key is not valid.");

impl DenialFacts<'static> {
    /// A row of the table: both sentences are for people, the second for the sender of the request. What stands in braces in
    /// them is filled from the detail.
    pub(super) const fn new(
        reason: DenialReason,
        kind: DenialKind,
        exact: &'static str,
        told: &'static str,
    ) -> Self {
        Self { reason, kind, exact, told, detail: Detail::Nothing }
    }

    /// A row of a credential that is not good.
    pub(super) const fn invalid(reason: DenialReason, exact: &'static str) -> Self {
        Self::new(reason, DenialKind::CredentialInvalid, exact, INVALID.1)
    }
}

impl<'a> DenialFacts<'a> {
    /// The same, about this.
    pub(super) const fn of(self, detail: Detail<'a>) -> Self {
        Self { detail, ..self }
    }

    /// What people are told who may know all of it.
    pub(super) fn exact(&self) -> Cow<'static, str> {
        self.detail.fill(self.exact, |scopes| scopes.join(", "))
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

    /// What the sender of the request is told, with scopes in these words.
    #[must_use]
    pub fn told(&self, scopes: impl Fn(&[String]) -> String) -> Cow<'static, str> {
        self.detail.fill(self.told, scopes)
    }
}

impl Detail<'_> {
    /// The sentence with this detail in the places that it names in braces.
    fn fill(&self, sentence: &'static str, scopes: impl Fn(&[String]) -> String) -> Cow<'static, str> {
        if !sentence.contains('{') {
            return sentence.into();
        }
        let (at, with) = match self {
            Self::Nothing => return sentence.into(),
            Self::At(at) => ("{at}", at.to_string()),
            Self::Missing(missing) | Self::Bound(missing) => ("{scopes}", scopes(missing)),
            Self::Address(address) => ("{address}", address.to_string()),
            Self::Spent(spent) => return spent.fill(sentence),
        };
        sentence.replacen(at, &with, 1).into()
    }
}

impl Spent {
    /// The same in whole seconds, rounded up, at least one (L9).
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        self.wait.map(|wait| wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    fn fill(&self, sentence: &'static str) -> Cow<'static, str> {
        let limit = sentence.replacen("{limit}", &format!("{} of {}", self.limit, self.admits), 1);
        match self.retry_after() {
            Some(seconds) => limit.replacen("{seconds}", &seconds.to_string(), 1).into(),
            None => limit.into(),
        }
    }
}
