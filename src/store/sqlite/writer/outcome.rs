//! What became of a group of changes.

use crate::{domain::revision::Revision, ports::StoreError, store::sqlite::failure};

/// What became of a group.
pub(super) enum BatchOutcome {
    /// It is durable; one answer for each change.
    Committed(Vec<Result<Revision, StoreError>>),
    /// Nothing of it is there, and the next one may go better.
    Refused(StoreError),
    /// Nothing of it is there: the disk is full.
    Full,
    /// Nothing of it is there, and nothing more may be written.
    Broken(StoreError),
    /// The outcome is unknown, except of those that were refused.
    Unknown(String, Vec<Result<Revision, StoreError>>),
}

/// A failure before the commit was tried: nothing is there.
pub(super) fn before_commit(error: &rusqlite::Error) -> BatchOutcome {
    if failure::is_full(error) {
        BatchOutcome::Full
    } else if failure::is_passing(error) || failure::is_constraint(error) {
        BatchOutcome::Refused(StoreError::Unavailable(error.to_string()))
    } else if failure::is_corruption(error) {
        BatchOutcome::Broken(failure::of_reading(error))
    } else {
        BatchOutcome::Broken(StoreError::Unavailable(error.to_string()))
    }
}

/// Nothing of it is there, because what is stored is not what this process left there.
pub(super) fn broken(why: &str) -> BatchOutcome {
    BatchOutcome::Broken(StoreError::Corrupt(why.to_owned()))
}
