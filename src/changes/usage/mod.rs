//! Usage as it is kept: what was counted in memory is written, and read again (A4, L13).

mod ledger;
mod read;

use std::sync::Arc;

pub use self::{
    ledger::UsageLedger,
    read::{UsagePage, UsageQuery, UsageSum},
};
use crate::{changes::Changes, error::OperationError};

impl Changes {
    /// What counts usage and writes it: to be run beside the calls, and stopped after the last.
    #[must_use]
    pub fn usage_ledger(&self) -> Arc<UsageLedger> {
        Arc::clone(&self.usage)
    }

    /// Writes the usage that was counted until now: a reading after this has all of it.
    ///
    /// # Errors
    /// The store.
    pub async fn flush_usage(&self) -> Result<(), OperationError> {
        Ok(self.usage.flush().await?)
    }
}
