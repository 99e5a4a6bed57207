//! Rows as they are read back, at one revision.

use std::sync::Arc;

use super::PolicyVersion;
use crate::domain::{
    audit::Revision,
    group::GroupChange,
    key::Key,
    member::{Member, MemberId},
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
    /// no row, and come to what [`Key::under`] says.
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
    },
}

/// A row that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The row's own id, as it stands there.
    pub id: String,
    /// What is wrong with it.
    pub why: &'static str,
}
