//! What ends a seal, and what is said of it.

use crate::ports::{StoreError, Until};

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
