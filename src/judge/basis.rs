//! What a decision is based on.

use std::{sync::Arc, time::Duration};

use crate::{
    domain::{revision::Revision, time::Now},
    ports::PolicyVersion,
};

/// When and by what a question was judged.
#[derive(Clone, Copy)]
pub(super) struct Basis<'a> {
    /// The policy in force.
    pub(super) policy: &'a Arc<PolicyVersion>,
    /// The time.
    pub(super) now: &'a Now,
    /// What the boot clock showed for it.
    pub(super) began: Duration,
    /// What the view had at the least.
    pub(super) revision: Revision,
}
