//! Errors of requests that name what is not there.

use crate::domain::{id::KeyId, text::Owner};

/// What a request names is not there, or not within reach: the caller names another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// There is no such key within reach.
    #[error("there is no key {0}")]
    Key(KeyId),
    /// No key has this secret.
    #[error(
        "no key has the secret that was presented; one that a rotation replaced long ago may be forgotten"
    )]
    Secret,
    /// There is no such workspace within reach.
    #[error("there is no such workspace")]
    Workspace,
    /// There is no such version of the policy.
    #[error("there is no version {0} of the policy")]
    PolicyVersion(u64),
    /// There is no such member.
    #[error("`{0}` is no member of the workspace")]
    Member(Owner),
}
