//! Wrong administration keys, counted by where they come from. Ten at once and then one a second are told what they are; those
//! beyond are told to wait. Only failures come here: a usable key is found before, and neither waits nor is refused for what others
//! send. [`Judge::wrong_callers_seen`](super::Judge::wrong_callers_seen) tells an operator of them.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use super::{
    denials::{RefusedCalls, shown},
    source_limit::ProcessSourceLimit,
};
use crate::{
    domain::time::Timestamp,
    error::{Limited, OperationError, Refused},
};

/// How many came, and from where.
#[derive(Default)]
pub(super) struct WrongCallers {
    by_source: ProcessSourceLimit,
    noted: Mutex<NotedCallers>,
}

/// How many came since the start.
#[derive(Default)]
struct NotedCallers {
    count: u64,
    limited: u64,
    last: Option<Timestamp>,
}

/// The most sources that are named.
const NAMED: usize = 10;

/// How many came, as an operator is told.
#[derive(Debug)]
pub struct WrongCallersSeen {
    /// How many there were since the start.
    pub count: u64,
    /// How many of them were told to wait.
    pub limited: u64,
    /// When the last one came.
    pub last: Option<Timestamp>,
    /// Where most came from; `None` stands for callers without an address, and for sources beyond those remembered.
    pub sources: Vec<(Option<IpAddr>, u64)>,
}

impl WrongCallers {
    /// How many came.
    pub(super) fn seen(&self) -> WrongCallersSeen {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let NotedCallers { count, limited, last, .. } = *noted;
        drop(noted);
        WrongCallersSeen { count, limited, last, sources: self.by_source.busiest(NAMED) }
    }

    /// Counts one, and says what its sender hears.
    pub(super) fn refuse(
        &self,
        source: Option<IpAddr>,
        now: Timestamp,
        told: &RefusedCalls,
    ) -> OperationError {
        let (count, allowed) = self.by_source.count(source, now);
        self.note(allowed.is_err(), now);
        if let Some(untold) = told.untold(now) {
            let source = shown(source);
            let waits = allowed.is_err();
            tracing::warn!(
                source,
                count,
                waits,
                untold,
                "what was sent as an administration key is not a usable one; see who has a wrong one there, or tries some"
            );
        }
        allowed.map_or_else(
            |seconds| Limited::Caller(seconds).into(),
            |()| OperationError::Refused(Refused::CallerInvalid),
        )
    }

    fn note(&self, is_limited: bool, now: Timestamp) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.count = noted.count.saturating_add(1);
        noted.limited = noted.limited.saturating_add(u64::from(is_limited));
        noted.last = Some(now);
    }
}
