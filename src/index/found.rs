//! A key as it stood when it was found: a copy, which no change touches any more.

use std::sync::{Arc, OnceLock};

use arc_swap::Guard;

use super::{accounts::SharedPayer, class::Class, own::Own, place::Place, slab::Record, used::CellNumber};
use crate::domain::{
    key::KeyView, limit::KeyLimits, member::Surroundings, rights::Rights, workspace::Workspace,
};

/// A key as it stood when it was found.
pub struct Found {
    pub(super) own: Own,
    pub(super) class: Guard<Arc<Class>>,
    /// Where is counted what is counted of it, once that was asked for.
    pub(super) used: OnceLock<CellNumber>,
    /// What all keys of its owner share, once that was asked for.
    pub(super) owner: OnceLock<Arc<SharedPayer>>,
    pub(super) place: Place,
}

impl Found {
    pub(super) fn of(place: Place, record: &Record) -> Self {
        let used = if record.own.used == CellNumber::NONE { OnceLock::new() } else { record.own.used.into() };
        Self { own: record.own.clone(), class: record.class.load(), used, owner: OnceLock::new(), place }
    }

    /// The key.
    #[must_use]
    #[inline]
    pub fn key(&self) -> KeyView<'_> {
        self.own.view(&self.class.parts)
    }

    /// The key as it is stored, without what was laid over it.
    #[must_use]
    pub fn stored(&self) -> KeyView<'_> {
        self.own.stored().view(&self.class.parts)
    }

    /// What it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.own.bytes()
    }

    /// What it may do under the policy in force.
    #[must_use]
    pub fn rights(&self) -> &Rights {
        &self.class.rights
    }

    /// What surrounds it and can deny it.
    #[must_use]
    pub fn surroundings(&self) -> Surroundings {
        self.class.surroundings
    }

    /// Its workspace; `None` where that cannot be trusted.
    #[must_use]
    pub fn workspace(&self) -> Option<&Arc<Workspace>> {
        self.class.workspace.as_ref()
    }

    /// How often it may.
    #[must_use]
    pub fn limits(&self) -> &KeyLimits {
        &self.class.limits
    }
}
