//! What was denied, summed up: by reason and time, and by who was denied most.
//!
//! Sums by reason are exact. Of names there are only so many; the others are counted together. Nothing here is a secret: of a
//! credential that no key has there is its hint at most.

mod busiest;

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

pub use self::busiest::{Busiest, TimesSeen};
use super::{
    id::{KeyId, WorkspaceId},
    secret::Hint,
};

/// How many names of each kind are kept of an hour.
pub const MOST_NAMES: usize = 1_000;

/// How many are kept of what one thread counted, which is taken out each second.
pub const MOST_NAMES_OF_THREAD: usize = 512;

/// The door of administration, among those of Checks.
pub const ADMINISTRATION: &str = "admin";

/// What was denied, but for who was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DenialLabel {
    /// By which door it was asked for; [`ADMINISTRATION`] for what only administration may.
    pub door: Cow<'static, str>,
    /// The call of administration; empty for a Check.
    pub call: Cow<'static, str>,
    /// Why it was denied.
    pub reason: Cow<'static, str>,
}

/// Who was denied, as one of a kind of names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeniedName<N> {
    /// What was denied.
    pub label: DenialLabel,
    /// The workspace of the key or of the caller; `None` where there is none.
    pub workspace: Option<WorkspaceId>,
    /// Who.
    pub name: N,
}

/// A credential that was denied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeniedCredential {
    /// None was sent, or nothing that can be told of without giving it away.
    Unnamed,
    /// A key that is there.
    Key(KeyId),
    /// Like a key of ours, and no key has it: its prefix and its last characters.
    Hint(Box<str>),
}

impl From<Option<Hint>> for DeniedCredential {
    fn from(hint: Option<Hint>) -> Self {
        hint.map_or(Self::Unnamed, |hint| Self::Hint(hint.as_str().into()))
    }
}

/// One denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialSeen {
    /// What was denied.
    pub label: DenialLabel,
    /// The workspace of the key or of the caller.
    pub workspace: Option<WorkspaceId>,
    /// Where it came from, as far as that is believed; of IPv6 the network of 64 bits.
    pub source: Option<IpAddr>,
    /// What was sent.
    pub credential: DeniedCredential,
}

/// How often each was denied.
pub type DenialTotals = BTreeMap<DenialLabel, u64>;

/// Who was denied most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialNames {
    /// Where requests came from.
    pub sources: Busiest<DeniedName<Option<IpAddr>>>,
    /// What was sent.
    pub credentials: Busiest<DeniedName<DeniedCredential>>,
    /// The workspaces of keys and callers, those of nobody together.
    pub workspaces: Busiest<DeniedName<()>>,
}

impl DenialNames {
    /// Nobody yet, and of each kind so many when there are.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self { sources: Busiest::of(most), credentials: Busiest::of(most), workspaces: Busiest::of(most) }
    }

    /// Counts one denial.
    pub fn count(&mut self, seen: DenialSeen) {
        let DenialSeen { label, workspace, source, credential } = seen;
        self.sources.count(DeniedName { label: label.clone(), workspace, name: source });
        self.credentials.count(DeniedName { label: label.clone(), workspace, name: credential });
        self.workspaces.count(DeniedName { label, workspace, name: () });
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.sources.merge(other.sources);
        self.credentials.merge(other.credentials);
        self.workspaces.merge(other.workspaces);
    }

    /// What is kept of them.
    #[must_use]
    pub fn to_stored(&self) -> Self {
        Self {
            sources: self.sources.to_stored(),
            credentials: self.credentials.to_stored(),
            workspaces: self.workspaces.to_stored(),
        }
    }
}

/// Adds totals to others.
pub fn add_totals(to: &mut DenialTotals, totals: impl IntoIterator<Item = (DenialLabel, u64)>) {
    for (label, count) in totals {
        let known = to.entry(label).or_default();
        *known = known.saturating_add(count);
    }
}
