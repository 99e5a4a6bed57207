//! Whose administrative work it is: the parties that share the places for such work.

use std::{fmt, net::IpAddr};

use super::{AdminPermit, Caller};
use crate::domain::{caller_id::CallerId, id::WorkspaceId};

/// Who has one share of the places for administrative work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// All callers who are bound to this workspace.
    Workspace(WorkspaceId),
    /// This global caller.
    Global(CallerId),
    /// A caller who sends no credential, from this address; `None` on a Unix socket.
    Address(Option<IpAddr>),
}

impl Party {
    /// Whose work is done with this permit.
    #[must_use]
    pub fn of<P>(permit: &AdminPermit<P>) -> Self {
        Self::bound_or(permit.bound_to(), permit.caller_id())
    }

    /// Whose work it is to call.
    #[must_use]
    pub fn of_caller(caller: &Caller) -> Self {
        match caller {
            Caller::Anonymous { address } => Self::Address(*address),
            Caller::Admin(admin) => Self::bound_or(admin.bound_to(), admin.id()),
        }
    }

    /// Whether this is an operator: places are kept for operators.
    #[must_use]
    pub const fn is_global(self) -> bool {
        match self {
            Self::Global(_) => true,
            Self::Workspace(_) | Self::Address(_) => false,
        }
    }

    fn bound_or(workspace: Option<WorkspaceId>, caller: CallerId) -> Self {
        workspace.map_or(Self::Global(caller), Self::Workspace)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace(id) => write!(f, "workspace {id}"),
            Self::Global(CallerId::Key(id)) => write!(f, "administration key {id}"),
            Self::Global(CallerId::Actor(id)) => write!(f, "actor {id}"),
            Self::Address(Some(address)) => write!(f, "callers without a key at {address}"),
            Self::Address(None) => write!(f, "callers without a key on the Unix socket"),
        }
    }
}
