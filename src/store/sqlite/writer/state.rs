//! How the writing thread is, and what ends a seal.

use crate::ports::StoreError;

/// How the writing thread is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriterState {
    /// It writes.
    Working,
    /// It refuses every change; reading goes on.
    Sealed {
        /// What happened.
        why: String,
        /// What ends it.
        until: Until,
    },
    /// It is gone: the store was closed, or the thread died.
    Ended,
}

/// What ends a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// A write that succeeds: it is tried again and again.
    Written,
    /// A restart alone: what is stored is not what this process left there, or nobody can tell.
    Restart,
}

impl Until {
    /// What there is to say of a store that is sealed.
    pub(in crate::store::sqlite) fn because(self, why: &str) -> String {
        match self {
            Self::Restart => format!("it is sealed until a restart, because {why}"),
            Self::Written => {
                format!("it is sealed until a write succeeds, which is tried again by itself, because {why}")
            }
        }
    }
}

/// What ends a seal because of this: what another process has done, or what contradicts itself, no write mends.
pub(in crate::store::sqlite) const fn until_of(error: &StoreError) -> Until {
    if matches!(error, StoreError::Unavailable(_)) { Until::Written } else { Until::Restart }
}
