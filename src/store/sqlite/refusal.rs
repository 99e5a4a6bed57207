//! Why a change was not written, while its transaction is open.

use crate::ports::StoreError;

/// Why a change was not written.
#[derive(Debug)]
pub(super) enum WriteRefusal {
    /// What it stands on does not hold.
    Store(StoreError),
    /// The driver failed.
    Driver(rusqlite::Error),
}

impl From<rusqlite::Error> for WriteRefusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<StoreError> for WriteRefusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
