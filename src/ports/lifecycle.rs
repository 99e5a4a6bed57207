//! What a store offers to the process that opens it and closes it, beside what it keeps.

use tokio::sync::watch;

use super::{Pending, StoreFigures, StoredMark};

/// How what writes a store is.
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
    /// It is gone: the store was closed, or what writes it died.
    Ended,
}

/// What ends a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// A write that succeeds: it is tried again and again.
    Written,
    /// A restart alone: what is stored is not what this process left there, or may not be.
    Restart,
}

/// A store's life, from when it was opened until it is closed.
pub trait Lifecycle: Send + Sync {
    /// Whether the log holds an entry.
    fn is_initialized(&self) -> bool;

    /// The clock's mark, as it was when the store was opened.
    fn clock_mark(&self) -> StoredMark;

    /// Whether the last process that served from this store ended in order, when it was opened.
    fn ended_in_order(&self) -> bool;

    /// The state of the store's writer; the server that serves from this store watches it.
    fn writer_state(&self) -> watch::Receiver<WriterState>;

    /// What it has counted of its own work.
    fn figures(&self) -> StoreFigures;

    /// Takes no change any more, writes those that wait, and gives back what it holds.
    ///
    /// # Errors
    /// The store was sealed, or not everything could be put in its place; the next start does that.
    fn close(&self) -> Pending<'_, ()>;
}
