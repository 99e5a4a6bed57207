//! How long what a process holds may be acted upon, as the store says.

use crate::domain::{revision::Revision, time::Steady};

/// Until when a view may be acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// For ever: no change can be made that this process does not hear of.
    Forever,
    /// Until this time of the process's own steady clock: by then changes may have been made elsewhere that it has not heard of.
    Until(Steady),
}

impl Lease {
    /// Whether it holds at `now`. The clock is read only where the answer depends on it.
    pub fn holds(self, now: impl FnOnce() -> Steady) -> bool {
        match self {
            Self::Forever => true,
            Self::Until(end) => now() < end,
        }
    }
}

/// What a store knows of how fresh a view is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The revision that a view must have for the lease to be its own.
    pub revision: Revision,
    /// How long a view of this revision may be acted upon.
    pub valid_until: Lease,
}

impl Freshness {
    /// That of a store which no other process can write into: every view may be acted upon.
    pub const FOREVER: Self = Self { revision: Revision::ZERO, valid_until: Lease::Forever };
}
