//! Members of workspaces: people and services, each with the role that its keys can follow (S5).

use std::fmt;

use super::{
    id::WorkspaceId,
    revision::Revision,
    text::{Label, Owner},
    time::Timestamp,
    workspace::WorkspaceState,
};

/// Who is a member of what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MemberId {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The user or service, by an id of the user's own.
    pub subject: Owner,
}

impl MemberId {
    /// Reads an id as it is written: `ws_…/subject`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (workspace, subject) = text.split_once('/')?;
        Some(Self { workspace: WorkspaceId::parse(workspace).ok()?, subject: Owner::parse(subject).ok()? })
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.workspace, self.subject)
    }
}

/// How many removed members of a workspace are still known as such: a second removal of one changes nothing.
pub const KNOWN_REMOVED: usize = 1_000;

/// A member, or who was one. Of a removed member nothing is kept but that it was one, and of the last [`KNOWN_REMOVED`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub id: MemberId,
    /// Its role; `None` once it was removed.
    pub role: Option<Label>,
    /// When it was added.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// The log revision that last changed it; zero before it is stored.
    pub revision: Revision,
}

impl Member {
    /// A member that was removed at this revision, with what is still known of it.
    #[must_use]
    pub const fn removed(id: MemberId, revision: Revision) -> Self {
        Self { id, role: None, created: Timestamp::EPOCH, updated: Timestamp::EPOCH, revision }
    }
}

/// What surrounds a key and can deny it: worked out when that changes, so that a Check costs no look-up of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// The state of its workspace.
    pub workspace: WorkspaceState,
    /// Whether the plan of its workspace denies all keys.
    pub plan_denies: bool,
    /// Whether it follows the role of an owner who is no member.
    pub owner_removed: bool,
}
