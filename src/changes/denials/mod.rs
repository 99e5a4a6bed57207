//! What was denied, and who was: summed up in memory, written each second, kept for 30 days, and read again (A4, A6).

mod keeping;
mod ledger;
mod read;
mod sheets;

use std::sync::Arc;

pub use self::{
    keeping::{MOST_BYTES, tend},
    ledger::DenialLedger,
    read::{DenialAnswer, DenialGrouping, DenialQuery, DenialRow, DenialWho},
};
use crate::{changes::Changes, domain::admin::Caller, error::OperationError, judge::denials::AskedAs};

impl Changes {
    /// What writes denials: to be run beside the calls, and stopped after the last.
    #[must_use]
    pub fn denial_ledger(&self) -> Arc<DenialLedger> {
        Arc::clone(&self.denials)
    }

    /// Notes that a caller was refused, where that is what the error says.
    pub fn note_refused(&self, asked: AskedAs, caller: &Caller, error: &OperationError) {
        self.judge.note_refused(asked, caller, error);
    }
}
