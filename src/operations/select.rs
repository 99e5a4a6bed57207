//! Which keys are meant: what lists, reviews and bulk changes pick keys out by.

use crate::domain::{
    id::WorkspaceId,
    key::Key,
    tag::Tag,
    text::{EnvironmentName, Owner},
    time::Timestamp,
};

/// Keys of one workspace that satisfy everything that is said here.
#[derive(Debug, Clone)]
pub struct KeySelection {
    /// Of this workspace.
    pub workspace: WorkspaceId,
    /// Of this owner.
    pub owner: Option<Owner>,
    /// Of this environment.
    pub environment: Option<EnvironmentName>,
    /// With this label.
    pub tag: Option<Tag>,
    /// Issued at or after this time.
    pub issued_from: Option<Timestamp>,
    /// Issued before this time.
    pub issued_before: Option<Timestamp>,
}

impl KeySelection {
    /// Whether a key is meant.
    #[must_use]
    pub fn matches(&self, key: &Key) -> bool {
        key.workspace == self.workspace
            && (self.owner.is_none() || self.owner == key.owner)
            && self.environment.as_ref().is_none_or(|name| *name == key.environment)
            && self.tag.as_ref().is_none_or(|tag| tag.marks(&key.metadata))
            && self.issued_from.is_none_or(|from| key.created >= from)
            && self.issued_before.is_none_or(|before| key.created < before)
    }
}
