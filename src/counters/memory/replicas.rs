//! How many processes count by the same permits, where every charge reads it; one with SQLite.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::domain::limit::Replicas;

/// What the ledger heard last.
pub(super) struct KnownReplicas(AtomicU32);

impl KnownReplicas {
    pub(super) fn new(replicas: Replicas) -> Self {
        Self(AtomicU32::new(replicas.count().get()))
    }

    /// From now on there are so many.
    pub(super) fn set(&self, replicas: Replicas) {
        self.0.store(replicas.count().get(), Ordering::Relaxed);
    }

    /// How many there are.
    pub(super) fn now(&self) -> Replicas {
        NonZeroU32::new(self.0.load(Ordering::Relaxed)).map_or(Replicas::ALONE, Replicas::new)
    }
}
