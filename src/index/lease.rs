//! Until when the view may be acted upon: one number, which a Check looks at once.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::{domain::time::Steady, ports::Lease};

/// A lease that is read by Checks and replaced by the follower.
pub(super) struct LeaseCell(AtomicI64);

/// Stands for a lease without an end.
const FOREVER: i64 = i64::MAX;

impl Default for LeaseCell {
    /// A view that no follower keeps does not grow old.
    fn default() -> Self {
        Self(AtomicI64::new(FOREVER))
    }
}

impl LeaseCell {
    /// Until when the view may be acted upon.
    pub(super) fn lease(&self) -> Lease {
        match self.0.load(Ordering::Acquire) {
            FOREVER => Lease::Forever,
            end => Lease::Until(Steady::from_ms(end)),
        }
    }

    /// From now on the view may be acted upon for so long.
    pub(super) fn hold(&self, lease: Lease) {
        let end = match lease {
            Lease::Forever => FOREVER,
            Lease::Until(end) => end.as_ms().min(FOREVER - 1),
        };
        self.0.store(end, Ordering::Release);
    }
}
