//! Rows as they are read back, at one revision.

use std::sync::Arc;

use super::PolicyVersion;
use crate::domain::{
    group::GroupChange,
    key::Key,
    member::{Member, MemberId},
    revision::Revision,
    scheme::{ForeignKey, ImportScheme},
    workspace::Workspace,
};

/// Rows as they stood at a revision.
#[derive(Debug, Default)]
pub struct View {
    /// The revision.
    pub revision: Option<Revision>,
    /// Workspaces.
    pub workspaces: Vec<Workspace>,
    /// Members.
    pub members: Vec<Member>,
    /// Who was a member, and the revision that removed them.
    pub removed_members: Vec<(MemberId, Revision)>,
    /// Keys.
    pub keys: Vec<Key>,
    /// Changes of many keys at once, oldest first. The keys above have them already; others that they name have them in
    /// no row, and are as [`Key::under`] says.
    pub groups: Vec<GroupChange>,
    /// The newest version of the policy, where it is among the rows.
    pub policy: Option<PolicyView>,
    /// Import schemes.
    pub schemes: Vec<OpenScheme>,
    /// Rows that do not agree with their codes, or with the log: a key is denied, and a member counts as removed.
    pub damaged: Vec<Damaged>,
}

/// An import scheme whose seal holds.
#[derive(Debug)]
pub struct OpenScheme {
    /// The scheme.
    pub scheme: ImportScheme,
    /// Its secret.
    pub key: ForeignKey,
}

/// The newest version of the policy, as it is stored.
#[derive(Debug)]
pub enum PolicyView {
    /// It can be trusted.
    Sound(Arc<PolicyVersion>),
    /// It cannot: nothing can be decided until another is applied.
    Damaged {
        /// Its version.
        version: u64,
        /// What is wrong with it.
        why: &'static str,
        /// The time zone that it needs, if that is all that is wrong with it.
        zone: Option<String>,
    },
}

/// A row that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The row's own id, as it stands there.
    pub id: String,
    /// What is wrong with it.
    pub why: &'static str,
    /// The time zone that it needs, if that is all that is wrong with it.
    pub zone: Option<String>,
}

impl View {
    /// What cannot be read for want of a time zone, and that zone; the policy before all else.
    #[must_use]
    pub fn zone_missing(&self) -> Option<(String, String)> {
        let of_policy = match &self.policy {
            Some(PolicyView::Damaged { version, zone, .. }) => {
                zone.clone().map(|zone| (format!("version {version} of the policy"), zone))
            }
            Some(PolicyView::Sound(_)) | None => None,
        };
        let of_rows = || self.damaged.iter().find_map(|row| Some((row.id.clone(), row.zone.clone()?)));
        of_policy.or_else(of_rows)
    }
}
