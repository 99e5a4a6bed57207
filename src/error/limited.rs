//! Errors of callers who ask for too much at a time.

use std::fmt;

use crate::domain::{admin::Party, id::WorkspaceId, policy::Quota};

/// There is no room for it now: the caller waits, or sends fewer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Limited {
    /// What was sent to identify the caller is not a usable administration key, and too many such came from one source.
    #[error(
        "what was sent in `authorization` is not a usable administration key, and too many such came from this source; try again in {0} \
         seconds, with one that is"
    )]
    Caller(u64),
    /// Too many revocations by possession from one source.
    #[error("too many revocations from this source; try again in {0} seconds")]
    Source(u64),
    /// Something would grow beyond its quota.
    #[error("{0}")]
    Quota(QuotaReached),
    /// Too much administrative work is under way.
    #[error("too many administrative calls are under way; try again")]
    Overloaded,
    /// The caller's share of the places for such calls is taken.
    #[error(
        "{share} such calls of {party} are under way, and that is its share; nothing was done: wait until some are answered, and send \
         fewer at a time"
    )]
    ShareTaken {
        /// Whose.
        party: Party,
        /// How many places it has.
        share: usize,
    },
}

/// What would grow beyond its quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaReached {
    /// The quota.
    pub quota: Quota,
    /// Whose it is; `None` is the whole store.
    pub workspace: Option<WorkspaceId>,
    /// How far it goes.
    pub limit: u64,
    /// How much is taken.
    pub used: u64,
    /// How much more is needed.
    pub needed: u64,
    /// The seconds after which there is room again, where that comes by itself.
    pub wait: Option<u64>,
}

impl fmt::Display for QuotaReached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quota, workspace, limit, used, needed, wait } = self;
        let quota = quota.as_str();
        match workspace {
            Some(workspace) => write!(formatter, "the workspace {workspace} has no room left: ")?,
            None => formatter.write_str("there is no room left: ")?,
        }
        write!(
            formatter,
            "of its quota `{quota}`, {limit}, it has taken {used}, and this needs {needed} more"
        )?;
        match wait {
            Some(wait) => write!(formatter, "; try again in {wait} seconds"),
            None => Ok(()),
        }
    }
}
