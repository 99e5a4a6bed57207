//! Wrong administration keys, counted by where they come from. Ten at once and then one a second are told what they are; those
//! beyond are told to wait. Only failures come here: a usable key is found before, and neither waits nor is refused for what others
//! send.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use super::{Operations, error::OperationError, import_alarm::Told, source_limit::SourceLimit};
use crate::domain::usage::minute_of;

/// How many came from where, and what was told of them in the log.
#[derive(Default)]
pub(super) struct WrongCallers {
    by_source: SourceLimit,
    told: Mutex<Told>,
}

impl Operations {
    /// Counts a credential that is not a usable administration key, and says what its sender hears.
    pub fn wrong_caller(&self, source: Option<IpAddr>) -> OperationError {
        let now = self.clock.now();
        let (count, allowed) = self.wrong_callers.by_source.count(source, now);
        let told =
            self.wrong_callers.told.lock().unwrap_or_else(PoisonError::into_inner).next(minute_of(now));
        if let Some(untold) = told {
            let source = source.map_or_else(|| "unix".to_owned(), |source| source.to_string());
            let waits = allowed.is_err();
            tracing::warn!(
                source,
                count,
                waits,
                untold,
                "what was sent as an administration key is not a usable one; see who has a wrong one there, or tries some"
            );
        }
        allowed.map_or_else(OperationError::CallerLimited, |()| OperationError::CallerInvalid)
    }
}
